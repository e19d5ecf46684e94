/**
 * Plays a packet capture of a publisher to the forwarding plane, on virtual time: a bug report in a
 * test. What was cut off is filled with zeros, so a picture is none, and everything else is as it
 * was: order, times, numbers, layers, key frames, reports.
 *
 * @module
 */
import type { ConnectionId, UpTrackId } from "../../../lib/base/ids.ts";
import type { LayerTarget, ReceiveSection } from "../../../lib/base/media_vocabulary.ts";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { ReceivingSide } from "../../../lib/engine/local/receiving_side.ts";
import { RtcpScratch } from "../../../lib/engine/local/rtcp_scratch.ts";
import type { MediaEvent } from "../../../lib/engine/messages/media_messages.ts";
import { DownTrack } from "../../../lib/media/down/down_track.ts";
import { FanOutBatch } from "../../../lib/media/packet/fan_out_batch.ts";
import { DEFAULT_AUDIO_LEVEL } from "../../../lib/media/up/audio_level.ts";
import type { UpTrack } from "../../../lib/media/up/up_track.ts";
import { type RtcpHandler, RtcpReader } from "../../../lib/wire/rtcp.ts";
import { RtpView } from "../../../lib/wire/rtp_view.ts";
import { layerListener, RecordingSink } from "./forwarding_fixtures.ts";
import { IGNORED_RTCP } from "./ignored_rtcp.ts";
import { type ReadCapture, type ReadDatagram, readPcapng } from "./pcapng_reader.ts";

/** Where notes are, and no packets. */
const NOTES_PORT = 9;
/** Timed work is done so often, ms: as often as an engine does it. */
const TURN_MS = 10;
const FIRST_NOW = 10_000;
/** The first byte of RTCP's types, as they are told from RTP (RFC 5761 §4). */
const isRtcp = (bytes: Uint8Array) => bytes[1]! >= 192 && bytes[1]! <= 223;

/** One publisher's capture, and what becomes of it. */
export class CapturedCall {
  now = FIRST_NOW;
  readonly capture: ReadCapture;
  readonly upTracks = new Map<UpTrackId, UpTrack>();
  readonly events: MediaEvent[] = [];
  readonly drops = new DropCounters();
  /** What the publisher is told, now. */
  readonly reports: Uint8Array[] = [];
  readonly #side: ReceivingSide;
  readonly #sections: ReceiveSection[] = [];
  readonly #batch = new FanOutBatch();
  readonly #view = new RtpView();
  readonly #rtcp = new RtcpReader();
  /** Of what a publisher reports, its clock is all that forwarding goes by. */
  readonly #reports: RtcpHandler = {
    ...IGNORED_RTCP,
    senderReport: (ssrc, seconds, fraction, timestamp) =>
      this.#side.receiveSenderReport(ssrc, seconds, fraction, timestamp, this.now),
    delaySinceReceiverReference: (ssrc, reference, delay) =>
      this.#side.receiveReferenceAnswer(ssrc, reference, delay, this.now),
  };
  readonly #downTracks: DownTrack[] = [];
  #turnAt = FIRST_NOW;

  constructor(file: Uint8Array) {
    this.capture = readPcapng(file);
    this.#side = new ReceivingSide({
      connection: "CN_captured" as ConnectionId,
      emit: (event) => this.events.push(event),
      sendRtcp: (bytes, length) => this.reports.push(bytes.slice(0, length)),
      upTracks: this.upTracks,
      drops: this.drops,
      audioLevel: DEFAULT_AUDIO_LEVEL,
      batch: this.#batch,
      startedAt: this.now,
      timed: () => {},
      rtcp: new RtcpScratch(),
    });
  }

  /** Somebody who wants a track as soon as it is described. */
  subscribe(upTrack: UpTrackId, target: LayerTarget): RecordingSink {
    this.#describeFirst();
    const sink = new RecordingSink();
    const { kind, codecs } = this.#sections.find((section) => section.upTrack === upTrack)!;
    const source = this.upTracks.get(upTrack)!;
    const track = new DownTrack({
      section: { mid: "", kind, ssrc: 1, codecs, extensions: [], openAfterMs: Infinity },
      publisherExtensions: source.extensions,
      sink,
      place: undefined,
      listener: layerListener(),
      target,
    });
    this.#downTracks.push(track);
    source.addDownTrack(track, this.now);
    return sink;
  }

  /** Everything that came from the publisher, each at its time. */
  play(): void {
    let startUs: number | undefined;
    for (const datagram of this.capture.datagrams) {
      if (datagram.isSent && datagram.ports[0] !== NOTES_PORT) continue;
      if (datagram.ports[0] === NOTES_PORT) {
        this.#read(datagram);
        continue;
      }
      startUs ??= datagram.timeUs;
      this.#advance(FIRST_NOW + Math.trunc((datagram.timeUs - startUs) / 1000));
      this.#receive(datagram);
    }
    this.#advance(this.now + 1_000);
  }

  /** What is said before any packet. */
  #describeFirst(): void {
    for (const datagram of this.capture.datagrams) {
      if (datagram.ports[0] !== NOTES_PORT) return;
      this.#read(datagram);
    }
  }

  #read({ bytes }: ReadDatagram): void {
    const { receives } = JSON.parse(new TextDecoder().decode(bytes));
    if (receives === undefined) return;
    const at = this.#sections.findIndex(({ mid }) => mid === receives.mid);
    if (at < 0) this.#sections.push(receives);
    else if (JSON.stringify(this.#sections[at]) === JSON.stringify(receives)) return;
    else this.#sections[at] = receives;
    this.#side.setSections(this.#sections);
  }

  #receive({ bytes, length }: ReadDatagram): void {
    const whole = new Uint8Array(length);
    whole.set(bytes);
    if (isRtcp(whole)) {
      this.#rtcp.read(whole, length, this.#reports);
      return;
    }
    // Of padding behind media its length was cut off, and it is of no use.
    if (bytes.length < length) whole[0]! &= ~0x20;
    if (!this.#view.wrap(whole, length)) throw new Error("no RTP packet was captured");
    this.#side.receiveRtp(this.#view, this.now, this.now * 1000);
    this.#batch.begin(this.now);
    this.#batch.end(this.now);
  }

  #advance(to: number): void {
    for (; this.#turnAt <= to; this.#turnAt += TURN_MS) {
      this.now = this.#turnAt;
      this.#side.tick(this.now);
      for (const track of this.#downTracks) {
        if (this.now >= track.nextWakeAt()) track.tick(this.now);
      }
    }
    this.now = to;
  }
}
