/**
 * The packets of one connection as somebody wants to look at them: whole headers and reports in the
 * clear, and of payloads what says how they are to be forwarded.
 *
 * Contract: of video the first {@linkcode VIDEO_BYTES} of each payload are kept, and of audio
 * {@linkcode AUDIO_BYTES}, which is neither to be seen nor to be heard. It costs nothing while
 * there is none, and never more memory than one bundle. It ends by itself.
 *
 * @module
 */
import type { ConnectionId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import { type NumberedPacket, PACKET_KIND } from "../../base/packet_sink.ts";
import type { Clock } from "../../base/platform.ts";
import { CAPTURED_HEAD_BYTES, writeCapturedHead } from "../../wire/captured_packets.ts";
import type { RtpView } from "../../wire/rtp_view.ts";
import type { CaptureEvent, CaptureLimits, SentSection } from "../messages/capture_messages.ts";

/** Codec headers, parameter sets and the size of a key frame are in it; no picture is. */
export const VIDEO_BYTES = 40;
/** Opus' own first byte, or that of redundant audio: 20 ms have 60 and more. */
export const AUDIO_BYTES = 1;
/** A bundle is told so long after its first packet, ms. */
const BUNDLE_MS = 100;
const BUNDLE_BYTES = 32 * 1024;
/** The largest packet there is, with its head. */
const LARGEST_BYTES = 2_048;

type Described = Extract<CaptureEvent, { readonly type: "capture_described" }>;

/** What a capture is given of its connection. */
export interface PacketCaptureWorld {
  readonly connection: ConnectionId;
  readonly clock: Clock;
  readonly emit: (event: CaptureEvent) => void;
  /** There is timed work at `at`. */
  readonly timed: (at: number) => void;
  /** It has ended, and is to be forgotten. */
  readonly ended: () => void;
}

/** One connection's packets, told in bundles in the order in which they come and go. */
export class PacketCapture {
  readonly #world: PacketCaptureWorld;
  readonly #bytes = new Uint8Array(BUNDLE_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  /** By payload type: whether the client sends video under it. */
  readonly #isVideo = new Uint8Array(128);
  /** What our monotonic time, µs, lies behind Unix time. */
  readonly #offsetUs: number;
  readonly #endsAt: number;
  /** Sections that were described. */
  readonly #told = new WeakSet<object>();
  #left: number;
  #length = 0;
  #beganAt = 0;
  #hasEnded = false;

  constructor(
    world: PacketCaptureWorld,
    { maxBytes, maxMs }: CaptureLimits,
  ) {
    this.#world = world;
    const { clock } = world;
    this.#offsetUs = clock.wallMs() * 1000 - clock.nowUs();
    this.#endsAt = clock.now() + maxMs;
    this.#left = maxBytes;
    world.timed(this.#endsAt);
  }

  /** What comes and goes from now on. */
  describe(receives: readonly ReceiveSection[], sends: readonly SentSection[]): void {
    this.#tell({
      receives: receives.filter((section) => this.#isNews(section)),
      sends: sends.filter(({ section }) => this.#isNews(section)),
    });
    this.#isVideo.fill(0);
    for (const { kind, codecs } of receives) {
      if (kind !== "video") continue;
      for (const { payloadType, rtxPayloadType } of codecs) {
        this.#isVideo[payloadType] = 1;
        if (rtxPayloadType !== undefined) this.#isVideo[rtxPayloadType] = 1;
      }
    }
  }

  /** A description is told once, however many follow. */
  #isNews(section: object): boolean {
    if (this.#told.has(section)) return false;
    this.#told.add(section);
    return true;
  }

  #tell(news: Pick<Described, "receives" | "sends">): void {
    if (news.receives.length + news.sends.length === 0) return;
    this.flush();
    const { connection, emit } = this.#world;
    emit({ type: "capture_described", connection, ...news });
  }

  /** When {@linkcode PacketCapture.tick} has something to do. */
  nextWakeAt(): number {
    if (this.#hasEnded) return Infinity;
    return this.#length === 0 ? this.#endsAt : Math.min(this.#endsAt, this.#beganAt + BUNDLE_MS);
  }

  tick(now: number): void {
    if (now >= this.#endsAt) return this.end("time");
    if (this.#length > 0 && now >= this.#beganAt + BUNDLE_MS) this.flush();
  }

  /** The client sent a packet, at `nowUs` of our monotonic time. */
  received(packet: RtpView, nowUs: number): void {
    const { bytes, length, payloadType, payloadOffset, payloadLength } = packet;
    const of = this.#isVideo[payloadType] === 1 ? VIDEO_BYTES : AUDIO_BYTES;
    // The last byte of padding says how much it is.
    const kept = payloadLength === 0 ? length : Math.min(length, payloadOffset + of);
    if (!this.#begin(kept, length, false, false, nowUs)) return;
    this.#copy(bytes, 0, kept);
  }

  /** A packet that begins in `head` is about to be sealed and sent. */
  sending(head: Uint8Array, packet: NumberedPacket): void {
    const { written, source, sourceAt, sourceLength, headerLength, isVideo, packetKind } = packet;
    const length = written + sourceLength;
    const kept = packetKind === PACKET_KIND.padding
      ? length
      : Math.min(length, headerLength + (isVideo ? VIDEO_BYTES : AUDIO_BYTES));
    if (!this.#begin(kept, length, true, false, this.#world.clock.nowUs())) return;
    const ofHead = Math.min(kept, written);
    this.#copy(head, 0, ofHead);
    this.#copy(source, sourceAt, kept - ofHead);
  }

  /** A compound of reports came or goes; it is kept whole. */
  reports(bytes: Uint8Array, length: number, isSent: boolean): void {
    if (!this.#begin(length, length, isSent, true, this.#world.clock.nowUs())) return;
    this.#copy(bytes, 0, length);
  }

  /** Tells what there is. */
  flush(): void {
    if (this.#length === 0) return;
    const packets = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    this.#world.emit({ type: "captured", connection: this.#world.connection, packets });
  }

  /** Tells what there is, and that it was the last. */
  end(reason: Extract<CaptureEvent, { readonly type: "capture_ended" }>["reason"]): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.flush();
    this.#world.ended();
    this.#world.emit({ type: "capture_ended", connection: this.#world.connection, reason });
  }

  #begin(kept: number, length: number, isSent: boolean, isRtcp: boolean, nowUs: number): boolean {
    const needed = CAPTURED_HEAD_BYTES + kept;
    if (this.#hasEnded || needed > LARGEST_BYTES) return false;
    if (needed > this.#left) {
      this.end("bytes");
      return false;
    }
    if (this.#length + needed > BUNDLE_BYTES) this.flush();
    if (this.#length === 0) {
      this.#beganAt = Math.trunc(nowUs / 1000);
      this.#world.timed(this.#beganAt + BUNDLE_MS);
    }
    const timeUs = this.#offsetUs + nowUs;
    const at = this.#length;
    writeCapturedHead(this.#view, this.#bytes, at, kept, length, isSent, isRtcp, timeUs);
    this.#left -= needed;
    this.#length = at + CAPTURED_HEAD_BYTES;
    return true;
  }

  #copy(from: Uint8Array, at: number, count: number): void {
    const bytes = this.#bytes;
    let to = this.#length;
    for (let i = at; i < at + count; i++) bytes[to++] = from[i]!;
    this.#length = to;
  }
}
