/**
 * In which form a subscriber gets a publisher's audio: as it comes, or with redundancy (RFC 2198)
 * taken apart, put on, or named anew.
 *
 * @module
 */
import type { CodecParameters } from "../../base/media_vocabulary.ts";
import { DROP, type DropReason } from "../layer/drop_reason.ts";
import type { UpTrackLayer } from "../layer/up_track_layer.ts";
import type { OutgoingPacket } from "../packet/outgoing_packet.ts";
import type { SourcePacket } from "../packet/source_packet.ts";
import { frameType } from "../select/codec_match.ts";
import { RedUnwrapper } from "./red_unwrapper.ts";

/**
 * How many copies of earlier frames a subscriber gets: none; those with which a publisher sends, or
 * two of one that sends none; or two in any case.
 */
export const COPIES = { none: 0, asTheyCome: 1, more: 2 } as const;
/** One of {@linkcode COPIES}. */
export type Copies = (typeof COPIES)[keyof typeof COPIES];

/** Makes what is sent of what comes. That is not asked for again: copies stand for it. */
export interface AudioForm {
  /** Why the last packet was not opened. */
  readonly refusal: DropReason;
  /** How many packets back the oldest frame is that should be taken; 0 is the packet's own. */
  readonly oldest: number;
  /** How much older the taken frame is than its packet, in RTP clock units. */
  readonly age: number;
  /**
   * Opens a packet.
   *
   * @param missing How many packets before it did not come; not positive for a late packet.
   * @returns `false` if it holds nothing that is to be sent.
   */
  open(packet: SourcePacket, missing: number): boolean;
  /** Points `out` at what is sent `back` packets ago; `false` if there is nothing. */
  take(back: number, out: OutgoingPacket): boolean;
}

/** The form in which `source` goes as `target`; absent: as it comes. */
export function audioForm(
  source: CodecParameters,
  target: CodecParameters,
  copies: Copies = COPIES.asTheyCome,
): AudioForm | undefined {
  const comes = source.mime === "audio/red";
  const goes = target.mime === "audio/red";
  if (comes && !goes) return new RedUnwrapper();
  if (!goes) return undefined;
  const [from, to] = [comes ? frameType(source) : source.payloadType, frameType(target)];
  if (comes && copies === COPIES.more) return new RedMaker(from, to, true);
  return comes && from === to ? undefined : new RedMaker(from, to, false);
}

/** Sends each packet as one redundant one, which all subscribers that want it share. */
class RedMaker implements AudioForm {
  readonly refusal = DROP.malformedPayload;
  readonly oldest = 0;
  readonly age = 0;
  #layer: UpTrackLayer | undefined;

  /** @param isMore Copies are added to those that come. */
  constructor(
    readonly sourceType: number,
    readonly frameType: number,
    readonly isMore: boolean,
  ) {}

  open(packet: SourcePacket): boolean {
    const { layer } = packet;
    const { redundant, cache } = layer;
    const { sourceType, frameType } = this;
    this.#layer = layer;
    if (layer.codec.mime !== "audio/red") {
      return redundant.wrap(cache, packet, sourceType, frameType);
    }
    return this.isMore
      ? redundant.add(cache, packet, sourceType, frameType)
      : redundant.translate(packet, sourceType, frameType);
  }

  take(_back: number, out: OutgoingPacket): boolean {
    const { bytes, at, length } = this.#layer!.redundant;
    out.payload = bytes;
    out.payloadSkip = at;
    out.payloadBytes = length;
    return true;
  }
}
