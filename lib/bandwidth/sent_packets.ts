/**
 * What was sent with a transport-wide sequence number, so that feedback can be matched with it.
 *
 * Contract: one entry a number, in a ring of typed arrays that grows only while packets younger
 * than {@linkcode HISTORY_MS} would be overwritten. Numbers are extended here: what was never sent,
 * or is too old, is not found, whatever feedback says. Nothing allocates but growing.
 *
 * @module
 */

/** What a packet is for. */
export const SENT = { media: 0, audio: 1, repair: 2, padding: 3 } as const;
/** One of {@linkcode SENT}. */
export type SentKind = (typeof SENT)[keyof typeof SENT];

/** What is known of a packet. */
export const FATE = { none: 0, inFlight: 1, lost: 2, received: 3 } as const;

/** In the mark of a packet that left more than once under its number: nobody tells which came. */
const AGAIN = 1 << 4;
/** Packets are remembered for so long, ms: feedback later than this says nothing about now. */
const HISTORY_MS = 2_500;
/** What leaves so much later than it was noted is noted anew, ms. */
const LATE_MS = 2;
/** Entries at first: 2.5 s at 500 kbit/s. */
const FIRST_CAPACITY = 256;
/** A quarter of the numbers there are, so that old and new cannot be mistaken for each other. */
const MAX_CAPACITY = 1 << 14;

/** The packets of one connection, by number. 12 bytes for each remembered one. */
export class SentPackets {
  /** Packets of audio that are known to be lost, in all. */
  audioLost = 0;
  #sentAt: Float64Array = new Float64Array(FIRST_CAPACITY);
  #bytes: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  /** Kind in the two low bits, fate above, then whether it left again. */
  #marks: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  #clusters: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  #mask = FIRST_CAPACITY - 1;
  /** Extended number of the newest packet, -1 before there is one. */
  #newest = -1;
  /** Extended number of the newest one that is known to have left. */
  #left = -1;

  /**
   * Notes a packet.
   *
   * @param sequence16 Its transport-wide number; they are handed out one by one.
   * @param cluster Low 8 bits of the probe's number, 0 for none.
   * @param now Monotonic ms.
   */
  add(sequence16: number, bytes: number, kind: SentKind, cluster: number, now: number): void {
    const sequence = this.#extend(sequence16, now);
    const slot = sequence & this.#mask;
    this.#sentAt[slot] = now;
    this.#bytes[slot] = bytes;
    this.#marks[slot] = (FATE.inFlight << 2) | kind;
    this.#clusters[slot] = cluster;
  }

  /**
   * All that was noted has left by now, which may be later than it was noted: a thread that waited
   * for a core in between is no queue of the path.
   */
  left(now: number): void {
    const newest = this.#newest;
    const count = Math.min(newest - this.#left, this.#mask + 1);
    this.#left = newest;
    if (count <= 0 || now - this.#sentAt[newest & this.#mask]! < LATE_MS) return;
    for (let back = 0; back < count; back++) this.#sentAt[(newest - back) & this.#mask] = now;
  }

  /**
   * Finds a packet by its 16-bit number.
   *
   * @returns A slot for the getters below, valid until the next {@linkcode add}; -1 for what was
   *   not sent, or is forgotten.
   */
  find(sequence16: number): number {
    const back = (this.#newest - sequence16) & 0xffff;
    if (back > this.#mask || back > this.#newest) return -1;
    const slot = (this.#newest - back) & this.#mask;
    return this.fate(slot) === FATE.none ? -1 : slot;
  }

  /** Bytes of memory. */
  get memory(): number {
    return 12 * (this.#mask + 1);
  }

  sentAt(slot: number): number {
    return this.#sentAt[slot]!;
  }

  bytes(slot: number): number {
    return this.#bytes[slot]!;
  }

  kind(slot: number): number {
    return this.#marks[slot]! & 3;
  }

  cluster(slot: number): number {
    return this.#clusters[slot]!;
  }

  /** One of {@linkcode FATE}. */
  fate(slot: number): number {
    return this.#marks[slot]! >> 2 & 3;
  }

  /** A packet left once more, as far as it is not known to have come by then. */
  leftAgain(sequence16: number): void {
    const slot = this.find(sequence16);
    if (slot >= 0 && this.fate(slot) !== FATE.received) this.#marks[slot]! |= AGAIN;
  }

  /** Whether it left once more: what is told of its arrival may be told of another's. */
  isAgain(slot: number): boolean {
    return (this.#marks[slot]! & AGAIN) !== 0;
  }

  setFate(slot: number, fate: number): void {
    if ((this.#marks[slot]! & 3) === SENT.audio) {
      if (fate === FATE.lost) this.audioLost++;
      else if (this.fate(slot) === FATE.lost) this.audioLost--;
    }
    this.#marks[slot] = (fate << 2) | (this.#marks[slot]! & (AGAIN | 3));
  }

  /** Forgets all: what was sent on another path says nothing about this one. */
  clear(): void {
    this.#left = this.#newest;
    this.#marks.fill(0);
  }

  #extend(sequence16: number, now: number): number {
    if (this.#newest < 0) {
      // One round above zero, so that numbers before it exist.
      this.#left = 0xffff + sequence16;
      return this.#newest = 0x10000 + sequence16;
    }
    const ahead = (sequence16 - this.#newest) << 16 >> 16;
    if (ahead <= 0) {
      // Ours never go back; should they, the number is taken for the newest one's.
      return this.#newest + Math.max(ahead, -this.#mask);
    }
    for (let i = 1; i <= Math.min(ahead, this.#mask + 1); i++) {
      const slot = (this.#newest + i) & this.#mask;
      if (this.#isYoung(slot, now) && this.#grow()) return this.#extend(sequence16, now);
      this.#marks[slot] = 0;
    }
    return this.#newest += ahead;
  }

  #isYoung(slot: number, now: number): boolean {
    return this.fate(slot) !== FATE.none && now - this.#sentAt[slot]! < HISTORY_MS;
  }

  /** Doubles the room; `false` if that is not allowed. */
  #grow(): boolean {
    const old = this.#mask + 1;
    if (old >= MAX_CAPACITY) return false;
    const mask = old * 2 - 1;
    const sentAt = new Float64Array(old * 2);
    const bytes = new Uint16Array(old * 2);
    const marks = new Uint8Array(old * 2);
    const clusters = new Uint8Array(old * 2);
    for (let back = 0; back < old && back <= this.#newest; back++) {
      const from = (this.#newest - back) & this.#mask;
      const to = (this.#newest - back) & mask;
      sentAt[to] = this.#sentAt[from]!;
      bytes[to] = this.#bytes[from]!;
      marks[to] = this.#marks[from]!;
      clusters[to] = this.#clusters[from]!;
    }
    this.#sentAt = sentAt;
    this.#bytes = bytes;
    this.#marks = marks;
    this.#clusters = clusters;
    this.#mask = mask;
    return true;
  }
}
