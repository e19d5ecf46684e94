/**
 * How fast the reader of one data channel takes what waits for it.
 *
 * Only time in which something waited counts: a channel that is idle half of the time is not slow.
 * The figure covers the last 2 s. Pure: `now` is monotonic ms and never goes back. Memory is made
 * with the first message, and fixed.
 *
 * @module
 */

/** Length of one slot of the window, ms; also the least busy time a figure is made of. */
const SLOT_MS = 100;
/** Slots of the window. */
const SLOTS = 20;
const NO_SLOTS = new Float64Array(0);

/**
 * One reader's rate over the last 2 s, counting only time in which something waited. `now` never
 * goes back; memory is fixed.
 */
export class DrainRate {
  /** What waits now. */
  waitingBytes = 0;
  /** Made when something waits for the first time. */
  #bytes = NO_SLOTS;
  #busyMs = NO_SLOTS;
  /** Of the slot that has not ended: what most messages touch, and not the arrays. */
  #bytesNow = 0;
  #busyMsNow = 0;
  #last: number;

  constructor(now: number) {
    this.#last = now;
  }

  /** `bytes` came to wait. */
  queued(bytes: number, now: number): void {
    if (this.#bytes === NO_SLOTS) {
      this.#bytes = new Float64Array(SLOTS);
      this.#busyMs = new Float64Array(SLOTS);
    }
    this.#advance(now);
    this.waitingBytes += bytes;
  }

  /** `bytes` that waited were taken. */
  drained(bytes: number, now: number): void {
    if (this.#bytes === NO_SLOTS) return;
    this.#advance(now);
    this.waitingBytes = Math.max(0, this.waitingBytes - bytes);
    // They were taken in the time up to now, which ends one slot before it begins the next.
    if (now % SLOT_MS === 0) this.#bytes[(now / SLOT_MS + SLOTS - 1) % SLOTS]! += bytes;
    else this.#bytesNow += bytes;
  }

  /** `bytes` that waited were given up, which is no credit to the reader. */
  dropped(bytes: number, now: number): void {
    if (this.#bytes === NO_SLOTS) return;
    this.#advance(now);
    this.waitingBytes = Math.max(0, this.waitingBytes - bytes);
  }

  /** Bits per second; `undefined` if nothing waited for long enough to tell. */
  bps(now: number): number | undefined {
    if (this.#bytes === NO_SLOTS) return undefined;
    this.#advance(now);
    let bytes = this.#bytesNow;
    let busyMs = this.#busyMsNow;
    for (let slot = 0; slot < SLOTS; slot++) {
      bytes += this.#bytes[slot]!;
      busyMs += this.#busyMs[slot]!;
    }
    return busyMs < SLOT_MS ? undefined : bytes * 8000 / busyMs;
  }

  /** Brings the window to `now`, slot by slot, and counts the time since as busy if it was. */
  #advance(now: number): void {
    if (now === this.#last) return;
    const busy = this.waitingBytes > 0;
    if (now - this.#last >= SLOTS * SLOT_MS) {
      this.#bytes.fill(0);
      this.#busyMs.fill(busy ? SLOT_MS : 0);
      this.#busyMs[slotOf(now)] = 0;
      this.#bytesNow = 0;
      this.#busyMsNow = busy ? now % SLOT_MS : 0;
      this.#last = now;
      return;
    }
    while (this.#last < now) {
      const end = this.#last - this.#last % SLOT_MS + SLOT_MS;
      const until = Math.min(now, end);
      if (busy) this.#busyMsNow += until - this.#last;
      if (until === end) this.#endSlot();
      this.#last = until;
    }
  }

  /** The slot of the last moment is over; the next takes the place of the oldest. */
  #endSlot(): void {
    const slot = slotOf(this.#last);
    this.#bytes[slot] = this.#bytesNow;
    this.#busyMs[slot] = this.#busyMsNow;
    const next = (slot + 1) % SLOTS;
    this.#bytes[next] = 0;
    this.#busyMs[next] = 0;
    this.#bytesNow = 0;
    this.#busyMsNow = 0;
  }
}

function slotOf(now: number): number {
  return Math.floor(now / SLOT_MS) % SLOTS;
}
