/**
 * Which audio of one connection is sent with copies of earlier frames: that of a subscriber that
 * loses some, as long as there is room for them. Where its packets cannot have copies inside they
 * are sent again, from the first loss on.
 *
 * Contract: frames encrypted from end to end go as they come. All audio of a connection has as many
 * copies, because it has one path; on TCP nothing is sent again. No clock.
 *
 * @module
 */
import { CopiesByNeed } from "../../bandwidth/copies_by_need.ts";
import type { SendSection } from "../../base/media_vocabulary.ts";
import { COPIES, type Copies } from "../../media/down/audio_form.ts";
import type { DownTrack } from "../../media/down/down_track.ts";
import type { ReportedLoss } from "../../media/layer/reported_loss.ts";
import { redundancyIn } from "../../media/select/codec_match.ts";

/** Whether packets that are sent in a section may have copies inside, or go without. */
export function takesCopies({ kind, codecs, isEncrypted }: SendSection): boolean {
  return kind === "audio" && isEncrypted !== true && redundancyIn(codecs) !== undefined;
}

/** The copies of one connection. */
export class AudioCopies {
  /** Those whose packets may have copies inside, and all of audio. */
  readonly #tracks = new Set<DownTrack>();
  readonly #audio = new Set<DownTrack>();
  readonly #isTcp: () => boolean;
  readonly #need = new CopiesByNeed();
  /** The most that there is room for. */
  #room: Copies = COPIES.more;
  #copies: Copies = COPIES.asTheyCome;
  /** How often packets without any are sent again. */
  #duplicates = 0;
  /** Losses that numbers have shown so far. */
  #numberedLost = 0;

  /** @param isTcp Says whether packets go by TCP now. */
  constructor(isTcp: () => boolean = () => false) {
    this.#isTcp = isTcp;
  }

  /** Whether the path loses some, or is not known. */
  get isNeeded(): boolean {
    return this.#need.isNeeded;
  }

  /** Whether the path is known to lose some, and packets themselves may be sent again for it. */
  get isLossy(): boolean {
    return this.#need.isLossy && !this.#isTcp();
  }

  /** Whether they are left out, and may soon have to come back. */
  mayReturn(now: number): boolean {
    return this.#need.mayReturn(now);
  }

  add(track: DownTrack, section: SendSection): void {
    if (section.kind !== "audio") return;
    this.#audio.add(track);
    track.setDuplicates(this.#duplicates);
    if (!takesCopies(section)) return;
    this.#tracks.add(track);
    track.setCopies(this.#copies);
  }

  remove(track: DownTrack): void {
    this.#tracks.delete(track);
    this.#audio.delete(track);
  }

  /** Whether the path loses so much that one copy is not enough. */
  get isMuchLost(): boolean {
    return this.#need.isMuch;
  }

  /** More copies than publishers send are sent. */
  get isMore(): boolean {
    return this.#copies === COPIES.more;
  }

  /** Says how many copies there is room for. */
  setRoom(room: Copies): void {
    this.#room = room;
    this.#apply();
  }

  /** A report on audio. */
  reported({ expected, lost, copies }: ReportedLoss, now: number): void {
    const isHidden = copies > 0;
    this.#need.counted(expected, lost, isHidden);
    if (lost > 0) this.#need.lost(now);
    else if (expected > 0) this.#need.whole(expected, now, isHidden);
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
    if (isMore) this.#need.lost(now);
    this.#need.lostOfAll(share, now);
    this.#apply();
  }

  /** Nothing is known of the path from now on. */
  pathChanged(): void {
    this.#need.pathChanged();
    this.#apply();
  }

  #apply(): void {
    const { isNeeded, isMuch } = this.#need;
    const some = isMuch ? COPIES.more : COPIES.asTheyCome;
    const wanted = isNeeded ? some : COPIES.none;
    const copies = Math.min(wanted, this.#room) as Copies;
    this.#sendAgain(this.isLossy ? copies : 0);
    if (copies === this.#copies) return;
    this.#copies = copies;
    for (const track of this.#tracks) track.setCopies(copies);
  }

  #sendAgain(duplicates: number): void {
    if (duplicates === this.#duplicates) return;
    this.#duplicates = duplicates;
    for (const track of this.#audio) track.setDuplicates(duplicates);
  }
}
