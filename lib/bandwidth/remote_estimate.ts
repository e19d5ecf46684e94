/**
 * What the subscriber's side last said about one connection's bandwidth: REMB, or figures derived
 * from transport-wide feedback, and loss. Pure; newest wins, and what is old is no longer believed.
 *
 * @module
 */

/** REMB comes about once a second; after five silent seconds it says nothing about now. */
const STALE_MS = 5000;
/** Weight of a new loss figure: one bad report is not yet a bad link. */
const LOSS_WEIGHT = 0.3;

/**
 * The newest word of one subscriber; what is too old is no longer given. Bits per second; `now` is
 * an argument.
 */
export class RemoteEstimate {
  #bitrateBps = 0;
  #bitrateAt = -Infinity;
  #loss = 0;
  #lossAt = -Infinity;

  /** A receiver-estimated maximum bitrate (draft-alvestrand-rmcat-remb-03), bits/s. */
  receiveRemb(bitrateBps: number, now: number): void {
    if (!(bitrateBps >= 0)) return;
    this.#bitrateBps = bitrateBps;
    this.#bitrateAt = now;
  }

  /**
   * One transport-wide feedback message.
   *
   * @param received Packets reported as arrived.
   * @param lost Packets reported as not arrived.
   * @param bitrateBps What a delay-based estimator makes of it, if there is one.
   */
  receiveTransportFeedback(
    received: number,
    lost: number,
    bitrateBps: number | undefined,
    now: number,
  ): void {
    if (received + lost > 0) this.#noteLoss(lost / (received + lost), now);
    if (bitrateBps !== undefined) this.receiveRemb(bitrateBps, now);
  }

  /** The fraction-lost field of a reception report: 0–255 for 0–1. */
  receiveFractionLost(fractionLost: number, now: number): void {
    this.#noteLoss(fractionLost / 256, now);
  }

  /** Bits/s, or `undefined` if nobody said anything lately. */
  bitrateBps(now: number): number | undefined {
    return now - this.#bitrateAt <= STALE_MS ? this.#bitrateBps : undefined;
  }

  /**
   * Smoothed part of the packets that are lost, 0–1; `undefined` if nobody said anything lately.
   */
  loss(now: number): number | undefined {
    return now - this.#lossAt <= STALE_MS ? this.#loss : undefined;
  }

  #noteLoss(loss: number, now: number): void {
    const stale = now - this.#lossAt > STALE_MS;
    this.#loss = stale ? loss : this.#loss + (loss - this.#loss) * LOSS_WEIGHT;
    this.#lossAt = now;
  }
}
