/**
 * Sends packets of audio again unasked, with those behind them (RFC 7198): copies of frames for
 * receivers that take no redundancy inside of packets. Whose packet came drops the copy as a
 * replay.
 *
 * Contract: what is sent again equals its first sending, to the transport-wide number and the times
 * in its header: it has the same nonce, under which AES-GCM must not authenticate anything else.
 * Nothing waits for a timer; what no packet follows is not sent again. No allocation per packet.
 *
 * @module
 */
import { PACKET_KIND, type PacketSink } from "../../base/packet_sink.ts";
import { SLOT_BYTES } from "../layer/packet_cache.ts";
import { OutgoingPacket } from "../packet/outgoing_packet.ts";

/** So many packets may wait to leave again: two, and what a publisher's jitter brings at once. */
const KEPT = 4;
/** What is older has no time to be heard, ms: who sends while nobody speaks sends rarely. */
const MOST_AGE_MS = 100;

/** Of one stream, from when it is needed until it is not. */
export class AudioDuplicates {
  /** How often each packet is sent again, 1 or 2. */
  count = 1;
  readonly #sink: PacketSink;
  readonly #redundantType: number;
  readonly #packet = new OutgoingPacket();
  /** By entry; the oldest is the next to be overwritten. */
  readonly #bytes = new Uint8Array(KEPT * SLOT_BYTES);
  readonly #headerLengths = new Uint16Array(KEPT);
  readonly #lengths = new Uint16Array(KEPT);
  readonly #sequences = new Float64Array(KEPT);
  readonly #transportSequences = new Int32Array(KEPT);
  /** Monotonic ms of the first sending, and of the last. */
  readonly #keptAt = new Float64Array(KEPT);
  readonly #sentAt = new Float64Array(KEPT);
  readonly #due = new Uint8Array(KEPT);
  #next = 0;

  /** @param redundantType Payload type of packets with copies inside, which are left alone. */
  constructor(sink: PacketSink, redundantType: number) {
    this.#sink = sink;
    this.#redundantType = redundantType;
    this.#packet.packetKind = PACKET_KIND.again;
  }

  /** A packet that was written to `head`, and to where it says, is about to be sent. */
  keep(head: Uint8Array, packet: OutgoingPacket, now: number): void {
    const { written, source, sourceAt, sourceLength } = packet;
    const length = written + sourceLength;
    if (packet.payloadType === this.#redundantType || packet.empty || length > SLOT_BYTES) return;
    const entry = this.#next;
    this.#next = (entry + 1) % KEPT;
    const bytes = this.#bytes;
    let at = entry * SLOT_BYTES;
    for (let i = 0; i < written; i++) bytes[at++] = head[i]!;
    for (let i = 0; i < sourceLength; i++) bytes[at++] = source[sourceAt + i]!;
    this.#headerLengths[entry] = packet.headerLength;
    this.#lengths[entry] = length;
    this.#sequences[entry] = packet.sequence;
    this.#transportSequences[entry] = packet.transportSequence;
    this.#keptAt[entry] = this.#sentAt[entry] = now;
    this.#due[entry] = this.count;
    this.#packet.ssrc = packet.ssrc;
  }

  /**
   * Another packet is about to be written: sends those again that left before this instant.
   *
   * @returns How many.
   */
  leave(now: number): number {
    let sent = 0;
    for (let back = 0; back < KEPT; back++) {
      const entry = (this.#next + back) % KEPT;
      if (this.#due[entry] === 0 || now <= this.#sentAt[entry]!) continue;
      if (now - this.#keptAt[entry]! > MOST_AGE_MS) {
        this.#due[entry] = 0;
        continue;
      }
      if (!this.#send(entry, now)) break;
      this.#due[entry]!--;
      this.#sentAt[entry] = now;
      sent++;
    }
    return sent;
  }

  #send(entry: number, now: number): boolean {
    const room = this.#sink.reserve();
    const packet = this.#packet;
    const headerLength = packet.headerLength = packet.written = this.#headerLengths[entry]!;
    if (room === undefined) return false;
    const at = entry * SLOT_BYTES;
    for (let i = 0; i < headerLength; i++) room[i] = this.#bytes[at + i]!;
    packet.sequence = this.#sequences[entry]!;
    packet.transportSequence = this.#transportSequences[entry]!;
    packet.source = this.#bytes;
    packet.sourceAt = at + headerLength;
    packet.sourceLength = this.#lengths[entry]! - headerLength;
    this.#sink.send(packet, now);
    return true;
  }
}
