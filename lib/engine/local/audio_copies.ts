/**
 * Which audio of one connection is sent with copies of earlier frames: that of a subscriber that
 * loses some, as long as there is room for them.
 *
 * Contract: frames encrypted from end to end go as they come. All audio of a connection is sent the
 * same way, because it has one path. No clock.
 *
 * @module
 */
import { CopiesByNeed } from "../../bandwidth/copies_by_need.ts";
import type { SendSection } from "../../base/media_vocabulary.ts";
import type { DownTrack } from "../../media/down/down_track.ts";
import type { ReportedLoss } from "../../media/layer/reported_loss.ts";
import { redundancyIn } from "../../media/select/codec_match.ts";

/** A path that loses so much of all that is sent loses audio, too. */
const PATH_LOSS = 0.02;

/** Whether what is sent in a section may have copies, or go without. */
export function takesCopies({ kind, codecs, isEncrypted }: SendSection): boolean {
  return kind === "audio" && isEncrypted !== true && redundancyIn(codecs) !== undefined;
}

/** The copies of one connection. */
export class AudioCopies {
  readonly #tracks = new Set<DownTrack>();
  readonly #need = new CopiesByNeed();
  #isScarce = false;
  #isBare = false;
  /** Losses that numbers have shown so far. */
  #numberedLost = 0;

  /** Whether the path loses some, or is not known. */
  get isNeeded(): boolean {
    return this.#need.isNeeded;
  }

  add(track: DownTrack, section: SendSection): void {
    if (!takesCopies(section)) return;
    this.#tracks.add(track);
    track.setBare(this.#isBare);
  }

  remove(track: DownTrack): void {
    this.#tracks.delete(track);
  }

  /** Whether there is no room for copies. */
  setScarce(isScarce: boolean): void {
    this.#isScarce = isScarce;
    this.#apply();
  }

  /** A report on audio. */
  reported({ expected, lost }: ReportedLoss, now: number): void {
    if (lost > 0) this.#need.lost(now);
    else if (expected > 0) this.#need.whole(now);
    this.#apply();
  }

  /** Audio is asked for again: so much of it was lost. */
  missed(lost: number, now: number): void {
    if (lost === 0) return;
    this.#need.lost(now);
    this.#apply();
  }

  /**
   * Numbers tell what came.
   *
   * @param lost Packets of numbered audio that did not, in all.
   * @param share Of all packets lately, the part that did not, 0–1: what is lost of video shows
   *   soonest what audio will lose.
   */
  numbered(lost: number, share: number, now: number): void {
    const isMore = lost > this.#numberedLost;
    this.#numberedLost = lost;
    if (!isMore && share < PATH_LOSS) return;
    this.#need.lost(now);
    this.#apply();
  }

  /** Nothing is known of the path from now on. */
  pathChanged(): void {
    this.#need.pathChanged();
    this.#apply();
  }

  #apply(): void {
    const isBare = this.#isScarce || !this.#need.isNeeded;
    if (isBare === this.#isBare) return;
    this.#isBare = isBare;
    for (const track of this.#tracks) track.setBare(isBare);
  }
}
