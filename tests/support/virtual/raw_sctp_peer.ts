/**
 * The peer of one of our SCTP associations, by hand: it begins properly, and then sends whatever
 * chunks a test makes up, and shows what came back.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { packetChecksum } from "../../../lib/transport/sctp/crc32c.ts";
import { SctpAssociation } from "../../../lib/transport/sctp/sctp_association.ts";
import { CHUNK, MAX_PACKET_BYTES } from "../../../lib/transport/sctp/sctp_packet.ts";
import { SeededRandom } from "./seeded_random.ts";

/** A chunk that our side sent. */
export interface SentChunk {
  readonly type: number;
  readonly flags: number;
  /** Without its header. */
  readonly body: DataView;
}

/** Parameters of an INIT: FORWARD-TSN, and RE-CONFIG among the extensions. */
const USUAL_PARAMETERS = [0xc0, 0, 0, 4, 0x80, 0x08, 0, 6, 130, 192, 0, 0];
export const ZERO_CHECKSUM = [0x80, 0x01, 0, 8, 0, 0, 0, 1];

/** Four bytes of a number. */
export const u32 = (value: number): number[] => [
  (value >>> 24) & 255,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
export const u16 = (value: number): number[] => [(value >>> 8) & 255, value & 255];

/** Our association and the raw peer in front of it. Time moves only by `now`. */
export class RawSctpPeer {
  now = 1_000;
  readonly drops = new DropCounters();
  readonly association: SctpAssociation;
  restarts = 0;
  /** Tags and numbers: what the peer says of itself, and what it learnt. */
  tag = 0x1111;
  tsn = 5_000;
  theirTag = 0;
  theirTsn = 0;
  /** The last packet that our side sent. */
  last = new Uint8Array(0);
  readonly #out = new Uint8Array(MAX_PACKET_BYTES);

  constructor(seed = 1) {
    this.association = new SctpAssociation({
      remotePort: 5000,
      maxReceivedBytes: 65_535,
      random: new SeededRandom(seed),
      drops: this.drops,
      listener: { onRestarted: () => this.restarts++, onLeft: () => {} },
    });
  }

  /** Sends a packet of these chunks. */
  packet(chunks: readonly (readonly number[])[], tag = this.theirTag, checksum = true): void {
    const body = chunks.flatMap((chunk) => {
      const padded = [...chunk];
      while (padded.length % 4 !== 0) padded.push(0);
      return padded;
    });
    const bytes = Uint8Array.from([0x13, 0x88, 0x13, 0x88, ...u32(tag), 0, 0, 0, 0, ...body]);
    if (checksum) {
      new DataView(bytes.buffer).setUint32(8, packetChecksum(bytes, bytes.length), true);
    }
    this.association.receive(bytes, bytes.length, this.now);
  }

  /** Everything our side sends now. */
  sent(): SentChunk[] {
    const chunks: SentChunk[] = [];
    for (let length; (length = this.association.poll(this.#out, this.now)) > 0;) {
      const packet = this.last = this.#out.slice(0, length);
      const view = new DataView(packet.buffer);
      for (let at = 12; at < length; at += (view.getUint16(at + 2) + 3) & ~3) {
        const body = new DataView(packet.buffer, at + 4, view.getUint16(at + 2) - 4);
        chunks.push({ type: packet[at]!, flags: packet[at + 1]!, body });
      }
    }
    return chunks;
  }

  /** What our side sends when the next thing is due. */
  sentNext(): SentChunk[] {
    this.now = Math.max(this.now, Math.ceil(this.association.nextWakeAt()));
    return this.sent();
  }

  /** An INIT. */
  init(window = 1 << 20, parameters: readonly number[] = []): number[] {
    const body = [
      ...[...u32(this.tag), ...u32(window), ...u16(100), ...u16(100), ...u32(this.tsn)],
      ...[...USUAL_PARAMETERS, ...parameters],
    ];
    return chunk(CHUNK.init, 0, body);
  }

  /** Begins the association; returns the cookie it came with. */
  begin(window?: number, parameters?: readonly number[]): Uint8Array {
    this.packet([this.init(window, parameters)], 0);
    const cookie = this.readInitAck(this.sent());
    this.packet([chunk(CHUNK.cookieEcho, 0, [...cookie])]);
    this.sent();
    return cookie;
  }

  /** Learns from an INIT ACK. Returns its cookie. */
  readInitAck(chunks: readonly SentChunk[]): Uint8Array {
    const { body } = chunks.find(({ type }) => type === CHUNK.initAck)!;
    this.theirTag = body.getUint32(0);
    this.theirTsn = body.getUint32(12);
    for (let at = 16; at < body.byteLength; at += (body.getUint16(at + 2) + 3) & ~3) {
      if (body.getUint16(at) !== 7) continue;
      return new Uint8Array(body.buffer, body.byteOffset + at + 4, body.getUint16(at + 2) - 4);
    }
    throw new Error("An INIT ACK without a cookie");
  }

  /** A DATA chunk with the next number, or another one. */
  data(
    payload: number | readonly number[],
    {
      streamId = 1,
      streamSeq = 0,
      ppid = 53,
      flags = 3,
      tsn = this.tsn++,
    } = {},
  ): number[] {
    const bytes = typeof payload === "number" ? new Array(payload).fill(7) : payload;
    const head = [...u32(tsn), ...u16(streamId), ...u16(streamSeq), ...u32(ppid)];
    return chunk(CHUNK.data, flags, [...head, ...bytes]);
  }

  /** A SACK of all up to the `count`th chunk of ours, with gaps behind it. */
  sack(
    count: number,
    window = 1 << 20,
    gaps: readonly (readonly [number, number])[] = [],
  ): number[] {
    const blocks = gaps.flatMap(([start, end]) => [...u16(start), ...u16(end)]);
    const cumulative = this.theirTsn + count - 1;
    const head = [...u32(cumulative), ...u32(window), ...u16(gaps.length), 0, 0];
    return chunk(CHUNK.sack, 0, [...head, ...blocks]);
  }

  /** The messages that can be taken, as text. */
  taken(): string[] {
    const messages: string[] = [];
    while (this.association.take(true)) {
      messages.push(new TextDecoder().decode(this.association.message.bytes));
    }
    return messages;
  }
}

/** A chunk of any type. */
export function chunk(type: number, flags: number, body: readonly number[]): number[] {
  return [type, flags, ...u16(4 + body.length), ...body];
}

/** The numbers of the DATA chunks among `chunks`. */
export function dataTsns(chunks: readonly SentChunk[]): number[] {
  return chunks.filter(({ type }) => type === CHUNK.data).map(({ body }) => body.getUint32(0));
}
