/**
 * The control plane's only door to the media plane: hands out ids, sends commands, and brings each
 * event to whoever owns the connection or down-track it names.
 *
 * Events for what is gone are ignored, because closing races with everything. An owner that throws
 * is told so and nobody else notices.
 *
 * @module
 */
import type { ConnectionId, DataTrackId, DownTrackId, NodeId, UpTrackId } from "../../base/ids.ts";
import type { DataTrackReceiver } from "../../engine/messages/data_messages.ts";
import type { MediaAddress, ReceiveSection } from "../../base/media_vocabulary.ts";
import type { Log } from "../../base/platform.ts";
import type {
  AudioLevelEntry,
  EngineStats,
  MediaCommand,
  MediaEngine,
  MediaEvent,
} from "../../engine/messages/media_messages.ts";
import { type CaptureEvent, isCaptureEvent } from "../../engine/messages/capture_messages.ts";
import { isNodeEvent, type NodeEvent } from "../../engine/messages/node_messages.ts";
import type { RecordingEvent } from "../../engine/messages/recording_messages.ts";

/** Events for the owner of the connection they name. */
export type ConnectionEvent = Exclude<
  Extract<MediaEvent, { readonly connection: ConnectionId }>,
  QualityReport | CaptureEvent
>;

/** Whoever opened a connection. */
export interface ConnectionOwner {
  handleEngineEvent(event: ConnectionEvent): void;
  /** {@linkcode ConnectionOwner.handleEngineEvent} threw: a bug of ours, this owner must close. */
  handleBug(error: unknown): void;
}

/** How the tracks of one connection fared. */
export type QualityReport = Extract<MediaEvent, { readonly type: "quality_report" }>;

type DownTrackEvent = Exclude<
  Extract<MediaEvent, { readonly downTrack: DownTrackId }>,
  RecordingEvent
>;

/** Whoever wants to know how loud some up-tracks are. */
export interface LevelListener {
  /** One report's levels of the up-tracks it watches. */
  audioLevels(levels: readonly AudioLevelEntry[]): void;
}

/** Dispatch between one `MediaEngine` and the participants. */
export class EngineRouter {
  /** What crosses between nodes; set once, by whoever joins this one to others. */
  onNodeEvent: (event: NodeEvent) => void = () => {};
  readonly #owners = new Map<ConnectionId, ConnectionOwner>();
  readonly #layerListeners = new Map<DownTrackId, (spatial: number) => void>();
  readonly #pauseListeners = new Map<DownTrackId, (paused: boolean) => void>();
  readonly #recordings = new Map<DownTrackId, (event: RecordingEvent) => void>();
  readonly #captures = new Map<ConnectionId, (event: CaptureEvent) => void>();
  readonly #levelListeners = new Map<UpTrackId, Set<LevelListener>>();
  readonly #qualityListeners = new Map<ConnectionId, (report: QualityReport) => void>();
  readonly #stats = new Map<number, (stats: EngineStats) => void>();
  /** Tracks of other nodes, and how many show them. */
  readonly #remoteTracks = new Map<UpTrackId, {
    readonly section: ReceiveSection;
    readonly count: number;
  }>();
  /** Data tracks of other nodes, and who has them in each room that shows them. */
  readonly #remoteData = new Map<DataTrackId, Map<string, readonly DataTrackReceiver[]>>();
  #lastId = 0;

  /** What follows the prefix of every id made here: the node's own id and a full stop. */
  readonly #idStem: string;

  /** @param node Goes into every id, so that ids of several nodes can meet. */
  constructor(
    readonly engine: Pick<MediaEngine, "send" | "addressesOf">,
    readonly log: Log,
    node: NodeId,
  ) {
    this.#idStem = `${node.replace(/^ND_/, "")}.`;
  }

  newConnectionId(): ConnectionId {
    return this.#newId("CN_");
  }

  newUpTrackId(): UpTrackId {
    return this.#newId("UT_");
  }

  newDownTrackId(): DownTrackId {
    return this.#newId("DT_");
  }

  /** Names a room, or a session, where data is carried; never 0. */
  newDataId(): number {
    return ++this.#lastId;
  }

  #newId<T extends string>(prefix: string): T {
    return `${prefix}${this.#idStem}${++this.#lastId}` as T;
  }

  /** Events of `connection` go to `owner` until {@linkcode detach}. */
  attach(connection: ConnectionId, owner: ConnectionOwner): void {
    this.#owners.set(connection, owner);
  }

  detach(connection: ConnectionId): void {
    this.#owners.delete(connection);
  }

  /** Calls `listener` whenever the forwarded layer of `downTrack` changes. */
  watchDownTrack(downTrack: DownTrackId, listener: (spatial: number) => void): void {
    this.#layerListeners.set(downTrack, listener);
  }

  unwatchDownTrack(downTrack: DownTrackId): void {
    this.#layerListeners.delete(downTrack);
  }

  /** Calls `listener` when `downTrack` is paused for want of bandwidth, and when it goes on. */
  watchPauses(downTrack: DownTrackId, listener: (paused: boolean) => void): void {
    this.#pauseListeners.set(downTrack, listener);
  }

  unwatchPauses(downTrack: DownTrackId): void {
    this.#pauseListeners.delete(downTrack);
  }

  /** Calls `listener` with what is recorded under the name of `downTrack`. */
  watchRecording(downTrack: DownTrackId, listener: (event: RecordingEvent) => void): void {
    this.#recordings.set(downTrack, listener);
  }

  unwatchRecording(downTrack: DownTrackId): void {
    this.#recordings.delete(downTrack);
  }

  /** Calls `listener` with the packets of `connection` that are captured. */
  watchCapture(connection: ConnectionId, listener: (event: CaptureEvent) => void): void {
    this.#captures.set(connection, listener);
  }

  unwatchCapture(connection: ConnectionId): void {
    this.#captures.delete(connection);
  }

  /** Tells `listener` the levels of `upTrack`, which may be shown in several rooms. */
  watchLevels(upTrack: UpTrackId, listener: LevelListener): void {
    const listeners = this.#levelListeners.get(upTrack);
    if (listeners === undefined) this.#levelListeners.set(upTrack, new Set([listener]));
    else listeners.add(listener);
  }

  unwatchLevels(upTrack: UpTrackId, listener: LevelListener): void {
    const listeners = this.#levelListeners.get(upTrack);
    if (listeners?.delete(listener) && listeners.size === 0) this.#levelListeners.delete(upTrack);
  }

  /** Calls `listener` with every report on `connection`. */
  watchQuality(connection: ConnectionId, listener: (report: QualityReport) => void): void {
    this.#qualityListeners.set(connection, listener);
  }

  unwatchQuality(connection: ConnectionId): void {
    this.#qualityListeners.delete(connection);
  }

  send(command: MediaCommand): void {
    this.engine.send(command);
  }

  /**
   * A track of another node can be had here. It may be shown in several rooms.
   *
   * @param isNew Somebody shows it who did not yet, and says {@linkcode releaseRemoteTrack} later.
   */
  shareRemoteTrack(upTrack: UpTrackId, section: ReceiveSection, isNew: boolean): void {
    const shown = this.#remoteTracks.get(upTrack);
    this.#remoteTracks.set(upTrack, { section, count: (shown?.count ?? 0) + (isNew ? 1 : 0) });
    if (shown?.section !== section) this.send({ type: "add_remote_track", upTrack, section });
  }

  /** One of those who show it does so no more. */
  releaseRemoteTrack(upTrack: UpTrackId): void {
    const shown = this.#remoteTracks.get(upTrack);
    if (shown === undefined) return;
    if (shown.count > 1) {
      this.#remoteTracks.set(upTrack, { ...shown, count: shown.count - 1 });
      return;
    }
    this.#remoteTracks.delete(upTrack);
    this.send({ type: "remove_remote_track", upTrack });
  }

  /**
   * Who has a data track of another node, in the room in which its publisher goes by `sid`.
   *
   * @param handle The publisher's.
   */
  routeRemoteData(
    track: DataTrackId,
    handle: number,
    sid: string,
    receivers: readonly DataTrackReceiver[],
  ): void {
    const rooms = this.#remoteData.get(track) ?? new Map();
    if (receivers.length > 0) this.#remoteData.set(track, rooms.set(sid, receivers));
    else if (!rooms.delete(sid)) return;
    if (rooms.size === 0) this.#remoteData.delete(track);
    const all = [...rooms.values()].flat();
    this.send({ type: "set_remote_data_track", track, handle, receivers: all });
  }

  /** Where the client of a connection that was opened reaches it. */
  addressesOf(connection: ConnectionId): readonly MediaAddress[] {
    return this.engine.addressesOf(connection);
  }

  /** Asks the media plane for its figures. */
  stats(): Promise<EngineStats> {
    const request = ++this.#lastId;
    return new Promise((resolve) => {
      this.#stats.set(request, resolve);
      this.engine.send({ type: "request_stats", request });
    });
  }

  /** Give every `MediaEngine.onEvent` to this. Never throws. */
  dispatch(event: MediaEvent): void {
    if (isNodeEvent(event)) return this.onNodeEvent(event);
    if (event.type === "stats") {
      this.#stats.get(event.request)?.(event.stats);
      this.#stats.delete(event.request);
      return;
    }
    if (event.type === "down_track_layer" || event.type === "down_track_paused") {
      return this.#dispatchDownTrack(event);
    }
    if (event.type === "recorded" || event.type === "recording_lost") {
      return this.#dispatchRecording(event);
    }
    if (isCaptureEvent(event)) return this.#dispatchCapture(event);
    if (event.type === "audio_levels") return this.#dispatchLevels(event.levels);
    if (event.type === "quality_report") return this.#dispatchQuality(event);
    // Addresses are asked for when a connection is described.
    if (event.type === "addresses_changed") return;
    const owner = this.#owners.get(event.connection);
    if (owner === undefined) return;
    try {
      owner.handleEngineEvent(event);
    } catch (error) {
      owner.handleBug(error);
    }
  }

  #dispatchDownTrack(event: DownTrackEvent): void {
    const { downTrack } = event;
    try {
      if (event.type === "down_track_paused") this.#pauseListeners.get(downTrack)?.(event.paused);
      else this.#layerListeners.get(downTrack)?.(event.spatial);
    } catch (error) {
      this.log.error("down-track listener failed", { error: String(error) });
    }
  }

  #dispatchRecording(event: RecordingEvent): void {
    try {
      this.#recordings.get(event.downTrack)?.(event);
    } catch (error) {
      this.log.error("recording listener failed", { error: String(error) });
    }
  }

  #dispatchCapture(event: CaptureEvent): void {
    try {
      this.#captures.get(event.connection)?.(event);
    } catch (error) {
      this.log.error("capture listener failed", { error: String(error) });
    }
  }

  #dispatchQuality(report: QualityReport): void {
    try {
      this.#qualityListeners.get(report.connection)?.(report);
    } catch (error) {
      this.log.error("quality listener failed", { error: String(error) });
    }
  }

  #dispatchLevels(levels: readonly AudioLevelEntry[]): void {
    const byListener = new Map<LevelListener, AudioLevelEntry[]>();
    for (const entry of levels) {
      for (const listener of this.#levelListeners.get(entry.upTrack) ?? []) {
        const entries = byListener.get(listener);
        if (entries === undefined) byListener.set(listener, [entry]);
        else entries.push(entry);
      }
    }
    for (const [listener, entries] of byListener) {
      try {
        listener.audioLevels(entries);
      } catch (error) {
        this.log.error("level listener failed", { error: String(error) });
      }
    }
  }
}
