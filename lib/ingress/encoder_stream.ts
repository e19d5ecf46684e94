/**
 * What an encoder sends by RTMP, as a participant's tracks: which there are, the offer that
 * describes them, and their packets.
 *
 * Contract: nothing is decoded and nothing is made up. What viewers could not show ends the
 * publishing, with words for whoever set the encoder up; what can be left out is left out, and
 * said.
 *
 * @module
 */
import type { Platform } from "../base/platform.ts";
import type { Amf0Value } from "../wire/amf0.ts";
import { type AvcConfig, avcUnits, readAvcConfig } from "../wire/avc_config.ts";
import { type FlvTag, readAudioTag, readVideoTag } from "../wire/flv_tags.ts";
import { AacSound, type CreateTranscoder } from "./aac_sound.ts";
import { av1Payloads } from "./av1_packets.ts";
import { h264Payloads } from "./h264_packets.ts";
import { MadeStream, PacketBatch } from "./made_packets.ts";
import { type OfferedTracks, sourceOffer } from "./source_offer.ts";

/** How long sound or pictures are waited for when the other has come, ms. */
const COMPANION_MS = 1_500;
/** Packets that may wait until the participant is there, bytes. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
/** Units of one picture. */
const MAX_UNITS = 256;
/** Packets of one second: as many of full size have more than a connection may bring. */
const MAX_PACKETS_PER_SECOND = 10_000;
const PAYLOAD_TYPE = { audio: 111, video: 108, av1: 35 } as const;

const NO_AAC = "the sound is AAC, which browsers do not take, and is left out: send Opus " +
  "(enhanced RTMP), or publish with WHIP";
const B_FRAMES = "the video has B-frames, which viewers cannot show: switch them off (bframes=0)";

type Video =
  | { readonly kind: "h264"; config: AvcConfig }
  | { readonly kind: "av1"; config: Uint8Array };

/** One encoder's stream, from its first message on. */
export class EncoderStream {
  /** In words, why it cannot go on. */
  fault: string | undefined;
  /** In words, what of it is left out. */
  note = "";
  readonly #platform: Pick<Platform, "random" | "clock">;
  readonly #batch = new PacketBatch();
  readonly #ssrc: { readonly audio: number; readonly video: number };
  /** Absent: nothing is known of which there will be. */
  #expected: { readonly audio: boolean; readonly video: boolean } | undefined;
  #audio: { readonly channels: number } | undefined;
  #video: Video | undefined;
  #aacSound: AacSound | undefined;
  /** None of its sound can be had. */
  #isSilent = false;
  #audioStream: MadeStream | undefined;
  #videoStream: MadeStream | undefined;
  /** When the first of them was known, monotonic ms. */
  #knownAt = Infinity;
  /** Which tracks were offered: others come too late. */
  #offered: OfferedTracks | undefined;
  /** Pictures before the first key frame show nothing. */
  #hasKey = false;
  /** Unix ms of the encoder's time 0. */
  #epochMs: number | undefined;
  #lastTime = 0;
  #timeBase = 0;
  /** Since when packets are counted, monotonic ms, and how many there were. */
  #countedFrom = -Infinity;
  #counted = 0;
  #shownMs = -Infinity;
  #decodedMs = -Infinity;

  /**
   * @param transcode Absent: AAC is left out.
   * @param made Packets were made apart from what the encoder has just sent.
   */
  constructor(
    platform: Pick<Platform, "random" | "clock">,
    readonly transcode?: CreateTranscoder,
    readonly made: () => void = () => {},
  ) {
    this.#platform = platform;
    const audio = platform.random.uint32();
    this.#ssrc = { audio, video: (audio + 1) >>> 0 };
  }

  /** What the encoder says of its stream. */
  metadata(values: ReadonlyMap<string, Amf0Value>): void {
    const audio = values.has("audiocodecid");
    const video = values.has("videocodecid");
    if (audio || video) this.#expected = { audio, video };
  }

  /** Whether it is known which tracks there are, and it is time to offer them. */
  isReady(now: number): boolean {
    const { audio = true, video = true } = this.#expected ?? {};
    if (this.#audio === undefined && this.#video === undefined) return false;
    const lacks = audio && this.#audio === undefined && !this.#isSilent ||
      video && this.#video === undefined;
    return !lacks || now - this.#knownAt >= COMPANION_MS;
  }

  /** Its sound has two channels. */
  get isStereo(): boolean {
    return this.#audio?.channels === 2;
  }

  /** Offers its tracks; those that are not known yet are none. */
  offer(): string {
    const { random } = this.#platform;
    const offered: OfferedTracks = {
      audio: this.#audio && {
        payloadType: PAYLOAD_TYPE.audio,
        channels: this.#audio.channels,
        ssrc: this.#ssrc.audio,
      },
      video: this.#video && {
        ...(this.#video.kind === "h264"
          ? {
            payloadType: PAYLOAD_TYPE.video,
            codec: "H264" as const,
            profileLevelId: this.#video.config.profileLevelId,
          }
          : { payloadType: PAYLOAD_TYPE.av1, codec: "AV1" as const }),
        ssrc: this.#ssrc.video,
      },
    };
    this.#offered = offered;
    return sourceOffer(offered, random);
  }

  /** Packets of what came since the last call; `undefined` if there are none. */
  take(): Uint8Array<ArrayBuffer> | undefined {
    return this.#batch.length === 0 ? undefined : this.#batch.take();
  }

  /** @param timestamp The message's, ms, 32 bits. */
  audio(bytes: Uint8Array<ArrayBuffer>, timestamp: number, now: number): void {
    const tag = readAudioTag(bytes);
    if (tag === undefined || this.fault !== undefined) return;
    const timeMs = this.#time(timestamp);
    if (tag.codec === "mp4a") this.#aac(tag, timeMs, now);
    else if (tag.codec !== "opus") {
      this.#leaveOutSound(`the sound is ${tag.codec}, which viewers do not take, and is left out`);
    } else if (tag.part === "config") {
      const channels = tag.data[9] ?? 2;
      if (channels > 2) this.#leaveOutSound(`the sound has ${channels} channels, and is left out`);
      else this.#known(() => this.#audio ??= { channels }, now);
    } else if (tag.part === "frame" && tag.data.length > 0) {
      if (this.#isSilent) return;
      this.#known(() => this.#audio ??= { channels: 2 }, now);
      this.#putAudio(tag.data, timeMs);
    }
  }

  /** @param timestamp As in {@linkcode audio}: when the picture is decoded. */
  video(bytes: Uint8Array<ArrayBuffer>, timestamp: number, now: number): void {
    const tag = readVideoTag(bytes);
    if (tag === undefined || this.fault !== undefined || tag.part === "other" && isNamed(tag)) {
      return;
    }
    const timeMs = this.#time(timestamp);
    if (tag.codec === "avc1") this.#avc(tag, timeMs, now);
    else if (tag.codec === "av01") this.#av1(tag, timeMs, now);
    else {
      this.fault = `the video is ${tag.codec}: send H.264 without B-frames, or AV1`;
    }
  }

  #aac(tag: FlvTag, timeMs: number, now: number): void {
    if (this.#isSilent) return;
    if (tag.part === "frame") return this.#aacSound?.push(tag.data, timeMs);
    if (tag.part !== "config" || this.#aacSound !== undefined) {
      return this.#aacSound?.configure(tag.data);
    }
    const sound = this.transcode && AacSound.begin(tag.data, this.transcode, (packet, at) => {
      this.#putAudio(packet, at);
      this.made();
    }, () => {
      this.#leaveOutSound("the sound could not be transcoded any more, and is left out");
      this.made();
    });
    if (sound === undefined) this.#leaveOutSound(NO_AAC);
    else this.#known(() => this.#audio ??= { channels: 2 }, now);
    this.#aacSound = sound;
  }

  #leaveOutSound(why: string): void {
    this.#isSilent = true;
    this.note ||= why;
  }

  /** Nothing of it is wanted any more. */
  close(): void {
    this.#aacSound?.close();
  }

  #avc(tag: FlvTag, timeMs: number, now: number): void {
    if (tag.part === "config") {
      const config = readAvcConfig(tag.data);
      if (config === undefined) this.fault = "the video's configuration cannot be read";
      else if (this.#video === undefined) {
        this.#known(() => this.#video = { kind: "h264", config }, now);
      } else if (this.#video.kind === "h264") this.#video.config = config;
      return;
    }
    const video = this.#video;
    if (video?.kind !== "h264" || !this.#follows(tag, timeMs)) return;
    const { lengthBytes, sets } = video.config;
    const units = avcUnits(tag.data, lengthBytes, MAX_UNITS);
    if (units === undefined) this.fault = "a picture cannot be read";
    else this.#putVideo(h264Payloads(units, tag.isKey, sets), timeMs + tag.compositionMs);
  }

  #av1(tag: FlvTag, timeMs: number, now: number): void {
    if (tag.part === "config") {
      // Behind four bytes of a record of its own (AV1 in ISOBMFF, §2.3).
      const config = tag.data.subarray(4);
      if (this.#video === undefined) this.#known(() => this.#video = { kind: "av1", config }, now);
      else if (this.#video.kind === "av1") this.#video.config = config;
      return;
    }
    const video = this.#video;
    if (video?.kind !== "av1" || !this.#follows(tag, timeMs)) return;
    const payloads = av1Payloads(tag.data, tag.isKey, video.config);
    if (payloads === undefined) this.fault = "a picture cannot be read";
    else this.#putVideo(payloads, timeMs);
  }

  /** Whether a picture can be shown, after those before it. */
  #follows(tag: FlvTag, timeMs: number): boolean {
    if (!this.#hasKey && !tag.isKey) return false;
    this.#hasKey = true;
    const shownMs = timeMs + tag.compositionMs;
    // An encoder that begins anew goes back in both.
    if (shownMs < this.#shownMs && timeMs >= this.#decodedMs) {
      this.fault = B_FRAMES;
      return false;
    }
    this.#shownMs = shownMs;
    this.#decodedMs = timeMs;
    return true;
  }

  #known(note: () => void, now: number): void {
    note();
    this.#knownAt = Math.min(this.#knownAt, now);
  }

  #putAudio(frame: Uint8Array, timeMs: number): void {
    const stream = this.#audioStream ??= this.#stream("audio");
    if (stream === undefined || !this.#hasRoom(1)) return;
    stream.report(this.#batch, timeMs);
    stream.put(this.#batch, timeMs, false, [frame]);
  }

  #putVideo(payloads: readonly (readonly Uint8Array[])[], timeMs: number): void {
    const stream = this.#videoStream ??= this.#stream("video");
    if (stream === undefined || !this.#hasRoom(payloads.length)) return;
    stream.report(this.#batch, timeMs);
    for (const [at, parts] of payloads.entries()) {
      stream.put(this.#batch, timeMs, at === payloads.length - 1, parts);
    }
  }

  /** Whether so many more are not too many: each costs every viewer as much as a large one. */
  #hasRoom(packets: number): boolean {
    const now = this.#platform.clock.now();
    if (now - this.#countedFrom >= 1_000) {
      this.#countedFrom = now;
      this.#counted = 0;
    }
    this.#counted += packets;
    if (this.#counted > MAX_PACKETS_PER_SECOND) this.fault = "it sends too many packets";
    else if (this.#batch.length >= MAX_WAITING_BYTES) {
      this.fault = "too much came before it could be published";
    }
    return this.fault === undefined;
  }

  /** Milliseconds since the stream began; its own go round after 49 days. */
  #time(timestamp: number): number {
    const step = (timestamp - this.#lastTime) | 0;
    this.#lastTime = timestamp;
    this.#timeBase += step;
    this.#epochMs ??= this.#platform.clock.wallMs() - this.#timeBase;
    return this.#timeBase;
  }

  /** The packets of one kind; none for what came after it was offered. */
  #stream(kind: "audio" | "video"): MadeStream | undefined {
    if (this.#offered !== undefined && this.#offered[kind] === undefined) {
      this.note ||= `${kind} came too late, and is left out`;
      return undefined;
    }
    const { random } = this.#platform;
    const isAv1 = this.#video?.kind === "av1";
    return new MadeStream({
      ssrc: this.#ssrc[kind],
      payloadType: kind === "audio" ? PAYLOAD_TYPE.audio : PAYLOAD_TYPE[isAv1 ? "av1" : "video"],
      clockRate: kind === "audio" ? 48_000 : 90_000,
      firstSequence: random.uint32() & 0x7fff,
      firstTimestamp: random.uint32(),
      epochMs: this.#epochMs ?? 0,
    });
  }
}

function isNamed({ codec }: FlvTag): boolean {
  return !codec.startsWith("video ");
}
