import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { classes, Message, methods } from "werift";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { RemoteAddress } from "../../../../lib/transport/datagrams/datagrams.ts";
import { IceDirectory, type StunOrigin } from "../../../../lib/transport/ice/ice_directory.ts";
import { MAX_PATHS, PATH_EXPIRY_MS } from "../../../../lib/transport/ice/ice_lite.ts";
import {
  INTERRUPTED_AFTER_MS,
  LOST_AFTER_MS,
  RELEASE_AFTER_MS,
  START_TIMEOUT_MS,
} from "../../../../lib/transport/ice/ice_silence.ts";
import type { NetworkPath } from "../../../../lib/transport/ice/network_path.ts";
import { UdpMux } from "../../../../lib/transport/ice/udp_mux.ts";
import {
  check,
  credentials,
  IceWorld,
  MemoryDatagrams,
  packets,
  readAnswer,
  udp,
} from "./ice_world.ts";

const HOME = udp("198.51.100.7", 50_001);
const MOBILE = udp("203.0.113.9", 40_002);
const HIGH = 2_000_000_000;
const LOW = 1_000_000_000;

Deno.test("IceLiteAgent answers a valid check and selects its path", () => {
  const world = new IceWorld();
  const { agent, local, events } = world.agent("abcd");
  world.datagrams.arrive(check(local), HOME);
  const [answer] = world.datagrams.sent;
  assert.deepEqual(answer!.remote, HOME);
  const read = readAnswer(answer!.bytes, local);
  assert.equal(read.isSuccess, true);
  assert.deepEqual(read.mapped, [HOME.hostname, HOME.port]);
  assert.deepEqual(events, ["selected udp 198.51.100.7:50001"]);
  assert.equal(agent.isNominated, false);
  world.datagrams.arrive(check(local, { useCandidate: true }), HOME);
  assert.equal(agent.isNominated, true);
  assert.equal(events.length, 1);
});

Deno.test("IceLiteAgent answers over IPv6, and an IPv4-mapped peer with its IPv4 address", () => {
  const world = new IceWorld();
  const { local } = world.agent("abcd");
  world.datagrams.arrive(check(local), udp("2001:db8::7", 50_001));
  world.datagrams.arrive(check(local), udp("::ffff:198.51.100.7", 50_002));
  const mapped = world.datagrams.sent.map(({ bytes }) => readAnswer(bytes, local).mapped);
  assert.equal(mapped[0]![1], 50_001);
  assert.equal(new URL(`http://[${mapped[0]![0]}]`).hostname, "[2001:db8::7]");
  assert.deepEqual(mapped[1], ["198.51.100.7", 50_002]);
});

Deno.test("IceDirectory.receiveStun() neither answers nor remembers a check with a wrong password", () => {
  const world = new IceWorld();
  const { agent, local, events } = world.agent("abcd");
  world.datagrams.arrive(check(local, { pwd: "guessed", useCandidate: true }), HOME);
  assert.equal(world.datagrams.sent.length, 0);
  assert.equal(world.mux.pathCount, 0);
  assert.equal(agent.pathCount, 0);
  assert.deepEqual(events, []);
  assert.equal(world.drops.get("stun_bad_integrity"), 1);
});

Deno.test("IceDirectory.receiveStun() is silent to checks without integrity, name or session", () => {
  const world = new IceWorld();
  const { local } = world.agent("abcd");
  const whole = check(local);
  const withoutIntegrity = whole.slice(0, whole.length - 32);
  withoutIntegrity[3]! -= 32;
  world.datagrams.arrive(withoutIntegrity, HOME);
  world.datagrams.arrive(check(credentials("nobody")), HOME);
  const bare = whole.slice(0, 20);
  bare[3] = 0;
  world.datagrams.arrive(bare, HOME);
  world.datagrams.arrive(whole.slice(0, 60), HOME);
  assert.equal(world.datagrams.sent.length, 0);
  assert.equal(world.mux.pathCount, 0);
  assert.deepEqual(world.drops.snapshot(), {
    stun_bad_integrity: 1,
    stun_unknown_ufrag: 1,
    stun_no_username: 1,
    stun_malformed: 1,
  });
});

Deno.test("IceLiteAgent refuses unknown attributes with 420 and the controlled role with 487", () => {
  const world = new IceWorld();
  const { agent, local } = world.agent("abcd");
  world.datagrams.arrive(check(local, { unknownAttribute: true }), HOME);
  world.datagrams.arrive(check(local, { role: "controlled" }), HOME);
  const codes = world.datagrams.sent.map(({ bytes }) => readAnswer(bytes, local).error![0]);
  assert.deepEqual(codes, [420, 487]);
  assert.equal(agent.pathCount, 0);
});

Deno.test("IceLiteAgent never answers an unproven address with more than it sent", () => {
  const world = new IceWorld();
  const { agent, local } = world.agent("a");
  // The smallest request that proves itself is 52 bytes long, and an answer at least 64.
  const smallest = new Message(methods.BINDING, classes.REQUEST).setAttribute("USERNAME", "a:");
  const bytes = Uint8Array.from(smallest.addMessageIntegrity(Buffer.from(local.pwd)).bytes);
  world.datagrams.arrive(bytes, HOME);
  assert.equal(world.datagrams.sent.length, 0);
  assert.equal(agent.pathCount, 0);
  assert.equal(world.drops.get("stun_would_amplify"), 1);
  const whole = check(local, { remoteUfrag: "" });
  world.datagrams.arrive(whole, HOME);
  world.datagrams.arrive(whole, udp("2001:db8::7", 50_001));
  assert.equal(agent.pathCount, 2);
  for (const answer of world.datagrams.sent) assert.ok(answer.bytes.length <= whole.length);
  world.datagrams.arrive(bytes, HOME);
  assert.equal(world.datagrams.sent.length, 3, "a validated path may get the longer answer");
});

Deno.test("IceLiteAgent.setRemote() makes later checks name the told remote ufrag", () => {
  const world = new IceWorld();
  const { agent, local } = world.agent("abcd");
  world.datagrams.arrive(check(local, { remoteUfrag: "early" }), HOME);
  assert.equal(world.answers, 1);
  agent.setRemote({ ufrag: "told", pwd: "unused" }, world.now);
  world.datagrams.arrive(check(local, { remoteUfrag: "other" }), HOME);
  assert.equal(world.answers, 1);
  assert.equal(world.drops.get("stun_unknown_remote_ufrag"), 1);
  world.datagrams.arrive(check(local, { remoteUfrag: "told" }), HOME);
  assert.equal(world.answers, 2);
});

Deno.test("UdpMux delivers DTLS, RTP and RTCP of validated paths only", () => {
  const world = new IceWorld();
  const { agent, local, received } = world.agent("abcd");
  world.datagrams.arrive(packets.dtls(1), HOME);
  assert.deepEqual(received, []);
  assert.equal(world.drops.get("udp_not_validated"), 1);
  world.datagrams.arrive(check(local), HOME);
  world.datagrams.arrive(packets.dtls(2), HOME);
  world.datagrams.arrive(packets.rtp(3), HOME);
  world.datagrams.arrive(packets.rtcp(4), HOME);
  world.datagrams.arrive(packets.rtp(5), udp(HOME.hostname, HOME.port + 1));
  world.datagrams.arrive(packets.rtp(6), udp("198.51.100.8", HOME.port));
  world.datagrams.arrive(Uint8Array.of(255, 1, 2, 3, 4, 5, 6, 7, 8), HOME);
  const from = `${HOME.hostname}:${HOME.port}`;
  assert.deepEqual(received, [`dtls 2 ${from}`, `rtp 3 ${from}`, `rtcp 4 ${from}`]);
  assert.equal(world.drops.get("udp_not_validated"), 3);
  assert.equal(world.drops.get("udp_unknown_protocol"), 1);
  agent.close();
  world.datagrams.arrive(packets.rtp(7), HOME);
  assert.equal(received.length, 3);
  assert.equal(world.mux.pathCount, 0);
  assert.equal(world.directory.size, 0);
});

Deno.test("UdpMux survives an owner that throws, and flushes every batch", () => {
  const world = new IceWorld();
  const { local, received } = world.agent("abcd");
  world.datagrams.arrive(check(local), HOME);
  received.push = () => {
    throw new Error("a bug behind the seam");
  };
  world.datagrams.arrive(packets.rtp(1), HOME);
  assert.equal(world.drops.get("receive_threw"), 1);
  assert.equal(world.datagrams.flushes, 2);
});

Deno.test("UdpMux reads the clock when a batch begins and ends, however long it is, and lets its owner flush", () => {
  const drops = new DropCounters();
  const datagrams = new MemoryDatagrams();
  const { platform } = new IceWorld();
  let readings = 0;
  const clock = {
    ...platform.clock,
    nowUs: () => 7_000_900 + 500 * readings++,
    now: () => assert.fail("it is the same time"),
  };
  const directory = new IceDirectory(drops);
  const mux = new UdpMux({ datagrams, directory, clock, drops, log: platform.log });
  const ended: number[] = [];
  mux.onBatchEnd = (now) => ended.push(now);
  for (const size of [1, 64]) {
    for (let i = 0; i < size; i++) datagrams.onDatagram(packets.rtp(1), 13, HOME);
    datagrams.onBatchEnd();
  }
  assert.equal(readings, 4);
  assert.deepEqual(ended, [7_000, 7_001]);
  assert.equal(mux.busyUs, 1_000);
  assert.equal(datagrams.flushes, 0);
  assert.equal(drops.get("udp_not_validated"), 65);
});

Deno.test("IceLiteAgent follows a nomination with higher priority at once", () => {
  const world = new IceWorld();
  const { agent, local, events } = world.agent("abcd");
  world.datagrams.arrive(check(local, { useCandidate: true, priority: LOW }), MOBILE);
  world.datagrams.arrive(check(local, { useCandidate: true, priority: HIGH }), HOME);
  assert.deepEqual(events, [
    "selected udp 203.0.113.9:40002",
    "selected udp 198.51.100.7:50001",
  ]);
  agent.send(packets.rtp(1), 13);
  assert.deepEqual(world.datagrams.sent.at(-1), { bytes: packets.rtp(1), remote: HOME });
});

Deno.test("IceLiteAgent does not flap when every pair is nominated once (Firefox)", () => {
  const world = new IceWorld();
  const { local, events } = world.agent("abcd");
  const transactionId = Buffer.from("0102030405060708090a0b0c", "hex");
  const low = check(local, { useCandidate: true, priority: LOW, transactionId });
  world.datagrams.arrive(check(local, { useCandidate: true, priority: HIGH }), HOME);
  // Retransmitted, as its answer was lost.
  for (let i = 0; i < 5; i++) world.datagrams.arrive(low, MOBILE);
  world.datagrams.arrive(check(local, { useCandidate: true, priority: HIGH }), HOME);
  world.datagrams.arrive(check(local, { useCandidate: true, priority: LOW }), MOBILE);
  assert.deepEqual(events, ["selected udp 198.51.100.7:50001"]);
});

Deno.test("IceLiteAgent follows a client that insists on a path of lower priority (Chromium)", () => {
  const world = new IceWorld();
  const { local, events } = world.agent("abcd");
  world.datagrams.arrive(check(local, { useCandidate: true, priority: HIGH }), HOME);
  world.datagrams.arrive(check(local, { useCandidate: true, priority: LOW }), MOBILE);
  // The old path is still checked, but no longer nominated.
  world.datagrams.arrive(check(local, { priority: HIGH }), HOME);
  assert.equal(events.length, 1);
  world.platform.advance(480);
  world.datagrams.arrive(check(local, { useCandidate: true, priority: LOW }), MOBILE);
  assert.equal(events.at(-1), "selected udp 203.0.113.9:40002");
});

Deno.test("IceLiteAgent stays with UDP when TCP is nominated twice at once (Firefox)", () => {
  const selectedAfter = (apartMs: number, over: "udp" | "tcp") => {
    const world = new IceWorld();
    const { local, events } = world.agent("abcd");
    world.datagrams.arrive(check(local, { useCandidate: true, priority: HIGH }), HOME);
    const stream = new StreamOrigin(MOBILE);
    for (let i = 0; i < 2; i++) {
      const again = check(local, { useCandidate: true, priority: LOW });
      if (over === "udp") world.datagrams.arrive(again, MOBILE);
      else world.directory.receiveStun(again, again.length, stream, world.now);
      world.platform.advance(apartMs);
    }
    return events.at(-1);
  };
  assert.equal(selectedAfter(100, "tcp"), "selected udp 198.51.100.7:50001");
  assert.equal(selectedAfter(480, "tcp"), "selected tcp 203.0.113.9:40002", "it means it");
  assert.equal(selectedAfter(1, "udp"), "selected udp 203.0.113.9:40002", "another network");
});

/** A TCP connection, as far as an agent sees it. */
class StreamOrigin implements StunOrigin {
  path: NetworkPath | undefined;

  constructor(readonly remote: RemoteAddress) {}

  reply(): void {}

  openPath(): NetworkPath {
    const { remote } = this;
    return this.path = {
      protocol: "tcp",
      remote,
      owner: undefined,
      validator: undefined,
      send: () => true,
      reserve: () => undefined,
      commit: () => {},
      close: () => {},
    };
  }
}

Deno.test("IceLiteAgent follows the first nomination of another path once its own is silent", () => {
  const world = new IceWorld();
  const { local, events } = world.agent("abcd");
  world.datagrams.arrive(check(local, { useCandidate: true, priority: HIGH }), HOME);
  world.platform.advance(3_000);
  world.datagrams.arrive(check(local, { useCandidate: true, priority: LOW }), MOBILE);
  assert.equal(events.at(-1), "selected udp 203.0.113.9:40002");
});

Deno.test("IceLiteAgent.restart() keeps old credentials until the first nomination under the new", () => {
  const world = new IceWorld();
  const { agent, local, events } = world.agent("old");
  world.datagrams.arrive(check(local, { useCandidate: true, priority: HIGH }), HOME);
  const fresh = credentials("new");
  agent.restart(fresh, world.now);
  agent.restart(fresh, world.now);
  const answered = (bytes: Uint8Array, from = HOME) => {
    const before = world.datagrams.sent.length;
    world.datagrams.arrive(bytes, from);
    return world.datagrams.sent.length > before;
  };
  assert.equal(answered(check(local, { useCandidate: true, priority: HIGH })), true);
  assert.equal(answered(check(fresh, { priority: LOW }), MOBILE), true);
  assert.equal(answered(check(local)), true, "a check without nomination retires nothing");
  assert.equal(answered(check(fresh, { useCandidate: true, priority: LOW }), MOBILE), true);
  assert.equal(events.at(-1), "selected udp 203.0.113.9:40002", "a restart outweighs priority");
  assert.equal(answered(check(local)), false);
  assert.equal(world.drops.get("stun_unknown_ufrag"), 1);
  assert.equal(world.directory.size, 1);
});

Deno.test("IceLiteAgent.restart() bounds the restarts a client never follows", () => {
  const world = new IceWorld();
  const { agent, local } = world.agent("first");
  for (let i = 0; i < 50; i++) agent.restart(credentials(`restart${i}`), world.now);
  assert.equal(world.directory.size, 4);
  world.datagrams.arrive(check(local), HOME);
  world.datagrams.arrive(check(credentials("restart49"), { useCandidate: true }), HOME);
  assert.equal(world.datagrams.sent.length, 2);
  assert.equal(world.directory.size, 1);
});

Deno.test("IceLiteAgent.tick() gives up on an agent that no check ever reached", () => {
  const world = new IceWorld();
  const { agent, events } = world.agent("abcd");
  world.advance(agent, START_TIMEOUT_MS - 1);
  assert.deepEqual(events, []);
  world.advance(agent, 1);
  assert.deepEqual(events, ["lost"]);
  world.advance(agent, RELEASE_AFTER_MS - 1);
  assert.deepEqual(events, ["lost"]);
  world.advance(agent, 1);
  assert.deepEqual(events, ["lost", "failed"]);
  assert.equal(agent.nextWakeAt(), Infinity);
  assert.equal(world.directory.size, 0);
});

Deno.test("IceLiteAgent.tick() interrupts after silence, resumes with a check, is lost, fails for good", () => {
  const world = new IceWorld();
  const { agent, local, events } = world.agent("abcd");
  world.datagrams.arrive(check(local, { useCandidate: true }), HOME);
  world.advance(agent, INTERRUPTED_AFTER_MS - 1);
  assert.equal(events.length, 1);
  world.advance(agent, 1);
  assert.deepEqual(events.slice(1), ["interrupted"]);
  world.datagrams.arrive(check(local, { pwd: "wrong" }), HOME);
  assert.deepEqual(events.slice(1), ["interrupted"], "only a valid check counts");
  world.datagrams.arrive(check(local), HOME);
  assert.deepEqual(events.slice(1), ["interrupted", "resumed"]);
  world.advance(agent, LOST_AFTER_MS - 1);
  assert.deepEqual(events.slice(1), ["interrupted", "resumed", "interrupted"]);
  world.advance(agent, 1);
  assert.equal(events.at(-1), "lost");
  world.advance(agent, RELEASE_AFTER_MS - 1);
  assert.equal(events.at(-1), "lost");
  world.advance(agent, 1);
  assert.equal(events.at(-1), "failed");
  assert.equal(world.mux.pathCount, 0);
  const count = events.length;
  world.datagrams.arrive(check(local), HOME);
  assert.equal(events.length, count);
});

Deno.test("IceLiteAgent comes back from loss with a check, on the old path or after a restart", () => {
  const world = new IceWorld();
  const { agent, local, events } = world.agent("abcd");
  world.datagrams.arrive(check(local, { useCandidate: true }), HOME);
  world.advance(agent, LOST_AFTER_MS);
  assert.deepEqual(events.slice(1), ["interrupted", "lost"]);
  world.datagrams.arrive(check(local), HOME);
  assert.deepEqual(events.slice(1), ["interrupted", "lost", "resumed"]);
  world.advance(agent, LOST_AFTER_MS + 4_000);
  const fresh = credentials("fresh");
  agent.restart(fresh, world.now);
  world.advance(agent, LOST_AFTER_MS - 1);
  assert.equal(events.filter((event) => event === "lost").length, 2, "a restart has its full time");
  world.datagrams.arrive(check(fresh, { useCandidate: true }), MOBILE);
  assert.deepEqual(events.slice(-2), ["resumed", "selected udp 203.0.113.9:40002"]);
  world.advance(agent, LOST_AFTER_MS);
  assert.deepEqual(events.slice(-2), ["interrupted", "lost"]);
});

Deno.test("IceLiteAgent.tick() tells of the loss again when a restart is not followed", () => {
  const world = new IceWorld();
  const { agent, events } = world.agent("abcd");
  world.advance(agent, START_TIMEOUT_MS);
  agent.restart(credentials("fresh"), world.now);
  world.advance(agent, START_TIMEOUT_MS - 1);
  assert.deepEqual(events, ["lost"]);
  world.advance(agent, 1);
  assert.deepEqual(events, ["lost", "lost"]);
});

Deno.test("IceLiteAgent.tick() forgets paths that lost consent, and only those", () => {
  const world = new IceWorld();
  const { agent, local, events } = world.agent("abcd");
  world.datagrams.arrive(check(local, { useCandidate: true }), HOME);
  world.datagrams.arrive(check(local), MOBILE);
  for (let waited = 0; waited < PATH_EXPIRY_MS; waited += 5_000) {
    world.advance(agent, 5_000);
    world.datagrams.arrive(check(local), HOME);
  }
  assert.deepEqual(events, ["selected udp 198.51.100.7:50001"]);
  assert.equal(agent.pathCount, 1);
  assert.equal(world.mux.pathCount, 1);
});

Deno.test("IceLiteAgent bounds its paths and never evicts the selected one", () => {
  const world = new IceWorld();
  const { agent, local, events, received } = world.agent("abcd");
  world.datagrams.arrive(check(local, { useCandidate: true }), HOME);
  for (let i = 0; i < 100; i++) {
    world.platform.advance(1);
    world.datagrams.arrive(check(local), udp(MOBILE.hostname, 1000 + i));
  }
  assert.equal(agent.pathCount, MAX_PATHS);
  assert.equal(world.mux.pathCount, MAX_PATHS);
  assert.equal(world.drops.get("ice_path_evicted"), 101 - MAX_PATHS);
  world.datagrams.arrive(packets.rtp(1), HOME);
  assert.equal(received.length, 1);
  assert.equal(agent.send(packets.rtp(2), 13), true);
  assert.equal(events.length, 1);
});

Deno.test("IceLiteAgent does not let one participant claim the live address of another", () => {
  const world = new IceWorld();
  const victim = world.agent("victim");
  const other = world.agent("other");
  world.datagrams.arrive(check(victim.local, { useCandidate: true }), HOME);
  world.datagrams.arrive(check(other.local, { useCandidate: true }), HOME);
  assert.equal(world.drops.get("stun_path_of_another_session"), 1);
  world.datagrams.arrive(packets.rtp(9), HOME);
  assert.equal(victim.received.length, 1);
  assert.deepEqual(other.events, []);
  // Once the first session fell silent, its address is free: a browser reuses ports.
  world.platform.advance(INTERRUPTED_AFTER_MS);
  world.datagrams.arrive(check(other.local, { useCandidate: true }), HOME);
  world.datagrams.arrive(packets.rtp(10), HOME);
  assert.equal(victim.received.length, 1);
  assert.equal(other.received.length, 1);
  assert.equal(victim.agent.selectedPath, undefined);
  assert.equal(world.mux.pathCount, 1);
});

Deno.test("IceLiteAgent.close() may be called from its listener", () => {
  const world = new IceWorld();
  const { agent, local, events } = world.agent("abcd");
  events.push = () => {
    agent.close();
    return 0;
  };
  world.datagrams.arrive(check(local, { useCandidate: true }), HOME);
  assert.equal(world.directory.size, 0);
  assert.equal(world.mux.pathCount, 0);
  assert.equal(world.drops.get("receive_threw"), 0);
});
