/**
 * What a packet costs that crosses from node to node, beside one that is received and forwarded:
 * CPU time of one process, natively, over loopback, in turns.
 *
 * - relayed: written into a hop, sealed, sent, received, opened, read;
 * - forwarded: received, opened, sealed, sent, without the choice of layers and all else between.
 *
 * A process of its own.
 *
 * @module
 */
import process from "node:process";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { HopLink } from "../../lib/engine/relay/hop_link.ts";
import { PACKET_HEAD_WORDS, RELAY } from "../../lib/engine/relay/relay_records.ts";
import { type Datagrams, SendKind } from "../../lib/transport/datagrams/datagrams.ts";
import { chooseMediaCrypto } from "../../lib/transport/media_crypto.ts";
import { SrtpSession } from "../../lib/transport/srtp/srtp_session.ts";
import { rtpPacket, writtenPacket } from "../../tests/support/media/rtp_packets.ts";
import { mirrored, randomParameters } from "../../tests/support/media/srtp_twins.ts";
import { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";
import { answerCalls, type Nothing } from "../bench_child.ts";
import { openNativePeer, type Peer } from "../../tests/support/wire/datagram_peers.ts";

/** CPU time of a packet by each way; names are those of the JSON. */
export interface HopCost {
  readonly us_per_relayed_packet: number;
  readonly us_per_forwarded_packet: number;
  readonly relayed_to_forwarded: number;
}

export interface HopCostCalls {
  measure(options: Nothing): Promise<HopCost>;
}

const PACKETS = 60_000;
const ROUNDS = 7;
const BURST = 32;
const PACKET_BYTES = 1_200;
const GCM = 7;

/** One way of packets from a socket to another. */
interface Way {
  /** Queues one packet. */
  readonly write: () => void;
  /** Sends what is queued. */
  readonly flush: () => void;
  /** Packets that came. */
  readonly arrived: () => number;
}

const random = new SeededRandom(1);
const crypto = chooseMediaCrypto("require");
const clock = {
  now: () => Math.trunc(performance.now()),
  nowUs: () => Math.trunc(1000 * performance.now()),
  wallMs: () => 0,
};

async function relayed(from: Peer, to: Peer): Promise<Way> {
  const secret = random.bytes(32);
  const end = (socket: Datagrams, peer: Peer, ourId: number, theirId: number) =>
    new HopLink({
      crypto,
      secret,
      nonce: random.bytes(16),
      ourId,
      theirId,
      clock,
      drops: new DropCounters(),
      udp: {
        reserve: () => socket.reserve(),
        commit: (length, isMedia) =>
          socket.commit(length, peer.address, isMedia ? SendKind.video : SendKind.other),
      },
      listener: { onBlocked() {}, onRestarted() {} },
    });
  const near = end(from.socket, to, 1, 2);
  const far = end(to.socket, from, 2, 1);
  const { writer } = near.channel;
  const { reader } = far.channel;
  let count = 0;
  from.socket.onDatagram = (bytes, length) => near.receive(bytes, length, clock.now());
  from.socket.onBatchEnd = () => near.endBatch(clock.now());
  to.socket.onDatagram = (bytes, length) => far.receive(bytes, length, clock.now());
  to.socket.onBatchEnd = () => {
    far.endBatch(clock.now());
    while (reader.next()) count++;
    reader.release();
  };
  near.setActive(true);
  while (!near.stats.connected) {
    near.tick(clock.now());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const packet = new Int32Array(PACKET_BYTES / 4);
  return {
    write: () => {
      const at = writer.reserve(RELAY.packet, PACKET_HEAD_WORDS + packet.length);
      const { words } = writer;
      for (let i = 0; i < packet.length; i++) words[at + PACKET_HEAD_WORDS + i] = packet[i]!;
      writer.commit();
    },
    flush: () => writer.wake(),
    arrived: () => count,
  };
}

function forwarded(from: Peer, to: Peer): Way {
  const parameters = randomParameters(GCM, random);
  const cipherFactory = crypto.srtpCipherFactory;
  const drops = new DropCounters();
  const sealing = new SrtpSession({ parameters, drops, cipherFactory });
  const opening = new SrtpSession({ parameters: mirrored(parameters), drops, cipherFactory });
  const header = rtpPacket({ ssrc: 7, payloadType: 96, payload: new Uint8Array(2) });
  const packet = writtenPacket(header, header.length, new Uint8Array(2048), 0, PACKET_BYTES - 14);
  let seq = 0;
  let count = 0;
  to.socket.onDatagram = (bytes, length) => {
    if (opening.unprotectRtp(bytes, length) > 0) count++;
  };
  to.socket.onBatchEnd = () => {};
  return {
    write: () => {
      const out = from.socket.reserve()!;
      out.set(header);
      out[2] = seq >> 8;
      out[3] = seq;
      packet.sequence = seq++;
      from.socket.commit(sealing.protectWritten(out, packet), to.address, SendKind.video);
    },
    flush: () => {},
    arrived: () => count,
  };
}

/** CPU time of each packet that arrived, µs. */
async function cost(way: Way, socket: Datagrams): Promise<number> {
  const before = process.cpuUsage();
  const from = way.arrived();
  for (let sent = 0; sent < PACKETS; sent += BURST) {
    for (let i = 0; i < BURST; i++) way.write();
    way.flush();
    socket.flush();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (way.arrived() - from);
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;

/** CPU time of a packet by each way, µs: medians of rounds that take turns. */
async function measureHopCost(): Promise<HopCost> {
  const ways = [];
  for (const make of [relayed, forwarded]) {
    const [from, to] = [await openNativePeer(), await openNativePeer()];
    ways.push({ way: await make(from, to), socket: from.socket, costs: [] as number[] });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { way, socket, costs } of ways) costs.push(await cost(way, socket));
  }
  const [hop, forward] = ways.map(({ costs }) => median(costs)) as [number, number];
  return {
    us_per_relayed_packet: hop,
    us_per_forwarded_packet: forward,
    relayed_to_forwarded: hop / forward,
  };
}

await answerCalls<HopCostCalls>({ measure: measureHopCost });
