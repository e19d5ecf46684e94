/**
 * What joins an engine to one of another node: a {@linkcode RelayChannel} over datagrams.
 *
 * Contract: control records come out once and in order, and data does; a packet comes out at most
 * once, on arrival, but not before the control records that were written before it. What is lost is
 * asked for and sent again as long as it is of use. Only the other end is believed: datagrams are
 * sealed, and each counts once. Memory is bounded whatever comes, and nothing throws.
 *
 * Sans-IO: datagrams come by {@linkcode HopLink.receive} and go by a `HopOutlet`; timed
 * work is done by {@linkcode HopLink.tick}.
 *
 * Each end is known to the other by a number that the other chose, and lives as long as its object:
 * when one begins anew, the other end hears of it and must say again what it had said
 * (`onRestarted` of `hop_ports.ts`).
 *
 * @module
 */
import type { EngineDrop } from "../drop_reasons.ts";
import { HopContent, PADDING } from "./hop_content.ts";
import {
  CONTENT_WORDS,
  extendWord,
  FRAME,
  frameLength,
  frameType,
  frameWord,
  HOP_HEADER_BYTES,
  HOP_HELLO,
  HOP_SEALED,
  hopAssociation,
  MEDIA_HEAD_WORDS,
  OF_DATA,
  PROBE_WORDS,
  recordKind,
  STREAM_HEAD_WORDS,
} from "./hop_datagram.ts";
import { HopEstimate } from "./hop_estimate.ts";
import { FeedbackView, writeFeedback } from "./hop_feedback.ts";
import { HopInbox } from "./hop_inbox.ts";
import type { HopLinkOptions, HopOutlet, HopStats } from "./hop_ports.ts";
import { HopReception } from "./hop_reception.ts";
import { HopSession } from "./hop_session.ts";
import { HopStreamSender } from "./hop_stream_sender.ts";
import { HopWays } from "./hop_ways.ts";
import type { HopPath } from "./hop_path.ts";
import { type HopLane, HopWriter } from "./hop_writer.ts";
import type { RelayChannel } from "./relay_channel.ts";
import { RELAY, REPORT_WORDS } from "./relay_records.ts";

/** Words of records that wait to be read, at most: 1 MiB. */
const INBOUND_WORDS = 1 << 18;
/** Words of the history at most: 4 MiB, a second at 33 Mbit/s. */
const HISTORY_WORDS = 1 << 20;
const CONTROL_WORDS = 1 << 16;
const DATA_WORDS = 1 << 18;
/** Longest datagram that is looked at. */
const MAX_RECEIVED_BYTES = 2048;

/** Feedback on media is as old as this at most, ms; on a stream, as this. */
const FEEDBACK_MS = 50;
const STREAM_FEEDBACK_MS = 5;
/** While packets wait for a control record, which then is lost. */
const HOLDING_FEEDBACK_MS = 10;
/** While anything is relayed and nothing else asks. */
const KEEPALIVE_MS = 1_000;
/** The end of a burst may be lost: it is told of after so long, and again after twice that. */
const TAIL_MS = 20;
const MAX_TAIL_MS = 640;
/** Memory that nothing needs any more is given back this often, ms. */
const REST_MS = 10_000;
/** Hellos that are not answered are said again. */
const HELLO_MS = 250;
/** Nothing came for so long although we asked: the other end may live anew. */
const SILENT_MS = 600;
/** Until it is known, ms. */
const FIRST_RTT_MS = 200;
/** Where more is lost, control records are sent twice. */
const SURE_LOSS = 0.01;
/** Streams give so many datagrams in one turn at most. */
const MAX_BURST = 32;
const REPORT_AGE_AT = 5;

/**
 * Times, in a typed array, as fields above 2^30 would be boxed anew at each store: feedback is due;
 * the next hello may be said; the end of what was sent is told of; something asked last; since when
 * nothing at all has come, negative if something has; memory was looked at.
 */
const FEEDBACK_AT = 0;
const HELLO_AT = 1;
const TAIL_AT = 2;
const ASKED_AT = 3;
const SILENT_SINCE = 4;
const RESTED_AT = 5;

/** One engine's end of the way to one engine of another node. */
export class HopLink implements HopLane {
  readonly channel: RelayChannel;
  /** Whether UDP reaches the other end. */
  readonly path: HopPath;
  readonly control = new HopStreamSender(false, CONTROL_WORDS);
  readonly data = new HopStreamSender(true, DATA_WORDS);
  readonly #options: HopLinkOptions;
  readonly #session: HopSession;
  readonly #ways: HopWays;
  readonly #estimate = new HopEstimate((now) => this.#pad(now));
  readonly #writer: HopWriter;
  readonly #inbound = new HopInbox(INBOUND_WORDS);
  readonly #reception: HopReception;
  readonly #content = new HopContent();
  readonly #feedback = new FeedbackView();
  /** The frames of what was received. */
  readonly #received = new Int32Array(MAX_RECEIVED_BYTES / 4);
  readonly #receivedBytes = new Uint8Array(this.#received.buffer);
  /** [smoothed round trip, datagrams out, bytes out, datagrams in, bytes in]. */
  readonly #figures = Float64Array.of(FIRST_RTT_MS, 0, 0, 0, 0);
  #knowsRtt = false;
  #isActive = false;
  #isClosed = false;
  #wasConnected = false;
  #isWritten = false;
  #wakes = false;
  #tailMs = TAIL_MS;
  readonly #times = Float64Array.of(Infinity, 0, Infinity, -Infinity, -1, 0);

  constructor(options: HopLinkOptions) {
    this.#options = options;
    const { drops, clock } = options;
    this.#ways = new HopWays(options.udp, options.fallback);
    this.path = this.#ways.path;
    this.#session = new HopSession(options);
    this.#writer = new HopWriter(this, clock, options.historyWords ?? HISTORY_WORDS);
    const inbound = this.#inbound;
    this.channel = { reader: inbound, writer: this.#writer, estimate: this.#estimate };
    this.#reception = new HopReception(inbound, drops);
  }

  /** Whether packets may go now. */
  get isOpen(): boolean {
    return this.#session.isConnected;
  }

  get isRepairing(): boolean {
    return this.#reception.media.gaps.count > 0;
  }

  get stats(): HopStats {
    const { media } = this.#reception;
    const figures = this.#figures;
    return {
      connected: this.#session.isConnected,
      blocked: this.path.isBlocked,
      rttMs: figures[0]!,
      bps: this.#estimate.bps,
      loss: this.#estimate.lossFraction,
      queueMs: this.#estimate.queueMs,
      datagramsOut: figures[1]!,
      bytesOut: figures[2]!,
      datagramsIn: figures[3]!,
      bytesIn: figures[4]!,
      repairsOut: this.#writer.repeated,
      unrepaired: this.#writer.unrepaired,
      repaired: media.repaired,
      lost: media.gaps.lost,
      asked: media.gaps.asked,
      repeated: this.control.repeated + this.data.repeated,
      epochs: this.#session.epochs,
      memory: this.#writer.memory + this.control.memory + this.data.memory +
        this.#inbound.memory + this.#estimate.memory + this.#reception.memory,
    };
  }

  /** Whether anything is relayed: then the way is kept known. */
  setActive(active: boolean): void {
    this.#isActive = active;
  }

  /**
   * Takes a datagram of this hop.
   *
   * @param bytes The datagram is `bytes[0, length)`; it is opened in place.
   * @param byUdp `false` if it came by the other way.
   * @returns Whether it is genuine, and not one that came before.
   */
  receive(bytes: Uint8Array, length: number, now: number, byUdp = true): boolean {
    if (this.#isClosed) return false;
    const first = bytes[0];
    if (length < HOP_HEADER_BYTES || length > MAX_RECEIVED_BYTES || length > bytes.length) {
      return this.#drop("hop_malformed");
    }
    // Other hops have keys of the same secret.
    if (hopAssociation(bytes, length) !== this.#options.ourId) {
      return this.#drop("hop_not_authentic");
    }
    if (first === HOP_HELLO) return this.#receiveHello(bytes, length, now, byUdp);
    if (first !== HOP_SEALED) return this.#drop("hop_unknown_version");
    const clear = this.#session.open(bytes, length);
    if (clear < 0) return false;
    const figures = this.#figures;
    figures[3]!++;
    figures[4]! += length;
    this.#times[SILENT_SINCE] = -1;
    if (byUdp) {
      this.#reception.heardUdpAt[0] = now;
      this.path.heard(now);
    }
    this.#reception.arrivals.record(this.#session.opened[0]!, now);
    this.#copyContent(bytes, clear);
    this.#takeFrames(clear >> 2, now);
    return true;
  }

  /** After a batch of datagrams: the reader is told, and what is due goes. */
  endBatch(now: number): void {
    if (this.#wakes) this.#inbound.wake();
    this.#wakes = false;
    if (now >= this.#dueAt()) this.tick(now);
  }

  /** When {@linkcode HopLink.tick} is needed; `Infinity` if never. */
  nextWakeAt(): number {
    if (this.#isClosed) return Infinity;
    if (!this.#session.isConnected) return this.#wants ? this.#times[HELLO_AT]! : Infinity;
    const keepaliveAt = this.#isActive ? this.#times[ASKED_AT]! + KEEPALIVE_MS : Infinity;
    const isAsking = this.#times[SILENT_SINCE]! >= 0 && this.#wants;
    const silentAt = isAsking
      ? Math.max(this.#times[SILENT_SINCE]! + SILENT_MS, this.#times[HELLO_AT]!)
      : Infinity;
    const pathAt = this.#wants ? this.path.wakeAt : Infinity;
    const tailAt = this.#times[TAIL_AT]!;
    const estimateAt = this.#estimate.nextWakeAt();
    return Math.min(this.#dueAt(), keepaliveAt, tailAt, silentAt, pathAt, estimateAt);
  }

  /** Timed work. */
  tick(now: number): void {
    if (this.#isClosed) return;
    if (this.path.tick(now)) this.#wayChanged(true, now);
    const isSilent = this.#times[SILENT_SINCE]! >= 0 &&
      now - this.#times[SILENT_SINCE]! >= SILENT_MS;
    if (this.#wants && now >= this.#times[HELLO_AT]! && (!this.#session.isConnected || isSilent)) {
      this.#times[HELLO_AT] = now + HELLO_MS;
      this.#sendHello(this.#session.hello(this.#reception.hearsUdp(now)), now, false);
    }
    if (!this.#session.isConnected) return;
    this.#session.tick(now, !isSilent);
    this.#drainEarly();
    this.#sendDue(now);
    this.#probe(now);
    this.#estimate.tick(now);
    if (now - this.#times[RESTED_AT]! >= REST_MS) this.#rest(now);
  }

  written(): void {
    if (this.#isWritten) return;
    this.#isWritten = true;
    this.#options.listener.onWritten?.();
  }

  dataWritten(bytes: number, now: number): void {
    this.#estimate.dataSent(bytes, now);
  }

  /** Sends what was written in this turn. */
  flush(now: number): void {
    this.#isWritten = false;
    if (this.#isClosed) return;
    if (!this.#session.isConnected) return this.tick(now);
    this.#writer.flush(now);
    if (now >= this.#dueAt()) this.#sendDue(now);
  }

  /** The other way holds so many bytes back. */
  otherQueue(bytes: number, now: number): void {
    this.#estimate.otherQueue(bytes, now);
  }

  /** Nothing is sent or taken any more. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#session.close();
  }

  /** For the writer: seals media out of its history. */
  sendMedia(source: Uint8Array, at: number, length: number, now: number): void {
    this.#send(source, at, length, true, true, now);
    this.#tailMs = TAIL_MS;
    this.#times[TAIL_AT] = now + TAIL_MS;
  }

  /** Gives memory back: a hop that carries little has little. */
  #rest(now: number): void {
    this.#times[RESTED_AT] = now;
    this.#writer.rest(now);
    this.control.rest();
    this.data.rest();
    this.#inbound.rest();
    this.#reception.rest();
  }

  /** Something is to be said, or heard. */
  get #wants(): boolean {
    return this.#isActive || this.control.isPending || this.data.isPending;
  }

  #dueAt(): number {
    const { media } = this.#reception;
    return Math.min(
      this.#times[FEEDBACK_AT]!,
      media.gaps.wakeAt,
      this.control.wakeAt,
      this.data.wakeAt,
    );
  }

  #drop(reason: EngineDrop): false {
    this.#options.drops.count(reason);
    return false;
  }

  #receiveHello(bytes: Uint8Array, length: number, now: number, byUdp: boolean): boolean {
    const hello = this.#session.receiveHello(bytes, length, byUdp, now);
    if (hello === undefined) return false;
    if (hello.begins) this.#begin();
    if (hello.hearsUdp) this.#hearUdp(now);
    if (hello.answer !== undefined) this.#sendHello(hello.answer, now, !byUdp);
    if (hello.begins) this.tick(now);
    return hello.begins; // others may be recorded ones
  }

  #begin(): void {
    this.#times[SILENT_SINCE] = -1;
    this.#estimate.restarted();
    this.#reception.arrivals.reset();
    if (this.#wasConnected) {
      this.#writer.reset();
      this.control.reset();
      this.data.reset();
      this.#reception.reset();
      this.#times[TAIL_AT] = this.#times[FEEDBACK_AT] = Infinity;
      this.#options.listener.onRestarted();
    }
    this.#wasConnected = true;
  }

  #hearUdp(now: number): void {
    if (this.path.answered()) this.#wayChanged(false, now);
  }

  #wayChanged(isBlocked: boolean, now: number): void {
    this.#estimate.wayChanged(isBlocked, this.#session.nextNumber, now);
    this.#options.listener.onBlocked(isBlocked);
  }

  #copyContent(bytes: Uint8Array, clear: number): void {
    const into = this.#receivedBytes;
    if (bytes.length <= MAX_RECEIVED_BYTES) {
      // The header's words stand before the frames.
      into.set(bytes);
      return;
    }
    // A receive buffer this large is unusual: a loop is slower, but makes no view.
    for (let i = 0; i < HOP_HEADER_BYTES + clear; i++) into[i] = bytes[i]!;
  }

  #takeFrames(words: number, now: number): void {
    const { drops } = this.#options;
    const received = this.#received;
    const end = HOP_HEADER_BYTES / 4 + words;
    for (let at = HOP_HEADER_BYTES / 4; at < end;) {
      const length = frameLength(received[at]!);
      if (length === 0 || at + length > end || length > CONTENT_WORDS) {
        return drops.count("hop_malformed");
      }
      this.#takeFrame(at, length, now);
      at += length;
    }
  }

  #takeFrame(at: number, length: number, now: number): void {
    const words = this.#received;
    const { media, control } = this.#reception;
    switch (frameType(words[at]!)) {
      case FRAME.media:
        if (length < MEDIA_HEAD_WORDS) break;
        media.take(words, at, control.next, now);
        this.#wakes = true;
        return this.#askedFor(now, media.isHolding ? HOLDING_FEEDBACK_MS : FEEDBACK_MS);
      case FRAME.stream:
        if (length < STREAM_HEAD_WORDS) break;
        return this.#takeStream(at, now);
      case FRAME.feedback:
        if (!this.#feedback.wrap(words, at, length)) break;
        return this.#takeFeedback(now);
      case FRAME.probe: {
        if (length < PROBE_WORDS) break;
        const next = extendWord(words[at + 1]!, media.gaps.next);
        if (next > media.gaps.next) media.gaps.expect(next, now);
        return this.#askedFor(now, 0);
      }
      case FRAME.padding:
        return this.#askedFor(now, FEEDBACK_MS);
      default: // of a later version
        return this.#options.drops.count("hop_unknown_frame");
    }
    this.#options.drops.count("hop_malformed");
  }

  #takeStream(at: number, now: number): void {
    const words = this.#received;
    const { control, data, media } = this.#reception;
    const isData = (words[at]! & OF_DATA) !== 0;
    const stream = isData ? data : control;
    const isReport = recordKind(words[at]!) === RELAY.report &&
      frameLength(words[at]!) === STREAM_HEAD_WORDS + REPORT_WORDS;
    if (isReport) {
      const age = at + STREAM_HEAD_WORDS + REPORT_AGE_AT;
      words[age]! += Math.round(this.#figures[0]! / 2);
    }
    if (stream.take(words, at)) {
      this.#wakes = true;
      if (!isData && media.isHolding) media.release(control.next);
    }
    this.#askedFor(now, STREAM_FEEDBACK_MS);
  }

  /** A datagram wants feedback within `ms`. */
  #askedFor(now: number, ms: number): void {
    const { asked, arrivals } = this.#reception;
    asked.sentAt = this.#session.opened[1]!;
    asked.cameAt = now;
    this.#times[FEEDBACK_AT] = Math.min(
      this.#times[FEEDBACK_AT]!,
      arrivals.isFull ? now : now + ms,
    );
  }

  #takeFeedback(now: number): void {
    const feedback = this.#feedback;
    const { words } = feedback;
    if (feedback.hearsUdp) this.#hearUdp(now);
    this.#measure(feedback.roundTrip(now));
    const rttMs = this.#figures[0]!;
    const writer = this.#writer;
    this.control.acknowledge(
      feedback.controlNext,
      words,
      feedback.controlAt,
      feedback.controlWords,
      now,
      rttMs,
    );
    this.data.acknowledge(
      feedback.dataNext,
      words,
      feedback.dataAt,
      feedback.dataWords,
      now,
      rttMs,
    );
    if (extendWord(feedback.mediaNext, writer.next) >= writer.next) this.#times[TAIL_AT] = Infinity;
    for (let i = 0; i < feedback.pairs; i++) {
      const first = extendWord(words[feedback.pairsAt + 2 * i]!, writer.next);
      const more = words[feedback.pairsAt + 2 * i + 1]!;
      this.#repair(first, now);
      for (let bit = 0; bit < 32; bit++) {
        if ((more & (1 << bit)) !== 0) this.#repair(first + 1 + bit, now);
      }
    }
    if (feedback.arrivalWords > 0) this.#takeArrivals(now);
    this.#estimate.answered(extendWord(feedback.mediaNext, writer.next), now);
  }

  #repair(number: number, now: number): void {
    this.#estimate.missing(number);
    this.#writer.repair(number, now, this.#figures[0]!);
  }

  #takeArrivals(now: number): void {
    const { words, arrivalsAt, arrivalWords } = this.#feedback;
    // Of what takes both ways, half is lost with one of them.
    const isOfWay = !this.path.isDoubtful(now, this.#figures[0]!);
    const next = this.#session.nextNumber;
    if (!this.#estimate.take(words, arrivalsAt, arrivalWords, next, isOfWay, now)) {
      this.#options.drops.count("hop_malformed");
    }
  }

  #measure(rttMs: number): void {
    if (rttMs < 0 || rttMs > 60_000) return;
    const figures = this.#figures;
    figures[0] = this.#knowsRtt ? figures[0]! + (rttMs - figures[0]!) / 8 : rttMs;
    this.#knowsRtt = true;
  }

  /** What found no room with the reader may find it now. */
  #drainEarly(): void {
    const { control, data, media } = this.#reception;
    if (data.hasEarly && data.drain()) this.#wakes = true;
    if (!control.hasEarly || !control.drain()) return;
    this.#wakes = true;
    media.release(control.next);
  }

  /** Sends feedback and parts of streams that are due. */
  #sendDue(now: number): void {
    const content = this.#content;
    const { udp } = this.#options;
    const { gaps } = this.#reception.media;
    for (let i = 0; i < MAX_BURST; i++) {
      content.length = 0;
      const isAnswer = this.path.isBlocked && this.#reception.hearsUdp(now);
      if (now >= this.#times[FEEDBACK_AT]! || now >= gaps.wakeAt) {
        this.#times[FEEDBACK_AT] = Infinity;
        writeFeedback(content, this.#reception, now, this.#figures[0]!);
      }
      const before = content.length;
      this.control.write(content, now, this.#figures[0]!, this.#estimate.lossFraction > SURE_LOSS);
      this.data.write(content, now, this.#figures[0]!, false);
      if (content.length === 0) return;
      const { bytes, length } = content;
      this.#send(bytes, 0, 4 * length, length > before, false, now);
      // What came by UDP is also answered by it.
      if (isAnswer && before > 0) this.#sendBy(udp, bytes, 0, 4 * length, false, false, now);
    }
  }

  /** Asks whether the other end is there, and has everything. */
  #probe(now: number): void {
    const isTail = now >= this.#times[TAIL_AT]!;
    if (isTail) {
      this.#tailMs = Math.min(MAX_TAIL_MS, 2 * this.#tailMs);
      this.#times[TAIL_AT] = this.#tailMs === MAX_TAIL_MS ? Infinity : now + this.#tailMs;
    }
    const isKeepalive = this.#isActive && now - this.#times[ASKED_AT]! >= KEEPALIVE_MS;
    const asksPath = this.#wants && this.path.isDue(now);
    if (!isTail && !isKeepalive && !asksPath) return;
    const content = this.#content;
    content.words[0] = frameWord(FRAME.probe, 0, PROBE_WORDS);
    content.words[1] = this.#writer.next;
    this.#send(content.bytes, 0, 4 * PROBE_WORDS, true, false, now);
    if (asksPath && this.path.isBlocked) {
      this.#sendBy(this.#options.udp, content.bytes, 0, 4 * PROBE_WORDS, false, false, now);
    }
  }

  /** Sends a datagram that only shows what the way carries. */
  #pad(now: number): boolean {
    const { bytes } = PADDING;
    if (this.#session.isConnected) this.#send(bytes, 0, bytes.length, true, true, now);
    return this.#session.isConnected;
  }

  #send(
    source: Uint8Array,
    at: number,
    length: number,
    asks: boolean,
    isMedia: boolean,
    now: number,
  ): void {
    const { isBlocked } = this.path;
    if (asks) {
      this.#times[ASKED_AT] = now;
      if (this.#times[SILENT_SINCE]! < 0) this.#times[SILENT_SINCE] = now;
      if (!isBlocked) this.path.asked(now);
    }
    const silentSince = this.#times[SILENT_SINCE]!;
    this.#sendBy(this.#ways.first(now, silentSince), source, at, length, isMedia, asks, now);
    const second = this.#ways.second(now, this.#figures[0]!);
    if (second !== undefined) this.#sendBy(second, source, at, length, isMedia, false, now);
  }

  /** @param isCounted It is answered, and takes the way that most take. */
  #sendBy(
    outlet: HopOutlet,
    source: Uint8Array,
    at: number,
    length: number,
    isMedia: boolean,
    isCounted: boolean,
    now: number,
  ): void {
    const out = outlet.reserve();
    if (out === undefined) return; // counted there
    const number = this.#session.nextNumber;
    const sealed = this.#session.seal(out, source, at, length, now);
    if (sealed === 0) return this.#options.drops.count("hop_cannot_seal");
    if (isCounted) this.#estimate.sent(number, sealed, now);
    const figures = this.#figures;
    figures[1]!++;
    figures[2]! += sealed;
    outlet.commit(sealed, isMedia);
  }

  #sendHello(hello: Uint8Array, now: number, byOther: boolean): void {
    this.#ways.sendHello(hello, now, this.#figures[0]!, byOther);
  }
}
