import assert from "node:assert/strict";
import { isSackRecord } from "../../../lib/transport/datagrams/datagrams.ts";
import { createCertificate } from "../../../lib/transport/dtls/dtls_certificate.ts";
import { DtlsSession } from "../../../lib/transport/dtls/dtls_session.ts";
import { PeerTransport } from "../../../lib/transport/peer_transport.ts";
import { DataChannels } from "../../../lib/transport/sctp/data_channels.ts";
import { MAX_PACKET_BYTES } from "../../../lib/transport/sctp/sctp_packet.ts";
import { datagramKind } from "../../../lib/wire/datagram_kind.ts";
import { settle } from "../../support/virtual/virtual_platform.ts";
import { check, credentials, IceWorld, udp } from "./ice/ice_world.ts";

const HOME = udp("198.51.100.7", 50001);
const SCTP = { port: 5_000, maxMessageSize: 65_535 };

/** A transport with a channel open, and a client that answers every second packet. */
async function openChannel() {
  const world = new IceWorld();
  const { platform, directory, drops } = world;
  const local = credentials("server");
  const [ours, theirs] = [createCertificate(), createCertificate()];
  let opened = 0;
  const transport = new PeerTransport({
    platform,
    directory,
    drops,
    certificate: ours,
    local,
    dataChannels: "accept",
    listener: {
      onPathFound() {},
      onConnected() {},
      onTimed() {},
      onInterrupted() {},
      onLost() {},
      onResumed() {},
      onFailed: (reason) => assert.fail(reason),
      onRtp() {},
      onRtcp() {},
      onChannelOpen: () => void opened++,
      onChannelsFailed: () => assert.fail("no channels"),
      onMessage() {},
      onDataPending() {},
    },
  });
  transport.setRemote({
    ice: { ufrag: "client", pwd: "passwordOfTheClient24chars" },
    fingerprints: [theirs.fingerprint],
    dtlsRole: "client",
    sctp: SCTP,
  });
  /** What the client has sent and the transport has not got. */
  const onTheWay: Uint8Array[] = [];
  const channels = new DataChannels({
    role: "create",
    dtlsRole: "server",
    remotePort: SCTP.port,
    maxMessageSize: SCTP.maxMessageSize,
    random: platform.random,
    drops,
    listener: { onOpen() {}, onMessage() {}, onClosed() {}, onFailed() {} },
  }, world.now - 1_000);
  const peer = new DtlsSession({
    certificate: theirs,
    platform,
    drops,
    fingerprints: [ours.fingerprint],
    send: (datagram) => void onTheWay.push(datagram.slice()),
    listener: {
      onConnected() {},
      onData: (bytes, at, length) => channels.receive(bytes.slice(at), length, world.now),
      onClosed() {},
      onFailed: (reason) => assert.fail(reason),
    },
  });
  const arrive = (...batch: readonly Uint8Array[]) => {
    for (const bytes of batch) world.datagrams.onDatagram(bytes.slice(), bytes.length, HOME);
    world.datagrams.onBatchEnd();
    transport.deliverData(100, world.now);
    transport.flushData(world.now);
  };
  const packet = new Uint8Array(MAX_PACKET_BYTES);
  const clientTurn = () => {
    for (const { bytes } of world.datagrams.sent.splice(0)) {
      if (datagramKind(bytes, bytes.length) === "dtls") peer.receive(bytes);
    }
    if (!peer.connected) return;
    channels.deliver(100, world.now);
    for (let length; (length = channels.poll(packet, world.now)) > 0;) {
      peer.sendData(packet, length);
    }
  };
  arrive(check(local, { useCandidate: true }));
  for (let turn = 0; turn < 30; turn++) {
    platform.advance(10);
    clientTurn();
    arrive(...onTheWay.splice(0));
    await settle();
  }
  assert.ok(opened >= 2, `${opened} channels`);
  /** Acknowledgements that the client sends one after the other. */
  const sacks = (count: number): Uint8Array[] => {
    while (onTheWay.length < count) {
      assert.equal(transport.sendData("reliable", new Uint8Array(100), world.now, 0, true), true);
      transport.flushData(world.now);
      clientTurn();
    }
    const records = onTheWay.splice(0);
    assert.ok(records.every((bytes) => isSackRecord(bytes, bytes.length)));
    return records;
  };
  /** Which of them were opened: those that are known when they come again. */
  const opens = (records: readonly Uint8Array[]): boolean[] =>
    records.map((bytes) => {
      platform.advance(1);
      const before = drops.get("dtls_replayed");
      arrive(bytes);
      return drops.get("dtls_replayed") > before;
    });
  return { arrive, sacks, opens, drops, platform, transport, peer };
}

Deno.test("PeerTransport opens of acknowledgements in a batch none behind one that overtakes it", async () => {
  const { arrive, sacks, opens, drops, transport, peer } = await openChannel();
  const records = sacks(4);
  arrive(...records.toReversed());
  assert.deepEqual(opens(records), [false, false, false, true]);
  assert.equal(drops.get("sctp_bad_sack"), 0);
  const next = sacks(3);
  arrive(...next);
  assert.deepEqual(opens(next), [true, true, true], "in order none is overtaken");
  transport.close();
  peer.close();
});

Deno.test("PeerTransport opens acknowledgements behind one that is forged, and in another batch", async () => {
  const { arrive, sacks, opens, drops, platform, transport, peer } = await openChannel();
  const records = sacks(3);
  const forged = records[2]!.slice();
  forged[forged.length - 1]! ^= 1;
  // With a number that no record has yet.
  forged[10]! ^= 0x40;
  arrive(forged, records[1]!, records[0]!);
  assert.equal(drops.get("dtls_bad_record"), 1);
  assert.deepEqual(opens(records), [false, true, false]);
  const next = sacks(2);
  arrive(next[1]!);
  platform.advance(1);
  arrive(next[0]!);
  assert.deepEqual(opens(next), [true, true]);
  transport.close();
  peer.close();
});
