/** LiveKit's own unit tests of data tracks, data blobs and writing to slow readers. */
import assert from "node:assert/strict";
import {
  DataBlob,
  DataBlobKey,
  DataTrackSchemaId,
  GetDataBlobRequest,
  PublishDataTrackRequest,
  RequestResponse_Reason as Reason,
  StoreDataBlobRequest,
  SubscriptionPermission,
  TrackPermission,
} from "@livekit/protocol";
import { DataBlobs } from "../../lib/room/data/data_blobs.ts";
import { DEFAULT_DATA_OPTIONS } from "../../lib/room/context/data_options.ts";
import { DataTrackSubscriptions } from "../../lib/room/data/data_track_subscriptions.ts";
import {
  DEFAULT_DATA_POLICY,
  isSlowReader,
  keptBacklog,
  refusal,
} from "../../lib/transport/sctp/data_channel_policy.ts";
import { DrainRate } from "../../lib/transport/sctp/drain_rate.ts";
import {
  DATA_TRACK_EXTENSION,
  type DataTrackPacket,
  participantSidExtension,
  participantSidOf,
  readDataTrackPacket,
  writeDataTrackPacket,
} from "../../lib/wire/data_track_packet.ts";
import { FULL_GRANT, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";
import { unitScenario } from "./support.ts";

const text = new TextEncoder();
const OPTIONS = { ...DEFAULT_DATA_OPTIONS, dataBlobs: true };
const generic = (value: string) => new DataBlobKey({ key: { case: "generic", value } });
const schema = (name: string) =>
  new DataBlobKey({ key: { case: "schemaId", value: new DataTrackSchemaId({ name }) } });

function blobOf(key: DataBlobKey | undefined, contents: string): DataBlob {
  return new DataBlob({ contents: text.encode(contents), ...(key === undefined ? {} : { key }) });
}

function store(blobs: DataBlobs, key: DataBlobKey | undefined, contents: string) {
  return blobs.store(new StoreDataBlobRequest({ blob: blobOf(key, contents) }))?.reason;
}

const contentsOf = (blob: DataBlob | undefined) => blob && new TextDecoder().decode(blob.contents);

unitScenario("TestParticipantDataBlob_AddAndGet", () => {
  const blobs = new DataBlobs(OPTIONS);
  assert.equal(store(blobs, generic("k"), "v"), undefined);
  assert.equal(contentsOf(blobs.get(generic("k"))), "v");
});

unitScenario("TestParticipantDataBlob_AddOverwrites", () => {
  const blobs = new DataBlobs(OPTIONS);
  store(blobs, generic("k"), "old");
  store(blobs, generic("k"), "new");
  assert.deepEqual(blobs.all().map(contentsOf), ["new"]);
});

unitScenario("TestParticipantDataBlob_DistinctKeys", () => {
  const blobs = new DataBlobs(OPTIONS);
  store(blobs, generic("k"), "generic");
  store(blobs, schema("k"), "schema");
  assert.equal(contentsOf(blobs.get(generic("k"))), "generic");
  assert.equal(contentsOf(blobs.get(schema("k"))), "schema");
});

unitScenario("TestParticipantDataBlob_Delete", () => {
  const blobs = new DataBlobs(OPTIONS);
  store(blobs, generic("a"), "1");
  store(blobs, generic("b"), "2");
  blobs.delete(generic("a"));
  assert.equal(blobs.get(generic("a")), undefined);
  assert.equal(contentsOf(blobs.get(generic("b"))), "2");
});

unitScenario("TestParticipantDataBlob_NilKey", () => {
  const blobs = new DataBlobs(OPTIONS);
  assert.equal(store(blobs, undefined, "v"), Reason.INVALID_REQUEST);
  assert.equal(store(blobs, new DataBlobKey(), "v"), Reason.INVALID_REQUEST);
  assert.equal(blobs.get(new DataBlobKey()), undefined);
  blobs.delete(new DataBlobKey());
  assert.deepEqual(blobs.all(), []);
});

unitScenario("TestParticipantDataBlob_GetMissing", () => {
  assert.equal(new DataBlobs(OPTIONS).get(generic("missing")), undefined);
});

unitScenario("TestParticipantDataBlob_GetAllContents", () => {
  const blobs = new DataBlobs(OPTIONS);
  for (const name of ["a", "b", "c"]) store(blobs, generic(name), `${name} contents`);
  assert.deepEqual(blobs.all().map(contentsOf).sort(), ["a contents", "b contents", "c contents"]);
});

/** Sends requests and returns the last answer of each kind. */
async function exchange(client: ScriptedClient, request: StoreDataBlobRequest) {
  await client.request({ case: "storeDataBlobRequest", value: request });
  return client.all("requestResponse").at(-1)?.reason;
}

unitScenario("TestHandleStoreDataBlobRequest", async (t) => {
  const reasons: [string, StoreDataBlobRequest, Reason][] = [
    ["no blob", new StoreDataBlobRequest(), Reason.INVALID_REQUEST],
    ["no key", new StoreDataBlobRequest({ blob: blobOf(undefined, "v") }), Reason.INVALID_REQUEST],
    [
      "a key of no kind",
      new StoreDataBlobRequest({ blob: blobOf(new DataBlobKey(), "v") }),
      Reason.INVALID_REQUEST,
    ],
    [
      "a key that is too long",
      new StoreDataBlobRequest({ blob: blobOf(generic("k".repeat(257)), "v") }),
      Reason.INVALID_REQUEST,
    ],
    [
      "no contents",
      new StoreDataBlobRequest({ blob: blobOf(generic("k"), "") }),
      Reason.INVALID_REQUEST,
    ],
    [
      "too much",
      new StoreDataBlobRequest({ blob: blobOf(generic("k"), "v".repeat(64_000)) }),
      Reason.LIMIT_EXCEEDED,
    ],
  ];
  for (const [name, request, reason] of reasons) {
    await t.step(name, async () => {
      const alice = await new World({ data: OPTIONS }).joined("alice");
      assert.equal(await exchange(alice, request), reason);
      assert.deepEqual(alice.all("storeDataBlobResponse"), []);
    });
  }
  const good = new StoreDataBlobRequest({ requestId: 5, blob: blobOf(generic("k"), "v") });
  await t.step("not enabled", async () => {
    const alice = await new World().joined("alice");
    assert.equal(await exchange(alice, good), Reason.NOT_ALLOWED);
  });
  await t.step("a valid blob is stored and answered", async () => {
    const alice = await new World({ data: OPTIONS }).joined("alice");
    assert.equal(await exchange(alice, good), undefined);
    const { requestId, key } = alice.last("storeDataBlobResponse");
    assert.deepEqual([requestId, key!.key.value], [5, "k"]);
    assert.equal(contentsOf(alice.participant.data.blobs.get(generic("k"))), "v");
  });
  await t.step("replacing a blob needs no room for both", async () => {
    const alice = await new World({ data: OPTIONS }).joined("alice");
    const large = blobOf(generic("k"), "v".repeat(60_000));
    for (let i = 0; i < 2; i++) {
      assert.equal(await exchange(alice, new StoreDataBlobRequest({ blob: large })), undefined);
    }
  });
});

/** What `bob` is answered when he asks for a blob of `identity`. */
async function fetched(identity: string, key: DataBlobKey | undefined) {
  const world = new World({ data: OPTIONS });
  const [alice, bob] = [await world.joined("alice"), await world.joined("bob")];
  await exchange(alice, new StoreDataBlobRequest({ blob: blobOf(generic("k"), "v") }));
  const value = new GetDataBlobRequest({ requestId: 3, participantIdentity: identity });
  if (key !== undefined) value.key = key;
  await bob.request({ case: "getDataBlobRequest", value });
  const answer = bob.all("getDataBlobResponse").at(-1);
  const response = bob.all("requestResponse").at(-1);
  assert.equal((answer ?? response)!.requestId, 3);
  return { contents: contentsOf(answer?.blob), reason: response?.reason };
}

unitScenario("TestHandleGetDataBlobRequest", async () => {
  assert.equal((await fetched("alice", undefined)).reason, Reason.INVALID_REQUEST);
  assert.equal((await fetched("alice", generic("k"))).contents, "v");
});

unitScenario("TestProcessGetDataBlobRequest", async () => {
  assert.equal((await fetched("nobody", generic("k"))).reason, Reason.NOT_FOUND);
  assert.equal((await fetched("alice", generic("other"))).reason, Reason.NOT_FOUND);
  assert.deepEqual(await fetched("alice", generic("k")), { contents: "v", reason: undefined });
});

unitScenario("TestGetDataBlob", async () => {
  const alice = await new World({ data: OPTIONS }).joined("alice");
  const { blobs } = alice.participant.data;
  assert.equal(blobs.get(generic("k")), undefined);
  await exchange(alice, new StoreDataBlobRequest({ blob: blobOf(generic("k"), "v") }));
  assert.equal(contentsOf(blobs.get(generic("k"))), "v");
});

unitScenario("TestDataTrackRevokeDisallowedSubscribers", async () => {
  const world = new World();
  const auto = { autoSubscribeDataTrack: true };
  const allowed = await world.joined("allowed", auto);
  const disallowed = await world.joined("disallowed", auto);
  const recorder = await world.joined("recorder", {
    ...auto,
    grant: { ...FULL_GRANT, recorder: true },
  });
  const publisher = await world.joined("publisher");
  const value = new PublishDataTrackRequest({ pubHandle: 1, name: "test" });
  await publisher.request({ case: "publishDataTrackRequest", value });
  const count = (client: ScriptedClient) =>
    Object.keys(client.last("dataTrackSubscriberHandles").subHandles).length;
  assert.deepEqual([allowed, disallowed, recorder].map(count), [1, 1, 1]);
  const entry = new TrackPermission({ participantIdentity: "allowed", allTracks: true });
  const rule = new SubscriptionPermission({ trackPermissions: [entry] });
  await publisher.request({ case: "subscriptionPermission", value: rule });
  assert.deepEqual([allowed, disallowed, recorder].map(count), [1, 0, 1]);
});

unitScenario("TestSubscribeDataTrack", async (t) => {
  const at = (allowed: boolean) => () => ({
    publisherSid: "pubID",
    publisherIdentity: "pub",
    allowed,
  });
  await t.step("no track permission", () => {
    const subscriptions = new DataTrackSubscriptions(0);
    subscriptions.desire("track", true);
    for (let attempt = 0; attempt < 5; attempt++) {
      const { permissions, changed } = subscriptions.reconcile(true, at(false));
      assert.deepEqual(permissions.map(({ allowed }) => allowed), attempt === 0 ? [false] : []);
      assert.deepEqual(changed, []);
    }
    assert.deepEqual(subscriptions.reconcile(true, at(true)).changed, ["track"]);
    assert.notEqual(subscriptions.handleOf("track"), undefined);
  });
  await t.step("permission revoked while subscribed", () => {
    const subscriptions = new DataTrackSubscriptions(0);
    subscriptions.desire("track", true);
    subscriptions.reconcile(true, at(true));
    const revoked = subscriptions.reconcile(true, at(false));
    assert.deepEqual(revoked.permissions.map(({ allowed }) => allowed), [false]);
    assert.equal(subscriptions.handleOf("track"), undefined);
    subscriptions.reconcile(true, at(true));
    assert.notEqual(subscriptions.handleOf("track"), undefined);
  });
});

const PACKET: DataTrackPacket = {
  version: 0,
  startOfFrame: true,
  finalOfFrame: false,
  handle: 3333,
  sequence: 6666,
  frameNumber: 9999,
  timestamp: 0xdeadbeef,
  extensions: [],
  payload: Uint8Array.of(255, 254, 253, 252),
};

unitScenario("TestPacket", async (t) => {
  const hex = (bytes: Uint8Array | undefined) => bytes?.toHex();
  await t.step("without extension", () => {
    const packet = { ...PACKET, finalOfFrame: true };
    const bytes = writeDataTrackPacket(packet)!;
    assert.equal(hex(bytes), "18000d051a0a270fdeadbeeffffefdfc");
    assert.deepEqual(readDataTrackPacket(bytes), packet);
  });
  for (const [sid, size] of [["test_participant", "0004"], ["participant", "0003"]] as const) {
    await t.step(`with extension ${sid}`, () => {
      const packet = { ...PACKET, extensions: [participantSidExtension(sid)!] };
      const bytes = writeDataTrackPacket(packet)!;
      assert.ok(hex(bytes)!.startsWith(`14000d051a0a270fdeadbeef${size}01`));
      const read = readDataTrackPacket(bytes)!;
      assert.deepEqual(read, packet);
      assert.equal(participantSidOf(read), sid);
    });
  }
  await t.step("bad packets", () => {
    const good = writeDataTrackPacket({
      ...PACKET,
      extensions: [participantSidExtension("participant")!],
    })!;
    const changed = (at: number, value: number) => good.map((byte, i) => i === at ? value : byte);
    assert.equal(readDataTrackPacket(changed(13, 2)), undefined, "extensions size too small");
    assert.equal(participantSidOf(readDataTrackPacket(changed(14, 2))!), undefined, "another id");
    assert.equal(readDataTrackPacket(changed(15, 13)), undefined, "larger than its payload");
    assert.equal(readDataTrackPacket(changed(15, 7)), undefined, "smaller than its payload");
    for (const end of ["000000", "ffff00", "00"]) {
      const bytes = Uint8Array.fromHex(`040000000000000000000000${end}`);
      assert.equal(readDataTrackPacket(bytes), undefined);
    }
  });
});

unitScenario("TestExtensionParticipantSid", () => {
  assert.equal(participantSidExtension("p".repeat(256)), undefined);
  const extension = participantSidExtension("test")!;
  assert.deepEqual(extension, {
    id: DATA_TRACK_EXTENSION.participantSid,
    data: text.encode("test"),
  });
  assert.equal(participantSidOf({ extensions: [extension] }), "test");
});

const WAITING_BYTES = 256 * 1024;

/** Whether a channel with 256 KiB waiting loses some of it for one message more. */
function loses(policy: Partial<typeof DEFAULT_DATA_POLICY>, rate: DrainRate, now: number) {
  const whole = { ...DEFAULT_DATA_POLICY, ...policy };
  const channel = { label: "_reliable", lossy: false, rate };
  assert.equal(refusal(whole, channel, WAITING_BYTES, 1_000, now), undefined);
  return WAITING_BYTES >= keptBacklog(whole, rate, now);
}

unitScenario("TestDataChannelWriter", () => {
  const policy = { slowThresholdBps: 8_000 };
  const rate = new DrainRate(0);
  rate.queued(10_000, 0);
  rate.drained(2_000, 1_500);
  assert.equal(loses(policy, rate, 1_500), false, "2,000 bytes in 1.5 s are enough");
  assert.equal(isSlowReader({ ...DEFAULT_DATA_POLICY, ...policy }, rate, 1_500), false);
  assert.equal(loses(policy, rate, 4_000), true, "nothing in 2 s is not");
});

unitScenario("TestDataChannelWriter_NoSlowThreshold", () => {
  const rate = new DrainRate(0);
  rate.queued(10_000, 0);
  assert.equal(loses({}, rate, 60_000), false, "kept as long as there is room");
});

unitScenario("TestDataChannelWriter_Unreliable", () => {
  const policy = { ...DEFAULT_DATA_POLICY, lossyTargetLatencyMs: 100 };
  const rate = new DrainRate(0);
  const channel = { label: "_lossy", lossy: true, rate };
  rate.queued(100_000, 0);
  rate.drained(10_000, 1_000);
  // 10 kB/s: 1 kB is 100 ms, but 8 KiB are always let in.
  assert.equal(refusal(policy, channel, 4_096, 4_096, 1_000), undefined);
  assert.equal(refusal(policy, channel, 9_000, 4_096, 1_000), "data_lossy_late");
  const off = { ...policy, lossyTargetLatencyMs: 0 };
  assert.equal(refusal(off, channel, 9_000, 4_096, 1_000), undefined);
});

unitScenario("TestBitrateCalculatorSustainedBacklog", () => {
  const rate = new DrainRate(0);
  rate.queued(1_000, 0);
  for (let now = 100; now <= 3_000; now += 100) {
    rate.queued(800, now);
    rate.drained(800, now);
  }
  assert.ok(Math.abs(rate.bps(3_000)! - 64_000) < 2_000, String(rate.bps(3_000)));
});

unitScenario("TestBitrateCalculatorStalledConnection", () => {
  const rate = new DrainRate(0);
  for (let i = 0; i < 20; i++) rate.queued(1_000, i * 50);
  assert.equal(rate.bps(1_000), 0);
});

unitScenario("TestBitrateCalculatorFlushNotCounted", () => {
  const rate = new DrainRate(0);
  rate.queued(100, 0);
  rate.drained(100, 0);
  assert.equal(rate.bps(100), undefined);
});

unitScenario("TestBitrateCalculatorSparseFastAck", () => {
  const rate = new DrainRate(0);
  for (let now = 0; now < 5_000; now += 1_000) {
    rate.queued(1_000, now);
    rate.drained(1_000, now + 1);
    assert.equal(rate.bps(now + 1), undefined);
  }
});

// Nothing runs at once here; what can interleave are the requests of several clients.
unitScenario("TestParticipantDataBlob_ConcurrentAccess", async () => {
  const world = new World({ data: { ...DEFAULT_DATA_OPTIONS, dataBlobs: true } });
  const alice = await world.joined("alice");
  const readers = [await world.joined("r1"), await world.joined("r2")];
  const key = generic("k");
  const sent: Promise<void>[] = [];
  for (let n = 0; n < 100; n++) {
    const value = new StoreDataBlobRequest({ requestId: n, blob: blobOf(key, `${n}`) });
    sent.push(alice.request({ case: "storeDataBlobRequest", value }));
    for (const reader of readers) {
      const value = new GetDataBlobRequest({ requestId: n, participantIdentity: "alice", key });
      sent.push(reader.request({ case: "getDataBlobRequest", value }));
    }
  }
  await Promise.all(sent);
  // A blob may be another node's, so each answer takes turns of its own.
  for (let i = 0; i < 100; i++) await world.pass(10);
  assert.equal(alice.all("storeDataBlobResponse").length, 100);
  for (const reader of readers) {
    const read = reader.all("getDataBlobResponse").map(({ blob }) => Number(contentsOf(blob)));
    const missed = reader.all("requestResponse").length;
    assert.equal(read.length + missed, 100, "each request has one answer");
    assert.deepEqual(read, read.toSorted((a, b) => a - b), "nothing older after something newer");
  }
  assert.equal(contentsOf(alice.participant.data.blobs.get(key)), "99");
});
