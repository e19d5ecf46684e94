/**
 * The section in which a publisher's engine receives a track, between nodes. Pure and total.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";
import type {
  CodecParameters,
  HeaderExtension,
  MediaKind,
  ReceiveSection,
} from "../../base/media_vocabulary.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import { countOf, listOf, textOf, tupleOf } from "../link/packed_fields.ts";

const MAX_WORD = 256;
const MAX_FMTP = 4_096;
const MAX_CODECS = 128;
const MAX_FEEDBACK = 32;
const MAX_EXTENSIONS = 64;
const MAX_RIDS = 8;
const MAX_SSRCS = 64;
const MAX_PAYLOAD_TYPE = 127;
const MAX_EXTENSION_ID = 255;
const MAX_UINT32 = 0xffff_ffff;

export function packSection(section: ReceiveSection): PackedValue {
  const { mid, kind, codecs, extensions, rids, ssrcs } = section;
  return [
    mid,
    kind,
    codecs.map((codec) => [
      codec.mime,
      codec.payloadType,
      codec.clockRate,
      codec.channels ?? null,
      codec.fmtp,
      codec.feedback,
      codec.rtxPayloadType ?? null,
    ]),
    extensions.map(({ id, uri }) => [id, uri]),
    rids,
    ssrcs.map(({ ssrc, rtxSsrc }) => [ssrc, rtxSsrc ?? null]),
  ];
}

/** @param upTrack The id that the track has on all nodes. */
export function readSection(value: PackedValue, upTrack: UpTrackId): ReceiveSection | undefined {
  const packed = tupleOf(value, 6);
  const mid = textOf(packed?.[0], MAX_WORD);
  const kind = kindOf(packed?.[1]);
  const codecs = listOf(packed?.[2], MAX_CODECS, readCodec);
  const extensions = listOf(packed?.[3], MAX_EXTENSIONS, readExtension);
  const rids = listOf(packed?.[4], MAX_RIDS, (rid) => textOf(rid, MAX_WORD));
  const ssrcs = listOf(packed?.[5], MAX_SSRCS, readSsrc);
  if (
    mid === undefined || kind === undefined || codecs === undefined ||
    extensions === undefined || rids === undefined || ssrcs === undefined
  ) return undefined;
  return { mid, kind, upTrack, codecs, extensions, rids, ssrcs };
}

export function kindOf(value: PackedValue | undefined): MediaKind | undefined {
  return value === "audio" || value === "video" ? value : undefined;
}

function readCodec(value: PackedValue): CodecParameters | undefined {
  const packed = tupleOf(value, 7);
  const mime = textOf(packed?.[0], MAX_WORD);
  const payloadType = countOf(packed?.[1], MAX_PAYLOAD_TYPE);
  const clockRate = countOf(packed?.[2], MAX_UINT32);
  const channels = optional(packed?.[3], MAX_EXTENSION_ID);
  const fmtp = textOf(packed?.[4], MAX_FMTP);
  const feedback = listOf(packed?.[5], MAX_FEEDBACK, (word) => textOf(word, MAX_WORD));
  const rtxPayloadType = optional(packed?.[6], MAX_PAYLOAD_TYPE);
  if (
    mime === undefined || payloadType === undefined || clockRate === undefined ||
    channels === undefined || fmtp === undefined || feedback === undefined ||
    rtxPayloadType === undefined
  ) return undefined;
  return {
    mime,
    payloadType,
    clockRate,
    fmtp,
    feedback,
    ...(channels === null ? {} : { channels }),
    ...(rtxPayloadType === null ? {} : { rtxPayloadType }),
  };
}

function readExtension(value: PackedValue): HeaderExtension | undefined {
  const packed = tupleOf(value, 2);
  const id = countOf(packed?.[0], MAX_EXTENSION_ID);
  const uri = textOf(packed?.[1], MAX_WORD);
  return id === undefined || uri === undefined ? undefined : { id, uri };
}

function readSsrc(value: PackedValue): { ssrc: number; rtxSsrc?: number } | undefined {
  const packed = tupleOf(value, 2);
  const ssrc = countOf(packed?.[0], MAX_UINT32);
  const rtxSsrc = optional(packed?.[1], MAX_UINT32);
  if (ssrc === undefined || rtxSsrc === undefined) return undefined;
  return rtxSsrc === null ? { ssrc } : { ssrc, rtxSsrc };
}

/** A number, or `null` for none. */
function optional(value: PackedValue | undefined, most: number): number | null | undefined {
  return value === null ? null : countOf(value, most);
}
