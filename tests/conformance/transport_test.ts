/** LiveKit's tests of negotiation, codecs and client traits. */
import assert from "node:assert/strict";
import {
  CandidateProtocol,
  ClientInfo,
  ClientInfo_SDK,
  DisconnectReason,
  LeaveRequest_Action,
  ParticipantInfo,
  SimulateScenario,
} from "@livekit/protocol";
import type { DownTrackId } from "../../lib/base/ids.ts";
import {
  CATALOG,
  codecPolicy,
  DEFAULT_ENABLED_CODECS,
  offeredCodecs,
} from "../../lib/negotiation/codec_catalog.ts";
import { SubscriberSections } from "../../lib/negotiation/subscriber_offer.ts";
import { ClientTraits } from "../../lib/room/context/client_traits.ts";
import { inBatches } from "../../lib/room/participant/participant_updates.ts";
import {
  localParameters,
  publishedCodec,
  sectionText,
} from "../support/virtual/negotiation_fixtures.ts";
import { World } from "../support/virtual/scripted_client.ts";
import { unitScenario } from "./support.ts";

unitScenario("TestNegotiationTiming", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await world.pass(200);
  bob.autoAnswer = false;
  const before = bob.all("offer").length;
  await alice.publishCamera();
  await world.pass(200);
  assert.equal(bob.all("offer").length, before + 1);
  // Whatever is wanted meanwhile waits for the answer.
  for (let i = 0; i < 3; i++) {
    bob.participant.subscriber.negotiate(i === 2);
    await world.pass(300);
  }
  assert.equal(bob.all("offer").length, before + 1);
  bob.answer(bob.last("offer"));
  await world.pass(200);
  assert.equal(bob.all("offer").length, before + 2, "one more, by itself");
  bob.answer(bob.last("offer"));
  await world.pass(1_000);
  assert.equal(bob.all("offer").length, before + 2);
});

unitScenario("TestNegotiationFailed", async () => {
  const world = new World();
  const bob = await world.joined("bob");
  const alice = await world.joined("alice");
  bob.autoAnswer = false;
  await alice.publishCamera();
  await world.pass(14_000, 500);
  assert.equal(bob.all("leave").length, 0);
  await world.pass(60_000, 500);
  const [leave, ...more] = bob.all("leave");
  assert.deepEqual(more, [], "exactly once");
  assert.equal(leave!.reason, DisconnectReason.STATE_MISMATCH);
  assert.equal(leave!.action, LeaveRequest_Action.RECONNECT);
});

unitScenario("TestMissingAnswerDuringICERestart", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  bob.autoAnswer = false;
  await alice.publishCamera();
  await world.pass(200);
  const { subscriber } = bob.participant;
  subscriber.restart();
  await world.pass(200);
  bob.autoAnswer = true;
  await world.pass(1_000);
  assert.equal(bob.forwarded().length, 1, "the unanswered offer's track arrives");
  const restarts = world.engine.of("restart_ice").filter(({ connection }) =>
    connection === subscriber.id
  );
  assert.equal(restarts.length, 1);
  assert.match(bob.last("offer").sdp, new RegExp(`a=ice-ufrag:${restarts[0]!.local.ufrag}`));
  assert.equal(bob.closeCode, undefined);
});

// LiveKit repeats the lost offer and restarts in a second one; here one new offer does both.
// Whether the offer or its answer was lost looks the same from the server, but for an answer that
// comes late.
for (
  const [name, lost] of [
    ["TestFirstOfferMissedDuringICERestart", "Offer"],
    ["TestFirstAnswerMissedDuringICERestart", "Answer"],
  ] as const
) {
  unitScenario(name, async () => {
    const world = new World();
    const bob = await world.open("bob");
    await world.pass(200);
    bob.autoAnswer = false;
    const { subscriber } = bob.participant;
    subscriber.negotiate(true);
    await world.pass(200);
    const missed = bob.last("offer");
    subscriber.restart();
    await world.pass(200);
    if (lost === "Answer") bob.answer(missed);
    bob.autoAnswer = true;
    await world.pass(1_000);
    const after = bob.all("offer").filter(({ id }) => id > missed.id);
    assert.equal(after.length, 1);
    const [restart] = world.engine.of("restart_ice");
    assert.ok(after[0]!.sdp.includes(`a=ice-ufrag:${restart!.local.ufrag}`));
    await bob.connect();
    assert.equal(bob.participant.active, true);
    assert.equal(bob.closeCode, undefined);
  });
}

unitScenario("TestConfigureAudioTransceiver", () => {
  for (const stereo of [true, false]) {
    for (const mime of ["audio/opus", "audio/red"]) {
      const table = new SubscriberSections({
        createsDataChannels: false,
        reuseTransceivers: true,
        codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
      });
      table.addTrack({
        downTrack: "d" as DownTrackId,
        kind: "audio",
        codecs: [mime, "audio/opus"].map((name) => publishedCodec(name)),
        streamId: "PA_x|TR_x",
        trackId: "TR_x",
        cname: "c",
        ssrc: 1,
        rtxSsrc: 2,
        stereo,
        isRedundant: mime === "audio/red",
      });
      const { sdp } = table.offer(localParameters());
      const text = sectionText(sdp, /a=mid:(\S+)/.exec(sdp)![1]!).join("\n");
      assert.equal(/sprop-stereo=1/.test(text), stereo);
      // What is sent as RED carries its own redundancy.
      assert.equal(/a=rtcp-fb:111 nack/.test(text), mime === "audio/opus");
    }
  }
});

unitScenario("TestIsCodecEnabled", async (t) => {
  const h264 = (fmtp: string) => codecPolicy([{ mime: "video/H264", fmtp }]).codecs;
  await t.step("no fmtp matches any", () => {
    assert.ok(h264("").length > 1);
  });
  await t.step("a given fmtp must match", () => {
    const wanted = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    assert.deepEqual(h264(wanted).map(({ fmtp }) => fmtp), [wanted]);
    assert.deepEqual(h264("packetization-mode=7"), []);
  });
  await t.step("variants that must be named are matched by their whole fmtp alone", () => {
    const named = CATALOG.filter(({ explicitOnly }) => explicitOnly === true);
    assert.ok(named.length > 0);
    for (const { mime, fmtp } of named) {
      assert.ok(!codecPolicy([{ mime, fmtp: "" }]).codecs.some((codec) => codec.fmtp === fmtp));
      assert.deepEqual(codecPolicy([{ mime, fmtp }]).codecs.map((codec) => codec.fmtp), [fmtp]);
    }
  });
});

unitScenario("TestRegisterCodecsH264Profiles", () => {
  const profiles = (codecs: readonly { readonly fmtp: string }[]) =>
    codecs.map(({ fmtp }) => /profile-level-id=(\w{4})/.exec(fmtp)![1]!);
  const rule = (fmtp: string) => ({ mime: "video/H264", fmtp });
  const byDefault = codecPolicy([rule("")]);
  assert.deepEqual([...new Set(profiles(byDefault.codecs))].sort(), ["42e0", "6400"]);
  const main = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f";
  assert.deepEqual(profiles(codecPolicy([rule(main)]).codecs), ["4d00"]);
  // The side that offers, to subscribers, never has High, whatever is published.
  for (const published of ["640032", "42e01f"]) {
    const offered = offeredCodecs([publishedCodec("video/H264", published)], byDefault);
    assert.deepEqual(profiles(offered), ["42e0"], published);
  }
});

unitScenario("TestRegisterCodecsPayloadTypesAreUnique", () => {
  const used = CATALOG.flatMap(({ payloadType, rtx }) =>
    rtx ? [payloadType, payloadType + 1] : [payloadType]
  );
  assert.equal(new Set(used).size, used.length);
  assert.ok(used.every((payloadType) => payloadType >= 0 && payloadType < 128));
});

unitScenario("TestFilteringCandidates", async () => {
  const world = new World();
  const bob = await world.joined("bob");
  await bob.openPublisher();
  const candidates = (sdp: string) => sdp.match(/^a=candidate:.*$/gm)?.map((line) => line.trim());
  const all = candidates(bob.last("offer").sdp);
  assert.deepEqual(
    candidates(bob.last("answer").sdp),
    all,
    "everything, where nothing is preferred",
  );
  assert.deepEqual(all?.map((line) => line.split(" ")[2]), ["udp", "tcp"]);
  const scenario = new SimulateScenario({
    scenario: { case: "switchCandidateProtocol", value: CandidateProtocol.TCP },
  });
  await bob.request({ case: "simulate", value: scenario });
  await bob.offer([], "restartedUfrag");
  for (const sdp of [bob.last("offer").sdp, bob.last("answer").sdp]) {
    const [kept, ...more] = candidates(sdp)!;
    assert.deepEqual(more, []);
    assert.match(kept!, / tcp .* tcptype passive$/);
  }
});

unitScenario("TestClientInfo_SupportsICETCP", () => {
  const supports = (sdk: ClientInfo_SDK, version = "") =>
    new ClientTraits(new ClientInfo({ sdk, version })).iceOverTcp;
  assert.equal(supports(ClientInfo_SDK.GO, "2.0.0"), false);
  assert.equal(supports(ClientInfo_SDK.SWIFT, "1.0.4"), false);
  assert.equal(supports(ClientInfo_SDK.SWIFT, "1.0.5"), true);
  for (const sdk of [ClientInfo_SDK.JS, ClientInfo_SDK.ANDROID, ClientInfo_SDK.UNKNOWN]) {
    assert.equal(supports(sdk), true);
  }
});

unitScenario("TestClientInfo_CompareVersion", () => {
  // The comparison shows in which JavaScript clients can read a ReconnectResponse: from 1.6.3 on.
  const reads = (version: string) =>
    new ClientTraits(new ClientInfo({ sdk: ClientInfo_SDK.JS, version })).reconnectResponse;
  for (const older of ["1.6.2", "1.5.9", "0.9.9", "1.6", "1", ""]) {
    assert.equal(reads(older), false, older);
  }
  for (const same of ["1.6.3", "1.6.4", "1.7", "1.10.0", "2.0.0", "1.6.3-rc1"]) {
    assert.equal(reads(same), true, same);
  }
});

unitScenario("TestPackStreamId", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishMicrophone();
  await world.pass(400);
  const [, packed, track] = /a=msid:(\S+) (\S+)/.exec(bob.last("offer").sdp)!;
  assert.deepEqual(packed!.split("|"), [alice.participant.sid, sid]);
  assert.equal(track, sid);
});

unitScenario("TestChunkProtoBatch", () => {
  const infos = Array.from(
    { length: 9 },
    (_, i) => new ParticipantInfo({ sid: `PA_${i}`, metadata: "x".repeat(100) }),
  );
  const size = infos[0]!.toBinary().length;
  const sizes = (target: number) => inBatches(infos, target).map((batch) => batch.length);
  assert.deepEqual(sizes(4 * size), [4, 4, 1]);
  assert.deepEqual(sizes(size), Array(9).fill(1));
  assert.deepEqual(sizes(size - 1), Array(9).fill(1), "an item above the target goes alone");
  assert.deepEqual(inBatches(infos, 4 * size).flat(), infos);
});
