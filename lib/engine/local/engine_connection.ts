/**
 * One peer connection in the engine: a transport with a receiving and a sending side.
 *
 * @module
 */
import type { ConnectionId, UpTrackId } from "../../base/ids.ts";
import type { DataKind, IceCredentials } from "../../base/media_vocabulary.ts";
import { WakeEntry } from "../../base/wake_queue.ts";
import type {
  PeerTransportListener,
  RemoteParameters,
  TransportFailure,
} from "../../transport/peer_transport.ts";
import type { ReportBlock, RtcpHandler } from "../../wire/rtcp.ts";
import type { RtpView } from "../../wire/rtp_view.ts";
import type { DataEndpoint } from "../data/data_endpoint.ts";
import type { DataPlane } from "../data/data_plane.ts";
import type { DataTurnTaker } from "./data_turns.ts";
import { connectionTransport, type TransportShared } from "./connection_transport.ts";
import { type MediaCommand, QUALITY_INTERVAL_MS } from "../messages/media_messages.ts";
import type { CongestionRules } from "./local_engine_options.ts";
import { PacketCapture } from "./packet_capture.ts";
import { type ReceivingShared, ReceivingSide } from "./receiving_side.ts";
import { EMPTY_REPORT_INTERVAL_MS, ReportPace } from "./report_pace.ts";
import { SendingSide, type SendingSideOptions } from "./sending_side.ts";
import type { MediaTransport } from "./source_transport.ts";

/** A change of the path's protocol is told at most once in so many ms: each check may bring one. */
const CONNECTED_INTERVAL_MS = 1_000;
/**
 * Quality reports of all connections come at multiples of this, ms: waking up costs more than what
 * is then done for one of them.
 */
const TOGETHER_MS = 250;
/** The shortest interval: who comes and goes makes no more work, and a moment shows little. */
const SHORTEST_INTERVAL_MS = 500;

type CapturePackets = Extract<MediaCommand, { readonly type: "capture_packets" }>;
type OpenConnection = Extract<MediaCommand, { readonly type: "open_connection" }>;

/** What all connections of an engine share. */
export interface EngineShared extends ReceivingShared, TransportShared {
  readonly congestion: CongestionRules;
  /** Videos of whoever speaks, as the control plane says. */
  readonly speakers?: ReadonlySet<UpTrackId>;
  /** Where its messages go. */
  readonly data: Pick<DataPlane, "receive" | "channelOpen">;
  /** Says when what was sent has really left. */
  readonly departures?: NonNullable<SendingSideOptions["departures"]>;
  /** A bug of ours was hit on behalf of this connection, which is to be closed. */
  readonly failed: (connection: ConnectionId, error: unknown) => void;
  /** The connection ended by itself and is to be forgotten. */
  readonly ended: (connection: ConnectionId) => void;
  /** The connection has timed work at `at`, sooner than its entry says. */
  readonly wakeAt: (entry: WakeEntry<EngineConnection>, at: number) => void;
  /** The connection has data to see to, in this turn or the next. */
  readonly dataPending: (connection: EngineConnection) => void;
}

/**
 * One connection of the engine. An exception while it is served ends it alone; after `close`
 * nothing of it reaches the control plane or the socket.
 */
export class EngineConnection
  implements PeerTransportListener, RtcpHandler, DataEndpoint, DataTurnTaker {
  readonly receiving: ReceivingSide;
  readonly sending: SendingSide;
  /** Its place among those that have timed work. */
  readonly wake: WakeEntry<EngineConnection> = new WakeEntry<EngineConnection>(this);
  hasDataTurn = false;
  readonly #shared: EngineShared;
  readonly #transport: MediaTransport;
  /** The instant of the RTCP packet being read. */
  #now = 0;
  /** What is to be told of the path in use, and when its last one was told. */
  #connectedOver: "udp" | "tcp" | undefined;
  #connectedAt = -Infinity;
  /** When the interval of the next quality report began; none begins before media flows. */
  #intervalAt: number | undefined;
  readonly #reportPace = new ReportPace();
  /** There are no tracks, which has been told: the interval is that of telling it again. */
  #rests = false;
  /** Absent but while somebody captures packets. */
  #capture: PacketCapture | undefined;
  #isClosed = false;

  readonly id: ConnectionId;

  /** @param place Which connection of the engine it is: a number that no other has. */
  constructor(command: OpenConnection, shared: EngineShared, place: number) {
    const { allowPause } = command;
    this.id = command.connection;
    const { id } = this;
    this.#shared = shared;
    const { platform, drops, upTracks, emit } = shared;
    this.#transport = connectionTransport(command, shared, this);
    const sendRtcp = (bytes: Uint8Array, length: number) => this.#sendRtcp(bytes, length);
    const { audioLevel } = shared;
    const timed = (at: number) => this.onTimed(at);
    this.receiving = new ReceivingSide({
      connection: id,
      emit,
      sendRtcp,
      upTracks,
      drops,
      audioLevel,
      pliThrottleMs: shared.pliThrottleMs,
      tellsFarLoss: shared.tellsFarLoss,
      loudest: shared.loudest,
      batch: shared.batch,
      rtcp: shared.rtcp,
      startedAt: platform.clock.now(),
      timed,
    });
    this.sending = new SendingSide({
      emit,
      sink: this.#transport.rtp,
      place,
      queuedBytes: () => this.#transport.queuedBytes,
      droppedBytes: () => this.#transport.droppedBytes,
      sendRtcp,
      random: platform.random,
      failed: (error) => shared.failed(id, error),
      // The round trip is the same both ways.
      measured: (rttMs) => this.receiving.updateRtt(rttMs),
      timed,
      rtcp: shared.rtcp,
      congestion: shared.congestion,
      ...(shared.departures === undefined ? {} : { departures: shared.departures }),
      ...(shared.speakers === undefined ? {} : { speakers: shared.speakers }),
      ...(allowPause === undefined ? {} : { allowPause }),
    });
    this.onTimed(this.#transport.nextWakeAt());
  }

  setRemote(remote: RemoteParameters): void {
    this.#transport.setRemote(remote);
  }

  restartIce(local: IceCredentials): void {
    this.#transport.restartIce(local);
  }

  /** Tells its packets from now on, or no longer. */
  capture({ limits }: CapturePackets): void {
    this.#capture?.end("stopped");
    if (limits === undefined) return;
    this.#capture = this.#transport.rtp.tap = new PacketCapture({
      connection: this.id,
      clock: this.#shared.platform.clock,
      emit: this.#shared.emit,
      timed: (at) => this.onTimed(at),
      ended: () => this.#capture = this.#transport.rtp.tap = undefined,
    }, limits);
    this.described();
  }

  /** What it receives or sends has changed. */
  described(): void {
    this.#capture?.describe(this.receiving.sections, this.sending.sections);
    if (this.#rests && this.#hasTracks) this.#endRest();
  }

  get #hasTracks(): boolean {
    return this.receiving.hasTracks || this.sending.hasTracks;
  }

  /** There are tracks again: their first report comes when it would have come anyway. */
  #endRest(): void {
    this.#rests = false;
    const now = this.#shared.platform.clock.now();
    const since = this.#intervalAt ?? now;
    this.#intervalAt = now - (now - since) % QUALITY_INTERVAL_MS;
    this.receiving.beginInterval(this.#intervalAt);
    this.onTimed(this.nextWakeAt());
  }

  #sendRtcp(bytes: Uint8Array, length: number): void {
    this.#capture?.reports(bytes, length, true);
    this.#transport.sendRtcp(bytes, length);
  }

  /** One message on LiveKit's channel of that kind, or the client's own; counted if not taken. */
  sendData(
    kind: DataKind | "data_track" | "raw",
    bytes: Uint8Array,
    now: number,
    sender: number,
    holdable: boolean,
  ): void {
    if (!this.#transport.sendData(kind, bytes, now, sender, holdable)) {
      this.#shared.drops.count(`data_not_sent_${kind}`);
    }
  }

  /** Packets of a connection that has no peer. */
  takePackets(packets: Uint8Array, now: number): void {
    this.#transport.takePackets?.(packets, now, this.#shared.platform.clock.nowUs());
  }

  isDataOpen(kind: "reliable" | "raw"): boolean {
    return this.#transport.isDataOpen(kind);
  }

  isDataBacklogged(waits: boolean, now: number, sender: number): boolean {
    return this.#transport.isDataBacklogged(waits, now, sender);
  }

  holdData(held: boolean): void {
    this.#transport.holdData(held);
  }

  get hasMessages(): boolean {
    return this.#transport.hasMessages;
  }

  deliverData(now: number): boolean {
    return this.#transport.deliverData(1, now);
  }

  flushData(now: number): void {
    this.#transport.flushData(now);
  }

  onDataPending(): void {
    if (!this.#isClosed) this.#shared.dataPending(this);
  }

  /** All timed work of this connection; to be called at {@linkcode EngineConnection.nextWakeAt}. */
  tick(now: number): void {
    this.#transport.tick(now);
    this.#capture?.tick(now);
    if (!this.#transport.connected) return;
    this.receiving.tick(now);
    this.sending.tick(now);
    this.#tellConnected(now);
    const since = this.#intervalAt;
    if (since !== undefined && now - since >= this.#intervalMs) this.#reportQuality(now, since);
  }

  /**
   * How long the quality's interval is as things are. Clients that are told for long that they are
   * lost give their session up, so the end of that does not wait for the usual one's.
   */
  get #intervalMs(): number {
    if (this.#rests) return EMPTY_REPORT_INTERVAL_MS;
    return this.receiving.isBack ? SHORTEST_INTERVAL_MS : QUALITY_INTERVAL_MS;
  }

  /** When there is timed work, monotonic ms; `Infinity` if nothing is foreseen. */
  nextWakeAt(): number {
    if (this.#isClosed) return Infinity;
    const at = Math.min(this.#transport.nextWakeAt(), this.#capture?.nextWakeAt() ?? Infinity);
    if (!this.#transport.connected) return at;
    const reportAt = this.#intervalAt === undefined
      ? Infinity
      : Math.ceil((this.#intervalAt + this.#intervalMs) / TOGETHER_MS) * TOGETHER_MS;
    const tellAt = this.#connectedOver === undefined
      ? Infinity
      : this.#connectedAt + CONNECTED_INTERVAL_MS;
    return Math.min(at, reportAt, tellAt, this.receiving.nextWakeAt(), this.sending.nextWakeAt());
  }

  onTimed(at: number): void {
    if (at < this.wake.at && !this.#isClosed) this.#shared.wakeAt(this.wake, at);
  }

  #reportQuality(now: number, since: number): void {
    this.#intervalAt = now;
    const upTracks = this.receiving.intervals(now);
    const downTracks = this.sending.intervals(now);
    const isDue = this.#reportPace.isDue(upTracks.length + downTracks.length === 0, now);
    this.#rests = this.#reportPace.wasEmpty && !this.#hasTracks;
    if (!isDue) return;
    const { id: connection } = this;
    const intervalMs = now - since;
    this.#shared.emit({ type: "quality_report", connection, intervalMs, upTracks, downTracks });
  }

  /** Idempotent; no event follows but of what was captured. */
  close(): void {
    this.#isClosed = true;
    this.#capture?.end("closed");
    this.sending.close();
    this.receiving.close();
    this.#transport.close();
  }

  onPathFound(): void {
    this.#shared.emit({ type: "ice_connected", connection: this.id });
  }

  onConnected(protocol: "udp" | "tcp"): void {
    const now = this.#shared.platform.clock.now();
    this.#intervalAt ??= now;
    this.sending.start(now);
    this.#connectedOver = protocol;
    this.#tellConnected(now);
    this.onTimed(this.nextWakeAt());
  }

  #tellConnected(now: number): void {
    const protocol = this.#connectedOver;
    if (protocol === undefined || now - this.#connectedAt < CONNECTED_INTERVAL_MS) return;
    this.#connectedOver = undefined;
    this.#connectedAt = now;
    const { hostname, port } = this.#transport.remote ?? {};
    const remote = hostname === undefined || port === undefined
      ? {}
      : { remote: { hostname, port } };
    this.#shared.emit({ type: "connection_connected", connection: this.id, protocol, ...remote });
  }

  onVideoGap(): void {
    this.sending.videoGap();
  }

  onPathChanged(): void {
    this.sending.pathChanged(this.#shared.platform.clock.now());
  }

  /** Also of clients that answer no reference times. */
  onRoundTrip(rttMs: number): void {
    this.receiving.updateRtt(rttMs);
    this.sending.bandwidth.roundTrip(rttMs, this.#shared.platform.clock.now());
  }

  onInterrupted(): void {
    this.#connectedOver = undefined;
    this.#shared.emit({ type: "connection_interrupted", connection: this.id });
  }

  onLost(): void {
    this.#connectedOver = undefined;
    this.#shared.emit({ type: "connection_lost", connection: this.id });
  }

  onResumed(): void {
    this.onConnected(this.#transport.protocol);
  }

  onFailed(reason: TransportFailure): void {
    this.#isClosed = true;
    this.#capture?.end("closed");
    this.sending.close();
    this.receiving.close();
    this.#shared.ended(this.id);
    this.#shared.emit({ type: "connection_failed", connection: this.id, reason });
  }

  onRtp(packet: RtpView, now: number, nowUs: number): void {
    this.#shared.latency.received(nowUs);
    this.#capture?.received(packet, nowUs);
    this.receiving.receiveRtp(packet, now, nowUs);
  }

  onRtcp(bytes: Uint8Array, length: number, now: number): void {
    this.#now = now;
    this.#capture?.reports(bytes, length, false);
    const { drops, rtcp } = this.#shared;
    if (!rtcp.reader.read(bytes, length, this)) drops.count("rtcp_malformed");
  }

  onChannelOpen(label: string): void {
    this.#shared.emit({ type: "data_channel_open", connection: this.id, label });
    this.#shared.data.channelOpen(this.id, label);
  }

  onChannelsFailed(): void {
    this.#shared.emit({ type: "data_channels_failed", connection: this.id });
  }

  onMessage(label: string, bytes: Uint8Array): void {
    this.#shared.data.receive(this.id, label, bytes);
  }

  senderReport(ssrc: number, seconds: number, fraction: number, timestamp: number): void {
    this.receiving.receiveSenderReport(ssrc, seconds, fraction, timestamp, this.#now);
  }

  reportBlock(_senderSsrc: number, block: ReportBlock): void {
    this.sending.receiveReport(block, this.#now);
  }

  /** Ends of streams are told by signalling; a goodbye alone changes nothing. */
  goodbye(): void {}

  nack(mediaSsrc: number, numbers: Uint16Array, count: number): void {
    this.sending.receiveNack(mediaSsrc, numbers, count, this.#now);
  }

  pictureLoss(mediaSsrc: number): void {
    this.sending.receivePictureLoss(mediaSsrc, this.#now);
  }

  fullIntra(mediaSsrc: number): void {
    this.sending.receiveFullIntra(mediaSsrc, this.#now);
  }

  remb(bitrateBps: number, ssrcs: Uint32Array, count: number): void {
    this.sending.receiveRemb(bitrateBps, ssrcs, count, this.#now);
  }

  transportCc(bytes: Uint8Array, offset: number, length: number): void {
    this.sending.receiveTransportCc(bytes, offset, length, this.#now);
  }

  delaySinceReceiverReference(ssrc: number, reference: number, delay: number): void {
    this.receiving.receiveReferenceAnswer(ssrc, reference, delay, this.#now);
  }

  receiverReferenceTime(ssrc: number, seconds: number, fraction: number): void {
    this.sending.receiveReferenceTime(ssrc, seconds, fraction);
  }
}
