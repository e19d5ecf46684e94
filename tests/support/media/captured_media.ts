/**
 * The media and the sender reports of a packet capture, one way.
 *
 * @module
 */
import {
  type CodecParameters,
  EXTENSION_URI,
  type HeaderExtension,
  type MediaKind,
  type ReceiveSection,
} from "../../../lib/base/media_vocabulary.ts";
import type { SentSection } from "../../../lib/engine/messages/capture_messages.ts";
import { ntpToMs } from "../../../lib/media/layer/rtcp_clock.ts";
import { RtcpReader } from "../../../lib/wire/rtcp.ts";
import { RtpView } from "../../../lib/wire/rtp_view.ts";
import { IGNORED_RTCP } from "./ignored_rtcp.ts";
import type { ReadCapture, ReadDatagram } from "./pcapng_reader.ts";

/** A packet of media; what is sent again, padding and repair packets are none. */
export interface CapturedPacket {
  readonly kind: MediaKind;
  /** As it was negotiated; `undefined` for a payload type that was not. */
  readonly mime: string | undefined;
  /** Unix time, ms. */
  readonly at: number;
  readonly ssrc: number;
  readonly sequence: number;
  readonly timestamp: number;
  /** Number of its frame, where a dependency descriptor says it, 16 bits. */
  readonly frame: number | undefined;
  /** As much of it as is captured. */
  readonly payload: Uint8Array;
}

/** A sender report, and when it came or went, Unix time, ms. */
export interface CapturedReport {
  readonly at: number;
  readonly ntpMs: number;
  readonly timestamp: number;
}

/** Everything in its order; reports by SSRC. */
export interface CapturedMedia {
  readonly packets: readonly CapturedPacket[];
  readonly reports: ReadonlyMap<number, readonly CapturedReport[]>;
}

/** Datagrams of it are notes. */
const NOTES_PORT = 9;
/** The first byte of RTCP's types, as they are told from RTP (RFC 5761 §4). */
const isRtcp = (bytes: Uint8Array) => bytes[1]! >= 192 && bytes[1]! <= 223;

/**
 * Reads one way of a capture.
 *
 * @param isSent What the server sent; else what came to it.
 * @throws {Error} where packets are missing, because the file was read too slowly.
 */
export function capturedMedia({ datagrams }: ReadCapture, isSent: boolean): CapturedMedia {
  const packets: CapturedPacket[] = [];
  const reports = new Map<number, CapturedReport[]>();
  const sections = new Sections();
  const view = new RtpView();
  for (const datagram of datagrams) {
    if (datagram.ports[0] === NOTES_PORT) sections.read(datagram);
    else if (datagram.isSent !== isSent) continue;
    else if (isRtcp(datagram.bytes)) readReports(datagram, reports);
    else if (wrap(view, datagram)) {
      const { ssrc, payloadType, sequenceNumber: sequence, timestamp } = view;
      const known = isSent ? sections.sent(ssrc, payloadType) : sections.received(payloadType);
      if (known === undefined) continue;
      const { kind, mime } = known;
      const at = datagram.timeUs / 1_000;
      const frame = frameOf(view, known.extensions);
      const payload = datagram.bytes.subarray(view.payloadOffset);
      packets.push({ kind, mime, at, ssrc, sequence, timestamp, frame, payload });
    }
  }
  return { packets, reports };
}

/** @returns `false` for what has no media in it. */
function wrap(view: RtpView, { bytes, length }: ReadDatagram): boolean {
  const whole = new Uint8Array(length);
  whole.set(bytes);
  // Of padding behind media its length was cut off.
  if (bytes.length < length) whole[0]! &= ~0x20;
  return view.wrap(whole) && view.payloadLength > 0;
}

/** By the mandatory fields of a dependency descriptor (AV1's RTP payload format, A.8.1). */
function frameOf(view: RtpView, extensions: readonly HeaderExtension[]): number | undefined {
  const id = extensions.find(({ uri }) => uri === EXTENSION_URI.dependencyDescriptor)?.id ?? 0;
  const at = view.extensionOffset(id);
  return view.extensionLength(id) < 3 ? undefined : view.bytes[at + 1]! << 8 | view.bytes[at + 2]!;
}

interface Known extends Pick<CapturedPacket, "kind" | "mime"> {
  readonly extensions: readonly HeaderExtension[];
}

/** What packets are, by the notes of a capture. */
class Sections {
  readonly #receives = new Map<string, ReceiveSection>();
  readonly #sends = new Map<number, SentSection["section"]>();

  /** @throws {Error} */
  read({ bytes }: ReadDatagram): void {
    const note = JSON.parse(new TextDecoder().decode(bytes));
    if (note.missed !== undefined) throw new Error(`${note.missed} packets are missing`);
    const { receives, sends }: { receives?: ReceiveSection; sends?: SentSection } = note;
    if (receives !== undefined) this.#receives.set(receives.mid, receives);
    if (sends !== undefined) this.#sends.set(sends.section.ssrc, sends.section);
  }

  sent(ssrc: number, payloadType: number): Known | undefined {
    const section = this.#sends.get(ssrc);
    if (section === undefined) return undefined;
    const { kind, codecs, extensions } = section;
    return { kind, mime: mimeOf(codecs, payloadType), extensions };
  }

  received(payloadType: number): Known | undefined {
    for (const { kind, codecs, extensions } of this.#receives.values()) {
      const mime = mimeOf(codecs, payloadType);
      if (mime !== undefined) return { kind, mime, extensions };
    }
    return undefined;
  }
}

function mimeOf(codecs: readonly CodecParameters[], payloadType: number): string | undefined {
  return codecs.find((codec) => codec.payloadType === payloadType)?.mime;
}

function readReports({ bytes, timeUs }: ReadDatagram, into: Map<number, CapturedReport[]>): void {
  new RtcpReader().read(bytes, bytes.length, {
    ...IGNORED_RTCP,
    senderReport(ssrc, seconds, fraction, timestamp) {
      if (!into.has(ssrc)) into.set(ssrc, []);
      into.get(ssrc)!.push({ at: timeUs / 1_000, ntpMs: ntpToMs(seconds, fraction), timestamp });
    },
  });
}
