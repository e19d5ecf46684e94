/**
 * Two of our SCTP associations on a link of virtual time: rate, delay, queue, and a seed for what
 * is lost, repeated and overtaken.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { SctpAssociation } from "../../../lib/transport/sctp/sctp_association.ts";
import { MAX_PACKET_BYTES } from "../../../lib/transport/sctp/sctp_packet.ts";
import { SeededRandom } from "./seeded_random.ts";

/** What a direction of the link does; all may be changed while it runs. */
export interface LinkDirection {
  /** Bits a second. */
  bps: number;
  delayMs: number;
  /** Bytes that may wait for their turn. */
  queueBytes: number;
  lossRate: number;
  duplicateRate: number;
  /** Packets that are held up by `reorderMs`. */
  reorderRate: number;
  reorderMs: number;
  /** Whether a packet is lost, before chance is asked. */
  loses: (packet: Uint8Array) => boolean;
}

const PERFECT: LinkDirection = {
  bps: 10_000_000,
  delayMs: 20,
  queueBytes: 128 * 1024,
  lossRate: 0,
  duplicateRate: 0,
  reorderRate: 0,
  reorderMs: 15,
  loses: () => false,
};

/** A packet under way. */
interface Flying {
  readonly at: number;
  readonly to: SctpSide;
  readonly bytes: Uint8Array;
}

/** One end: an association, what it took, and what it sent. */
export class SctpSide {
  readonly drops = new DropCounters();
  readonly association: SctpAssociation;
  readonly taken: { streamId: number; ppid: number; bytes: Uint8Array }[] = [];
  /** Packets sent, chunks of data in them, and those of them that had been sent before. */
  packets = 0;
  dataChunks = 0;
  resent = 0;
  #lastTsn: number | undefined;
  /** Payload bytes that left for the first time or were given up. */
  leftBytes = 0;
  restarts = 0;
  /** Whether messages are taken as they come. */
  reads = true;
  readonly link: LinkDirection = { ...PERFECT };
  freeAt = 0;
  /** What becomes of each packet that is sent. */
  onPacket: (packet: Uint8Array) => void = () => {};

  constructor(random: SeededRandom) {
    this.association = new SctpAssociation({
      remotePort: 5000,
      maxReceivedBytes: 65_535,
      random,
      drops: this.drops,
      listener: {
        onRestarted: () => this.restarts++,
        onLeft: (_stream, _ppid, bytes) => this.leftBytes += bytes,
      },
    });
  }

  /** Sends a message on a reliable ordered stream, or as told. */
  send(
    bytes: Uint8Array,
    {
      streamId = 1,
      ppid = 53,
      ordered = true,
      maxRetransmits = -1,
      expiresAt = Infinity,
      sender = 0,
    } = {},
  ): void {
    this.association.send(streamId, ppid, bytes, ordered, maxRetransmits, expiresAt, sender);
  }

  /** Counts the chunks of data in a packet of this side's. */
  countChunks(packet: Uint8Array): void {
    const view = new DataView(packet.buffer);
    for (let at = 12; at < packet.length; at += (view.getUint16(at + 2) + 3) & ~3) {
      if (packet[at] !== 0) continue;
      this.dataChunks++;
      const tsn = view.getInt32(at + 4);
      if (this.#lastTsn !== undefined && ((tsn - this.#lastTsn) | 0) <= 0) this.resent++;
      else this.#lastTsn = tsn;
    }
  }

  take(): void {
    while (this.association.take(true)) {
      const { streamId, ppid, bytes } = this.association.message;
      this.taken.push({ streamId, ppid, bytes });
    }
  }
}

/** The link with its two ends; time moves only by {@linkcode SctpLink.run}. */
export class SctpLink {
  now = 1_000;
  readonly left: SctpSide;
  readonly right: SctpSide;
  readonly random: SeededRandom;
  readonly #flying: Flying[] = [];
  readonly #out = new Uint8Array(MAX_PACKET_BYTES);

  constructor(seed: number, link: Partial<LinkDirection> = {}) {
    this.random = new SeededRandom(seed);
    this.left = new SctpSide(this.random);
    this.right = new SctpSide(this.random);
    Object.assign(this.left.link, link);
    Object.assign(this.right.link, link);
  }

  /** Lets the left side begin and waits until both stand. */
  connect(): this {
    this.left.association.begin();
    this.run(2_000, () => this.left.association.isUp && this.right.association.isUp);
    return this;
  }

  /** Whether nothing is under way, and nobody waits for anything. */
  get isQuiet(): boolean {
    return this.#flying.length === 0 && this.left.association.nextWakeAt() === Infinity &&
      this.right.association.nextWakeAt() === Infinity;
  }

  /** Lets time pass, for `ms` or until `done` holds. Returns whether it held. */
  run(ms: number, done: () => boolean = () => false): boolean {
    const until = this.now + ms;
    for (;;) {
      this.#pump(this.left, this.right);
      this.#pump(this.right, this.left);
      if (done()) return true;
      const next = Math.min(
        this.#flying[0]?.at ?? Infinity,
        this.left.association.nextWakeAt(),
        this.right.association.nextWakeAt(),
      );
      if (next > until) {
        this.now = until;
        return done();
      }
      this.now = Math.max(this.now, Math.ceil(next));
      while (this.#flying.length > 0 && this.#flying[0]!.at <= this.now) {
        const { to, bytes } = this.#flying.shift()!;
        to.association.receive(bytes, bytes.length, this.now);
        if (to.reads) to.take();
        this.#pump(this.left, this.right);
        this.#pump(this.right, this.left);
      }
    }
  }

  #pump(from: SctpSide, to: SctpSide): void {
    for (;;) {
      const length = from.association.poll(this.#out, this.now);
      if (length === 0) return;
      const packet = this.#out.slice(0, length);
      from.packets++;
      from.countChunks(packet);
      from.onPacket(packet);
      this.#carry(from, to, packet);
    }
  }

  #carry(from: SctpSide, to: SctpSide, packet: Uint8Array): void {
    const { link } = from;
    if (link.loses(packet) || this.random.chance(link.lossRate)) return;
    const waiting = Math.max(0, from.freeAt - this.now) * link.bps / 8_000;
    if (waiting + packet.length > link.queueBytes) return;
    const bytesOnWire = packet.length + 65; // DTLS, UDP, IP
    from.freeAt = Math.max(from.freeAt, this.now) + bytesOnWire * 8_000 / link.bps;
    const at = from.freeAt + link.delayMs +
      (this.random.chance(link.reorderRate) ? link.reorderMs : 0);
    this.#fly({ at, to, bytes: packet });
    if (this.random.chance(link.duplicateRate)) this.#fly({ at: at + 1, to, bytes: packet });
  }

  #fly(flying: Flying): void {
    let index = this.#flying.length;
    while (index > 0 && this.#flying[index - 1]!.at > flying.at) index--;
    this.#flying.splice(index, 0, flying);
  }
}
