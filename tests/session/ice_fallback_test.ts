import assert from "node:assert/strict";
import {
  CandidateProtocol,
  ClientConfigSetting,
  ClientInfo,
  ClientInfo_SDK,
  LeaveRequest_Action,
  Ping,
  ReconnectReason,
  SessionDescription,
  SimulateScenario,
} from "@livekit/protocol";
import {
  IcePreferences,
  PREFERENCE_TTL_MS,
  preferredAddresses,
} from "../../lib/room/context/ice_preference.ts";
import { FAILURE_WINDOW_MS, SHORT_CONNECTION_MS } from "../../lib/room/participant/ice_steering.ts";
import type { RoomOptions } from "../../lib/room/context/room_options.ts";
import type { JoinParameters } from "../../lib/signalling/join_parameters.ts";
import { FAKE_ENGINE_READY } from "../support/virtual/fake_engine.ts";
import { FakeSocket, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";
import { singleOffer } from "../support/virtual/single_offer.ts";
import { WhipWorld } from "../support/virtual/whip_world.ts";

const TLS_SERVERS: RoomOptions["iceServers"] = [
  { urls: ["stun:stun.example"], username: "", credential: "" },
  {
    urls: ["turn:turn.example?transport=udp", "turns:turn.example:443?transport=tcp"],
    username: "user",
    credential: "secret",
  },
];

async function resume(
  client: ScriptedClient,
  reconnectReason = ReconnectReason.RR_UNKNOWN,
): Promise<void> {
  client.socket = new FakeSocket();
  const join = { ...client.join, reconnect: true, reconnectReason };
  client.world.service.open(join, client.socket);
  await client.world.settle();
}

/** The connection is up again, over that protocol. */
function mend(client: ScriptedClient, protocol: "udp" | "tcp"): void {
  const connection = client.participant.subscriber.id;
  client.world.engine.emit({ type: "connection_connected", connection, protocol });
}

async function ping(client: ScriptedClient, rtt = 0): Promise<void> {
  await client.request({ case: "pingReq", value: new Ping({ rtt: BigInt(rtt) }) });
}

async function simulate(client: ScriptedClient, value: CandidateProtocol): Promise<void> {
  const scenario = new SimulateScenario({
    scenario: { case: "switchCandidateProtocol", value },
  });
  await client.request({ case: "simulate", value: scenario });
}

const offered = (client: ScriptedClient) => protocolsIn(client.last("offer").sdp);

function protocolsIn(sdp: string): string[] {
  return [...sdp.matchAll(/^a=candidate:\d+ 1 (\w+) /gm)].map(([, protocol]) => protocol!);
}

const trickled = (client: ScriptedClient) =>
  client.all("trickle").map(({ candidateInit }) => JSON.parse(candidateInit).candidate as string);

Deno.test("a preference for TCP leaves only TCP candidates in offers, answers and trickle", async () => {
  const world = new World();
  const ann = await world.joined("ann");
  await ann.publishCamera();
  assert.deepEqual(offered(ann), ["udp", "tcp"]);
  const before = ann.last("offer").sdp;
  const trickles = trickled(ann).length;
  await simulate(ann, CandidateProtocol.TCP);
  assert.notEqual(ann.last("offer").sdp, before);
  assert.deepEqual(offered(ann), ["tcp"]);
  await ann.offer([{ mid: "1", kind: "video", cid: "cam" }], "restartedUfrag");
  assert.deepEqual(protocolsIn(ann.last("answer").sdp), ["tcp"]);
  const later = trickled(ann).slice(trickles);
  assert.equal(later.length, 2, "one for each connection");
  for (const candidate of later) assert.match(candidate, / tcptype passive$/);
  await simulate(ann, CandidateProtocol.UDP);
  assert.deepEqual(offered(ann), ["udp", "tcp"]);
});

Deno.test("a preference holds for who rejoins under the same name, for five minutes", async () => {
  const world = new World();
  const ann = await world.joined("ann");
  assert.equal(ann.last("join").fastPublish, true);
  await simulate(ann, CandidateProtocol.TCP);
  const again = await world.joined("ann");
  assert.equal(again.last("join").fastPublish, false);
  assert.deepEqual(offered(again), ["tcp"]);
  const bob = await world.joined("bob");
  assert.deepEqual(offered(bob), ["udp", "tcp"]);
  const elsewhere = await world.joined("ann", { roomName: "elsewhere" });
  assert.deepEqual(offered(elsewhere), ["udp", "tcp"]);
  const single = await world.open("ann", { singlePeerConnection: true });
  const value = new SessionDescription({ type: "offer", sdp: singleOffer([]), id: 1 });
  await single.request({ case: "offer", value });
  assert.deepEqual(protocolsIn(single.last("answer").sdp), ["tcp"]);
  world.platform.advance(PREFERENCE_TTL_MS);
  await world.settle();
  assert.deepEqual(offered(await world.joined("ann")), ["udp", "tcp"]);
});

Deno.test("a preference for TLS shows only TURN over TLS and forces relaying, where there is such", async () => {
  const world = new World({ iceServers: TLS_SERVERS });
  const ann = await world.joined("ann");
  assert.equal(ann.last("join").iceServers.length, 2);
  await simulate(ann, CandidateProtocol.TLS);
  const again = await world.joined("ann");
  const { iceServers, clientConfiguration, fastPublish } = again.last("join");
  assert.deepEqual(iceServers.map(({ urls, username }) => [urls, username]), [
    [["turns:turn.example:443?transport=tcp"], "user"],
  ]);
  assert.equal(clientConfiguration?.forceRelay, ClientConfigSetting.ENABLED);
  assert.equal(fastPublish, false);
  await resume(again);
  const { clientConfiguration: resumed, iceServers: servers } = again.last("reconnect");
  assert.equal(resumed?.forceRelay, ClientConfigSetting.ENABLED);
  assert.equal(servers.length, 1);

  const none = new World();
  await simulate(await none.joined("bob"), CandidateProtocol.TLS);
  const join = (await none.joined("bob")).last("join");
  assert.equal(join.clientConfiguration, undefined);
  assert.ok(join.iceServers.length > 0);
});

Deno.test("a client whose UDP fails soon is asked to resume over TCP, and rejoins over it", async () => {
  const world = new World();
  const ann = await world.joined("ann");
  await world.pass(1_000);
  await ping(ann);
  ann.lose();
  assert.equal(ann.last("leave").action, LeaveRequest_Action.RESUME);
  await resume(ann);
  assert.deepEqual(offered(ann), ["tcp"]);
  mend(ann, "tcp");
  await ping(ann);
  ann.lose();
  await resume(ann);
  assert.deepEqual(offered(ann), ["tcp"], "there is no TLS to go on to");
});

Deno.test("TCP that fails, too, leads on to TURN over TLS", async () => {
  const world = new World({ iceServers: TLS_SERVERS });
  const ann = await world.joined("ann");
  await ping(ann);
  ann.lose();
  await resume(ann);
  mend(ann, "tcp");
  ann.lose();
  await resume(ann);
  assert.equal(
    ann.last("reconnect").clientConfiguration?.forceRelay,
    ClientConfigSetting.ENABLED,
  );
});

/** Loses Ann's connection after `prepare`; what her offers show when she is back. */
async function afterLoss(
  prepare: (ann: ScriptedClient, world: World) => Promise<void> | void,
  { options = {}, join = {} }: {
    readonly options?: Partial<RoomOptions>;
    readonly join?: Partial<JoinParameters>;
  } = {},
): Promise<string[]> {
  const world = new World(options);
  const ann = await world.joined("ann", join);
  await prepare(ann, world);
  ann.lose();
  await resume(ann);
  return offered(ann);
}

function sdk(sdk: ClientInfo_SDK, version = "2.0.0") {
  return { clientInfo: new ClientInfo({ sdk, version, protocol: 16 }) };
}

Deno.test("a failure that says nothing of UDP changes nothing", async () => {
  const both = ["udp", "tcp"];
  const fine = (ann: ScriptedClient) => ping(ann);
  assert.deepEqual(await afterLoss(fine), ["tcp"], "as it is otherwise");
  const silent = async (_: ScriptedClient, world: World) => await world.pass(16_000, 500);
  assert.deepEqual(await afterLoss(silent), both, "the whole network was down");
  const cut = async (ann: ScriptedClient) => {
    await ping(ann);
    ann.socket.onClose();
  };
  assert.deepEqual(await afterLoss(cut), both, "the socket was gone, too");
  const off = { options: { allowTcpFallback: false } };
  assert.deepEqual(await afterLoss(fine, off), both, "not allowed");
  assert.deepEqual(await afterLoss(fine, { join: sdk(ClientInfo_SDK.GO) }), both);
  assert.deepEqual(await afterLoss(fine, { join: sdk(ClientInfo_SDK.SWIFT, "1.0.4") }), both);
  assert.deepEqual(await afterLoss(fine, { join: sdk(ClientInfo_SDK.SWIFT, "1.0.5") }), ["tcp"]);
  const far = { options: { tcpFallbackRttThresholdMs: 200 } };
  assert.deepEqual(await afterLoss((ann) => ping(ann, 250), far), both, "too far for TCP");
  assert.deepEqual(await afterLoss((ann) => ping(ann, 150), far), ["tcp"]);
});

Deno.test("a connection that lived long fails twice before its client is led to TCP", async () => {
  const old = async (ann: ScriptedClient, world: World) => {
    for (let at = 0; at < SHORT_CONNECTION_MS; at += 10_000) {
      await world.pass(10_000, 500);
      await ping(ann);
    }
  };
  assert.deepEqual(await afterLoss(old), ["udp", "tcp"], "once");
  const twice = (betweenMs: number) => async (ann: ScriptedClient, world: World) => {
    await old(ann, world);
    ann.lose();
    await resume(ann);
    mend(ann, "udp");
    for (let at = 0; at < betweenMs; at += 10_000) {
      await world.pass(10_000, 500);
      await ping(ann);
    }
  };
  assert.deepEqual(await afterLoss(twice(FAILURE_WINDOW_MS - 10_000)), ["tcp"]);
  assert.deepEqual(await afterLoss(twice(FAILURE_WINDOW_MS + 10_000)), ["udp", "tcp"], "rarely");
});

Deno.test("a client that says which connection failed soon is led to TCP by that alone", async () => {
  for (
    const [reason, wanted] of [
      [ReconnectReason.RR_SUBSCRIBER_FAILED, ["tcp"]],
      [ReconnectReason.RR_PUBLISHER_FAILED, ["udp", "tcp"]],
      [ReconnectReason.RR_SIGNAL_DISCONNECTED, ["udp", "tcp"]],
    ] as const
  ) {
    const world = new World();
    const ann = await world.joined("ann");
    await resume(ann, reason);
    assert.deepEqual(offered(ann), [...wanted], ReconnectReason[reason]);
  }
});

Deno.test("Firefox that soon says again that what we hear has failed joins anew over TCP", async () => {
  for (
    const [livesMs, pauseMs, wanted] of [
      [30_000, 0, ["tcp"]],
      [SHORT_CONNECTION_MS, 0, ["udp", "tcp"]],
      [30_000, PREFERENCE_TTL_MS, ["udp", "tcp"]],
    ] as const
  ) {
    const world = new World();
    const { clientInfo } = world.parameters("");
    clientInfo.browser = "Firefox";
    for (let round = 0; round < 2; round++) {
      const ann = await world.joined("ann", { clientInfo });
      assert.deepEqual(offered(ann), ["udp", "tcp"], "its address may have gone away");
      mend(ann, "udp");
      await world.pass(livesMs, 1_000);
      await resume(ann, ReconnectReason.RR_SUBSCRIBER_FAILED);
      assert.deepEqual(ann.cases, ["leave"]);
      if (round === 0) await world.pass(pauseMs, 10_000);
    }
    const ann = await world.joined("ann", { clientInfo });
    assert.deepEqual(offered(ann), [...wanted], `${livesMs} ms, then ${pauseMs} ms later`);
  }
});

Deno.test("a client that was away as a whole is not led to TCP when it comes back", async () => {
  for (const [silentMs, wanted] of [[5_000, ["tcp"]], [15_000, ["udp", "tcp"]]] as const) {
    const world = new World();
    const ann = await world.joined("ann");
    await ping(ann);
    await world.pass(silentMs, 500);
    // As one whose address has changed: its socket was as dead as its connections.
    await resume(ann, ReconnectReason.RR_SUBSCRIBER_FAILED);
    assert.deepEqual(offered(ann), [...wanted], `${silentMs} ms`);
  }
  const world = new World();
  const bob = await world.joined("bob");
  await ping(bob);
  await world.pass(15_000, 500);
  // First its socket comes back, then it sees that its connections do not.
  await resume(bob, ReconnectReason.RR_SIGNAL_DISCONNECTED);
  await ping(bob);
  await world.pass(2_000, 500);
  await resume(bob, ReconnectReason.RR_SUBSCRIBER_FAILED);
  assert.deepEqual(offered(bob), ["udp", "tcp"], "seen late");
  mend(bob, "udp");
  await ping(bob);
  await world.pass(2_000, 500);
  await resume(bob, ReconnectReason.RR_SUBSCRIBER_FAILED);
  assert.deepEqual(offered(bob), ["tcp"], "it was up again, and failed by itself");
});

Deno.test("preferredAddresses() never leaves a client without any", () => {
  const { addresses } = FAKE_ENGINE_READY;
  assert.deepEqual(preferredAddresses(addresses, "none"), addresses);
  assert.deepEqual(preferredAddresses(addresses, "tls"), addresses);
  assert.deepEqual(preferredAddresses(addresses, "tcp"), [addresses[1]]);
  assert.deepEqual(preferredAddresses([addresses[0]!], "tcp"), [addresses[0]]);
});

Deno.test("IcePreferences forgets what is old, and the oldest of too many", () => {
  let now = 0;
  const memory = new IcePreferences({ now: () => now });
  for (let i = 0; i < 12_000; i++) memory.put("room", `${i}`, "tcp");
  assert.equal(memory.get("room", "0"), "none");
  assert.equal(memory.get("room", "11999"), "tcp");
  memory.put("room", "11999", "none");
  assert.equal(memory.get("room", "11999"), "none");
  now = PREFERENCE_TTL_MS;
  assert.equal(memory.get("room", "11998"), "none");
});

Deno.test("a WHIP client is not steered: it could not be told", async () => {
  const world = new WhipWorld();
  await world.post();
  const connection = world.participant()!.publisher.id;
  const { engine, rooms } = world.world;
  engine.emit({ type: "connection_connected", connection, protocol: "udp" });
  engine.emit({ type: "connection_lost", connection });
  assert.equal(rooms.context.icePreferences.get("lobby", "cam"), "none");
});
