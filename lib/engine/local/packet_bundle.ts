/**
 * Where the packets of a recorded track go instead of into a connection: one behind the other into
 * a bundle, which is handed over when it is full or has waited long enough.
 *
 * Contract: no allocation per packet. What nobody took is dropped with the bundle's owner.
 *
 * @module
 */
import {
  type NumberedPacket,
  PACKET_KIND,
  type PacketSink,
  SEAL_BYTES,
} from "../../base/packet_sink.ts";
import { writeUint16 } from "../../wire/big_endian.ts";

/** A bundle is handed over so long after its first packet, ms. */
export const BUNDLE_MS = 50;
/** And no later than when it has no room for two packets more. */
const BUNDLE_BYTES = 64 * 1024;
const LENGTH_BYTES = 2;
/** Packets are refused that would not fit into what a sink lends. */
const LARGEST_PACKET = 1_600;

/** One track's packets; who made it is called from within {@linkcode PacketBundle.send}. */
export class PacketBundle implements PacketSink {
  readonly #room = new Uint8Array(LARGEST_PACKET + SEAL_BYTES);
  readonly #bytes = new Uint8Array(BUNDLE_BYTES);
  readonly #full: (now: number) => void;
  readonly #timed: (at: number) => void;
  #length = 0;
  #beganAt = 0;

  /**
   * @param full There is no room for more.
   * @param timed It is to be taken at that time.
   */
  constructor(full: (now: number) => void, timed: (at: number) => void) {
    this.#full = full;
    this.#timed = timed;
  }

  /** When it is to be taken; `Infinity` while it is empty. */
  get dueAt(): number {
    return this.#length === 0 ? Infinity : this.#beganAt + BUNDLE_MS;
  }

  reserve(): Uint8Array {
    return this.#room;
  }

  send(packet: NumberedPacket, now: number): void {
    // Padding is for a path, and there is none.
    if (packet.packetKind === PACKET_KIND.padding) return;
    const { written, source, sourceAt, sourceLength } = packet;
    const length = written + sourceLength;
    if (length > LARGEST_PACKET) return;
    if (this.#length === 0) {
      this.#beganAt = now;
      this.#timed(now + BUNDLE_MS);
    }
    const bytes = this.#bytes;
    writeUint16(bytes, this.#length, length);
    let at = this.#length + LENGTH_BYTES;
    for (let i = 0; i < written; i++) bytes[at++] = this.#room[i]!;
    for (let i = 0; i < sourceLength; i++) bytes[at++] = source[sourceAt + i]!;
    this.#length = at;
    if (at + LENGTH_BYTES + LARGEST_PACKET > BUNDLE_BYTES) this.#full(now);
  }

  nextTransportSequence(): number {
    return -1;
  }

  /** What there is, with how long its first packet waited; `undefined` if nothing. */
  take(now: number): { packets: Uint8Array<ArrayBuffer>; ageMs: number } | undefined {
    if (this.#length === 0) return undefined;
    const packets = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return { packets, ageMs: now - this.#beganAt };
  }
}
