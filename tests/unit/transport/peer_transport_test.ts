import assert from "node:assert/strict";
import { createCertificate } from "../../../lib/transport/dtls/dtls_certificate.ts";
import { HANDSHAKE_TYPE } from "../../../lib/transport/dtls/dtls_records.ts";
import { DtlsSession } from "../../../lib/transport/dtls/dtls_session.ts";
import { datagramKind } from "../../../lib/wire/datagram_kind.ts";
import { settle } from "../../support/virtual/virtual_platform.ts";
import {
  PeerTransport,
  type PeerTransportListener,
  type RemoteParameters,
} from "../../../lib/transport/peer_transport.ts";
import { check, credentials, IceWorld, udp } from "./ice/ice_world.ts";

const HOME = udp("198.51.100.7", 50001);
const REMOTE = {
  ice: { ufrag: "client", pwd: "passwordOfTheClient24chars" },
  fingerprints: [{ algorithm: "sha-256", value: Array(32).fill("AB").join(":") }],
};

/** A transport whose peer has a path but says nothing of DTLS, and what it told of that. */
async function silentPeer(
  defer?: (step: () => void) => void,
  remote: RemoteParameters | undefined = REMOTE,
) {
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
    onDataPending() {},
  };
  const { platform, directory, drops } = world;
  const local = credentials("server");
  const certificate = createCertificate();
  const transport = new PeerTransport({
    platform,
    directory,
    drops,
    certificate,
    local,
    dataChannels: "accept",
    listener,
    ...(defer === undefined ? {} : { defer }),
  });
  transport.setRemote(remote);
  const pass = (ms: number, checks = true) => {
    for (let left = ms; left > 0; left -= 500) {
      platform.advance(500);
      if (checks && left % 1_000 === 0) {
        world.datagrams.arrive(check(local, { useCandidate: true }), HOME);
      }
      transport.tick(world.now);
    }
  };
  return { world, transport, events, pass, local, certificate };
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

/** DTLS datagrams that were sent since `from`. */
function dtlsSent(world: IceWorld, from = 0): Uint8Array[] {
  return world.datagrams.sent.slice(from)
    .map(({ bytes }) => bytes)
    .filter((bytes) => datagramKind(bytes, bytes.length) === "dtls");
}

Deno.test("PeerTransport opens the DTLS association as a client as soon as ICE has a path", async () => {
  const remote = { ...REMOTE, dtlsRole: "client" } as const;
  const { world, transport, events, pass, local } = await silentPeer(undefined, remote);
  pass(3_000, false);
  assert.deepEqual(dtlsSent(world), []);
  world.datagrams.arrive(check(local, { useCandidate: true }), HOME);
  assert.deepEqual(events, ["path at 3000"]);
  assert.equal(dtlsSent(world).length, 1);
  assert.equal(dtlsSent(world)[0]![13], HANDSHAKE_TYPE.clientHello);
  transport.close();
});

Deno.test("PeerTransport as a DTLS client connects, and an ICE restart keeps the association", async () => {
  const theirs = createCertificate();
  const remote = { ...REMOTE, fingerprints: [theirs.fingerprint], dtlsRole: "client" } as const;
  const { world, transport, events, local, certificate } = await silentPeer(undefined, remote);
  const peer = new DtlsSession({
    certificate: theirs,
    platform: world.platform,
    drops: world.drops,
    fingerprints: [certificate.fingerprint],
    send: (datagram) => world.datagrams.arrive(datagram, HOME),
    listener: {
      onConnected: () => events.push("peer connected"),
      onData() {},
      onClosed: (reason) => events.push(`peer: ${reason}`),
      onFailed: (reason) => events.push(`peer: ${reason}`),
    },
  });
  world.datagrams.arrive(check(local, { useCandidate: true }), HOME);
  let seen = 0;
  const exchange = async () => {
    for (let turn = 0; turn < 6; turn++) {
      const sent = dtlsSent(world, seen);
      seen = world.datagrams.sent.length;
      for (const bytes of sent) peer.receive(bytes);
      await settle();
    }
  };
  await exchange();
  assert.equal(transport.connected, true);
  assert.deepEqual(events, ["path at 0", "connected at 0", "peer connected"]);
  const again = credentials("again");
  transport.restartIce(again);
  transport.setRemote({ ...remote, ice: { ...remote.ice, ufrag: "clientAgain" } });
  const before = world.datagrams.sent.length;
  const asked = check(again, { useCandidate: true, remoteUfrag: "clientAgain" });
  world.datagrams.arrive(asked, udp("198.51.100.8", 50_002));
  assert.deepEqual(dtlsSent(world, before), [], "no other handshake");
  assert.equal(transport.connected, true);
  transport.close();
  await exchange();
  assert.deepEqual(events.at(-1), "peer: close_notify", "it goes the new way");
  peer.close();
});
