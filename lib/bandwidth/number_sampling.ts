/**
 * Which packets are numbered, so that their arrival is told: all of them, or, while a path is calm,
 * those of a moment in each while. Receivers tell as long as there is something to tell, 10 to 20
 * times a second, and each message costs about as much as several packets.
 *
 * Contract: pure, `now` is monotonic ms. Between two moments nothing of a path is seen but what is
 * asked for again, so whoever hears of that, or has any doubt, says so by {@linkcode
 * NumberSampling.watch}: then all are numbered again, at once. Who asks for one packet after the
 * other need not ask as long as {@linkcode NumberSampling.restsUntil} says, or until it is told.
 *
 * @module
 */

/** A path has to be calm for so long first, ms. */
const CALM_MS = 5_000;
/** Packets of so long are numbered, from one moment to the next, ms: a frame, or two. */
const MOMENT_MS = 20;
const EVERY_MS = 400;
/** Where there was no doubt for so long moments are rarer, ms. */
const LONG_CALM_MS = 10_000;
const LONG_CALM_EVERY_MS = 800;
/** Where nothing left for so long the path has to be calm anew, ms. */
const PAUSE_MS = 2_000;
/** So long is everything numbered after a doubt, ms: some frames, and what is told of them. */
const WATCH_MS = 500;
/**
 * So few packets that are asked for again are no doubt yet, but a reason to look at once, unless it
 * happened within so long before, ms: most paths lose one now and then.
 */
export const FEW_MISSED = 2;
const FEW_MISSED_MS = 250;
/** A message all of whose packets waited for longer is a reason for doubt, ms. */
export const DOUBTFUL_WAIT_MS = 20;
/** …and so is one that is on its way for so much longer than a round trip, ms. */
const DOUBTFUL_WAY_MS = 50;

/** Calm ends where more of late packets than this share, and so many, are asked for again… */
const MOST_MISSED = 0.01;
const LEAST_MISSED = 3;
/** …of which the newest so many count, and older ones by half, and so on. */
const LATE_PACKETS = 1_000;
/** Only where no more than this share of the estimate is acknowledged, … */
const MOST_SHARE = 0.8;
/** … with a queue no longer than this, ms, and so near that samples are told of one by one. */
const MOST_QUEUE_MS = 20;
const MOST_RTT_MS = 250;

/** Of one connection. */
export class NumberSampling {
  /** Everything that leaves before is numbered; `Infinity` while the path is not calm. */
  #watchedUntil = Infinity;
  /** When a numbered packet left last. */
  #leftAt = -Infinity;
  /** When packets were asked for again last. */
  #missedAt = -Infinity;
  /** From one moment to the next, ms. */
  #everyMs = EVERY_MS;
  /** The last stretch of time that was sampled: what left in it is told of later. */
  #sampledFrom = Infinity;
  #sampledUntil = -Infinity;
  /** The newest moment began then, and its first packet has this number; -1 before its time. */
  #momentAt = -Infinity;
  #first = -1;
  /** What was awaited for too long left then: once it was noticed, it is no news. */
  #awaitedAt = -Infinity;
  /** Bytes since the moment before it began, and since it did. */
  #bytesBefore = 0;
  #bytes = 0;
  /** Of late: what left, and what of it was asked for again. */
  #packets = 0;
  #missed = 0;
  /** When the first packet of a moment came last, by the receiver's clock. */
  #arrivedAt = -1;
  readonly #restEnds: () => void;

  /** @param restEnds Told when packets are numbered that were not to be yet. */
  constructor(restEnds: () => void = () => {}) {
    this.#restEnds = restEnds;
  }

  /** Whether a path can be known by samples. Rates are bits per second. */
  static suits(bps: number, ackedBps: number, queueMs: number, rttMs: number): boolean {
    return ackedBps <= bps * MOST_SHARE && queueMs < MOST_QUEUE_MS && rttMs < MOST_RTT_MS;
  }

  /** Whether not all that leaves now is numbered. */
  isSampled(now: number): boolean {
    return now >= this.#watchedUntil;
  }

  /** Whether a packet that leaves now is to be numbered. */
  numbers(now: number): boolean {
    const sinceMs = now - this.#momentAt;
    return !this.isSampled(now) || sinceMs < MOMENT_MS || sinceMs >= this.#everyMs;
  }

  /** Until when none is, if one that leaves now is not. */
  get restsUntil(): number {
    return this.#momentAt + this.#everyMs;
  }

  /** A numbered packet left. */
  sent(sequence16: number, bytes: number, now: number): void {
    this.#packets++;
    const pausedMs = now - this.#leftAt;
    this.#leftAt = now;
    if (!this.isSampled(now)) return;
    if (pausedMs > PAUSE_MS && pausedMs !== Infinity) {
      // Nothing left for a while: what was known of the path is old.
      this.#endStretch(now);
      this.#watchedUntil = now + CALM_MS;
      this.#everyMs = EVERY_MS;
      this.#forgetMoment();
      return;
    }
    const sinceMs = now - this.#momentAt;
    if (sinceMs >= this.#everyMs) {
      // One whose first packet is not told of says nothing, and the next is compared with none.
      if (this.#first >= 0) this.#arrivedAt = -1;
      this.#first = sequence16;
      this.#momentAt = now;
      this.#bytesBefore = this.#bytes;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
  }

  /** So many packets left that would be numbered at other times. */
  skipped(packets: number, bytes: number): void {
    this.#packets += packets;
    this.#bytes += bytes;
  }

  /** Whether a packet that left then was one of few that are told of. */
  isSample(sentAt: number): boolean {
    return (sentAt >= this.#sampledFrom && sentAt < this.#sampledUntil) || this.isSampled(sentAt);
  }

  /** Bytes that left between the first packets of the last two moments. */
  get momentBytes(): number {
    return this.#bytesBefore;
  }

  /**
   * A sample arrived.
   *
   * @param arrivedAt By the receiver's clock, ms.
   * @returns How long after the moment before the newest one arrived, ms: in that time {@linkcode
   *   momentBytes} came. 0 if this packet does not tell.
   */
  arrived(sequence16: number, arrivedAt: number): number {
    if (sequence16 !== this.#first) return 0;
    const elapsedMs = this.#arrivedAt < 0 ? 0 : arrivedAt - this.#arrivedAt;
    this.#first = -1;
    this.#arrivedAt = arrivedAt;
    return Math.max(0, elapsedMs);
  }

  /**
   * @param isCalm Nothing speaks against it.
   */
  update(isCalm: boolean, now: number): void {
    if (!isCalm) return this.#end(now);
    if (this.#watchedUntil === Infinity) this.#watchedUntil = now + CALM_MS;
    if (now - this.#watchedUntil >= LONG_CALM_MS) this.#everyMs = LONG_CALM_EVERY_MS;
  }

  /**
   * So many packets are asked for again: a doubt, or a reason to look at once. Who samples would
   * not see how many are lost.
   *
   * @returns Whether everything is numbered because of it.
   */
  missed(count: number, now: number): boolean {
    const wasSampled = this.isSampled(now);
    const isDoubt = count > FEW_MISSED || now - this.#missedAt < FEW_MISSED_MS;
    this.#missedAt = now;
    if (isDoubt || !wasSampled) this.watch(now);
    else this.#forgetMoment();
    while (this.#packets > LATE_PACKETS) {
      this.#packets /= 2;
      this.#missed /= 2;
    }
    this.#missed += count;
    if (this.#missed >= LEAST_MISSED && this.#missed > this.#packets * MOST_MISSED) this.#end(now);
    return wasSampled && !this.isSampled(now);
  }

  /** Whether it is news that nothing is known yet of a packet that left then. */
  isDoubtful(leftAt: number, rttMs: number, now: number): boolean {
    // (One that is lost stays unknown as long as nothing is sent behind it.)
    if (leftAt <= this.#awaitedAt || now - leftAt <= rttMs + DOUBTFUL_WAY_MS) return false;
    this.#awaitedAt = leftAt;
    return true;
  }

  /** Something happened: everything is numbered for a while. */
  watch(now: number): void {
    this.#everyMs = EVERY_MS;
    if (this.#watchedUntil === Infinity) return;
    this.#endStretch(now);
    this.#watchedUntil = Math.max(this.#watchedUntil, now + WATCH_MS);
    this.#forgetMoment();
  }

  clear(): void {
    this.#everyMs = EVERY_MS;
    this.#watchedUntil = Infinity;
    this.#packets = this.#missed = 0;
    this.#forgetMoment();
  }

  #end(now: number): void {
    this.#endStretch(now);
    this.clear();
  }

  #endStretch(now: number): void {
    if (!this.isSampled(now)) return;
    this.#sampledFrom = this.#watchedUntil;
    this.#sampledUntil = now;
  }

  /** The next moment is compared with none, and may be now. */
  #forgetMoment(): void {
    this.#restEnds();
    this.#momentAt = -Infinity;
    this.#first = this.#arrivedAt = -1;
    this.#bytes = this.#bytesBefore = 0;
  }
}
