/**
 * Fits what one connection sends to what its path carries: asks up-tracks what their layers cost,
 * has the estimate shared out, and gives each down-track its allowance.
 *
 * Contract: frames of audio are never left out; copies of them are, where they do not fit, and then
 * videos are paused rather than that sound suffers (`audio_first.ts`). A connection without video,
 * or whose client says nothing of its path, is sent all that is wanted. The estimate is told what
 * would be needed for more.
 *
 * No clock; work is done when feedback comes, and at {@linkcode SendAllocation.nextWakeAt} while
 * somebody lacks something.
 *
 * @module
 */
import { AllocatedTrack, Allocation, PAUSED, ROOM } from "../../bandwidth/allocation.ts";
import { AudioFirst, AudioNeeds } from "../../bandwidth/audio_first.ts";
import type { SharedEstimate } from "../../bandwidth/shared_estimate.ts";
import type { DownTrackId } from "../../base/ids.ts";
import {
  hasTransportNumbers,
  type LayerTarget,
  type SendSection,
} from "../../base/media_vocabulary.ts";
import { NOTHING_ALLOWED } from "../../media/down/layer_limit.ts";
import { COPIES } from "../../media/down/audio_form.ts";
import type { DownTrack } from "../../media/down/down_track.ts";
import type { UpTrack } from "../../media/up/up_track.ts";
import { redundancyIn } from "../../media/select/codec_match.ts";
import { AudioCopies, takesCopies } from "./audio_copies.ts";
import type { CongestionRules } from "./local_engine_options.ts";

/** Between two looks while feedback comes, and while somebody lacks something, ms. */
const INTERVAL_MS = 100;
const LACKING_INTERVAL_MS = 500;
/** The same while everybody has everything: then costs alone change what is shared. */
const WHOLE_INTERVAL_MS = 500;
/** Whose client has said nothing for so long, though it was to, is sent everything, ms. */
const FEEDBACK_TIMEOUT_MS = 5_000;
/** What an estimate knows without such feedback. */
const TOLD_OTHERWISE: ReadonlySet<string> = new Set(["remb", "loss", "tcp"]);
/** More than this part of the estimate is not kept free for what is sent again. */
const MAX_REPAIRS = 0.2;
/** Sound suffers where packets wait so long, ms, or so many are lost. */
const FULL_MS = 80;
const FULL_LOSS = 0.02;
/** Two copies of frames beside a frame with its headers. */
const WITH_COPIES = 2.5;
/** A copy more than publishers send is sent where there is so much room. */
const ROOM_FOR_MORE = 1.15;
const TEMPORAL_STEPS = 4;
const ALL_SPATIAL = 2;
const ALL_TEMPORAL = 3;
/** Level of a stream that has everything. */
const WHOLE = 11;

/** A down-track among those that share. */
interface Sharer {
  readonly track: DownTrack;
  upTrack: UpTrack;
  /** Its part of the video; absent for audio. */
  readonly share: AllocatedTrack | undefined;
  /** Whether what is sent of it has transport-wide numbers. */
  readonly isNumbered: boolean;
  /** It is audio that may be sent with redundancy, or is sent again for want of that. */
  readonly isCopied: boolean;
  readonly isDuplicated: boolean;
  isPaused: boolean;
}

/** One connection's sharing. */
export class SendAllocation {
  /** Of what is sent, the share of repair packets that are sent in advance. */
  repairShare = 0;
  /** What sound takes of the estimate, bits per second; without numbers it is no part of it. */
  soundBps = 0;
  readonly #rules: CongestionRules;
  readonly #tell: (downTrack: DownTrackId, paused: boolean) => void;
  readonly #isSpeaker: (downTrack: DownTrackId) => boolean;
  readonly #copies: AudioCopies;
  readonly #sharers = new Map<DownTrackId, Sharer>();
  readonly #allocation: Allocation;
  readonly #allowPause: boolean;
  #audioFirst = new AudioFirst();
  readonly #audio = new AudioNeeds();
  #videos = 0;
  /** The client is to say how packets arrive, and whether it has done so, ever. */
  #hasFeedback = false;
  #isHeard = false;
  /** When it was first sent video. */
  #startedAt = Infinity;
  /** As a client under test asks, bits per second; 0 is none. */
  #capBps = 0;
  #lookedAt = -Infinity;
  /** Something that decides has changed since. */
  #isStale = false;
  #isGoverned = false;

  /**
   * @param tell A video is paused for want of bandwidth, or goes on.
   * @param isSpeaker Whether a video shows somebody who speaks.
   * @param copies Of the connection's audio.
   */
  constructor(
    rules: CongestionRules,
    tell: (downTrack: DownTrackId, paused: boolean) => void,
    allowPause: boolean = rules.allowPause,
    isSpeaker: (downTrack: DownTrackId) => boolean = () => false,
    copies: AudioCopies = new AudioCopies(),
  ) {
    this.#copies = copies;
    this.#isSpeaker = isSpeaker;
    this.#rules = rules;
    this.#tell = tell;
    this.#allowPause = allowPause;
    this.#allocation = new Allocation(allowPause);
  }

  add(
    id: DownTrackId,
    track: DownTrack,
    upTrack: UpTrack,
    section: SendSection,
    target: LayerTarget,
  ): void {
    if (!this.#rules.enabled) return;
    const share = section.kind === "video" ? new AllocatedTrack() : undefined;
    const isNumbered = hasTransportNumbers(section);
    const isCopied = takesCopies(section);
    const isDuplicated = share === undefined && redundancyIn(section.codecs) === undefined;
    const kept = { track, upTrack, share, isNumbered, isCopied, isDuplicated, isPaused: false };
    this.#sharers.set(id, kept);
    this.#isStale = true;
    if (share === undefined) return;
    this.#videos++;
    this.#hasFeedback ||= isNumbered;
    want(share, target);
    this.#allocation.add(share);
  }

  remove(id: DownTrackId): void {
    const share = this.#sharers.get(id)?.share;
    if (!this.#sharers.delete(id)) return;
    this.#isStale = true;
    if (share === undefined) return;
    this.#videos--;
    this.#allocation.remove(share);
    if (this.#videos === 0) this.#freeAudio();
  }

  setSource(id: DownTrackId, upTrack: UpTrack): void {
    const sharer = this.#sharers.get(id);
    if (sharer === undefined) return;
    sharer.upTrack = upTrack;
    this.#isStale = true;
  }

  setTarget(id: DownTrackId, target: LayerTarget): void {
    const share = this.#sharers.get(id)?.share;
    if (share === undefined) return;
    want(share, target);
    this.#isStale = true;
  }

  /** There are other layers of some track, or one was muted. */
  sourceChanged(): void {
    this.#isStale = true;
  }

  /** The client has said how packets arrived. */
  heard(): void {
    this.#isHeard = true;
  }

  /** `SimulateScenario.subscriber_bandwidth`: no more than this, bits per second; 0 ends it. */
  cap(bps: number): void {
    this.#capBps = bps;
    this.#isStale = true;
  }

  /** Whether somebody lacks something that bandwidth could give. */
  get isLacking(): boolean {
    return this.#isGoverned && !this.#allocation.isComplete;
  }

  /**
   * When {@linkcode SendAllocation.share} has something to do; `Infinity` if nothing is foreseen.
   */
  nextWakeAt(): number {
    if (this.#videos === 0) return Infinity;
    if (this.#isStale) return 0;
    return this.isLacking ? this.#lookedAt + LACKING_INTERVAL_MS : Infinity;
  }

  /**
   * Shares the estimate out, if that is due; to be called when feedback came, and on ticks.
   *
   * @param estimate Absent: none was made yet.
   */
  share(estimate: SharedEstimate | undefined, now: number): void {
    if (this.#videos === 0) return;
    const isFallen = estimate !== undefined && estimate.bps < this.#allocation.totalBps;
    const isDue = this.#isStale || isFallen || now - this.#lookedAt >= this.#intervalMs(estimate);
    if (!isDue) return;
    this.#lookedAt = now;
    this.#isStale = false;
    this.#startedAt = Math.min(this.#startedAt, now);
    const bps = this.#budget(estimate, now);
    if (bps < 0) return this.#release(now);
    this.#isGoverned = true;
    this.#readCosts(now);
    // What a client without feedback says it can take grows with what it gets: never from nothing.
    const isFull = estimate !== undefined && (this.#isHeard || estimate.limitedBy === "tcp") &&
      (estimate.queueMs >= FULL_MS || estimate.lossFraction >= FULL_LOSS);
    const audioBps = this.#putAudioFirst(bps, isFull, now);
    const unseenBps = this.#unseenBps();
    const mayRaise = estimate?.mayRaise ?? true;
    // What a first burst has shown nothing was sent beside; later on sound is seen to be there.
    const hiddenBps = estimate?.limitedBy === "start" ? unseenBps : 0;
    const videoBps = Math.max(0, bps - audioBps - hiddenBps);
    const restBps = unseenBps - hiddenBps;
    const probedBps = Math.max(0, (estimate?.probedBps(now) ?? 0) - audioBps - hiddenBps);
    this.#allocation.isGuess = estimate?.limitedBy === "start";
    this.#allocation.allocate(videoBps, mayRaise, now, probedBps, restBps);
    for (const [id, sharer] of this.#sharers) this.#allow(id, sharer, now);
    if (estimate === undefined) return;
    const { baseBps, idealBps, goalBps } = this.#allocation;
    const { bareBps, copiesBps, moreBps } = this.#audio;
    const ideal = idealBps * ROOM + bareBps + copiesBps + moreBps + unseenBps;
    const missing = this.#audioFirst.isBare ? AudioFirst.needed(this.#audio, baseBps) : 0;
    const goal = goalBps === 0 ? missing : goalBps + audioBps + unseenBps;
    estimate.setDemand(baseBps + audioBps, Math.max(ideal, missing), now, goal);
  }

  #intervalMs(estimate: SharedEstimate | undefined): number {
    const isFree = estimate !== undefined && estimate.limitedBy === "none" && estimate.mayRaise;
    return isFree && this.#allocation.isComplete ? WHOLE_INTERVAL_MS : INTERVAL_MS;
  }

  /** Decides what gives way to audio. @returns What audio takes, bits per second. */
  #putAudioFirst(bps: number, isFull: boolean, now: number): number {
    const first = this.#audioFirst;
    const { baseBps, totalBps, isComplete, isOnePaused } = this.#allocation;
    first.decide(this.#audio, baseBps, bps, isOnePaused, isFull, now);
    this.#allocation.allowPause = this.#allowPause || first.mayPause;
    const { bareBps, uncountedBps, copiesBps, moreBps } = this.#audio;
    // Where a picture lacks something, what is lost is lost because the path is full.
    const roomBps = isComplete ? bps - totalBps : 0;
    const hasRoom = roomBps >= (bareBps + copiesBps + moreBps) * ROOM_FOR_MORE;
    this.#copies.setRoom(first.isBare ? COPIES.none : hasRoom ? COPIES.more : COPIES.asTheyCome);
    const hiddenBps = this.#isHiding ? uncountedBps : 0;
    const addedBps = this.#copies.isMore ? moreBps : 0;
    const sentCopiesBps = first.isBare ? 0 : copiesBps + addedBps;
    this.soundBps = bareBps + sentCopiesBps;
    return this.soundBps + hiddenBps;
  }

  /** A picture that comes back has to share the path with audio that no budget counts. */
  get #isHiding(): boolean {
    return this.#audioFirst.mayPause && this.#allocation.isOnePaused;
  }

  /** What audio takes beside the budget, bits per second, as far as it was not taken off. */
  #unseenBps(): number {
    const { uncountedBps, uncountedCopiesBps, keptBps } = this.#audio;
    const copiesBps = this.#audioFirst.isBare ? 0 : uncountedCopiesBps;
    return (this.#isHiding ? 0 : uncountedBps) + copiesBps + keptBps;
  }

  /** What may be sent but for what is sent again, bits per second; negative if nobody knows. */
  #budget(estimate: SharedEstimate | undefined, now: number): number {
    const isAwaited = this.#hasFeedback &&
      (this.#isHeard || now - this.#startedAt < FEEDBACK_TIMEOUT_MS);
    const isKnown = estimate !== undefined &&
      (isAwaited || TOLD_OTHERWISE.has(estimate.limitedBy));
    let bps = Infinity;
    if (isKnown) {
      const repairs = Math.min(MAX_REPAIRS, estimate.lossFraction);
      const media = 1 - repairs - this.repairShare;
      bps = Math.max(estimate.bps * media, this.#rules.minChannelBps);
    }
    if (this.#capBps > 0) bps = Math.min(bps, this.#capBps);
    return bps === Infinity ? -1 : bps;
  }

  /**
   * Fills what videos and audio cost. Without numbers audio is no part of what is acknowledged, so
   * what is acknowledged all the time is what it leaves already; what a burst has shown is not.
   */
  #readCosts(now: number): void {
    const needs = this.#audio;
    const isKept = this.#copies.mayReturn(now);
    needs.clear();
    for (const [id, sharer] of this.#sharers) {
      const { track, upTrack, share, isNumbered, isCopied } = sharer;
      if (share !== undefined) {
        share.isSpeaker = this.#isSpeaker(id);
        if (upTrack.muted) share.costBps.fill(0);
        else upTrack.costs(share.costBps, share.frameRates);
        continue;
      }
      // What is not among the loudest is not sent.
      if (track.loudestOf !== undefined && track.isInterrupted) continue;
      const layer = upTrack.muted ? undefined : upTrack.layer(0);
      if (layer === undefined) continue;
      const bareBps = layer.rates.at(0);
      if (sharer.isDuplicated) this.#addDuplicates(bareBps, isKept);
      const copiesBps = layer.isRedundant ? layer.rates.at(1) : bareBps * (WITH_COPIES - 1);
      const isCounted = isNumbered || !this.#hasFeedback;
      needs.isThere = true;
      if (isCounted) needs.bareBps += bareBps;
      else needs.uncountedBps += bareBps;
      if (!isCopied) continue;
      if (isKept) needs.keptBps += copiesBps;
      if (!this.#copies.isNeeded) continue;
      if (layer.isRedundant && this.#copies.isMuchLost) needs.moreBps += bareBps;
      if (isCounted) needs.copiesBps += copiesBps;
      else needs.uncountedCopiesBps += copiesBps;
    }
  }

  /** What is sent again has no number of its own, and is no part of what is acknowledged. */
  #addDuplicates(bareBps: number, isKept: boolean): void {
    if (isKept) this.#audio.keptBps += bareBps;
    if (!this.#copies.isLossy) return;
    this.#audio.uncountedCopiesBps += bareBps;
    if (this.#copies.isMuchLost) this.#audio.moreBps += bareBps;
  }

  #allow(id: DownTrackId, sharer: Sharer, now: number): void {
    const { track, share } = sharer;
    if (share === undefined) return;
    const { level, usable } = share;
    const isPaused = usable !== 0 && level === PAUSED;
    if (isPaused) track.setAllowance(NOTHING_ALLOWED, 0, now);
    else if (usable === 0) track.setAllowance(ALL_SPATIAL, ALL_TEMPORAL, now);
    else track.setAllowance(Math.floor(level / TEMPORAL_STEPS), level % TEMPORAL_STEPS, now);
    if (isPaused === sharer.isPaused) return;
    sharer.isPaused = isPaused;
    this.#tell(id, isPaused);
  }

  /** Nothing is shared out any more: nobody would say that there is room for copies again. */
  #freeAudio(): void {
    this.#audioFirst = new AudioFirst();
    this.#copies.setRoom(COPIES.more);
    this.soundBps = 0;
  }

  /** Nobody knows what the path carries: everything that is wanted is sent. */
  #release(now: number): void {
    if (!this.#isGoverned) return;
    this.#isGoverned = false;
    this.#freeAudio();
    for (const [id, sharer] of this.#sharers) {
      if (sharer.share === undefined) continue;
      sharer.share.level = WHOLE;
      sharer.track.setAllowance(ALL_SPATIAL, ALL_TEMPORAL, now);
      if (sharer.isPaused) this.#tell(id, false);
      sharer.isPaused = false;
    }
  }
}

function want(share: AllocatedTrack, target: LayerTarget): void {
  share.enabled = target.enabled;
  share.maxSpatial = target.maxSpatial;
  share.maxTemporal = target.maxTemporal;
  share.maxFps = target.maxFps ?? 0;
  share.priority = target.priority ?? 0;
  share.isScreen = target.isScreen === true;
}
