/**
 * Merges key-frame requests for one layer: the publisher is asked at most once per interval,
 * however many subscribers want a key frame, and a request that came too soon is kept until its
 * time. That holds for each layer; libwebrtc hears no request soon after another one of the same
 * track, whatever its layer, so those keep a distance, too.
 *
 * @module
 */

/**
 * Least time between two requests by spatial layer, ms (`rtc.pli_throttle`; LiveKit 1.13.5,
 * `pkg/sfu/receiver_base.go`).
 */
const DEFAULT_PLI_THROTTLE_MS: readonly number[] = [500, 1000, 1000];
/** Until the first key frame of a layer a request is repeated this often, ms… */
const SEED_INTERVAL_MS = 1000;
/** …for this long, ms. */
const SEED_DURATION_MS = 30_000;

/**
 * Between requests for two layers of a track, ms: libwebrtc drops those that come within 300 ms of
 * another (`min_keyframe_send_interval`), and it would be asked again a whole interval later.
 */
const APART_MS = 350;
/** What leaves together is answered together: publishers of other kinds have no such rule, ms. */
const TOGETHER_MS = 10;

/** What the layers of a track have in common: when one was asked for a key frame last. */
export class TrackRequests {
  #at = -Infinity;
  #by: KeyFrameThrottle | undefined;

  /** @param throttleMs Least time between two requests by spatial layer. */
  constructor(readonly throttleMs: readonly number[] = DEFAULT_PLI_THROTTLE_MS) {}

  sent(by: KeyFrameThrottle, now: number): void {
    this.#at = now;
    this.#by = by;
  }

  /** When a request of `now` keeps its distance from the last one of another layer. */
  apartAt(of: KeyFrameThrottle, now: number): number {
    const isAlone = this.#by === undefined || this.#by === of || now - this.#at <= TOGETHER_MS;
    return isAlone ? now : this.#at + APART_MS;
  }
}

/**
 * One layer's requests: at most one in an interval, and one that came too soon is sent at its time,
 * unless a key frame came first.
 */
export class KeyFrameThrottle {
  readonly #intervalMs: number;
  readonly #track: TrackRequests;
  #lastSentAt = -Infinity;
  #wanted = false;
  /** When the request that waits is far enough from those of other layers; -1: not looked at. */
  #notBefore = -1;
  #seedAt = Infinity;
  #seedUntil = -Infinity;
  /** Requests sent to the publisher. */
  sent = 0;

  constructor(spatial: number, track: TrackRequests) {
    this.#intervalMs = track.throttleMs[spatial] ?? SEED_INTERVAL_MS;
    this.#track = track;
  }

  /** The stream was bound: begins asking until its first key frame. */
  seed(now: number): void {
    this.#seedAt = now + SEED_INTERVAL_MS;
    this.#seedUntil = now + SEED_DURATION_MS;
  }

  /** Does not ask by itself: whoever wants a key frame says so. */
  unseed(): void {
    this.#seedAt = Infinity;
  }

  /** @returns `true` if a request must be sent now; else it is remembered. */
  request(now: number): boolean {
    this.#wanted = true;
    return this.tick(now);
  }

  /** A key frame has arrived: what was asked for is here. */
  keyFrameArrived(): void {
    this.#wanted = false;
    this.#notBefore = -1;
    this.#seedAt = Infinity;
  }

  /** Nobody wants anything any more (the publisher muted the track). */
  cancel(): void {
    this.keyFrameArrived();
  }

  /** @returns `true` if a request must be sent now. */
  tick(now: number): boolean {
    if (now >= this.#seedAt) {
      const isSeeding = now <= this.#seedUntil;
      this.#seedAt = isSeeding ? now + SEED_INTERVAL_MS : Infinity;
      // (When that is over, somebody may want one all the same.)
      if (isSeeding) this.#wanted = true;
    }
    if (!this.#wanted || now - this.#lastSentAt < this.#intervalMs) return false;
    // (Put off once: what others are asked for meanwhile may not hold it for ever.)
    if (this.#notBefore < 0) this.#notBefore = this.#track.apartAt(this, now);
    if (now < this.#notBefore) return false;
    this.#wanted = false;
    this.#notBefore = -1;
    this.#lastSentAt = now;
    this.#track.sent(this, now);
    this.sent++;
    return true;
  }

  /** When `tick` may have something to send; `Infinity` if never. */
  nextWakeAt(): number {
    if (!this.#wanted) return this.#seedAt;
    const dueAt = this.#lastSentAt + this.#intervalMs;
    return Math.min(this.#seedAt, Math.max(dueAt, this.#notBefore));
  }
}
