/**
 * Fits what one connection sends to what its path carries: asks up-tracks what their layers cost,
 * has the estimate shared out, and gives each down-track its allowance.
 *
 * Contract: audio is never given less. A connection without video, or whose client says nothing of
 * its path, is sent all that is wanted. The estimate is told what would be needed for more.
 *
 * No clock; work is done when feedback comes, and at {@linkcode SendAllocation.nextWakeAt} while
 * somebody lacks something.
 *
 * @module
 */
import { AllocatedTrack, Allocation, PAUSED, ROOM } from "../../bandwidth/allocation.ts";
import type { SendEstimate } from "../../bandwidth/send_estimate.ts";
import type { DownTrackId } from "../../base/ids.ts";
import { EXTENSION_URI, type LayerTarget, type SendSection } from "../../base/media_vocabulary.ts";
import { NOTHING_ALLOWED } from "../../media/down/layer_limit.ts";
import type { DownTrack } from "../../media/down/down_track.ts";
import type { UpTrack } from "../../media/up/up_track.ts";
import type { CongestionRules } from "./local_engine_options.ts";

/** Between two looks while feedback comes, and while somebody lacks something, ms. */
const INTERVAL_MS = 100;
const LACKING_INTERVAL_MS = 500;
/** Whose client has said nothing for so long, though it was to, is sent everything, ms. */
const FEEDBACK_TIMEOUT_MS = 5_000;
/** What an estimate knows without such feedback. */
const TOLD_OTHERWISE: ReadonlySet<string> = new Set(["remb", "loss", "tcp"]);
/** More than this part of the estimate is not kept free for what is sent again. */
const MAX_REPAIRS = 0.2;
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
  isPaused: boolean;
}

/** What of the estimate is read, and what it is told. */
export type SharedEstimate = Pick<
  SendEstimate,
  "bps" | "mayRaise" | "lossFraction" | "limitedBy" | "setDemand"
>;

/** One connection's sharing. */
export class SendAllocation {
  readonly #rules: CongestionRules;
  readonly #tell: (downTrack: DownTrackId, paused: boolean) => void;
  readonly #sharers = new Map<DownTrackId, Sharer>();
  readonly #allocation: Allocation;
  readonly #audioCosts = new Float64Array(WHOLE + 1);
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

  /** @param tell A video is paused for want of bandwidth, or goes on. */
  constructor(
    rules: CongestionRules,
    tell: (downTrack: DownTrackId, paused: boolean) => void,
    allowPause: boolean = rules.allowPause,
  ) {
    this.#rules = rules;
    this.#tell = tell;
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
    this.#sharers.set(id, { track, upTrack, share, isPaused: false });
    this.#isStale = true;
    if (share === undefined) return;
    this.#videos++;
    this.#hasFeedback ||= section.extensions.some(({ uri }) => uri === EXTENSION_URI.transportCc);
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
    const interval = this.#isStale || isFallen ? 0 : INTERVAL_MS;
    if (now - this.#lookedAt < interval) return;
    this.#lookedAt = now;
    this.#isStale = false;
    this.#startedAt = Math.min(this.#startedAt, now);
    const bps = this.#budget(estimate, now);
    if (bps < 0) return this.#release(now);
    this.#isGoverned = true;
    const audioBps = this.#readCosts();
    const mayRaise = estimate?.mayRaise ?? true;
    this.#allocation.allocate(Math.max(0, bps - audioBps), mayRaise, now);
    for (const [id, sharer] of this.#sharers) this.#allow(id, sharer, now);
    if (estimate === undefined) return;
    const { baseBps, idealBps, nextBps } = this.#allocation;
    const ideal = idealBps * ROOM + audioBps;
    estimate.setDemand(baseBps + audioBps, ideal, now, nextBps === 0 ? 0 : nextBps + audioBps);
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
      bps = Math.max(estimate.bps * (1 - repairs), this.#rules.minChannelBps);
    }
    if (this.#capBps > 0) bps = Math.min(bps, this.#capBps);
    return bps === Infinity ? -1 : bps;
  }

  /** Fills what the videos cost. @returns What audio needs, bits per second. */
  #readCosts(): number {
    let audioBps = 0;
    for (const { upTrack, share } of this.#sharers.values()) {
      if (share !== undefined) {
        if (upTrack.muted) share.costBps.fill(0);
        else upTrack.costs(share.costBps);
        continue;
      }
      const rates = upTrack.muted ? undefined : upTrack.layer(0)?.rates;
      if (rates !== undefined) audioBps += rates.totalBps;
    }
    return audioBps;
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

  /** Nobody knows what the path carries: everything that is wanted is sent. */
  #release(now: number): void {
    if (!this.#isGoverned) return;
    this.#isGoverned = false;
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
  share.priority = target.priority ?? 0;
  share.isScreen = target.isScreen === true;
}
