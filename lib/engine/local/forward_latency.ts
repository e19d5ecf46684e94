/**
 * How long packets take through this process: from being taken out of the socket to when the last
 * copy in the same batch was given to a socket again. Measured on one packet in many.
 *
 * Per packet this is a subtraction and a comparison, per copy an addition, per batch a comparison.
 * What waits in the system's receive queue, or in a socket's own send queue, is not seen.
 *
 * @module
 */
import type { CopyCounter } from "../../transport/rtp_outlet.ts";

/** One packet in so many; a prime, so that no layer or frame pattern is met again and again. */
const SAMPLE_EVERY = 61;
/** Samples kept between two looks; the ones after that are left out. */
const MAX_SAMPLES = 1_024;

/** One per engine. */
export class ForwardLatency implements CopyCounter {
  readonly #samplesUs = new Float64Array(MAX_SAMPLES);
  #count = 0;
  #untilSample = 1;
  /** Arrival of the packet being watched, µs; negative without one. */
  #startedUs = -1;
  #copies = 0;
  #copiesBefore = 0;

  /** An RTP packet is about to be forwarded. */
  received(nowUs: number): void {
    if (--this.#untilSample > 0) return;
    this.#untilSample = SAMPLE_EVERY;
    if (this.#startedUs >= 0) return;
    this.#startedUs = nowUs;
    this.#copiesBefore = this.#copies;
  }

  /** A copy of some packet was given to a socket. */
  copied(): void {
    this.#copies++;
  }

  /** Whether {@linkcode batchEnded} wants to know the time. */
  get isWatching(): boolean {
    return this.#startedUs >= 0;
  }

  /**
   * Everything of the batch has been given to the sockets. A packet nobody receives says nothing.
   */
  batchEnded(nowUs: number): void {
    if (this.#startedUs < 0) return;
    if (this.#copies !== this.#copiesBefore && this.#count < MAX_SAMPLES) {
      this.#samplesUs[this.#count++] = nowUs - this.#startedUs;
    }
    this.#startedUs = -1;
  }

  /** The samples since the last call, µs. */
  take(): number[] {
    const samples = [...this.#samplesUs.subarray(0, this.#count)];
    this.#count = 0;
    return samples;
  }
}
