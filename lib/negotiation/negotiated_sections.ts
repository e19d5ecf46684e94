/**
 * What a negotiation decided about one media section, in the shape the media engine takes. The
 * engine's own declarations (`engine_messages.ts`) are the contract; this folder lies below it and may
 * not import them, so a test checks that the two stay the same.
 *
 * @module
 */
import type { UpTrackId } from "../base/ids.ts";
import type { CodecParameters, HeaderExtension, MediaKind } from "../base/media_vocabulary.ts";

/** A section through which a client sends to us. */
export interface ReceiveSection {
  readonly mid: string;
  readonly kind: MediaKind;
  readonly upTrack: UpTrackId;
  readonly codecs: readonly CodecParameters[];
  readonly extensions: readonly HeaderExtension[];
  readonly rids: readonly string[];
  readonly ssrcs: readonly { readonly ssrc: number; readonly rtxSsrc?: number }[];
}

/** A section through which we send one track to a client. */
export interface SendSection {
  readonly mid: string;
  readonly kind: MediaKind;
  readonly ssrc: number;
  readonly rtxSsrc?: number;
  readonly cname: string;
  readonly codecs: readonly CodecParameters[];
  readonly extensions: readonly HeaderExtension[];
}
