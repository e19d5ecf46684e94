import assert from "node:assert/strict";
import { createCertificate } from "../../../lib/transport/dtls_certificate.ts";
import {
  PeerTransport,
  type PeerTransportListener,
} from "../../../lib/transport/peer_transport.ts";
import { check, credentials, IceWorld, udp } from "./ice_world.ts";

const HOME = udp("198.51.100.7", 50001);
const REMOTE = {
  ice: { ufrag: "client", pwd: "passwordOfTheClient24chars" },
  fingerprints: [{ algorithm: "sha-256", value: Array(32).fill("AB").join(":") }],
};

/** A transport whose peer has a path but says nothing of DTLS, and what it told of that. */
async function silentPeer(defer?: (step: () => void) => void) {
  const world = new IceWorld();
  const events: string[] = [];
  const note = (event: string) => () => void events.push(`${event} at ${world.now}`);
  const listener: PeerTransportListener = {
    onPathFound: note("path"),
    onConnected: note("connected"),
    onTimed: () => {},
    onInterrupted: note("interrupted"),
    onLost: note("lost"),
    onResumed: note("resumed"),
    onFailed: (reason) => void events.push(`${reason} at ${world.now}`),
    onRtp() {},
    onRtcp() {},
    onChannelOpen() {},
    onChannelsFailed() {},
    onMessage() {},
  };
  const { platform, directory, drops } = world;
  const local = credentials("server");
  const transport = new PeerTransport({
    platform,
    directory,
    drops,
    certificate: await createCertificate(),
    local,
    dataChannels: "accept",
    listener,
    ...(defer === undefined ? {} : { defer }),
  });
  transport.setRemote(REMOTE);
  const pass = (ms: number, checks = true) => {
    for (let left = ms; left > 0; left -= 500) {
      platform.advance(500);
      if (checks && left % 1_000 === 0) {
        world.datagrams.arrive(check(local, { useCandidate: true }), HOME);
      }
      transport.tick(world.now);
    }
  };
  return { world, transport, events, pass };
}

for (
  const [iceMs, lostAt] of [[2_000, 12_000], [5_000, 20_000], [9_000, 29_000]] as const
) {
  Deno.test(`PeerTransport tells of a peer that found a path after ${iceMs} ms and shakes no hands`, async () => {
    const { transport, events, pass } = await silentPeer();
    pass(iceMs - 500, false);
    pass(1_000);
    pass(lostAt - iceMs - 1_000);
    assert.deepEqual(events, [`path at ${iceMs}`]);
    pass(500);
    assert.deepEqual(events, [`path at ${iceMs}`, `lost at ${lostAt}`]);
    transport.close();
  });
}

Deno.test("PeerTransport gives a handshake time again after a restart, and at last ends it", async () => {
  const { transport, events, pass } = await silentPeer();
  pass(1_000);
  pass(13_000);
  const told = () => events.map((event) => event.split(" ")[0]);
  assert.deepEqual(told(), ["path", "lost"]);
  transport.restartIce(credentials("again"));
  pass(10_000);
  assert.deepEqual(told(), ["path", "lost", "lost"]);
  pass(20_000);
  assert.deepEqual(told(), ["path", "lost", "lost", "dtls_timeout"]);
});

Deno.test("PeerTransport.onResumed() is not told before there was a connection", async () => {
  const { transport, events, pass } = await silentPeer();
  pass(1_000);
  pass(10_000, false);
  pass(1_000);
  assert.deepEqual(events.filter((event) => event.startsWith("resumed")), []);
  assert.ok(events.some((event) => event.startsWith("interrupted")));
  transport.close();
});

Deno.test("PeerTransport lets few datagrams of a handshake wait for their turn, and none is read before", async () => {
  const steps: (() => void)[] = [];
  const { world, transport, pass } = await silentPeer((step) => steps.push(step));
  pass(1_000);
  const noise = new Uint8Array(20);
  noise.set([22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0x40]); // a record cut short
  for (let i = 0; i < 20; i++) world.datagrams.arrive(noise.slice(), HOME);
  assert.equal(steps.length, 16);
  assert.equal(world.drops.get("dtls_backlog"), 4);
  assert.equal(world.drops.get("dtls_malformed"), 0);
  for (const step of steps.splice(0)) step();
  assert.equal(world.drops.get("dtls_malformed"), 16);
  world.datagrams.arrive(noise, HOME);
  assert.equal(steps.length, 1, "there is room again");
  transport.close();
});
