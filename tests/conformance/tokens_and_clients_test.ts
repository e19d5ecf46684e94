/** LiveKit's tests of tokens, of what is known of clients, and of how they come in. */
import assert from "node:assert/strict";
import {
  ClientInfo,
  ClientInfo_SDK,
  DisconnectReason,
  ParticipantInfo_Kind,
  Ping,
  RoomCompositeEgressRequest,
  RoomConfiguration,
  RoomUpdate,
  SignalRequest,
  UpdateParticipantMetadata,
} from "@livekit/protocol";
import { SignJWT } from "jose";
import { planRoom } from "../../lib/egress/egress_plan.ts";
import { MemoryShelf } from "../../lib/ingress/text_shelf.ts";
import { ClientTraits } from "../../lib/room/context/client_traits.ts";
import { IcePreferences, PREFERENCE_TTL_MS } from "../../lib/room/context/ice_preference.ts";
import { parseConfig, parseConfigText } from "../../lib/server/config/config_parsing.ts";
import { loadConfig } from "../../lib/server/config/config_loading.ts";
import { configKeys } from "../../lib/server/config/config_schema.ts";
import { joinTokenClaims } from "../../lib/server/join_token.ts";
import { signAccessToken, verifyAccessToken } from "../../lib/signalling/access_token.ts";
import { failed, succeeded } from "../support/virtual/admin_world.ts";
import { CarriedWorld } from "../support/virtual/carried_world.ts";
import { IngressWorld } from "../support/virtual/ingress_world.ts";
import { World } from "../support/virtual/scripted_client.ts";
import { testEgress } from "../support/virtual/test_egress.ts";
import { VirtualPlatform } from "../support/virtual/virtual_platform.ts";
import { unitScenario } from "./support.ts";

const KEYS = new Map([["key", "secret"]]);
const NOW = 1_800_000_000_000;
const NOW_S = NOW / 1_000;
const MINUTE_MS = 60_000;

/** Written by another library, so that ours never checks itself. */
function sign(claims: Record<string, unknown>, secret = "secret"): Promise<string> {
  const whole = { iss: "key", sub: "ann", exp: NOW_S + 600, ...claims };
  return new SignJWT(whole).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));
}

async function accepted(token: string) {
  const result = await verifyAccessToken(token, KEYS, NOW);
  assert.ok(result.ok, result.ok ? "" : result.body);
  return result.token;
}

async function refused(token: string, keys = KEYS): Promise<string> {
  const result = await verifyAccessToken(token, keys, NOW);
  assert.ok(!result.ok && result.status === 401);
  return result.body;
}

/** A room that is recorded into a bucket whose keys are in the request. */
const RECORDED = RoomConfiguration.fromJson({
  name: "r",
  emptyTimeout: 7,
  egress: {
    room: {
      fileOutputs: [{
        filepath: "a",
        s3: { accessKey: "AK", secret: "SK", region: "eu-west-1", bucket: "bucket" },
      }],
    },
  },
});

unitScenario("P:auth", async (t) => {
  await t.step("there must be a key", async () => {
    const sources = {
      env: () => undefined,
      readFile: () => assert.fail("no file is named"),
    };
    const values = { configBody: "region: eu", overrides: [] };
    assert.throws(() => loadConfig(values, sources), { code: "missing_keys" });
    assert.equal(await refused(await sign({}), new Map()), "invalid API key");
    assert.equal(await refused(await sign({}), new Map([["key", ""]])), "invalid API key");
  });
  await t.step("a token says what it was made with", async () => {
    const { claims, validForMs } = joinTokenClaims({
      ...{ room: "r", identity: "ann", recorder: false, name: "Ann" },
      grant: '{"canPublish":false}',
    });
    assert.ok(validForMs > MINUTE_MS, "and is good for more than a minute unless it says so");
    const key = { apiKey: "key", secret: "secret" };
    const token = await accepted(await signAccessToken(key, claims, NOW, validForMs));
    const { identity, name, kind, video } = token;
    assert.deepEqual([identity, name, kind], ["ann", "Ann", ParticipantInfo_Kind.STANDARD]);
    assert.deepEqual([video!.room, video!.roomJoin, video!.canPublish], ["r", true, false]);
    assert.equal((await accepted(await sign({ kind: "agent" }))).kind, ParticipantInfo_Kind.AGENT);
  });
  await t.step("a room's configuration arrives as it was", async () => {
    const claims = { identity: "ann", roomConfig: RECORDED };
    const key = { apiKey: "key", secret: "secret" };
    const token = await accepted(await signAccessToken(key, claims, NOW, MINUTE_MS));
    assert.ok(token.roomConfig!.equals(RECORDED));
  });
  // LiveKit makes no such token; here it is whoever records that does not use what is in it.
  await t.step("storage that is named in it is used only where that is allowed", async () => {
    const world = new World();
    await world.joined("ann", { roomName: "r" });
    const plan = planRoom(
      new RoomCompositeEgressRequest({ ...RECORDED.egress!.room!, roomName: "r" }),
    );
    assert.equal(failed(testEgress(world).start(plan))[0], "permission_denied");
    const storage = { open: () => assert.fail(), tidy() {}, close: () => Promise.resolve() };
    const asked: string[] = [];
    const allowing = testEgress(world, {
      uploadTo: ({ bucket, accessKey }) => {
        asked.push(`${bucket} by ${accessKey}`);
        return storage;
      },
    });
    assert.ok(succeeded(allowing.start(plan)).egressId);
    assert.deepEqual(asked, ["bucket by AK"]);
  });
  await t.step("others' keys, and times that are over or missing, are refused", async () => {
    assert.match(await refused(await sign({}, "another secret")), /signature is invalid/);
    assert.equal(await refused(await sign({ iss: "nobody" })), "invalid API key");
    assert.match(await refused(await sign({ exp: NOW_S - 61 })), /expired/);
    assert.match(await refused(await sign({ exp: undefined })), /exp claim is required/);
    assert.equal(await refused("a.b.c"), "invalid authorization token");
  });
  await t.step("what is unknown or null is passed over, metadata is passed on", async () => {
    const { metadata, video } = await accepted(
      await sign({ future: { a: 1 }, video: null, kind: null, metadata: '{"é":1}' }),
    );
    assert.deepEqual([metadata, video], ['{"é":1}', undefined]);
  });
  await t.step("keys come from a file that not everybody can read", () => {
    const sources = (mode: number) => ({
      env: () => undefined,
      readFile: (path: string) => {
        assert.equal(path, "/keys");
        return { text: "key1: secret1\nkey2: secret2", mode };
      },
    });
    const values = { configBody: "key_file: /keys\nkeys: {key3: secret3}", overrides: [] };
    const { keys } = loadConfig(values, sources(0o100600));
    assert.deepEqual(keys, { key1: "secret1", key2: "secret2" });
    assert.throws(() => loadConfig(values, sources(0o100644)), { code: "unreadable_file" });
  });
});

unitScenario("TestIceConfigCache", () => {
  const platform = new VirtualPlatform();
  const preferences = new IcePreferences(platform.clock);
  preferences.put("r", "ann", "tcp");
  preferences.put("r", "bob", "tls");
  const of = (room: string, identity: string) => preferences.get(room, identity);
  assert.deepEqual([of("r", "ann"), of("r", "bob"), of("s", "ann")], ["tcp", "tls", "none"]);
  platform.advance(PREFERENCE_TTL_MS - 1);
  preferences.put("r", "bob", "tcp");
  assert.equal(of("r", "ann"), "tcp");
  platform.advance(1);
  assert.deepEqual([of("r", "ann"), of("r", "bob")], ["none", "tcp"], "each has its own time");
  preferences.put("r", "bob", "none");
  assert.equal(of("r", "bob"), "none");
  for (let i = 0; i < 10_001; i++) preferences.put("r", `p${i}`, "tcp");
  assert.deepEqual([of("r", "p0"), of("r", "p10000")], ["none", "tcp"], "the oldest go first");
});

unitScenario("TestYAMLTag", () => {
  const keys = configKeys();
  const paths = keys.map(({ path }) => path);
  assert.ok(paths.length > 100);
  assert.equal(new Set(paths).size, paths.length);
  const nested = (path: string, value: string) =>
    path.split(".").reduceRight((inner, name) => `{${name}: ${inner}}`, value);
  for (const { path, kind } of keys) {
    assert.match(path, /^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*$/);
    // It is known by that name in YAML: what is wrong about it is its value.
    const wrong = kind === "scalar" ? "[[]]" : "7";
    assert.throws(() => parseConfigText(nested(path, wrong), "test"), (error) => {
      const { message } = error as Error;
      return message.includes(`${path}: expected`) && !message.includes("unknown key");
    }, path);
  }
  // Each can be left out, and so can all.
  const sections = new Set(paths.flatMap((path) => {
    const names = path.split(".").slice(0, -1);
    return names.map((_, i) => names.slice(0, i + 1).join("."));
  }));
  for (const section of sections) {
    assert.deepEqual(parseConfigText(nested(section, "{}"), "test"), parseConfig({}), section);
  }
});

// LiveKit's rules are scripts; here each is a line of code.
unitScenario("TestScriptMatchConfiguration", async (t) => {
  const traits = (info: Partial<ClientInfo>) => new ClientTraits(new ClientInfo(info));
  const disabled = (info: Partial<ClientInfo>) => {
    const { disabledCodecs, disabledPublishCodecs, disabledReceiveCodecs } = traits(info);
    return [disabledCodecs, disabledPublishCodecs, disabledReceiveCodecs]
      .map((codecs) => codecs.map(({ mime }) => mime));
  };
  await t.step("a rule holds if everything in it does", () => {
    const device = { os: "android", deviceModel: "Xiaomi 2201117TI" };
    assert.deepEqual(disabled(device)[1], ["video/H264"]);
    assert.deepEqual(disabled({ ...device, os: "ios" })[1], []);
    assert.deepEqual(disabled({ ...device, deviceModel: "Xiaomi 1" })[1], []);
    const safari = { browser: "Safari", browserVersion: "18.4" };
    assert.deepEqual(disabled(safari)[1], ["video/VP9"]);
    assert.deepEqual(disabled({ ...safari, browserVersion: "18.3" })[1], []);
    assert.equal(traits({ sdk: ClientInfo_SDK.RUST, protocol: 9 }).requestResponses, false);
    assert.equal(traits({ sdk: ClientInfo_SDK.RUST, protocol: 10 }).requestResponses, true);
    assert.equal(traits({ sdk: ClientInfo_SDK.JS, protocol: 9 }).requestResponses, true);
  });
  await t.step("what several rules say of a client holds together", () => {
    const firefox = disabled({ browser: "Firefox", os: "Linux" });
    assert.deepEqual(firefox[1], ["video/H264"]);
    assert.ok(firefox[2]!.includes("audio/red"));
    const windows = disabled({ browser: "firefox", os: "Windows" });
    assert.deepEqual([windows[1], windows[2]], [[], firefox[2]]);
    const safari = disabled({ browser: "safari", browserVersion: "19.0" });
    assert.deepEqual(safari.slice(0, 2), [["video/AV1"], ["video/VP9"]]);
    assert.ok(safari[2]!.includes("audio/red"));
    assert.deepEqual(disabled({ browser: "Chrome", os: "Linux" }), [[], [], []]);
  });
});

unitScenario("TestSignal", async () => {
  const world = await CarriedWorld.of(["a", "b"], {}, { jitterMs: 20 });
  world.door("a").isFull = true;
  const ann = await world.join("a", "/rtc", "ann");
  const served = () => world.cluster.node("b").world.rooms.get("lobby")?.session("ann");
  assert.ok(served(), "she is served by the other node");
  const ping = new SignalRequest({ message: { case: "pingReq", value: new Ping() } });
  ann.request(ping);
  await world.cluster.pass(200);
  assert.ok(ann.cases.includes("pongResp"), "both ways");
  for (let requestId = 1; requestId <= 20; requestId++) {
    const value = new UpdateParticipantMetadata({ name: `n${requestId}`, requestId });
    ann.request(new SignalRequest({ message: { case: "updateMetadata", value } }));
  }
  await world.cluster.pass(500);
  const answered = ann.received.flatMap((message) =>
    message.case === "requestResponse" ? [message.value.requestId] : []
  );
  assert.deepEqual(answered, Array.from({ length: 20 }, (_, i) => i + 1), "in order");
  // The session fails. What it has written before arrives, and then the end.
  const metadata = "x".repeat(10_000);
  for (let numPublishers = 0; numPublishers < 50; numPublishers++) {
    const value = new RoomUpdate({ room: { metadata, numPublishers } });
    served()!.send({ case: "roomUpdate", value });
  }
  served()!.close(DisconnectReason.JOIN_FAILURE, "disconnect");
  await world.cluster.pass(500);
  const updates = ann.received.flatMap((message) =>
    message.case === "roomUpdate" && message.value.room!.metadata === metadata
      ? [message.value.room!.numPublishers]
      : []
  );
  assert.deepEqual(updates, Array.from({ length: 50 }, (_, i) => i));
  assert.equal(ann.cases.at(-1), "leave");
  assert.ok(ann.closed, "and its socket ends");
});

/** Counts how often something is kept. */
class CountingShelf extends MemoryShelf {
  puts = 0;
  override put(...asked: Parameters<MemoryShelf["put"]>): Promise<boolean> {
    this.puts++;
    return super.put(...asked);
  }
}

/** Somebody publishes by WHIP with a stream key. */
async function publishing() {
  const shelf = new CountingShelf();
  const world = new IngressWorld({ shelf });
  const { ingressId, streamKey } = await world.create();
  const { location } = await world.post(streamKey);
  const participant = world.participant()!;
  const end = () => world.request("DELETE", location, { Authorization: `Bearer ${streamKey}` });
  /** Whatever happens from now on, nothing more is kept or told of it. */
  const staysSilent = async () => {
    await world.world.settle();
    const [told, { puts }] = [[...world.told], shelf];
    const [room, info] = [world.world.rooms.get("lobby")!.info(), participant.info()];
    world.service.participantJoined(room, info);
    world.service.trackPublished(room, info);
    await world.world.pass(MINUTE_MS, 1_000);
    assert.deepEqual(world.told, told);
    assert.equal(shelf.puts, puts);
  };
  return { world, shelf, ingressId, participant, end, staysSilent };
}

unitScenario("TestWhipNotifySessionStopsWhenParticipantLeaves", async () => {
  const { world, shelf, ingressId, participant, staysSilent } = await publishing();
  const before = shelf.puts;
  await world.connect();
  assert.ok(shelf.puts > before, "while it is connected its state is followed");
  assert.deepEqual(world.told, [`ingress_started ${ingressId} ENDPOINT_PUBLISHING`]);
  participant.close(DisconnectReason.PARTICIPANT_REMOVED, "none");
  await world.world.settle();
  assert.equal(world.told.at(-1), `ingress_ended ${ingressId} ENDPOINT_INACTIVE`);
  assert.equal((await world.get(ingressId)).state!.tracks.length, 0);
  await staysSilent();
});

unitScenario("TestWhipNotifySessionStopsOnContextCancel", async () => {
  const { world, participant, end, staysSilent } = await publishing();
  assert.equal((await end()).status, 200);
  await world.world.settle();
  assert.equal(participant.closed, true);
  assert.deepEqual(world.told, [], "of what never began nothing is told");
  await staysSilent();
});
