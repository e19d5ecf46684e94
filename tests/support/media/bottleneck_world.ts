/**
 * A connection's sending side over a path with a bottleneck, on virtual time: a publisher of three
 * layers, and of audio with redundancy if wanted, and one subscriber that reports and asks for what
 * it misses as libwebrtc does.
 *
 * @module
 */
import type { DownTrackId, UpTrackId } from "../../../lib/base/ids.ts";
import { EXTENSION_URI, FLEXFEC_MIME } from "../../../lib/base/media_vocabulary.ts";
import {
  NOT_NUMBERED,
  type NumberedPacket,
  PACKET_KIND,
  type PacketSink,
  type SendHistory,
  SKIPPED,
} from "../../../lib/base/packet_sink.ts";
import type { SendingSide } from "../../../lib/engine/local/sending_side.ts";
import { TransportFeedbackRecorder } from "../../../lib/media/up/transport_feedback.ts";
import type { UpTrack } from "../../../lib/media/up/up_track.ts";
import { RedPayload } from "../../../lib/wire/red_payload.ts";
import { ReportBlock } from "../../../lib/wire/rtcp.ts";
import {
  MAX_FEEDBACK_BYTES,
  TransportFeedback,
  writeTransportFeedback,
} from "../../../lib/wire/transport_cc.ts";
import { codec, publishedTrack, viewOf, vp8Payload } from "./forwarding_fixtures.ts";
import { redundantPayload } from "./redundant_payload.ts";
import { rtpPacket } from "./rtp_packets.ts";
import { testSendingSide } from "./test_sending_side.ts";
import { RembReceiver } from "../../../bench/congestion/remb_receiver.ts";
import { NarrowLink } from "../virtual/narrow_link.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";

const VP8 = codec("video/VP8", 96);
const SSRC = 5000;
const FEC_SSRC = SSRC + 2;
const FRAME_MS = 33;
/** Packets of 1,000 bytes a frame, by layer: 240, 480 and 1,450 kbit/s. */
const PACKETS = [1, 2, 6] as const;
const HEADER_BYTES = 12;
const DELAY_MS = 25;
/** Opus of 48 kbit/s, each frame with a copy of the one before, as Chromium sends it. */
const AUDIO_SSRC = 6000;
const AUDIO_MS = 20;
const FRAME_BYTES = 120;
const RED = codec("audio/red", 63, undefined, "111/111");
const OPUS = codec("audio/opus", 111);
/** Temporal layer of each frame. */
const TEMPORAL = [0, 2, 1, 2] as const;

/** What of it is wanted beside a video whose frames are all needed. */
export interface BottleneckOptions {
  /** Frames are in three temporal layers. */
  readonly temporal?: boolean;
  readonly audio?: boolean;
  /** The subscriber takes no redundancy. */
  readonly isPlain?: boolean;
  /** Audio has no transport-wide numbers, as where a client has one connection. */
  readonly isAudioUncounted?: boolean;
  /** Reports on audio come so often; absent: never. */
  readonly audioReportMs?: number;
  /** The subscriber takes no retransmission; it does if this is absent. */
  readonly hasRtx?: boolean;
  /** The subscriber tells no arrivals: it says how much it could take, and what was lost. */
  readonly saysRemb?: boolean;
  /** The path is TCP: what is lost of video its writer has left out, and sound is never lost. */
  readonly isTcp?: boolean;
  /** A key frame is so many times another; 1 if absent. */
  readonly keyTimes?: number;
  /** The publisher spreads frames over time, as browsers do. */
  readonly isPaced?: boolean;
  /** Video may be paused for want of bandwidth. */
  readonly allowPause?: boolean;
}

interface Arrival {
  readonly at: number;
  readonly sentAt: number;
  /** Of audio, its own 16-bit number and the frames in it; else -1. */
  readonly audio: number;
  readonly frames: number;
  readonly transport: number;
  /** Extended number of the media in it, or -1. */
  readonly media: number;
  readonly kind: number;
  readonly bytes: number;
}

class LinkSink implements PacketSink {
  history?: SendHistory | undefined;
  readonly flying: Arrival[] = [];
  readonly sentBytes = [0, 0, 0, 0, 0];
  /** Of audio: those that left for the first time, and for another. */
  audioPackets = 0;
  duplicates = 0;
  /** Of repairs, those in advance. */
  fecPackets = 0;
  /** How long each packet of video was in the server, ms. */
  readonly waits: number[] = [];
  isTcp = false;
  #next = 65_000;
  readonly #room = new Uint8Array(1_600);
  readonly #red = new RedPayload();

  constructor(readonly link: NarrowLink) {}

  reserve(): Uint8Array {
    return this.#room;
  }

  send(
    packet: NumberedPacket & {
      readonly originalSequence?: number;
      readonly payloadType?: number;
      readonly source: Uint8Array;
      readonly sourceAt: number;
    },
    now: number,
  ): void {
    const bytes = packet.written + packet.sourceLength + 16;
    const audio = packet.ssrc === AUDIO_SSRC ? packet.sequence & 0xffff : -1;
    if (packet.packetKind === PACKET_KIND.again) this.duplicates++;
    else if (audio >= 0) this.audioPackets++;
    const { source, sourceAt, sourceLength } = packet;
    if (packet.ssrc === SSRC && packet.packetKind === PACKET_KIND.media) {
      this.waits.push(
        now - new DataView(source.buffer, source.byteOffset).getUint32(sourceAt + sourceLength - 4),
      );
    }
    const isRed = audio >= 0 && packet.payloadType === RED.payloadType;
    const frames = isRed && this.#red.parse(source, sourceAt, sourceLength)
      ? this.#red.copies + 1
      : 1;
    this.sentBytes[packet.packetKind]! += bytes;
    if (packet.ssrc === FEC_SSRC) this.fecPackets++;
    if (packet.transportSequence >= 0) {
      this.history?.sent(packet.transportSequence, bytes, packet.packetKind, now);
    } else if (packet.transportSequence === SKIPPED) this.history?.skipped(bytes, now);
    else this.history?.unnumbered(bytes, now);
    const carriedAt = this.link.arrival(bytes, now);
    const at = this.isTcp && audio >= 0 ? carriedAt ?? now + DELAY_MS : carriedAt;
    if (at === undefined) return;
    const media = packet.ssrc === SSRC ? packet.sequence & 0xffff : packet.originalSequence ?? -1;
    const { transportSequence: transport, packetKind: kind } = packet;
    this.flying.push({ at, sentAt: now, audio, frames, transport, media, kind, bytes });
  }

  nextTransportSequence(now: number): number {
    if (this.history === undefined) return NOT_NUMBERED;
    return this.history.numbers(now) ? this.#next++ & 0xffff : SKIPPED;
  }
}

/** A publisher of three layers, one subscriber, and the path between the server and it. */
export class BottleneckWorld {
  now = 1_000;
  readonly link = new NarrowLink(new SeededRandom(4));
  readonly sink = new LinkSink(this.link);
  readonly side: SendingSide;
  /** What arrived, and layers that were sent, since {@linkcode BottleneckWorld.begin}. */
  arrivedBytes = 0;
  repairs = 0;
  queueMs = 0;
  readonly spatial: number[] = [];
  /** Whether the video was paused, each time that this was told. */
  readonly paused: boolean[] = [];
  /** Frames of audio that came, by themselves or as a copy; packets, and those with copies, and two. */
  heard = 0;
  came = 0;
  twice = 0;
  redundant = 0;
  /** The longest that audio waited for what was before it, ms. */
  latestMs = 0;
  readonly #options: BottleneckOptions;
  readonly #up: UpTrack;
  readonly #voice: UpTrack;
  #voiceNumber = 0;
  #heardNumber = -1;
  readonly #feedback = new TransportFeedbackRecorder();
  readonly #remb = new RembReceiver();
  readonly #report = new TransportFeedback();
  readonly #heardOnce = new Set<number>();
  readonly #wantsKey = new Set<number>([0, 1, 2]);
  readonly #missing = new Map<number, number>();
  readonly #asked: { at: number; run: () => void }[] = [];
  #highest = -1;
  #frame = 0;
  readonly #sequence = [0, 0, 0];
  readonly #pacedAt = [0, 0, 0];
  #published: { readonly at: number; readonly run: () => void }[] = [];

  constructor(options: BottleneckOptions = {}) {
    this.#options = options;
    this.sink.isTcp = options.isTcp === true;
    this.link.delayMs = DELAY_MS;
    this.#up = publishedTrack("video", {
      listener: { onNack() {}, onKeyFrameNeeded: (ssrc) => void this.#wantsKey.add(ssrc - 1) },
    });
    this.side = testSendingSide({
      emit: (event) => {
        if (event.type === "down_track_layer") this.spatial.push(event.spatial);
        if (event.type === "down_track_paused") this.paused.push(event.paused);
      },
      sink: this.sink,
      ...(options.isTcp === true ? { queuedBytes: () => 0 } : {}),
      ...(options.allowPause === undefined ? {} : { allowPause: options.allowPause }),
    });
    for (const layer of [0, 1, 2] as const) this.#up.bindLayer(layer, layer + 1, VP8, this.now);
    const hasRtx = options.hasRtx !== false;
    this.side.add(
      "DT_1" as DownTrackId,
      "UT_1" as UpTrackId,
      this.#up,
      {
        mid: "0",
        kind: "video",
        ssrc: SSRC,
        ...(hasRtx ? { rtxSsrc: SSRC + 1 } : {}),
        fecSsrc: FEC_SSRC,
        cname: "c",
        codecs: [
          { ...codec("video/VP8", 96, hasRtx ? 97 : undefined), feedback: ["transport-cc"] },
          codec(FLEXFEC_MIME, 49),
        ],
        extensions: options.saysRemb === true ? [] : [{ id: 5, uri: EXTENSION_URI.transportCc }],
      },
      { enabled: true, maxSpatial: 2, maxTemporal: 3 },
      this.now,
    );
    this.#voice = publishedTrack("audio");
    if (options.audio === true) this.#addVoice();
    this.side.start(this.now);
  }

  #addVoice(): void {
    this.#voice.bindLayer(0, 10, RED, this.now);
    this.side.add(
      "DT_2" as DownTrackId,
      "UT_2" as UpTrackId,
      this.#voice,
      {
        mid: "1",
        kind: "audio",
        ssrc: AUDIO_SSRC,
        cname: "c",
        codecs: this.#options.isPlain === true ? [OPUS] : [RED, OPUS],
        extensions: this.#options.isAudioUncounted === true || this.#options.saysRemb === true
          ? []
          : [{ id: 5, uri: EXTENSION_URI.transportCc }],
      },
      { enabled: true, maxSpatial: 2, maxTemporal: 3 },
      this.now,
    );
  }

  /** How long packets of video were in the server since {@linkcode BottleneckWorld.begin}, ms. */
  get videoWait(): { meanMs: number; worstMs: number } {
    const { waits } = this.sink;
    const meanMs = waits.reduce((sum, ms) => sum + ms, 0) / Math.max(1, waits.length);
    return { meanMs, worstMs: Math.max(0, ...waits) };
  }

  get estimate() {
    return this.side.bandwidth.estimate!;
  }

  begin(): void {
    this.arrivedBytes = this.repairs = this.queueMs = 0;
    this.sink.sentBytes.fill(0);
    this.sink.fecPackets = this.sink.audioPackets = this.sink.duplicates = 0;
    this.sink.waits.length = 0;
    this.heard =
      this.came =
      this.redundant =
      this.twice =
      this.latestMs =
        0;
    this.spatial.length = this.paused.length = 0;
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now++) this.#step(this.now);
  }

  #step(now: number): void {
    if (now % FRAME_MS === 0) this.#publish(now);
    const due = this.#published.filter(({ at }) => at <= now);
    this.#published = this.#published.filter(({ at }) => at > now);
    for (const { run } of due) run();
    if (now % AUDIO_MS === 0 && this.#options.audio === true) this.#speak(now);
    while (this.sink.flying.length > 0 && this.sink.flying[0]!.at <= now) {
      this.#arrived(this.sink.flying.shift()!, now);
    }
    if (now % 50 === 0 && this.#feedback.take(this.#report)) {
      const bytes = new Uint8Array(HEADER_BYTES + MAX_FEEDBACK_BYTES);
      const length = HEADER_BYTES + writeTransportFeedback(bytes, HEADER_BYTES, this.#report);
      this.#later(() => this.side.receiveTransportCc(bytes, 0, length, this.now));
    }
    const { audioReportMs } = this.#options;
    if (audioReportMs !== undefined && now % audioReportMs === 0) this.#reportAudio();
    if (this.#options.saysRemb === true) this.#say(now);
    if (now % 20 === 0) this.#ask(now);
    while (this.#asked.length > 0 && this.#asked[0]!.at <= now) this.#asked.shift()!.run();
    if (now % 10 === 0 && now >= this.side.nextWakeAt()) this.side.tick(now);
  }

  #say(now: number): void {
    const bps = this.#remb.say(now);
    if (bps === undefined) return;
    this.#later(() => this.side.receiveRemb(bps, Uint32Array.of(SSRC), 1, this.now));
  }

  #speak(now: number): void {
    const frame = new Array(FRAME_BYTES).fill(7);
    const payload = redundantPayload(frame, [{ age: 960, frame }]);
    const sequenceNumber = this.#voiceNumber++ & 0xffff;
    const timestamp = (this.#voiceNumber * 960) >>> 0;
    const fields = { ssrc: 10, payloadType: RED.payloadType, sequenceNumber, timestamp, payload };
    this.#voice.receive(0, viewOf(rtpPacket(fields)), now);
  }

  #publish(now: number): void {
    this.#frame++;
    const tid = this.#options.temporal === true ? TEMPORAL[this.#frame % TEMPORAL.length]! : 0;
    for (const layer of [0, 1, 2] as const) {
      const key = this.#wantsKey.delete(layer);
      const packets = PACKETS[layer]! * (key ? this.#options.keyTimes ?? 1 : 1);
      for (let i = 0; i < packets; i++) {
        const payload = vp8Payload({
          pictureId: this.#frame & 0x7fff,
          tl0: this.#options.temporal === true ? this.#frame >> 2 : this.#frame,
          tid: key ? 0 : tid,
          key,
          start: i === 0,
          body: new Array(1_000).fill(1),
        });
        const sequenceNumber = this.#sequence[layer]!++ & 0xffff;
        const timestamp = (this.#frame * FRAME_MS * 90) >>> 0;
        const fields = { ssrc: layer + 1, payloadType: 96, sequenceNumber, timestamp, payload };
        const packet = rtpPacket({ ...fields, marker: i === packets - 1 });
        this.#publishAt(layer, now, () => {
          new DataView(packet.buffer, packet.byteOffset).setUint32(packet.length - 4, this.now);
          this.#up.receive(layer, viewOf(packet), this.now);
        });
      }
    }
  }

  /** At once, or as a browser does: at 2.5 times the layer's rate. */
  #publishAt(layer: 0 | 1 | 2, now: number, run: () => void): void {
    if (this.#options.isPaced !== true) return run();
    const at = Math.max(now, this.#pacedAt[layer]!);
    this.#pacedAt[layer] = at + FRAME_MS / (2.5 * PACKETS[layer]);
    this.#published.push({ at, run });
  }

  #arrived(arrival: Arrival, now: number): void {
    const { transport, media, kind, bytes, at, audio, frames } = arrival;
    // As SRTP does: its number came before.
    if (audio >= 0 && this.#heardOnce.has(audio)) return;
    if (audio >= 0) {
      this.#hear(audio, frames);
      this.latestMs = Math.max(this.latestMs, at - arrival.sentAt - DELAY_MS);
    } // Receivers reckon it for videos alone.
    else this.#remb.receive(bytes, arrival.sentAt, at);
    if (transport >= 0) this.#feedback.record(transport, Math.round(at * 1_000), false, now);
    this.arrivedBytes += bytes;
    if (kind === PACKET_KIND.repair) this.repairs++;
    if (media < 0) return;
    this.#missing.delete(media);
    if (this.#highest < 0) this.#highest = media;
    const ahead = (media - this.#highest) << 16 >> 16;
    for (let i = 1; i < ahead && ahead < 1_000; i++) {
      this.#missing.set((this.#highest + i) & 0xffff, now);
    }
    if (ahead > 0) this.#highest = media;
  }

  /** In these tests numbers of audio do not wrap. */
  #reportAudio(): void {
    const numbers = [...this.#heardOnce];
    if (numbers.length === 0) return;
    const highestSequence = Math.max(...numbers);
    const cumulativeLost = highestSequence - Math.min(...numbers) + 1 - numbers.length;
    const fields = { ssrc: AUDIO_SSRC, highestSequence, cumulativeLost };
    const block = Object.assign(new ReportBlock(), fields);
    this.#later(() => this.side.receiveReport(block, this.now));
  }

  #hear(number: number, frames: number): void {
    this.#heardOnce.add(number);
    const ahead = this.#heardNumber < 0 ? 1 : (number - this.#heardNumber) << 16 >> 16;
    // (What is sent again may come behind later packets, in time for its turn.)
    this.heard += ahead > 0 ? Math.min(ahead, frames) : 1;
    this.came++;
    if (frames > 1) this.redundant++;
    if (frames > 2) this.twice++;
    if (ahead > 0) this.#heardNumber = number;
  }

  /** Asks for what is missing, each 60 ms, for a second. */
  #ask(now: number): void {
    const wanted: number[] = [];
    for (const [sequence, since] of this.#missing) {
      if (now - since > 1_000) this.#missing.delete(sequence);
      else if ((now - since) % 60 < 20) wanted.push(sequence);
    }
    if (wanted.length === 0) return;
    const numbers = Uint16Array.from(wanted);
    this.#later(() => this.side.receiveNack(SSRC, numbers, numbers.length, this.now));
  }

  #later(run: () => void): void {
    this.#asked.push({ at: this.now + DELAY_MS, run });
  }
}
