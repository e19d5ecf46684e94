/**
 * The connections of one engine, with the down-tracks they send, those that are recorded, and their
 * timed work.
 *
 * A throw on behalf of a connection, in a command or on a tick, is a bug of ours: it closes that
 * connection, is logged and counted, and nobody else notices.
 *
 * @module
 */
import type { ConnectionId, DownTrackId } from "../../base/ids.ts";
import { WakeQueue } from "../../base/wake_queue.ts";
import { QUIET_REPORTS_GRAIN_US } from "../../transport/datagrams/receive_pace.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { RecordingCommand } from "../messages/recording_messages.ts";
import { DataTurns } from "./data_turns.ts";
import { Departures } from "./departures.ts";
import { EngineConnection, type EngineShared } from "./engine_connection.ts";
import { RecordedTracks } from "./recorded_tracks.ts";
import { RtcpScratch } from "./rtcp_scratch.ts";

/**
 * Timed work is done in turns so far apart, ms, and a connection's no more often: what is due a
 * little later is one turn then. The shortest useful NACK delay is twice that.
 */
export const GRAIN_MS = 10;
/** The same while nobody waits for what comes: with what is received then, ms. */
export const QUIET_GRAIN_MS = QUIET_REPORTS_GRAIN_US / 1_000;
/** Of who sends a burst that is to show what a path carries: with 10 ms it would be lumps. */
const BURST_GRAIN_MS = 5;

/** A command about one connection, or about a down-track that one sends. */
export type ConnectionCommand = Extract<
  EngineCommand,
  { readonly connection: ConnectionId } | { readonly downTrack: DownTrackId }
>;

type OwnCommand = Exclude<ConnectionCommand, RecordingCommand>;

/** What the connections of an engine are given of it. */
export interface ConnectionsWorld
  extends
    Omit<EngineShared, "rtcp" | "departures" | "failed" | "ended" | "wakeAt" | "dataPending"> {
  /** A connection is no longer here. */
  readonly gone: (connection: ConnectionId) => void;
  /** Some connection has timed work at `at`, perhaps sooner than all others. */
  readonly timed: (at: number) => void;
  /** Some connection has data to see to, by {@linkcode EngineConnections.dataTurn}. */
  readonly dataPending: () => void;
}

/**
 * One engine's connections. An exception on behalf of one closes it alone and is told once; what is
 * not here is passed over.
 */
export class EngineConnections {
  readonly #world: ConnectionsWorld;
  readonly #shared: EngineShared;
  readonly #connections = new Map<ConnectionId, EngineConnection>();
  /** Which connection sends a down-track. */
  readonly #downTracks = new Map<DownTrackId, ConnectionId>();
  /** The same by connection: one that ends is not looked for among everybody's. */
  readonly #downTracksOf = new Map<ConnectionId, Set<DownTrackId>>();
  /** Connections by when they have timed work. */
  readonly #wakes = new WakeQueue<EngineConnection>();
  readonly #dataTurns: DataTurns<EngineConnection>;
  readonly #recorded: RecordedTracks;
  readonly #departures = new Departures();
  /** Since the start. */
  #opened = 0;

  constructor(world: ConnectionsWorld) {
    this.#world = world;
    const { upTracks, emit, timed, drops, platform: { log } } = world;
    this.#recorded = new RecordedTracks({ upTracks, emit, timed, drops, log });
    this.#shared = {
      ...world,
      rtcp: new RtcpScratch(),
      departures: this.#departures,
      failed: (connection, error) => this.failed(connection, error),
      ended: (connection) => this.#forget(connection),
      wakeAt: (entry, at) => {
        this.#wakes.move(entry, at);
        world.timed(at);
      },
      dataPending: (connection) => {
        if (!this.#dataTurns.isWaiting) world.dataPending();
        this.#dataTurns.add(connection);
      },
    };
    this.#dataTurns = new DataTurns(
      world.platform.clock,
      ({ id }, error) => this.failed(id, error),
    );
  }

  get(id: ConnectionId): EngineConnection | undefined {
    return this.#connections.get(id);
  }

  /** All of them, as they are now. */
  all(): EngineConnection[] {
    return [...this.#connections.values()];
  }

  /** How far apart turns are now. */
  grainMs: number = GRAIN_MS;

  /** When the first has timed work; `Infinity` if nothing is foreseen. */
  get nextWakeAt(): number {
    return Math.min(this.#wakes.nextAt, this.#recorded.nextWakeAt());
  }

  /** Does the timed work of those for whom it is due. */
  wake(now: number): void {
    this.#recorded.tick(now);
    this.grainMs = GRAIN_MS;
    for (;;) {
      const connection = this.#wakes.take(now);
      if (connection === undefined) return;
      try {
        connection.tick(now);
        const at = connection.nextWakeAt();
        if (at === Infinity) continue;
        const grainMs = connection.sending.bandwidth.isProbing ? BURST_GRAIN_MS : GRAIN_MS;
        this.grainMs = Math.min(this.grainMs, grainMs);
        this.#wakes.move(connection.wake, Math.max(at, now + grainMs));
      } catch (error) {
        this.failed(connection.id, error);
      }
    }
  }

  /** What was sent by one socket is about to be given to the kernel. */
  flushing(): void {
    if (this.#departures.isAwaited) this.#departures.leaving(this.#world.platform.clock.now());
  }

  /** It has been given what waited in this one. */
  flushed(socket: object): void {
    if (this.#departures.isAwaited) this.#departures.left(socket);
  }

  /** All that was sent in this turn was flushed, whatever it goes by. */
  settle(): void {
    this.#departures.settle();
  }

  /** Whether there is data to see to. */
  get hasDataTurn(): boolean {
    return this.#dataTurns.isWaiting;
  }

  /** Sees to data that came or is to go. Returns whether there is more than one turn's share. */
  dataTurn(now: number): boolean {
    this.#dataTurns.run(now);
    return this.#dataTurns.isWaiting;
  }

  /** Runs `step`; a throw closes `id` and is told as a failure of it alone. */
  guard(id: ConnectionId, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.failed(id, error);
    }
  }

  carryOut(command: ConnectionCommand): void {
    if (this.#recorded.carryOut(command, this.#world.platform.clock.now())) return;
    this.#carryOut(command as OwnCommand);
  }

  #carryOut(command: OwnCommand): void {
    const id = "connection" in command
      ? command.connection
      : this.#downTracks.get(command.downTrack);
    if (id === undefined) return;
    if (command.type === "open_connection") return this.guard(id, () => this.#open(command));
    const connection = this.#connections.get(id);
    if (connection !== undefined) this.guard(id, () => this.#command(command, connection));
  }

  /** Closes all. */
  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  #open(command: OpenConnection): void {
    const { connection } = command;
    if (this.#connections.has(connection)) return;
    const opened = new EngineConnection(command, this.#shared, this.#opened++);
    this.#connections.set(connection, opened);
    this.#downTracksOf.set(connection, new Set());
  }

  #command(
    command: Exclude<OwnCommand, OpenConnection>,
    connection: EngineConnection,
  ): void {
    const { upTracks, platform: { clock } } = this.#world;
    const { sending } = connection;
    switch (command.type) {
      case "set_remote":
        return connection.setRemote({
          ice: command.remote,
          fingerprints: command.fingerprints,
          ...(command.dtlsRole === undefined ? {} : { dtlsRole: command.dtlsRole }),
          ...(command.sctp === undefined ? {} : { sctp: command.sctp }),
        });
      case "restart_ice":
        return connection.restartIce(command.local);
      case "source_packets":
        return connection.takePackets(command.packets, clock.now());
      case "set_receive":
        connection.receiving.setSections(command.sections);
        return connection.described();
      case "add_down_track": {
        const { downTrack, section, target } = command;
        const upTrack = upTracks.get(command.upTrack);
        if (upTrack === undefined || this.#downTracks.has(downTrack)) return;
        this.#downTracks.set(downTrack, connection.id);
        this.#downTracksOf.get(connection.id)?.add(downTrack);
        sending.add(downTrack, command.upTrack, upTrack, section, target, clock.now());
        return connection.described();
      }
      case "set_down_track_target":
        return sending.setTarget(command.downTrack, command.target, clock.now());
      case "set_down_track_source": {
        const upTrack = upTracks.get(command.upTrack);
        if (upTrack === undefined) return;
        sending.setSource(command.downTrack, command.upTrack, upTrack, clock.now());
        return connection.described();
      }
      case "remove_down_track":
        sending.remove(command.downTrack, clock.now());
        this.#downTracks.delete(command.downTrack);
        this.#downTracksOf.get(connection.id)?.delete(command.downTrack);
        return connection.described();
      case "cap_bandwidth":
        return sending.capBandwidth(command.bps, clock.now());
      case "capture_packets":
        return connection.capture(command);
      case "close_connection":
        this.#forget(connection.id);
        return connection.close();
    }
  }

  #forget(id: ConnectionId): void {
    const connection = this.#connections.get(id);
    if (connection !== undefined) this.#wakes.move(connection.wake, Infinity);
    this.#connections.delete(id);
    this.#world.gone(id);
    for (const downTrack of this.#downTracksOf.get(id) ?? []) this.#downTracks.delete(downTrack);
    this.#downTracksOf.delete(id);
  }

  /** A bug of ours was hit on behalf of `id`: it is closed, and told as a failure of it alone. */
  failed(id: ConnectionId, error: unknown): void {
    const { drops, platform, emit } = this.#world;
    drops.count("engine_threw");
    platform.log.error("Media engine failed on a connection", { connection: id, error });
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    this.#forget(id);
    connection.close();
    emit({ type: "connection_failed", connection: id, reason: "internal_error" });
  }
}

type OpenConnection = Extract<EngineCommand, { readonly type: "open_connection" }>;
