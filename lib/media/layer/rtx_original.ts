/**
 * Turns a retransmission back into the packet it repeats (RFC 4588 §4).
 *
 * @module
 */
import type { RtpView } from "../../wire/rtp_view.ts";
import type { ExtSeq } from "../../wire/seq.ts";
import type { UpTrackLayer } from "./up_track_layer.ts";

/** Bytes of the original sequence number in front of the payload. */
export const OSN_BYTES = 2;

/**
 * The original sequence number (16 bits) of a packet with more than {@linkcode OSN_BYTES} payload.
 */
export function originalSequence({ bytes, payloadOffset }: RtpView): number {
  return (bytes[payloadOffset]! << 8) | bytes[payloadOffset + 1]!;
}

/**
 * Stages the original in the layer's cache, and makes `into` the view on it.
 *
 * @param rtx A packet with more than {@linkcode OSN_BYTES} payload.
 * @param seq The original's number, of which the low 16 bits are written.
 */
export function stageOriginal(
  rtx: RtpView,
  layer: UpTrackLayer,
  seq: ExtSeq,
  into: RtpView,
): void {
  const { cache, ssrc } = layer;
  const at = rtx.payloadOffset;
  cache.stage(seq, rtx.bytes, rtx.length);
  cache.cutStaged(seq, at, OSN_BYTES, at + rtx.payloadLength);
  const staging = cache.staged(seq);
  into.takeOver(rtx, staging);
  into.length -= OSN_BYTES;
  into.payloadLength -= OSN_BYTES;
  into.payloadType = layer.codec.payloadType;
  into.sequenceNumber = seq & 0xffff;
  into.ssrc = ssrc;
  // Padding is cut off by the stored length, so its flag goes, too.
  staging[0]! &= 0xdf;
  staging[1] = (into.marker ? 0x80 : 0) | into.payloadType;
  staging[2] = into.sequenceNumber >> 8;
  staging[3] = into.sequenceNumber & 0xff;
  staging[8] = ssrc >>> 24;
  staging[9] = (ssrc >>> 16) & 0xff;
  staging[10] = (ssrc >>> 8) & 0xff;
  staging[11] = ssrc & 0xff;
}
