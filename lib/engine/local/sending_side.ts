/**
 * What one connection sends: its down-tracks, and the subscriber's feedback on them (NACK, PLI,
 * reports, bandwidth estimates).
 *
 * @module
 */
import type { DownTrackId, UpTrackId } from "../../base/ids.ts";
import {
  hasTransportNumbers,
  type LayerTarget,
  type SendSection,
  type SpatialLayer,
} from "../../base/media_vocabulary.ts";
import type { PacketSink } from "../../base/packet_sink.ts";
import type { Random } from "../../base/platform.ts";
import { DownTrack } from "../../media/down/down_track.ts";
import { SenderReportFigures } from "../../media/down/down_track_options.ts";
import { compactNtp } from "../../media/layer/rtcp_clock.ts";
import type { UpTrack } from "../../media/up/up_track.ts";
import type { ReportBlock } from "../../wire/rtcp.ts";
import type { RtcpWriter } from "../../wire/rtcp_writer.ts";
import type { SentSection } from "../messages/capture_messages.ts";
import type { DownTrackInterval, DownTrackStats, MediaEvent } from "../messages/media_messages.ts";
import { AudioCopies } from "./audio_copies.ts";
import { ConnectionEstimate, type EstimateWorld } from "./connection_estimate.ts";
import type { Departures } from "./departures.ts";
import { roundTripMs } from "./round_trip.ts";
import { SendAllocation } from "./send_allocation.ts";
import { type CongestionRules, DEFAULT_CONGESTION } from "./local_engine_options.ts";
import type { RtcpScratch } from "./rtcp_scratch.ts";

/** Sender reports per down-track, ms (LiveKit's interval: 1.13.5, `pkg/rtc/participant.go`). */
const REPORT_INTERVAL_MS = 3_000;
/**
 * The first reports come sooner, so that receivers can synchronise lips early: libwebrtc's need two
 * of each stream (`rtp_to_ntp_estimator.cc`). The first is tried so often, ms, until the publisher
 * has reported, and the second comes so long after it.
 */
const FIRST_REPORT_MS = 300;
const SECOND_REPORT_MS = 1_000;
/**
 * The forwarded layer is told at most once in so many ms: packets may change it with every frame.
 */
const LAYER_INTERVAL_MS = 1_000;
/** How much repair is sent in advance is decided so often, ms: what is lost varies. */
const REPAIR_INTERVAL_MS = 1_000;
/** Down-tracks whose numbers are remembered: as many as one answer may change. */
const MAX_FORMER = 32;

/** One subscribed track with what its reports need. */
interface SentTrack {
  upTrackId: UpTrackId;
  upTrack: UpTrack;
  readonly track: DownTrack;
  readonly section: SendSection;
  reportAt: number;
  /** Middle 32 bits of the NTP time of our last sender report, and when it left. */
  reportNtp: number;
  reportSentAt: number;
  firsReceived: number;
  /** The forwarded layer; what was told of it, and when the next may be. */
  spatial: SpatialLayer | undefined;
  toldSpatial: SpatialLayer | undefined;
  tellAt: number;
}

/** The world as seen from the sending side of a connection. */
export interface SendingSideOptions {
  readonly emit: (event: MediaEvent) => void;
  /** Where RTP packets leave, numbered for whoever keeps their history. */
  readonly sink: PacketSink & EstimateWorld["outlet"];
  /** Of its down-tracks (`PacketReceiver.place`). */
  readonly place: number;
  /** Bytes that wait in the socket of a TCP path; negative if it is none. */
  readonly queuedBytes?: () => number;
  /** Bytes of video that were left out of that, in all. */
  readonly droppedBytes?: () => number;
  readonly sendRtcp: (bytes: Uint8Array, length: number) => void;
  readonly random: Random;
  /** Forwarding on this connection hit a bug of ours. */
  readonly failed: (error: unknown) => void;
  /** The round trip to the subscriber was measured, ms. */
  readonly measured: (rttMs: number) => void;
  /** There is timed work at `at`, which may be sooner than before. */
  readonly timed: (at: number) => void;
  readonly rtcp: RtcpScratch;
  /** Says when what was sent has really left; absent: at once. */
  readonly departures?: Departures;
  /** LiveKit's defaults if absent. */
  readonly congestion?: CongestionRules;
  /** Whether videos may be paused for want of bandwidth; absent: as the rules say. */
  readonly allowPause?: boolean;
  /** Videos of whoever speaks. */
  readonly speakers?: ReadonlySet<UpTrackId>;
}

/**
 * One connection's sending half. Feedback on an SSRC that is not sent here is ignored; a down-track
 * is ticked until it is removed.
 */
export class SendingSide {
  /** How much may be sent. */
  readonly bandwidth: ConnectionEstimate;
  readonly #options: SendingSideOptions;
  readonly #sent = new Map<DownTrackId, SentTrack>();
  /** Those removed last, by SSRC. */
  readonly #former = new Map<number, DownTrack>();
  /** By media SSRC, for feedback. */
  readonly #bySsrc = new Map<number, SentTrack>();
  readonly #congestion: CongestionRules;
  readonly #allocation: SendAllocation;
  readonly #copies = new AudioCopies(() => this.bandwidth.isTcp);
  readonly #writer: RtcpWriter;
  readonly #figures = new SenderReportFigures();
  /** Before the keys are there a key frame would be asked for, and lost. */
  #started = false;
  #rttMs = -1;
  /** Packets that share a repair packet; 0 for none. */
  #repairGroup = 0;
  #repairsAt = 0;
  /** Video was left out that nobody sends again. */
  #hasGap = false;

  constructor(options: SendingSideOptions) {
    this.#options = options;
    this.#congestion = options.congestion ?? DEFAULT_CONGESTION;
    this.#allocation = new SendAllocation(
      this.#congestion,
      (downTrack, paused) => options.emit({ type: "down_track_paused", downTrack, paused }),
      options.allowPause,
      (id) => options.speakers?.has(this.#sent.get(id)!.upTrackId) === true,
      this.#copies,
    );
    this.#writer = options.rtcp.toSubscriber;
    const { sink: outlet, timed, queuedBytes, departures, rtcp: { feedback } } = options;
    const { droppedBytes } = options;
    const queue = {
      ...(queuedBytes === undefined ? {} : { queuedBytes }),
      ...(droppedBytes === undefined ? {} : { droppedBytes }),
      ...(departures === undefined ? {} : { departures }),
    };
    const pad = (now: number, most: number) => this.#pad(now, most);
    const { probes } = this.#congestion;
    this.bandwidth = new ConnectionEstimate({ outlet, timed, feedback, pad, probes, ...queue });
  }

  /** Starts forwarding; an id that is in use is left alone. */
  add(
    id: DownTrackId,
    upTrackId: UpTrackId,
    upTrack: UpTrack,
    section: SendSection,
    target: LayerTarget,
    now: number,
  ): void {
    if (this.#sent.has(id)) return;
    const { sink, place, random, failed, timed } = this.#options;
    const track = new DownTrack({
      section,
      publisherExtensions: upTrack.extensions,
      sink,
      place,
      listener: {
        onLayer: (spatial) => this.#layerChanged(id, spatial),
        onTimed: timed,
        onSource: () => this.#sourceChanged(),
        onFailed: failed,
      },
      target,
      repairs: this.bandwidth.repairs,
      losses: this.bandwidth.losses,
      pacer: this.bandwidth.pacer,
      // Low numbers: a first wrap-around that is lost would confuse SRTP (RFC 3711 §3.3.1).
      firstRtxSequence: random.uint32() & 0x7fff,
      firstSequence: random.uint32() & 0x7fff,
      firstTimestamp: random.uint32(),
    }, this.#former.get(section.ssrc));
    this.#former.delete(section.ssrc);
    const sent: SentTrack = {
      upTrackId,
      upTrack,
      track,
      section,
      reportAt: now + FIRST_REPORT_MS,
      reportNtp: 0,
      reportSentAt: 0,
      firsReceived: 0,
      spatial: undefined,
      toldSpatial: undefined,
      tellAt: 0,
    };
    track.setRepairGroup(this.#repairGroup);
    this.#copies.add(track, section);
    this.#sent.set(id, sent);
    this.#bySsrc.set(section.ssrc, sent);
    timed(sent.reportAt);
    if (section.kind === "video" && this.#congestion.enabled) {
      this.bandwidth.setVideo(true, now, hasTransportNumbers(section));
    }
    this.#allocation.add(id, track, upTrack, section, target);
    this.#share(now);
    this.#attach(sent, now);
  }

  /** What is sent, and in which section. */
  get sections(): readonly SentSection[] {
    return [...this.#sent].map(([downTrack, { upTrackId: upTrack, section }]) => {
      return { downTrack, upTrack, section };
    });
  }

  /** Packets can be sent from now on: every down-track begins, with a key frame of its own. */
  start(now: number): void {
    if (this.#started) return;
    this.#started = true;
    for (const sent of this.#sent.values()) this.#attach(sent, now);
  }

  /** Stops forwarding; unknown ids are ignored. */
  remove(id: DownTrackId, now: number): void {
    const sent = this.#sent.get(id);
    if (sent === undefined) return;
    this.#sent.delete(id);
    this.#bySsrc.delete(sent.section.ssrc);
    sent.upTrack.removeDownTrack(sent.track);
    this.#copies.remove(sent.track);
    this.#remember(sent);
    if (sent.section.kind === "video" && !this.#sendsVideo()) this.bandwidth.setVideo(false, now);
    this.#allocation.remove(id);
    this.#options.timed(this.#allocation.nextWakeAt());
  }

  /** Its section may have changed, and then it comes again at once. */
  #remember({ section: { ssrc }, track }: SentTrack): void {
    this.#former.set(ssrc, track);
    if (this.#former.size <= MAX_FORMER) return;
    const [oldest] = this.#former.keys();
    this.#former.delete(oldest!);
  }

  /** Goes on with another up-track; unknown ids are ignored. */
  setSource(id: DownTrackId, upTrackId: UpTrackId, upTrack: UpTrack, now: number): void {
    const sent = this.#sent.get(id);
    if (sent === undefined) return;
    sent.upTrack.removeDownTrack(sent.track);
    sent.upTrackId = upTrackId;
    sent.upTrack = upTrack;
    this.#allocation.setSource(id, upTrack);
    this.#attach(sent, now);
    this.#share(now);
  }

  setTarget(id: DownTrackId, target: LayerTarget, now: number): void {
    this.#allocation.setTarget(id, target);
    this.#sent.get(id)?.track.setTarget(target, now);
    this.#share(now);
  }

  /** Sends no more than `bps` bits per second, whatever the path carries; 0 ends that. */
  capBandwidth(bps: number, now: number): void {
    this.#allocation.cap(bps);
    this.#share(now);
  }

  receiveNack(mediaSsrc: number, numbers: Uint16Array, count: number, now: number): void {
    this.bandwidth.missed(count, now);
    const sent = this.#bySsrc.get(mediaSsrc);
    if (sent === undefined) return;
    const lost = sent.track.receiveNack(numbers, count, now);
    if (sent.section.kind === "audio") this.#copies.missed(lost, now);
  }

  /** PLI: asks for a key frame. */
  receivePictureLoss(mediaSsrc: number, now: number): void {
    this.#bySsrc.get(mediaSsrc)?.track.receivePictureLoss(now);
  }

  /** FIR: asks for a key frame, too, and is only counted apart. */
  receiveFullIntra(mediaSsrc: number, now: number): void {
    const sent = this.#bySsrc.get(mediaSsrc);
    if (sent === undefined) return;
    sent.firsReceived++;
    sent.track.receivePictureLoss(now);
  }

  receiveReport(block: ReportBlock, now: number): void {
    const sent = this.#bySsrc.get(block.ssrc);
    if (sent === undefined) return;
    // Our reports carry the publisher's clock, so the round trip is taken from our own notes.
    if (block.lastSenderReport !== 0 && block.lastSenderReport === sent.reportNtp) {
      const rttMs = roundTripMs(sent.reportSentAt, block.delaySinceLastSenderReport, now);
      if (rttMs >= 0) {
        this.#rttMs = Math.round(rttMs);
        this.#options.measured(rttMs);
        this.bandwidth.roundTrip(rttMs, now);
      }
    }
    const loss = sent.track.receiveReport(this.#rttMs, block, now);
    if (sent.section.kind === "audio") this.#copies.reported(loss, now);
    else {
      const { lost, nextLeftAt } = loss;
      if (this.bandwidth.receiveReport(block.fractionLost, lost, nextLeftAt, now)) this.#share(now);
    }
  }

  /** Receiver estimated maximum bitrate, and the streams that it names. */
  receiveRemb(bitrateBps: number, ssrcs: Uint32Array, count: number, now: number): void {
    this.bandwidth.receiveRemb(bitrateBps, ssrcs, count, now);
    this.#share(now);
  }

  /** A whole transport-cc feedback packet at `offset`. */
  receiveTransportCc(bytes: Uint8Array, offset: number, length: number, now: number): void {
    const isRead = this.bandwidth.receiveTransportCc(bytes, offset, length, now);
    if (isRead) this.#allocation.heard();
    const { audioLost, estimate, isTcp } = this.bandwidth;
    // What is lost on TCP was left out here, and only video is.
    this.#copies.numbered(audioLost, isTcp ? 0 : estimate?.lossFraction ?? 0, now);
    this.#share(now);
    if (!isRead) return;
    const { losses } = this.bandwidth;
    losses.read(this.#options.rtcp.feedback);
    const { count, ssrcs, numbers } = losses;
    for (let i = 0; i < count; i++) this.#bySsrc.get(ssrcs[i]!)?.track.lost(numbers[i]!, now);
  }

  /** Packets go to another address, or by another protocol, from now on. */
  pathChanged(now: number): void {
    this.#copies.pathChanged();
    this.bandwidth.pathChanged(now);
  }

  /** Receiver reference time: answered at once, with no delay (RFC 3611 §4.5). */
  receiveReferenceTime(ssrc: number, ntpSeconds: number, ntpFraction: number): void {
    const first = this.#sent.values().next().value;
    if (first === undefined) return;
    this.#writer.reset();
    const lastReport = compactNtp(ntpSeconds, ntpFraction);
    this.#writer.delaySinceReceiverReport(first.section.ssrc, ssrc, lastReport, 0);
    this.#flush();
  }

  /** A slow reader was left without video for a while. */
  videoGap(): void {
    this.#hasGap = true;
    this.#options.timed(0);
  }

  /** Timed work; cheap when nothing is due. */
  tick(now: number): void {
    if (this.#hasGap) this.#closeGap(now);
    this.bandwidth.tick(now);
    this.#share(now);
    let reportsDue = false;
    for (const [id, sent] of this.#sent) {
      if (now >= sent.track.nextWakeAt()) sent.track.tick(now);
      reportsDue ||= now >= sent.reportAt;
      const { spatial } = sent;
      if (spatial === sent.toldSpatial || spatial === undefined || now < sent.tellAt) continue;
      sent.tellAt = now + LAYER_INTERVAL_MS;
      this.#tellLayer(id, sent, spatial);
    }
    if (reportsDue) this.#sendReports(now);
  }

  #closeGap(now: number): void {
    this.#hasGap = false;
    for (const { track } of this.#sent.values()) track.lostPicture(now);
  }

  /** When {@linkcode SendingSide.tick} has something to do; `Infinity` if nothing is foreseen. */
  nextWakeAt(): number {
    if (this.#hasGap) return 0;
    let at = Math.min(this.bandwidth.nextWakeAt(), this.#allocation.nextWakeAt());
    for (const { track, reportAt, spatial, toldSpatial, tellAt } of this.#sent.values()) {
      at = Math.min(at, reportAt, track.nextWakeAt(), spatial === toldSpatial ? Infinity : tellAt);
    }
    return at;
  }

  /** Leaves every up-track. */
  close(): void {
    for (const id of [...this.#sent.keys()]) this.remove(id, 0);
  }

  stats(): DownTrackStats[] {
    return [...this.#sent].map(([downTrack, { upTrackId: upTrack, track, firsReceived }]) => {
      const figures = track.stats();
      const plisReceived = figures.plisReceived - firsReceived;
      return { downTrack, upTrack, ...figures, plisReceived, firsReceived };
    });
  }

  get hasTracks(): boolean {
    return this.#sent.size > 0;
  }

  /** How the down-tracks fared since the last call; those without a packet yet are left out. */
  intervals(now: number): DownTrackInterval[] {
    const intervals: DownTrackInterval[] = [];
    for (const [downTrack, { track }] of this.#sent) {
      const figures = track.interval(now);
      if (figures !== undefined) intervals.push({ downTrack, ...figures });
    }
    return intervals;
  }

  /** Adds the drops of all down-tracks to `into`, by name. */
  addDropsTo(into: Record<string, number>): void {
    for (const sent of this.#sent.values()) sent.track.drops.addTo(into);
  }

  /** Soon, because many may change at once. */
  #sourceChanged(): void {
    this.#allocation.sourceChanged();
    this.#options.timed(this.#allocation.nextWakeAt());
  }

  /** Fits what is sent to what the path carries, if that is due. */
  #share(now: number): void {
    if (now >= this.#repairsAt) this.#planRepairs(now);
    this.#allocation.share(this.bandwidth.estimate, now);
    this.bandwidth.soundBps = this.#allocation.soundBps;
  }

  #planRepairs(now: number): void {
    this.#repairsAt = now + REPAIR_INTERVAL_MS;
    const group = this.bandwidth.repairGroup;
    if (group === this.#repairGroup) return;
    this.#repairGroup = group;
    let takesRepairs = false;
    for (const { section, track } of this.#sent.values()) {
      takesRepairs ||= section.fecSsrc !== undefined;
      track.setRepairGroup(group);
    }
    this.#allocation.repairShare = takesRepairs && group > 0 ? 1 / (group + 1) : 0;
  }

  #attach(sent: SentTrack, now: number): void {
    if (this.#started) sent.upTrack.addDownTrack(sent.track, now);
  }

  /**
   * One packet for a probe: a recent one of some track again, else padding of one; without a stream
   * for those padding in a video itself, best in one that stands still.
   */
  #pad(now: number, most: number): boolean {
    return this.#someVideo((track) => track.pad(true, now, most)) ||
      this.#someVideo((track) => track.pad(false, now, most)) ||
      this.#someVideo((track) => track.isInterrupted && track.padItself(now, most)) ||
      this.#someVideo((track) => track.padItself(now, most));
  }

  #someVideo(does: (track: DownTrack) => boolean): boolean {
    for (const { section, track } of this.#sent.values()) {
      if (section.kind === "video" && does(track)) return true;
    }
    return false;
  }

  #sendsVideo(): boolean {
    for (const { section } of this.#sent.values()) if (section.kind === "video") return true;
    return false;
  }

  /** The first layer is told with its first packet, others when their time has come. */
  #layerChanged(id: DownTrackId, spatial: SpatialLayer): void {
    const sent = this.#sent.get(id);
    if (sent === undefined) return;
    sent.spatial = spatial;
    if (sent.toldSpatial === undefined) this.#tellLayer(id, sent, spatial);
    else this.#options.timed(sent.tellAt);
  }

  #tellLayer(downTrack: DownTrackId, sent: SentTrack, spatial: SpatialLayer): void {
    sent.toldSpatial = spatial;
    this.#options.emit({ type: "down_track_layer", downTrack, spatial });
  }

  /** Apart from everything else that is due, because that may send by the same writer. */
  #sendReports(now: number): void {
    this.#writer.reset();
    for (const sent of this.#sent.values()) {
      if (now >= sent.reportAt) this.#report(sent, now);
    }
    this.#flush();
  }

  #report(sent: SentTrack, now: number): void {
    const figures = this.#figures;
    if (!sent.track.senderReport(now, figures)) {
      sent.reportAt = now + FIRST_REPORT_MS; // the publisher has not reported yet
      return;
    }
    sent.reportAt = now + (sent.reportSentAt === 0 ? SECOND_REPORT_MS : REPORT_INTERVAL_MS);
    sent.reportNtp = compactNtp(figures.ntpSeconds, figures.ntpFraction);
    sent.reportSentAt = now;
    if (this.#append(sent.section)) return;
    this.#flush();
    this.#writer.reset();
    this.#append(sent.section);
  }

  #append(section: SendSection): boolean {
    const { ssrc, ntpSeconds, ntpFraction, rtpTimestamp, packetCount, octetCount } = this.#figures;
    const writer = this.#writer;
    const before = writer.length;
    if (
      writer.senderReport(ssrc, ntpSeconds, ntpFraction, rtpTimestamp, packetCount, octetCount) &&
      writer.sourceDescription(ssrc, section.cname, section.mid)
    ) return true;
    writer.length = before;
    return false;
  }

  #flush(): void {
    if (this.#writer.length > 0) this.#options.sendRtcp(this.#writer.bytes, this.#writer.length);
  }
}
