/**
 * What one end of a hop tells the other of what came from there: a frame of
 *
 * - flags, and the time of the last datagram that asked, with how long ago it came (ms);
 * - the next parts of the control stream and of the data stream, and the next number of media;
 * - counts, and by them: parts that came too early (bits), missing numbers of media (pairs);
 * - the arrivals of datagrams, in the rest (`hop_arrivals.ts`).
 *
 * @module
 */
import type { HopContent } from "./hop_content.ts";
import { FRAME, frameWord } from "./hop_datagram.ts";
import type { HopReception } from "./hop_reception.ts";
import { HELD_WORDS } from "./hop_stream_receiver.ts";

const HEAD_WORDS = 8;
/** Pairs of missing numbers: each may stand for 33. */
const MAX_PAIRS = 48;

const HEARS_UDP = 1;
const HAS_ECHO = 2;

/** Adds a frame of feedback, as the first of a datagram: what it may be of fits there. */
export function writeFeedback(
  content: HopContent,
  from: HopReception,
  now: number,
  rttMs: number,
): void {
  const { words, length: at } = content;
  const { control, data, media, arrivals, asked } = from;
  const hasEcho = asked.cameAt >= 0;
  words[at + 1] = (from.hearsUdp(now) ? HEARS_UDP : 0) | (hasEcho ? HAS_ECHO : 0);
  words[at + 2] = asked.sentAt;
  words[at + 3] = hasEcho ? now - asked.cameAt : 0;
  words[at + 4] = control.next;
  words[at + 5] = data.next;
  words[at + 6] = media.gaps.next;
  let to = at + HEAD_WORDS;
  const ofControl = control.writeHeld(words, to);
  to += ofControl;
  const ofData = data.writeHeld(words, to);
  to += ofData;
  const pairs = media.gaps.collect(words, to, MAX_PAIRS, now, rttMs);
  to += 2 * pairs;
  words[at + 7] = ofControl | (ofData << 8) | (pairs << 16);
  to += arrivals.write(words, to, words.length - to, now);
  words[at] = frameWord(FRAME.feedback, 0, to - at);
  content.length = to;
  media.gaps.settle();
  asked.cameAt = -1;
  from.heardUdpAt[0] = -Infinity;
}

/** A frame of feedback that was received: where its parts are. */
export class FeedbackView {
  words: Int32Array = new Int32Array();
  #at = 0;
  /** Index and words of each part. */
  controlAt = 0;
  controlWords = 0;
  dataAt = 0;
  dataWords = 0;
  pairsAt = 0;
  pairs = 0;
  arrivalsAt = 0;
  arrivalWords = 0;

  /** Looks at the frame `words[at, at + length)`; `false` if it makes no sense. */
  wrap(words: Int32Array, at: number, length: number): boolean {
    if (length < HEAD_WORDS) return false;
    this.words = words;
    this.#at = at;
    const counts = words[at + 7]!;
    this.controlAt = at + HEAD_WORDS;
    this.controlWords = counts & 0xff;
    this.dataAt = this.controlAt + this.controlWords;
    this.dataWords = (counts >>> 8) & 0xff;
    this.pairsAt = this.dataAt + this.dataWords;
    this.pairs = counts >>> 16;
    this.arrivalsAt = this.pairsAt + 2 * this.pairs;
    this.arrivalWords = at + length - this.arrivalsAt;
    return this.arrivalWords >= 0 && this.controlWords <= HELD_WORDS &&
      this.dataWords <= HELD_WORDS && this.pairs <= MAX_PAIRS;
  }

  get hearsUdp(): boolean {
    return (this.words[this.#at + 1]! & HEARS_UDP) !== 0;
  }

  /** The round trip, ms; negative if it is not known from this. */
  roundTrip(now: number): number {
    if ((this.words[this.#at + 1]! & HAS_ECHO) === 0) return -1;
    return ((now - this.words[this.#at + 2]!) | 0) - Math.max(0, this.words[this.#at + 3]!);
  }

  get controlNext(): number {
    return this.words[this.#at + 4]!;
  }

  get dataNext(): number {
    return this.words[this.#at + 5]!;
  }

  get mediaNext(): number {
    return this.words[this.#at + 6]!;
  }
}
