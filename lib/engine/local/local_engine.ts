/**
 * The media engine in this thread: opens the sockets, carries out commands, and drives everything
 * that is timed with one timer, set to the earliest time that any connection has given: whoever has
 * nothing to do costs nothing.
 *
 * A throw while carrying out a command, or on a tick, is a bug of ours: it closes the connection it
 * happened on, is logged and counted, and nobody else notices.
 *
 * @module
 */
import { DropCounters } from "../../base/drop_counters.ts";
import type { ConnectionId, DownTrackId, UpTrackId } from "../../base/ids.ts";
import type { MediaAddress } from "../../base/media_vocabulary.ts";
import type { Platform } from "../../base/platform.ts";
import { WakeQueue } from "../../base/wake_queue.ts";
import { WakeTimer } from "../../base/wake_timer.ts";
import { type AudioLevelOptions, DEFAULT_AUDIO_LEVEL } from "../../media/up/audio_level.ts";
import { FanOutBatch } from "../../media/packet/fan_out_batch.ts";
import type { UpTrack } from "../../media/up/up_track.ts";
import type { DistantTcp } from "../../transport/tcp/distant_tcp.ts";
import { createCertificate, type DtlsCertificate } from "../../transport/dtls/dtls_certificate.ts";
import { IceDirectory } from "../../transport/ice/ice_directory.ts";
import type { PacketMarks } from "../../transport/datagrams/datagrams.ts";
import { chooseMediaPorts } from "../../transport/media_ports.ts";
import type { NativeUse, SrtpEngine } from "../../transport/srtp/srtp_engine.ts";
import { AudioLevelReport } from "./audio_level_report.ts";
import { DataFlow } from "./data_flow.ts";
import { DeferredWork } from "./deferred_work.ts";
import { EngineConnection, type EngineShared } from "./engine_connection.ts";
import { EngineRelays, type RelayNeighbours } from "../relay/engine_relays.ts";
import { ForwardLatency } from "./forward_latency.ts";
import type { EngineCommand, EngineEvent, SingleEngine } from "../messages/engine_messages.ts";
import type { EngineReady } from "../messages/media_messages.ts";
import { EngineSockets } from "./engine_sockets.ts";
import type { ListenAddress } from "../messages/listen_address.ts";
import type { AddressChoice } from "../messages/udp_listeners.ts";

/**
 * Timed work is done in turns so far apart, ms, and a connection's no more often: what is due a
 * little later is one turn then. The shortest useful NACK delay is twice that.
 */
const GRAIN_MS = 10;

/** Where the engine listens and how clients reach it. */
export interface LocalEngineOptions extends AddressChoice {
  readonly platform: Platform;
  /** Addresses to bind for UDP; a wildcard is a socket for each address. Port 0 takes any. */
  readonly udp: readonly ListenAddress[];
  /** Addresses to bind for ICE over TCP; may be empty. */
  readonly tcp: readonly ListenAddress[];
  /** Literal addresses for candidates, in order of preference, each valid for all sockets. */
  readonly advertised: readonly string[];
  readonly drops?: DropCounters;
  /** How loudness is measured; LiveKit's defaults if absent. */
  readonly audioLevel?: AudioLevelOptions;
  /** Whether sockets and ciphers use native code; `off` if absent. */
  readonly native?: NativeUse;
  /** How packets are marked; not at all if absent. */
  readonly marks?: PacketMarks;
  /** What seals media, in place of what `native` means. */
  readonly srtp?: SrtpEngine;
  /** The other engines of this process, for rooms that span several; absent if it is alone. */
  readonly relays?: RelayNeighbours;
  /** Made here if absent. Engines that one client may meet share it. */
  readonly certificate?: DtlsCertificate;
  /** ICE over TCP that another thread listens for. */
  readonly distantTcp?: DistantTcp;
}

/** How much an engine has done since it started. */
export interface EngineTotals {
  /** Time spent on packets and timed work, µs. */
  readonly busyUs: number;
  /** Datagrams handed to the system. */
  readonly packetsOut: number;
}

/** An engine in this thread. */
export interface ThreadEngine extends SingleEngine {
  totals(): EngineTotals;
}

type ConnectionCommand = Extract<EngineCommand, { readonly connection: ConnectionId }>;

/** An engine that has not opened anything yet. */
export function createLocalEngine(options: LocalEngineOptions): ThreadEngine {
  return new LocalEngine(options);
}

class LocalEngine implements ThreadEngine {
  onEvent: (event: EngineEvent) => void = () => {};
  readonly #options: LocalEngineOptions;
  readonly #drops: DropCounters;
  readonly #connections = new Map<ConnectionId, EngineConnection>();
  /** Which connection sends a down-track. */
  readonly #downTracks = new Map<DownTrackId, ConnectionId>();
  readonly #upTracks = new Map<UpTrackId, UpTrack>();
  readonly #dataFlow: DataFlow;
  readonly #batch = new FanOutBatch();
  readonly #deferred: DeferredWork;
  readonly #latency = new ForwardLatency();
  readonly #sockets: EngineSockets;
  readonly #audioLevel: AudioLevelOptions;
  readonly #levels: AudioLevelReport;
  readonly #relays: EngineRelays;
  #shared: EngineShared | undefined;
  #addresses: readonly MediaAddress[] = [];
  /** Time spent on timers and relays, µs; sockets count their own. */
  #busyUs = 0;
  /** Connections by when they have timed work. */
  readonly #wakes = new WakeQueue<EngineConnection>();
  readonly #wakeTimer: WakeTimer;
  #isClosed = false;

  constructor(options: LocalEngineOptions) {
    this.#options = options;
    this.#drops = options.drops ?? new DropCounters();
    this.#dataFlow = new DataFlow(
      (id) => this.#connections.get(id),
      this.#drops,
      options.relays && {
        hold: (connection, held) => this.onEvent({ type: "data_writer_held", connection, held }),
        pass: (connection, engines, bytes) =>
          this.onEvent({ type: "data_track_packet", connection, engines, bytes }),
      },
    );
    this.#sockets = new EngineSockets({
      ...options,
      drops: this.#drops,
      onBatchEnd: (now) => this.#endBatch(now),
    });
    this.#audioLevel = options.audioLevel ?? DEFAULT_AUDIO_LEVEL;
    this.#levels = new AudioLevelReport(this.#upTracks, this.#audioLevel.updateIntervalMs);
    const { clock, timers, log } = options.platform;
    this.#wakeTimer = new WakeTimer(options.platform, (now) => this.#wake(now), GRAIN_MS);
    this.#deferred = new DeferredWork(clock, timers, (error) => {
      this.#drops.count("engine_threw");
      log.error("Media engine failed on deferred work", { error });
    });
    this.#relays = new EngineRelays(options.relays, {
      clock,
      log,
      drops: this.#drops,
      upTracks: this.#upTracks,
      batch: this.#batch,
      endBatch: (now) => this.#endBatch(now),
      spent: (us) => this.#busyUs += us,
    });
  }

  async start(): Promise<EngineReady> {
    const { platform, advertised } = this.#options;
    const directory = new IceDirectory(this.#drops);
    const ports = chooseMediaPorts(this.#options.native ?? "off");
    const certificate = this.#options.certificate ?? await createCertificate();
    try {
      await this.#sockets.open(directory, ports);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#shared = {
      platform,
      directory,
      certificate,
      drops: this.#drops,
      upTracks: this.#upTracks,
      emit: (event) => this.onEvent(event),
      audioLevel: this.#audioLevel,
      latency: this.#latency,
      srtp: this.#options.srtp ?? ports.srtp,
      forwardDataTrack: (from, packet) => this.#dataFlow.forward(from, packet),
      deferred: this.#deferred,
      batch: this.#batch,
      failed: (connection, error) => this.#failed(connection, error),
      ended: (connection) => this.#forget(connection),
      wakeAt: (entry, at) => {
        this.#wakes.move(entry, at);
        this.#wakeTimer.atMost(at);
      },
    };
    this.#relays.start();
    const addresses = this.#addresses = this.#sockets.addresses(advertised);
    const { fingerprint } = certificate;
    return { fingerprint, addresses, ports: ports.description };
  }

  addressesOf(_connection: ConnectionId): readonly MediaAddress[] {
    return this.#addresses;
  }

  totals(): EngineTotals {
    const { busyUs, packetsOut } = this.#sockets;
    return { busyUs: busyUs + this.#busyUs, packetsOut };
  }

  send(command: EngineCommand): void {
    if (this.#shared === undefined || this.#isClosed) return;
    this.#carryOutAny(command, this.#shared);
    this.#wakeTimer.atMost(this.#sharedWakeAt());
  }

  #carryOutAny(command: EngineCommand, shared: EngineShared): void {
    switch (command.type) {
      case "set_up_track_muted":
        // Of a relayed one its own engine tells, in order with the packets.
        if (this.#relays.has(command.upTrack)) return;
        this.#upTracks.get(command.upTrack)?.setMuted(command.muted, this.#now());
        return;
      case "set_down_track_target":
        this.#ofDownTrack(command.downTrack)?.sending
          .setTarget(command.downTrack, command.target, this.#now());
        return;
      case "set_down_track_source": {
        const upTrack = this.#upTracks.get(command.upTrack);
        if (upTrack === undefined) return;
        this.#ofDownTrack(command.downTrack)?.sending
          .setSource(command.downTrack, command.upTrack, upTrack, this.#now());
        return;
      }
      case "remove_down_track":
        this.#ofDownTrack(command.downTrack)?.sending.remove(command.downTrack);
        this.#downTracks.delete(command.downTrack);
        return;
      case "send_data":
        for (const id of command.connections) {
          this.#guard(id, () => this.#dataFlow.send(id, command.kind, command.bytes, command.from));
        }
        return;
      case "set_data_track_routes":
        return this.#dataFlow.setRoutes(command.connection, command.routes);
      case "send_relay":
      case "stop_relay":
      case "receive_relay":
      case "end_relay":
        return this.#relays.carryOut(command, this.#now());
      case "connect_relay":
        return this.#relays.connect(command.peer);
      case "hold_data":
        return this.#guard(
          command.connection,
          () => this.#dataFlow.holdFromAfar(command.connection, command.held),
        );
      case "forward_data_track":
        return this.#dataFlow.forward(command.connection, command.bytes);
      case "request_stats":
        return this.#reportStats(command.request);
      default:
        this.#guard(command.connection, () => this.#carryOut(command, shared));
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wakeTimer.stop();
    this.#relays.close();
    this.#deferred.close();
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
    this.#sockets.flush();
    // The goodbyes are queued in the socket's own time; one turn lets them leave.
    await new Promise<void>((resolve) => this.#options.platform.timers.after(0, resolve));
    await this.#sockets.close();
  }

  /** What was received in one go leaves in the same turn, whatever it came over. */
  #endBatch(now: number): void {
    this.#batch.end(now);
    this.#sockets.flush();
    if (this.#latency.isWatching) this.#latency.batchEnded(this.#options.platform.clock.nowUs());
    this.#deferred.run();
  }

  #carryOut(command: ConnectionCommand, shared: EngineShared): void {
    const id = command.connection;
    if (command.type === "open_connection") {
      if (this.#connections.has(id)) return;
      const { local, dataChannels, dataPolicy } = command;
      const opened = new EngineConnection(id, local, dataChannels, shared, dataPolicy);
      this.#connections.set(id, opened);
      return;
    }
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
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
      case "set_receive":
        return connection.receiving.setSections(command.sections);
      case "add_down_track": {
        const upTrack = this.#upTracks.get(command.upTrack);
        if (upTrack === undefined || this.#downTracks.has(command.downTrack)) return;
        this.#downTracks.set(command.downTrack, id);
        return connection.sending.add(
          command.downTrack,
          command.upTrack,
          upTrack,
          command.section,
          command.target,
          this.#now(),
        );
      }
      case "close_connection":
        this.#forget(id);
        return connection.close();
    }
  }

  #forget(id: ConnectionId): void {
    const connection = this.#connections.get(id);
    if (connection !== undefined) this.#wakes.move(connection.wake, Infinity);
    this.#connections.delete(id);
    this.#dataFlow.forget(id);
    for (const [downTrack, connection] of this.#downTracks) {
      if (connection === id) this.#downTracks.delete(downTrack);
    }
  }

  #ofDownTrack(id: DownTrackId): EngineConnection | undefined {
    const connection = this.#downTracks.get(id);
    return connection === undefined ? undefined : this.#connections.get(connection);
  }

  /** Runs `step`; a throw closes `id` and is told as a failure of it alone. */
  #guard(id: ConnectionId, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#failed(id, error);
    }
  }

  #failed(id: ConnectionId, error: unknown): void {
    this.#drops.count("engine_threw");
    this.#options.platform.log.error("Media engine failed on a connection", {
      connection: id,
      error,
    });
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    this.#forget(id);
    connection.close();
    this.onEvent({ type: "connection_failed", connection: id, reason: "internal_error" });
  }

  /** Does what is due, and sets the timer for what is next. */
  #wake(now: number): void {
    const { clock, log } = this.#options.platform;
    const startedUs = clock.nowUs();
    try {
      this.#wakeConnections(now);
      this.#dataFlow.tick((id, step) => this.#guard(id, step));
      this.#relays.tick(now);
      this.#sockets.flush();
      const levels = this.#levels.collect(now);
      if (levels.length > 0) this.onEvent({ type: "audio_levels", levels });
    } catch (error) {
      // What even the guards let through must not stop the time of everybody.
      this.#drops.count("engine_threw");
      log.error("Media engine failed on timed work", { error });
    }
    this.#busyUs += clock.nowUs() - startedUs;
    if (!this.#isClosed) this.#wakeTimer.set(Math.min(this.#wakes.nextAt, this.#sharedWakeAt()));
  }

  #wakeConnections(now: number): void {
    for (;;) {
      const connection = this.#wakes.take(now);
      if (connection === undefined) return;
      try {
        connection.tick(now);
        const at = connection.nextWakeAt();
        if (at !== Infinity) this.#wakes.move(connection.wake, Math.max(at, now + GRAIN_MS));
      } catch (error) {
        this.#failed(connection.id, error);
      }
    }
  }

  /** When there is timed work that is no single connection's; `Infinity` if nothing is foreseen. */
  #sharedWakeAt(): number {
    const isPolled = this.#dataFlow.isWaiting || this.#relays.isActive;
    return Math.min(this.#levels.nextWakeAt(), isPolled ? this.#now() + GRAIN_MS : Infinity);
  }

  #reportStats(request: number): void {
    const connections = [...this.#connections.values()];
    const drops = this.#drops.snapshot();
    for (const upTrack of this.#upTracks.values()) upTrack.drops.addTo(drops);
    for (const connection of connections) connection.sending.addDropsTo(drops);
    this.onEvent({
      type: "stats",
      request,
      stats: {
        connections: connections.length,
        sockets: this.#sockets.count,
        datagramsSent: this.#sockets.packetsOut,
        forwardLatencyUs: this.#latency.take(),
        upTracks: [...this.#upTracks]
          .filter(([upTrack]) => !this.#relays.has(upTrack))
          .map(([upTrack, track]) => ({ upTrack, layers: track.stats() })),
        downTracks: connections.flatMap((connection) => connection.sending.stats()),
        drops,
      },
    });
  }

  #now(): number {
    return this.#options.platform.clock.now();
  }
}
