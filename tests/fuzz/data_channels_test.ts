import assert from "node:assert/strict";
import v8 from "node:v8";
import vm from "node:vm";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { packetChecksum } from "../../lib/transport/sctp/crc32c.ts";
import { readDcep } from "../../lib/transport/sctp/data_channel_messages.ts";
import { DataChannels } from "../../lib/transport/sctp/data_channels.ts";
import { CHUNK, MAX_PACKET_BYTES, packetRefusal } from "../../lib/transport/sctp/sctp_packet.ts";
import { SctpLink } from "../support/virtual/sctp_link.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const CHUNK_TYPES = [...Object.values(CHUNK), 99, 200, 12];
/** ABORT and the SHUTDOWN family: these end an association, as they should. */
const ENDING = new Set<number>([
  CHUNK.abort,
  CHUNK.shutdown,
  CHUNK.shutdownAck,
  CHUNK.shutdownComplete,
]);

/** Parameters of INIT, RE-CONFIG and their like. */
const PARAMETERS = [1, 5, 7, 8, 9, 13, 14, 15, 16, 17, 18, 0x8001, 0x8003, 0x8008, 0xc000, 0xc006];

/** Writes packets of random chunks into one buffer. */
class RandomPackets {
  readonly bytes = new Uint8Array(2048);
  readonly view = new DataView(this.bytes.buffer);
  /** Near the number of requests to reset streams. */
  request = 0;

  constructor(readonly random: SeededRandom) {}

  /**
   * Writes a packet of random chunks with lengths that are mostly right and numbers near `tsn`.
   * Returns its length.
   */
  write(tag: number, types: readonly number[], tsn: number, sentTsn: number): number {
    const { random, bytes, view } = this;
    view.setUint32(0, 0x1388_1388);
    view.setUint32(4, tag);
    view.setUint32(8, 0);
    let at = 12;
    for (let n = random.below(4); n >= 0; n--) {
      const draw = random.uint32();
      const length = 4 + (draw & 0xff) % ((draw & 0x700) === 0 ? 252 : 40);
      for (let i = at + 4; i < at + length; i += 4) {
        const word = random.uint32();
        view.setUint32(i, (word & 0x30) === 0 ? word : word & 0x0003_0303);
      }
      const type = types[(draw >>> 12) % types.length]!;
      bytes[at] = type;
      bytes[at + 1] = (draw >>> 20) & 7;
      view.setUint16(at + 2, (draw >>> 24) < 240 ? length : random.below(300));
      if (length >= 16) this.#makePlausible(type, at, draw, tsn, sentTsn);
      at += (length + 3) & ~3;
    }
    view.setUint32(8, packetChecksum(bytes, at), true);
    return at;
  }

  /** Writes a SACK of all up to `tsn` with a large window. */
  writeSack(tag: number, tsn: number): number {
    const { view } = this;
    view.setUint32(4, tag);
    view.setUint32(12, (CHUNK.sack << 24) | 16);
    view.setUint32(16, tsn);
    view.setUint32(20, 1 << 24);
    view.setUint32(24, 0);
    view.setUint32(8, packetChecksum(this.bytes, 28), true);
    return 28;
  }

  /** Writes that a request to reset streams was carried out. */
  writeAnswer(tag: number, request: number): number {
    const { view } = this;
    view.setUint32(4, tag);
    view.setUint32(12, (CHUNK.reconfig << 24) | 16);
    view.setUint32(16, (16 << 16) | 12);
    view.setUint32(20, request);
    view.setUint32(24, 1);
    view.setUint32(8, packetChecksum(this.bytes, 28), true);
    return 28;
  }

  #makePlausible(type: number, at: number, draw: number, tsn: number, sentTsn: number): void {
    const { random, view } = this;
    const near = (draw >>> 24) & 0x3f;
    if (type === CHUNK.data || type === CHUNK.forwardTsn) view.setUint32(at + 4, tsn + near - 8);
    if (type === CHUNK.data) {
      view.setUint16(at + 8, draw & 3);
      view.setUint32(at + 12, 50 + (near & 7));
    }
    if (type === CHUNK.sack) {
      view.setUint32(at + 4, sentTsn - (near & 7));
      view.setUint32(at + 8, 1 << (draw & 31));
      const gaps = (near & 7) > 2 ? 1 : 0;
      view.setUint32(at + 12, gaps << 16);
      if (gaps === 1) view.setUint32(at + 16, (2 << 16) | (2 + (draw & 3)));
    }
    if (type === CHUNK.init || type === CHUNK.initAck || type === CHUNK.reconfig) {
      const parameter = type === CHUNK.reconfig ? at + 4 : at + 20;
      view.setUint16(parameter, PARAMETERS[random.below(PARAMETERS.length)]!);
      view.setUint16(parameter + 2, 4 + (near & 0x1c));
      // Requests and responses with numbers that may be the next ones.
      if (type === CHUNK.reconfig) view.setUint32(at + 8, this.request + (draw & 3));
    }
  }
}

Deno.test("packetRefusal() and readDcep() take any bytes without a throw, and stay within them", () => {
  const random = new SeededRandom(21);
  const packets = new RandomPackets(random);
  let sound = 0;
  let opens = 0;
  for (let i = 0; i < 200_000; i++) {
    const { bytes, view } = packets;
    let length = packets.write(random.uint32(), CHUNK_TYPES, 0, 0);
    if (random.chance(0.3)) {
      length = random.below(length);
      if (length >= 12) view.setUint32(8, packetChecksum(bytes, length), true);
    }
    if (packetRefusal(bytes, view, length, false) === undefined) sound++;
    const dcep = bytes.slice(12, 12 + random.below(100));
    if (dcep.length > 0) dcep[0] = 2 + random.below(2);
    // Lengths and types as they are in real messages, now and then.
    if (dcep.length > 12 && random.chance(0.5)) {
      dcep.set([0, random.below(100), 0, random.below(3)], 8);
      dcep[1] = random.below(2) * 0x80 + random.below(3);
    }
    const message = readDcep(dcep);
    assert.ok(message !== undefined || dcep[0] !== 2, "an acknowledgement is one byte");
    if (message?.type !== "open") continue;
    opens++;
    // Each character stands for a byte at least, behind the twelve of the head.
    assert.ok(message.label.length <= Math.min(256, dcep.length - 12));
  }
  assert.ok(sound > 20_000, `${sound} were sound`);
  assert.ok(opens > 10_000, `${opens} read`);
});

/** The number of the request to reset streams in a packet, if it has one. */
function requestIn(packet: Uint8Array, length: number): number | undefined {
  const view = new DataView(packet.buffer);
  for (let at = 12; at < length; at += (view.getUint16(at + 2) + 3) & ~3) {
    const isRequest = packet[at] === CHUNK.reconfig && view.getUint16(at + 4) === 13;
    if (isRequest) return view.getUint32(at + 8);
  }
  return undefined;
}

/** Channels of ours in front of a peer that has begun properly, and what the peer knows. */
function attacked(random: SeededRandom) {
  const drops = new DropCounters();
  const events: string[] = [];
  const channels = new DataChannels({
    role: "create",
    dtlsRole: "server",
    remotePort: 5000,
    maxMessageSize: 0,
    random,
    drops,
    listener: {
      onOpen: () => {},
      onMessage: () => {},
      onClosed: () => {},
      onFailed: (reason) => events.push(reason),
    },
  }, 0);
  // The other end of a link opens the association.
  const { left } = new SctpLink(random.uint32());
  const out = new Uint8Array(MAX_PACKET_BYTES);
  const theirs = new Uint8Array(MAX_PACKET_BYTES);
  let tag = 0;
  let [tsn, sentTsn] = [0, 0];
  left.onPacket = () => {};
  left.association.begin();
  for (let turn = 0; turn < 6; turn++) {
    for (let n; (n = left.association.poll(theirs, 0)) > 0;) {
      const view = new DataView(theirs.buffer);
      if (theirs[12] === CHUNK.init) tsn = view.getUint32(28);
      else tag = view.getUint32(4);
      channels.receive(theirs, n, 0);
    }
    for (let n; (n = channels.poll(out, 0)) > 0;) {
      if (out[12] === CHUNK.initAck) sentTsn = new DataView(out.buffer).getUint32(28);
      left.association.receive(out, n, 0);
    }
  }
  return { channels, drops, events, out, tag, tsn, sentTsn, firstSent: sentTsn };
}

/** The highest number that was sent, or given up, after a packet more. */
function lastTsn(packet: Uint8Array, length: number, before: number): number {
  const view = new DataView(packet.buffer);
  let tsn = before;
  for (let at = 12; at < length; at += (view.getUint16(at + 2) + 3) & ~3) {
    if (packet[at] !== CHUNK.data && packet[at] !== CHUNK.forwardTsn) continue;
    if (((view.getUint32(at + 4) - tsn) | 0) > 0) tsn = view.getUint32(at + 4);
  }
  return tsn;
}

v8.setFlagsFromString("--expose-gc");
const collect: () => void = vm.runInNewContext("gc");

/** Bytes that are held, once nothing is left that nobody holds. */
function heldBytes(): number {
  collect();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** So often it is looked at what an association holds, packets. */
const LOOK_PACKETS = 20_000;
/**
 * At most: what waits to be sent on two channels, 4 MiB and 256 KiB, and as much of what came as the
 * window has room for, 1 MiB, each with what it takes to keep it.
 */
const MOST_HELD_BYTES = 6 * 1024 * 1024;

Deno.test("DataChannels takes 1,000,000 random packets of its own association, and goes on", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = new SeededRandom(seed);
    // Half of the runs get no chunk that may end the association, and it must still be up after
    // them.
    const peaceful = seed % 2 === 0;
    const types = CHUNK_TYPES.filter((type) => !peaceful || !ENDING.has(type));
    const packets = new RandomPackets(random);
    let world = attacked(random);
    let now = 0;
    let sent = 0;
    const before = heldBytes();
    for (let i = 0; i < 100_000; i++) {
      if (i % LOOK_PACKETS === LOOK_PACKETS - 1) {
        const held = heldBytes() - before;
        assert.ok(held <= MOST_HELD_BYTES, `seed ${seed}, packet ${i}: ${held} bytes held`);
      }
      const tag = random.chance(0.95) ? world.tag : 0;
      const tsn = world.tsn + (i >>> 4);
      packets.request = (i & 32) === 0 ? world.tsn + (i >>> 12) : world.firstSent + (i >>> 12);
      const length = packets.write(tag, types, tsn, world.sentTsn);
      world.channels.receive(packets.bytes, length, now);
      if ((i & 7) !== 0) continue;
      now += random.below(40);
      world.channels.deliver(random.below(20), now);
      if ((i & 31) === 0) {
        const label = (i & 32) === 0 ? "_reliable" : "_lossy";
        sent += Number(world.channels.send(label, new Uint8Array(1 + (i % 5_000)), false, now));
      }
      for (let n = 0, bytes; (bytes = world.channels.poll(world.out, now)) > 0; n++) {
        assert.ok(n < 2_000, `seed ${seed}, packet ${i}: no end of output`);
        world.sentTsn = lastTsn(world.out, bytes, world.sentTsn);
      }
      if (world.events.length === 0) continue;
      assert.equal(peaceful, false, `seed ${seed}, packet ${i}: ${world.events}`);
      assert.equal(world.drops.get("sctp_internal_error"), 0, `seed ${seed}, packet ${i}`);
      world = attacked(random);
    }
    assert.equal(world.drops.get("sctp_internal_error"), 0, `seed ${seed}`);
    if (!peaceful) continue;
    assert.ok(world.drops.get("sctp_bad_sack") > 0);
    assert.ok(sent > 500, `${sent} messages sent`);
    // With an honest peer everything that waits leaves.
    for (let turn = 0; turn < 5_000; turn++) {
      const length = packets.writeSack(world.tag, world.sentTsn);
      world.channels.receive(packets.bytes, length, now);
      for (let bytes; (bytes = world.channels.poll(world.out, now)) > 0;) {
        world.sentTsn = lastTsn(world.out, bytes, world.sentTsn);
        const request = requestIn(world.out, bytes);
        if (request === undefined) continue;
        const answer = packets.writeAnswer(world.tag, request);
        world.channels.receive(packets.bytes, answer, now);
      }
      now += 5;
    }
    for (const label of ["_reliable", "_lossy"]) {
      assert.equal(world.channels.bufferedAmount(label), 0, `seed ${seed}, ${label}`);
    }
    world.channels.close();
  }
});
