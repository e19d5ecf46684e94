/**
 * How long nothing has been heard from a client, and what that means: interrupted, lost, or over.
 *
 * Contract: pure state. {@linkcode IceSilence.due} says each thing once; being heard, or a restart,
 * begins the count anew, and after a restart the loss is told again if the client does not follow.
 *
 * @module
 */

/**
 * Silence before a session counts as interrupted, ms: LiveKit's ICE disconnected timeout (1.13.5,
 * `pkg/rtc/transport.go`).
 */
export const INTERRUPTED_AFTER_MS = 10_000;
/** Silence before a session is lost, ms: LiveKit's disconnected plus failed timeouts, as there. */
export const LOST_AFTER_MS = 15_000;
/**
 * Wait for the very first valid request, ms: a slow signalling round trip and a TCP fallback fit.
 */
export const START_TIMEOUT_MS = 30_000;
/** How long a lost session is kept for a restart, ms: above what a client is given to come back. */
export const RELEASE_AFTER_MS = 30_000;

/**
 * One client's silence as pure state: each stage is due once until the client is heard or a restart
 * begins the count anew.
 */
export class IceSilence {
  #phase: "alive" | "interrupted" | "lost" = "alive";
  #heard = false;
  #since: number;

  constructor(now: number) {
    this.#since = now;
  }

  /** When the count began, monotonic ms. */
  get since(): number {
    return this.#since;
  }

  /** Whether an interruption or loss was told of. */
  get isSilent(): boolean {
    return this.#phase !== "alive";
  }

  /** A valid request came. @returns Whether that ended an interruption or loss. */
  heard(now: number): boolean {
    const wasSilent = this.#phase !== "alive";
    this.#phase = "alive";
    this.#heard = true;
    this.#since = now;
    return wasSilent;
  }

  /** Its consent is over: what was heard meanwhile were requests alone, which may be copies. */
  consentLost(now: number): void {
    this.#since = Math.min(this.#since, now - INTERRUPTED_AFTER_MS);
  }

  /** The client has been given new credentials, and gets its full time to be heard. */
  restarted(now: number): void {
    this.#since = now;
    if (this.#phase === "lost") this.#phase = this.#heard ? "interrupted" : "alive";
  }

  /** What has become true by `now`; `released` is the end. */
  due(now: number): "interrupted" | "lost" | "released" | undefined {
    const silence = now - this.#since;
    if (silence >= this.#lostAfter + RELEASE_AFTER_MS) return "released";
    if (silence >= this.#lostAfter) {
      if (this.#phase === "lost") return undefined;
      return this.#phase = "lost";
    }
    if (!this.#heard || this.#phase !== "alive" || silence < INTERRUPTED_AFTER_MS) return undefined;
    return this.#phase = "interrupted";
  }

  /** When {@linkcode IceSilence.due} next has something to say, monotonic ms. */
  nextWakeAt(): number {
    if (this.#phase === "lost") return this.#since + this.#lostAfter + RELEASE_AFTER_MS;
    const interrupts = this.#heard && this.#phase === "alive";
    return this.#since + (interrupts ? INTERRUPTED_AFTER_MS : this.#lostAfter);
  }

  get #lostAfter(): number {
    return this.#heard ? LOST_AFTER_MS : START_TIMEOUT_MS;
  }
}
