/**
 * One layer of a received track: which stream feeds it, in which codec, and what the control plane
 * has been told of it.
 *
 * Contract: a layer that is fed changes its stream or codec at most once in
 * {@linkcode CHANGE_INTERVAL_MS}, so that packets which disagree cost what one stream costs;
 * redundant audio and the codec inside it are one stream and may take turns. The first codec is
 * told at once. Changes are told when they have lasted, and only while the connection's budget
 * allows, because each may be told on to everybody in a room.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";
import type { CodecParameters, SpatialLayer } from "../../base/media_vocabulary.ts";
import type { TokenBucket } from "../../base/token_bucket.ts";
import { isOpus } from "../../media/layer/up_track_layer.ts";
import type { MediaEvent } from "../messages/media_messages.ts";
import type { StreamBinding } from "./stream_demux.ts";

/** A stream or codec is followed by another not before so many ms. */
export const CHANGE_INTERVAL_MS = 1_000;
/** What is told has been so for so many ms. */
export const SETTLE_MS = 500;
/** Changes of one connection that are told at once at most, and each second in the long run. */
export const CHANGES_AT_ONCE = 12;
export const CHANGES_PER_SECOND = 2;

type Arrival = Extract<MediaEvent, { readonly type: "layer_arrived" }>;

/** One of the streams that may feed a layer. */
export interface FeedingStream {
  readonly binding: StreamBinding;
  /** What its packets have while it feeds the layer; -1 while it does not. */
  payloadType: number;
}

/**
 * One layer's stream and what was told of it. It changes at most once in
 * {@linkcode CHANGE_INTERVAL_MS}, whatever packets say.
 */
export class ReceivedLayer {
  #stream: FeedingStream | undefined;
  #codec: CodecParameters | undefined;
  /** When it was last fed by another stream, or in another codec: for the rule, and as it is. */
  #changedAt = -Infinity;
  #unsettledAt = Infinity;
  #told: Arrival | undefined;
  /** What was told has to be told again. */
  #isStale = true;
  /** The size looked at last, and the one that was told. */
  #width = 0;
  #height = 0;
  #toldWidth = 0;
  #toldHeight = 0;

  constructor(readonly upTrack: UpTrackId, readonly spatial: SpatialLayer) {}

  /** The stream that feeds it, and in which codec. */
  get feed(): { readonly stream: FeedingStream; readonly codec: CodecParameters } | undefined {
    const stream = this.#stream;
    return stream === undefined ? undefined : { stream, codec: this.#codec! };
  }

  /**
   * A packet of `stream` in `codec` came, which is not what feeds the layer now.
   *
   * @returns Whether it feeds the layer from now on.
   */
  follow(stream: FeedingStream, codec: CodecParameters, now: number): boolean {
    const before = this.#stream;
    const goesOn = before?.binding.ssrc === stream.binding.ssrc && isOneStream(codec, this.#codec!);
    if (before !== undefined && !goesOn) {
      if (now - this.#changedAt < CHANGE_INTERVAL_MS) return false;
      this.#changedAt = now;
    }
    if (before !== undefined) before.payloadType = -1;
    stream.payloadType = codec.payloadType;
    this.#stream = stream;
    this.#codec = codec;
    this.#unsettledAt = now;
    return true;
  }

  /** The sections were described anew: what feeds it is told again with its next packet. */
  describedAnew(): void {
    this.#isStale = true;
  }

  /** Whether it may have to be told what feeds it and has not been looked at since. */
  get isUnsettled(): boolean {
    return this.#unsettledAt !== Infinity;
  }

  /** When it is to be looked at again; `Infinity` if it need not be. */
  get settlesAt(): number {
    return this.#unsettledAt + SETTLE_MS;
  }

  /**
   * Looks at what feeds it.
   *
   * @param describe Puts that in words; called only when it is time to.
   * @returns What is to be told now.
   */
  settle(now: number, budget: TokenBucket, describe: () => Arrival): Arrival | undefined {
    const told = this.#told;
    const hasLasted = now - this.#unsettledAt >= SETTLE_MS;
    if (!hasLasted && !this.#isStale) return undefined;
    const arrival = describe();
    const isNews = told !== undefined && !isSameArrival(told, arrival);
    const isRepeated = this.#isStale;
    this.#isStale = false;
    if (isNews && (!hasLasted || !budget.take(now))) {
      if (hasLasted) this.#unsettledAt = now; // again later
      return undefined;
    }
    this.#unsettledAt = Infinity;
    if (!isNews && !isRepeated) return undefined;
    return this.#told = arrival;
  }

  /**
   * Looks at how large its pictures are; to be called once a second.
   *
   * @returns Whether that is to be told: the first size at once, another one when it has lasted.
   */
  resized(
    { width, height }: { readonly width: number; readonly height: number },
    now: number,
    budget: TokenBucket,
  ): boolean {
    const isFirst = this.#toldWidth === 0 && this.#toldHeight === 0;
    const hasLasted = width === this.#width && height === this.#height;
    this.#width = width;
    this.#height = height;
    if (width === this.#toldWidth && height === this.#toldHeight) return false;
    if (!isFirst && (!hasLasted || !budget.take(now))) return false;
    this.#toldWidth = width;
    this.#toldHeight = height;
    return true;
  }
}

/** Whether one takes turns with the other without anything beginning anew. */
function isOneStream(a: CodecParameters, b: CodecParameters): boolean {
  return a.payloadType === b.payloadType && a.mime === b.mime || isOpus(a) && isOpus(b);
}

function isSameArrival(a: Arrival, b: Arrival): boolean {
  return a.ssrc === b.ssrc && a.mime === b.mime && a.rid === b.rid && a.rtxSsrc === b.rtxSsrc &&
    a.mid === b.mid;
}
