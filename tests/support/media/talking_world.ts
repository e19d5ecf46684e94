/**
 * Somebody who talks: a microphone and a camera of several layers with one wall clock, each stream
 * with a clock of its own and sender reports, over a path that is uneven by a seed; and one
 * subscriber, who knows which instant everything it gets was captured, and what it would take that
 * for by the sender reports that it gets. On virtual time.
 *
 * @module
 */
import type { DownTrackId, UpTrackId } from "../../../lib/base/ids.ts";
import type { LayerTarget } from "../../../lib/base/media_vocabulary.ts";
import { DEFAULT_CONGESTION } from "../../../lib/engine/local/local_engine_options.ts";
import type { SendingSide } from "../../../lib/engine/local/sending_side.ts";
import { ntpFraction, ntpSeconds, ntpToMs } from "../../../lib/media/layer/rtcp_clock.ts";
import type { OutgoingPacket } from "../../../lib/media/packet/outgoing_packet.ts";
import type { UpTrack } from "../../../lib/media/up/up_track.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";
import { NtpEstimate } from "../wire/ntp_estimate.ts";
import { PUBLISHED_PT, sendSection } from "../wire/wire_media.ts";
import { senderReports } from "../wire/wire_rtcp.ts";
import { codec, publishedTrack, RecordingSink, viewOf, vp8Payload } from "./forwarding_fixtures.ts";
import { rtpPacket } from "./rtp_packets.ts";
import { testSendingSide } from "./test_sending_side.ts";

/** NTP ms of virtual time 0. */
const NTP_EPOCH_MS = 3_900_000_000_000;
const ONE_WAY_MS = 20;
const FRAME_MS = { audio: 20, video: 33 } as const;
/** As libwebrtc reports, ms. */
const REPORT_MS = { audio: 5_000, video: 1_000 } as const;
const CODECS = {
  audio: codec("audio/opus", PUBLISHED_PT.opus),
  video: codec("video/VP8", PUBLISHED_PT.vp8, PUBLISHED_PT.vp8Rtx),
};
export type Kind = keyof typeof CODECS;
export const KINDS: readonly Kind[] = ["audio", "video"];
const SSRC = { audio: 5_000, video: 6_000 };
/** Bytes before the time of capture in a payload. */
const HEAD = { audio: 0, video: 6 };
export const EVERYTHING: LayerTarget = { enabled: true, maxSpatial: 2, maxTemporal: 3 };

/** One stream of the publisher. */
export class TalkingStream {
  isOn = true;
  /** For how long its RTP clock stood still, ms. */
  stoodStillMs = 0;
  /** How long it is encoded, ms. */
  encodingMs = 0;
  sequence: number;
  nextReportAt: number;

  constructor(
    readonly kind: Kind,
    readonly spatial: 0 | 1 | 2,
    public ssrc: number,
    public firstTimestamp: number,
    now: number,
  ) {
    this.sequence = firstTimestamp & 0x7fff;
    this.nextReportAt = now + REPORT_MS[kind] / 2;
  }

  /** Its RTP clock, 32 bits. */
  timestampAt(at: number): number {
    const ticks = (at - this.stoodStillMs) * (CODECS[this.kind].clockRate / 1_000);
    return (this.firstTimestamp + ticks) >>> 0;
  }
}

/** How far off the wall clock a received packet is taken to be, by the reports until then. */
export interface Reading {
  readonly kind: Kind;
  readonly at: number;
  readonly spatial: number;
  /** How many publications of its kind came before. */
  readonly earlier: number;
  /** By the last report alone, and by all that a receiver looks at; ms, never negative. */
  readonly off: readonly [number, number];
}

export interface TalkingOptions {
  readonly seed: number;
  /** Up to so many ms later than the one-way delay. */
  readonly jitterMs?: number;
  readonly layers?: number;
}

/** Time moves in `run` alone, and equal seeds give equal packets. */
export class TalkingWorld {
  now = 10_000;
  readonly random: SeededRandom;
  up: Record<Kind, UpTrack>;
  readonly side: SendingSide;
  readonly voice: TalkingStream;
  readonly camera: TalkingStream[];
  readonly readings: Reading[] = [];
  /** How often each was published again. */
  readonly again: Record<Kind, number> = { audio: 0, video: 0 };
  /** When reports left. */
  readonly reportedAt: Record<Kind, number[]> = { audio: [], video: [] };
  /** How much later than by jitter what leaves now arrives, ms. */
  lateMs = 0;
  readonly #jitterMs: number;
  readonly #estimates = { audio: new NtpEstimate(), video: new NtpEstimate() };
  readonly #last: Record<Kind, { ntpMs: number; rtp: number } | undefined> = {
    audio: undefined,
    video: undefined,
  };
  #arrivals: { readonly at: number; readonly take: () => void }[] = [];

  constructor({ seed, jitterMs = 0, layers = 3 }: TalkingOptions) {
    this.random = new SeededRandom(seed);
    this.#jitterMs = jitterMs;
    this.up = { audio: publishedTrack("audio"), video: publishedTrack("video") };
    this.voice = this.#stream("audio", 0);
    this.camera = ([0, 1, 2] as const).slice(0, layers).map((s) => this.#stream("video", s));
    const read = (packet: Uint8Array) => this.#read(packet);
    const sink = new class extends RecordingSink {
      override send(packet: OutgoingPacket): void {
        super.send(packet);
        read(this.packets.pop()!);
        this.kinds.pop();
      }
    }();
    this.side = testSendingSide({
      sink,
      congestion: { ...DEFAULT_CONGESTION, enabled: false },
      sendRtcp: (bytes, length) => this.#readReports(bytes.slice(0, length)),
    });
  }

  /** Subscribes to both, as of now. */
  subscribe(target: LayerTarget = EVERYTHING): void {
    for (const kind of KINDS) this.#add(kind, target);
    this.side.start(this.now);
  }

  #add(kind: Kind, target: LayerTarget): void {
    const section = sendSection(kind, kind, SSRC[kind]);
    const id = `UT_${kind}` as UpTrackId;
    this.side.add(downTrack(kind), id, this.up[kind], section, target, this.now);
  }

  target(kind: Kind, target: Partial<LayerTarget>): void {
    this.side.setTarget(downTrack(kind), { ...EVERYTHING, ...target }, this.now);
  }

  /** Nothing is sent for so long. @param clocksStand RTP clocks go on from where they were. */
  mute(ms: number, clocksStand = false): void {
    const set = (muted: boolean) => {
      for (const stream of this.streams) stream.isOn = !muted;
      for (const kind of KINDS) this.up[kind].setMuted(muted, this.now);
    };
    set(true);
    this.run(ms);
    if (clocksStand) { for (const stream of this.streams) stream.stoodStillMs += ms; }
    set(false);
  }

  /** The publisher comes again: other tracks, of which the subscriber's are to go on. */
  republish(kind: Kind): void {
    this.up[kind] = publishedTrack(kind);
    for (const stream of this.streams.filter((one) => one.kind === kind)) this.restart(stream);
    const id = `UT_${kind}_${++this.again[kind]}` as UpTrackId;
    this.side.setSource(downTrack(kind), id, this.up[kind], this.now);
  }

  /** The camera is encoded in another codec, by an encoder that is as slow as that. */
  switchCodec(encodingMs: number): void {
    this.republish("video");
    for (const stream of this.camera) stream.encodingMs = encodingMs;
  }

  /** The subscriber's section of it has changed: it is sent there anew, under the same SSRC. */
  changeSection(kind: Kind): void {
    this.side.remove(downTrack(kind), this.now);
    this.#add(kind, EVERYTHING);
  }

  /** The stream begins anew, under another SSRC and with another clock. */
  restart(stream: TalkingStream): void {
    stream.ssrc += 0x100;
    stream.firstTimestamp = this.random.uint32();
    stream.sequence = this.random.uint32() & 0x7fff;
    stream.nextReportAt = this.now + REPORT_MS[stream.kind] / 2;
  }

  get streams(): TalkingStream[] {
    return [this.voice, ...this.camera];
  }

  run(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      this.now++;
      for (const stream of this.streams) this.#publish(stream);
      const due = this.#arrivals.filter(({ at }) => at <= this.now);
      if (due.length > 0) {
        this.#arrivals = this.#arrivals.filter(({ at }) => at > this.now);
        due.sort((a, b) => a.at - b.at);
        for (const { take } of due) take();
      }
      for (const up of [this.up.audio, this.up.video]) {
        if (this.now >= up.nextWakeAt()) up.tick(this.now);
      }
      if (this.now >= this.side.nextWakeAt()) this.side.tick(this.now);
    }
  }

  #stream(kind: Kind, spatial: 0 | 1 | 2): TalkingStream {
    const ssrc = (kind === "audio" ? 100 : 200) + spatial;
    return new TalkingStream(kind, spatial, ssrc, this.random.uint32(), this.now);
  }

  #publish(stream: TalkingStream): void {
    const { kind, spatial, isOn } = stream;
    const up = this.up[kind];
    if (isOn && this.now % FRAME_MS[kind] === 0) {
      const bytes = packetOf(stream, this.now);
      const { ssrc } = stream;
      this.#arrive(() => {
        up.bindLayer(spatial, ssrc, CODECS[kind], this.now);
        up.receive(spatial, viewOf(bytes), this.now);
      }, stream.encodingMs);
    }
    if (this.now < stream.nextReportAt) return;
    stream.nextReportAt += REPORT_MS[kind];
    if (!isOn) return;
    const ntpMs = NTP_EPOCH_MS + this.now;
    const rtp = stream.timestampAt(this.now);
    this.#arrive(() => {
      up.receiveSenderReport(spatial, ntpSeconds(ntpMs), ntpFraction(ntpMs), rtp, this.now);
    });
  }

  #arrive(take: () => void, afterMs = 0): void {
    const jitter = this.#jitterMs > 0 ? this.random.below(this.#jitterMs) : 0;
    this.#arrivals.push({ at: this.now + afterMs + ONE_WAY_MS + jitter + this.lateMs, take });
  }

  #readReports(compound: Uint8Array): void {
    for (const kind of KINDS) {
      for (const { senderInfo } of senderReports([compound], SSRC[kind])) {
        const ntp = senderInfo.ntpTimestamp;
        const ntpMs = ntpToMs(Number(ntp >> 32n), Number(ntp & 0xffff_ffffn));
        this.#last[kind] = { ntpMs, rtp: senderInfo.rtpTimestamp };
        this.#estimates[kind].report(ntpMs, senderInfo.rtpTimestamp);
        this.reportedAt[kind].push(this.now);
      }
    }
  }

  #read(packet: Uint8Array): void {
    const { ssrc, timestamp, payloadOffset, payloadLength } = viewOf(packet);
    const kind = KINDS.find((one) => SSRC[one] === ssrc);
    const last = kind && this.#last[kind];
    if (kind === undefined || last === undefined || !this.#estimates[kind].isKnown) return;
    if (payloadLength < HEAD[kind] + 6) return; // silence, or padding
    const body = new DataView(packet.buffer, payloadOffset + HEAD[kind]);
    const ntpMs = NTP_EPOCH_MS + body.getUint32(1);
    const byLast = last.ntpMs + ((timestamp - last.rtp) | 0) / (CODECS[kind].clockRate / 1_000);
    this.readings.push({
      kind,
      at: this.now,
      spatial: body.getUint8(5),
      earlier: this.again[kind],
      off: [
        Math.abs(byLast - ntpMs),
        Math.abs(this.#estimates[kind].ntpMsOf(timestamp) - ntpMs),
      ],
    });
  }
}

const downTrack = (kind: Kind) => `DT_${kind}` as DownTrackId;

/** A packet that says when it was captured; each of the camera's is a key frame. */
function packetOf(stream: TalkingStream, at: number): Uint8Array {
  const told = [0, at >>> 24, (at >> 16) & 0xff, (at >> 8) & 0xff, at & 0xff, stream.spatial];
  const { kind, ssrc } = stream;
  const number = stream.sequence = (stream.sequence + 1) & 0xffff;
  const fields = { pictureId: number & 0x7fff, tl0: number, key: true, body: told };
  return rtpPacket({
    ssrc,
    payloadType: CODECS[kind].payloadType,
    sequenceNumber: number,
    timestamp: stream.timestampAt(at),
    marker: kind === "video",
    payload: kind === "video" ? vp8Payload(fields) : Uint8Array.from(told),
  });
}
