/**
 * What one connection of a client sends in RTCP: reports on what it receives, feedback for the
 * server's estimate, requests for packets and key frames, and reports on what it publishes. Pure:
 * time and chance are arguments, and {@linkcode ClientReports.poll} says what is due.
 *
 * @module
 */
import { TransportFeedbackRecorder } from "../../lib/media/up/transport_feedback.ts";
import { ReportBlock, RTCP_TYPE } from "../../lib/wire/rtcp.ts";
import { MAX_FEEDBACK_PACKET_BYTES, RtcpWriter } from "../../lib/wire/rtcp_writer.ts";
import { TransportFeedback } from "../../lib/wire/transport_cc.ts";
import {
  type ClientProfile,
  NACK_EVERY_MS,
  NACKED_SHARE,
  PICTURE_LOSS_EVERY_S,
} from "./client_profiles.ts";
import { Reception } from "./reception.ts";

/** Room for the largest feedback message behind nothing else. */
const COMPOUND_BYTES = MAX_FEEDBACK_PACKET_BYTES + 8;
const MAX_NACKS = 16;
/** A bitrate that holds nobody back. */
const REMB_MANTISSA = 200_000;
const REMB_EXPONENT = 9;
const NTP_UNIX_S = 2_208_988_800;

/** Draws what a network does: uniform in `[0, 1)`. */
export type Draw = () => number;

/** A stream that is received. */
export interface ReceivedMedia {
  readonly kind: "audio" | "video";
  readonly reception: Reception;
  /** See {@linkcode SentSection}. */
  readonly transportCcId: number;
  readonly hasNack: boolean;
  reportAt: number;
  pictureLossAt: number;
}

/** A stream that is published, as its sender reports tell it. */
export interface SentMedia {
  readonly kind: "audio" | "video";
  readonly ssrc: number;
  readonly clockRate: number;
  /** Of the packet sent last. */
  timestamp(): number;
  packets(): number;
  reportAt: number;
}

/** The reports of one connection. `send` takes a clear-text compound at once. */
export class ClientReports {
  readonly sent: SentMedia[] = [];
  readonly #received: ReceivedMedia[] = [];
  readonly #writer = new RtcpWriter(COMPOUND_BYTES);
  readonly #block = new ReportBlock();
  readonly #feedback = new TransportFeedback();
  readonly #arrivals = new TransportFeedbackRecorder();
  readonly #nacks = new Uint16Array(MAX_NACKS);
  #nackCount = 0;
  #nackMedia = 0;
  #nackAt = Infinity;
  #feedbackAt = Infinity;
  #rembAt = Infinity;
  #dueAt = Infinity;

  constructor(
    private readonly ssrc: number,
    private readonly profile: ClientProfile,
    private readonly draw: Draw,
    private readonly send: (writer: RtcpWriter) => void,
  ) {}

  /** Begins to report on a stream. */
  receive(
    kind: "audio" | "video",
    ssrc: number,
    section: { transportCcId: number; hasNack: boolean; hasRemb: boolean },
    now: number,
  ): ReceivedMedia {
    const { profile, draw } = this;
    const media: ReceivedMedia = {
      kind,
      reception: new Reception(ssrc, kind === "video" ? 90_000 : 48_000),
      transportCcId: section.transportCcId,
      hasNack: section.hasNack,
      reportAt: now + this.#interval(kind) * draw(),
      pictureLossAt: kind === "video" ? now + this.#untilPictureLoss() : Infinity,
    };
    this.#received.push(media);
    if (media.transportCcId > 0 && this.#feedbackAt === Infinity) {
      this.#feedbackAt = now + profile.transportFeedbackMs * draw();
    }
    const wantsRemb = profile.rembMs > 0 && section.hasRemb && media.transportCcId === 0;
    if (wantsRemb && this.#rembAt === Infinity) this.#rembAt = now + profile.rembMs * draw();
    this.#dueAt = now;
    return media;
  }

  /** Forgets a stream. */
  forget(media: ReceivedMedia): void {
    const at = this.#received.indexOf(media);
    if (at >= 0) this.#received.splice(at, 1);
  }

  /** Begins to report on what is published. */
  publish(media: Omit<SentMedia, "reportAt">, now: number): void {
    this.sent.push({ ...media, reportAt: now + this.#interval(media.kind) * this.draw() });
    this.#dueAt = now;
  }

  /** Takes an arrival; `transportNumber` is -1 where there is none. */
  arrive(
    media: ReceivedMedia,
    sequence: number,
    transportNumber: number,
    micros: number,
    now: number,
  ): void {
    if (transportNumber >= 0 && this.#feedbackAt < Infinity) {
      this.#arrivals.record(transportNumber, micros, false, now);
    }
    if (media.kind !== "video" || !media.hasNack || this.draw() >= NACKED_SHARE) return;
    const { ssrc } = media.reception;
    // One NACK is about one stream; a second stream's loss waits for another day.
    if (this.#nackCount === MAX_NACKS || (this.#nackCount > 0 && this.#nackMedia !== ssrc)) return;
    this.#nackMedia = ssrc;
    this.#nacks[this.#nackCount++] = sequence;
    if (this.#nackAt === Infinity) this.#nackAt = now + NACK_EVERY_MS;
    if (this.#nackAt < this.#dueAt) this.#dueAt = this.#nackAt;
  }

  /** Sends what is due. */
  poll(now: number): void {
    if (now < this.#dueAt) return;
    for (const media of this.#received) this.#pollReceived(media, now);
    for (const media of this.sent) this.#pollSent(media, now);
    if (now >= this.#nackAt) this.#sendNacks();
    if (now >= this.#feedbackAt) {
      this.#sendFeedback();
      this.#feedbackAt = now + this.profile.transportFeedbackMs;
    }
    if (now >= this.#rembAt) {
      this.#sendRemb();
      this.#rembAt = now + this.profile.rembMs;
    }
    this.#dueAt = Math.min(this.#nackAt, this.#feedbackAt, this.#rembAt);
    for (const { reportAt, pictureLossAt } of this.#received) {
      this.#dueAt = Math.min(this.#dueAt, reportAt, pictureLossAt);
    }
    for (const { reportAt } of this.sent) this.#dueAt = Math.min(this.#dueAt, reportAt);
  }

  #pollReceived(media: ReceivedMedia, now: number): void {
    const writer = this.#begin();
    if (now >= media.reportAt) {
      media.reportAt = now + this.#jittered(media.kind);
      if (media.reception.expected > 0) {
        media.reception.fill(this.#block, now);
        writer.receiverReport(this.ssrc, this.#block);
        if (this.profile.describesSource) writer.sourceDescription(this.ssrc, "load");
        this.send(writer);
      }
    }
    if (now >= media.pictureLossAt) {
      media.pictureLossAt = now + this.#untilPictureLoss();
      this.#begin().pictureLoss(this.ssrc, media.reception.ssrc);
      this.send(writer);
    }
  }

  #pollSent(media: SentMedia, now: number): void {
    if (now < media.reportAt) return;
    media.reportAt = now + this.#jittered(media.kind);
    if (media.packets() === 0) return;
    const seconds = Date.now() / 1000 + NTP_UNIX_S;
    const whole = Math.floor(seconds);
    const fraction = Math.floor((seconds - whole) * 2 ** 32);
    const writer = this.#begin();
    const packets = media.packets();
    writer.senderReport(media.ssrc, whole, fraction, media.timestamp(), packets, packets * 1_000);
    writer.sourceDescription(media.ssrc, "load");
    this.send(writer);
  }

  #sendNacks(): void {
    const writer = this.#begin();
    const numbers = this.#nacks.subarray(0, this.#nackCount);
    writer.nack(this.ssrc, this.#nackMedia, numbers, this.#nackCount);
    this.#nackCount = 0;
    this.#nackAt = Infinity;
    this.send(writer);
  }

  #sendFeedback(): void {
    const media = this.#received[0]?.reception.ssrc ?? 0;
    while (this.#arrivals.take(this.#feedback)) {
      const writer = this.#begin();
      writer.transportFeedback(this.ssrc, media, this.#feedback);
      this.send(writer);
    }
  }

  /** draft-alvestrand-rmcat-remb-03 §2.2: one message for all streams. */
  #sendRemb(): void {
    const streams = this.#received.filter(({ kind }) => kind === "video").slice(0, 30);
    if (streams.length === 0) return;
    const writer = this.#begin();
    writer.receiverReport(this.ssrc);
    const at = writer.length;
    const size = 20 + streams.length * 4;
    const view = new DataView(writer.bytes.buffer, at, size);
    view.setUint8(0, 0x80 | 15);
    view.setUint8(1, RTCP_TYPE.payloadFeedback);
    view.setUint16(2, size / 4 - 1);
    view.setUint32(4, this.ssrc);
    view.setUint32(8, 0);
    view.setUint32(12, 0x52454d42);
    view.setUint32(16, (streams.length << 24) | (REMB_EXPONENT << 18) | REMB_MANTISSA);
    streams.forEach(({ reception }, i) => view.setUint32(20 + i * 4, reception.ssrc));
    writer.length = at + size;
    this.send(writer);
  }

  #begin(): RtcpWriter {
    this.#writer.reset();
    return this.#writer;
  }

  #interval(kind: "audio" | "video"): number {
    return kind === "video" ? this.profile.videoReportMs : this.profile.audioReportMs;
  }

  #jittered(kind: "audio" | "video"): number {
    const { reportJitter } = this.profile;
    return this.#interval(kind) * (1 - reportJitter + 2 * reportJitter * this.draw());
  }

  /** Exponential: key frames are asked for when something happened. */
  #untilPictureLoss(): number {
    return -Math.log(1 - this.draw()) * PICTURE_LOSS_EVERY_S * 1_000;
  }
}
