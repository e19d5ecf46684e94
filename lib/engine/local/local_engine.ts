/**
 * The media engine in this thread: opens the sockets, carries out commands, and drives everything
 * that is timed with one timer, set to the earliest time that any connection has given: whoever has
 * nothing to do costs nothing.
 *
 * Each command goes to the part it concerns: connections, relays, data.
 *
 * @module
 */
import { DropCounters } from "../../base/drop_counters.ts";
import type { UpTrackId } from "../../base/ids.ts";
import type { MediaAddress } from "../../base/media_vocabulary.ts";
import { WakeTimer } from "../../base/wake_timer.ts";
import { type AudioLevelOptions, DEFAULT_AUDIO_LEVEL } from "../../media/up/audio_level.ts";
import { FanOutBatch } from "../../media/packet/fan_out_batch.ts";
import type { UpTrack } from "../../media/up/up_track.ts";
import { createCertificate } from "../../transport/dtls/dtls_certificate.ts";
import { IceDirectory } from "../../transport/ice/ice_directory.ts";
import { chooseMediaPorts } from "../../transport/media_ports.ts";
import { AudioLevelReport } from "./audio_level_report.ts";
import { DataPlane } from "../data/data_plane.ts";
import { DeferredWork } from "./deferred_work.ts";
import { EngineRelays } from "../relay/engine_relays.ts";
import { EngineConnections, GRAIN_MS, QUIET_GRAIN_MS } from "./engine_connections.ts";
import {
  DEFAULT_CONGESTION,
  type EngineTotals,
  type LocalEngineOptions,
  type ThreadEngine,
} from "./local_engine_options.ts";
import { ForwardLatency } from "./forward_latency.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { EngineReady, MediaEvent } from "../messages/media_messages.ts";
import { EngineSockets } from "./engine_sockets.ts";

/** An engine that has not opened anything yet. */
export function createLocalEngine(options: LocalEngineOptions): ThreadEngine {
  return new LocalEngine(options);
}

class LocalEngine implements ThreadEngine {
  onEvent: (event: MediaEvent) => void = () => {};
  readonly #options: LocalEngineOptions;
  readonly #drops: NonNullable<LocalEngineOptions["drops"]>;
  /** Absent until the sockets are open. */
  #connections: EngineConnections | undefined;
  readonly #upTracks = new Map<UpTrackId, UpTrack>();
  readonly #speakers = new Set<UpTrackId>();
  readonly #data: DataPlane;
  readonly #batch = new FanOutBatch();
  readonly #deferred: DeferredWork;
  readonly #latency = new ForwardLatency();
  readonly #sockets: EngineSockets;
  readonly #audioLevel: AudioLevelOptions;
  readonly #levels: AudioLevelReport;
  readonly #relays: EngineRelays;
  #addresses: readonly MediaAddress[] = [];
  /** Time spent on timers and relays, µs; sockets count their own. */
  #busyUs = 0;
  readonly #wakeTimer: WakeTimer;
  /** Absent until the sockets are open. */
  #crypto: LocalEngineOptions["crypto"];
  #cancelDataTurn: (() => void) | undefined;
  #isClosed = false;

  constructor(options: LocalEngineOptions) {
    this.#options = options;
    this.#drops = options.drops ?? new DropCounters();
    this.#sockets = new EngineSockets({
      ...options,
      drops: this.#drops,
      onBatchEnd: (now) => this.#endBatch(now),
      onFlushing: () => this.#connections?.flushing(),
      onFlushed: (datagrams) => this.#connections?.flushed(datagrams),
      onAddresses: () => this.#tellAddresses(),
      onSockets: () => this.#relays.hops.socketsChanged(this.#now()),
      onHop: (bytes, length, remote, datagrams, now) =>
        this.#relays.hops.receive(bytes, length, remote, datagrams, now),
    });
    this.#audioLevel = options.audioLevel ?? DEFAULT_AUDIO_LEVEL;
    this.#levels = new AudioLevelReport(this.#upTracks, this.#audioLevel.updateIntervalMs);
    const { clock, timers, log } = options.platform;
    this.#wakeTimer = new WakeTimer(options.platform, (now) => this.#wake(now), GRAIN_MS);
    this.#deferred = new DeferredWork(clock, timers, (error) => {
      this.#drops.count("engine_threw");
      log.error("Media engine failed on deferred work", { error });
    });
    this.#data = new DataPlane({
      clock,
      drops: this.#drops,
      endpoint: (connection) => this.#connections?.get(connection),
      emit: (event) => this.onEvent(event),
      failed: (connection, error) => this.#connections?.failed(connection, error),
      timed: this.#timed,
      lane: (engine) => this.#relays.lane(engine),
    });
    this.#relays = new EngineRelays(options.relays, {
      clock,
      log,
      drops: this.#drops,
      upTracks: this.#upTracks,
      batch: this.#batch,
      data: this.#data,
      endBatch: (now) => {
        // What was sent on is answered.
        this.#active(clock.nowUs());
        this.#endBatch(now);
      },
      spent: (us) => this.#busyUs += us,
    }, {
      random: options.platform.random,
      crypto: () => this.#crypto!,
      sockets: () => this.#sockets.udp,
      emit: (event) => this.onEvent(event),
      timed: this.#timed,
    });
  }

  async start(): Promise<EngineReady> {
    const { platform } = this.#options;
    const directory = new IceDirectory(this.#drops);
    const ports = chooseMediaPorts(this.#options.native ?? "off");
    const certificate = this.#options.certificate ?? createCertificate();
    try {
      await this.#sockets.open(directory, ports);
    } catch (error) {
      await this.close();
      throw error;
    }
    const crypto = this.#crypto = this.#options.crypto ?? ports.crypto;
    this.#connections = new EngineConnections({
      platform,
      directory,
      certificate,
      drops: this.#drops,
      upTracks: this.#upTracks,
      loudest: this.#relays.loudest,
      speakers: this.#speakers,
      emit: (event) => this.onEvent(event),
      audioLevel: this.#audioLevel,
      latency: this.#latency,
      crypto,
      congestion: this.#options.congestion ?? DEFAULT_CONGESTION,
      pliThrottleMs: this.#options.pliThrottleMs,
      tellsFarLoss: this.#options.tellsFarLoss,
      data: this.#data,
      deferred: this.#deferred,
      batch: this.#batch,
      gone: (connection) => this.#data.forget(connection),
      timed: this.#timed,
      dataPending: () => queueMicrotask(this.#dataTurn),
      active: this.#active,
      held: (nowUs) => this.#options.loop?.prompt(nowUs),
    });
    this.#relays.start();
    const { addresses, hosts, relayAddresses } = this.#sockets;
    this.#addresses = addresses;
    const { fingerprint } = certificate;
    const relays = [{ addresses: relayAddresses }];
    return { fingerprint, addresses, hosts, ports: ports.description, relays };
  }

  addressesOf(): readonly MediaAddress[] {
    return this.#addresses;
  }

  /** From now on connections are described with other addresses. */
  #tellAddresses(): void {
    if (this.#isClosed) return;
    const { addresses, hosts, relayAddresses } = this.#sockets;
    this.#addresses = addresses;
    const relays = [{ addresses: relayAddresses }];
    this.onEvent({ type: "addresses_changed", addresses, hosts, relays });
  }

  totals(): EngineTotals {
    const { busyUs, packetsOut } = this.#sockets;
    return { busyUs: busyUs + this.#busyUs, packetsOut };
  }

  send(command: EngineCommand): void {
    const connections = this.#connections;
    if (connections === undefined || this.#isClosed) return;
    if (command.type !== "request_stats") this.#active(this.#options.platform.clock.nowUs());
    this.#carryOut(command, connections);
    this.#timed(this.#sharedWakeAt());
  }

  #carryOut(command: EngineCommand, connections: EngineConnections): void {
    switch (command.type) {
      case "set_up_track_muted":
        // Of a relayed one its own engine tells, in order with the packets.
        if (this.#relays.has(command.upTrack)) return;
        this.#upTracks.get(command.upTrack)?.setMuted(command.muted, this.#now());
        return;
      case "set_speaker":
        if (command.speaks) this.#speakers.add(command.upTrack);
        else this.#speakers.delete(command.upTrack);
        return;
      case "limit_audio":
        return this.#relays.loudest.limit(command.room, command.tracks, this.#now());
      case "set_data_member":
      case "remove_data_member":
      case "send_room_data":
      case "set_data_track_routes":
        return this.#data.carryOut(command);
      case "set_relayed_data_track":
        this.#relays.expectDataTrack(command);
        return this.#data.carryOut(command);
      case "send_relay":
      case "stop_relay":
      case "receive_relay":
      case "end_relay":
        return this.#relays.carryOut(command, this.#now());
      case "connect_relay":
        return this.#relays.connect(command.peer);
      case "connect_hop":
        return this.#relays.connectHop(command.peer);
      case "move_hop":
        return this.#relays.hops.move(command.index, command.addresses, this.#now());
      case "hop_datagram": {
        const now = this.#now();
        this.#relays.hops.receiveOther(command.index, command.bytes, now);
        return this.#endBatch(now);
      }
      case "source_packets":
        connections.carryOut(command);
        return this.#endBatch(this.#now());
      case "hop_queue":
        return this.#relays.hops.otherQueue(command.index, command.bytes, this.#now());
      case "disconnect_relay":
        return this.#relays.disconnect(command.index);
      case "request_stats":
        return this.#reportStats(command.request, connections);
      default:
        // What is about other nodes a pool turns into relays.
        if ("connection" in command || "downTrack" in command) connections.carryOut(command);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wakeTimer.stop();
    this.#cancelDataTurn?.();
    this.#relays.close();
    this.#deferred.close();
    this.#connections?.close();
    this.#sockets.flush();
    // The goodbyes are queued in the socket's own time; one turn lets them leave.
    await new Promise<void>((resolve) => this.#options.platform.timers.after(0, resolve));
    await this.#sockets.close();
  }

  /** Somebody has timed work at `at`. */
  readonly #timed = (at: number) => this.#wakeTimer.atMost(at, this.#grainMs(GRAIN_MS));

  /**
   * How far apart turns of timed work are: while nobody waits for what comes, none of it is in a
   * hurry, and it is done when checks and reports are received.
   *
   * @param usualMs How far apart they are at other times; closer than usual is what a burst wants.
   */
  #grainMs(usualMs: number): number {
    const { loop, platform: { clock } } = this.#options;
    const isBurst = usualMs < GRAIN_MS;
    if (isBurst || loop === undefined || this.#relays.isActive) return usualMs;
    return loop.isQuiet(clock.nowUs()) ? QUIET_GRAIN_MS : usualMs;
  }

  /** Somebody waits for what comes next. */
  readonly #active = (nowUs: number) => {
    const { loop } = this.#options;
    if (loop === undefined) return;
    const wasQuiet = loop.isQuiet(nowUs);
    loop.active(nowUs);
    if (wasQuiet) this.#endQuiet();
  };

  /** What was put off while nobody waited is in a hurry again, and nobody will tell of it anew. */
  #endQuiet(): void {
    const connections = this.#connections;
    if (connections === undefined || this.#isClosed) return;
    const at = Math.min(connections.nextWakeAt, this.#sharedWakeAt());
    this.#wakeTimer.set(at, connections.grainMs);
  }

  /** What was received in one go leaves in the same turn, whatever it came over. */
  #endBatch(now: number): void {
    this.#relays.hops.endBatch(now);
    this.#batch.begin(now);
    this.#relays.hops.flush(now);
    this.#batch.end(now);
    // Media does not wait until data has had its turn.
    if (this.#connections?.hasDataTurn) this.#sockets.flush();
    this.#seeToData(now);
    this.#relays.hops.flush(now);
    this.#sockets.flush();
    this.#connections?.settle();
    if (this.#latency.isWatching) this.#latency.batchEnded(this.#options.platform.clock.nowUs());
    this.#deferred.run();
  }

  /** Of what is sent outside batches: everything of one turn of the event loop together. */
  readonly #dataTurn = () => this.#seeToData(this.#now());

  /** What is more than one turn's share goes on in the next. */
  #seeToData(now: number): void {
    if (this.#isClosed || !this.#connections?.dataTurn(now)) return;
    this.#cancelDataTurn ??= this.#options.platform.timers.after(0, () => {
      this.#cancelDataTurn = undefined;
      this.#dataTurn();
    });
  }

  /** Does what is due, and sets the timer for what is next. */
  #wake(now: number): void {
    const { clock, log } = this.#options.platform;
    const connections = this.#connections;
    if (connections === undefined) return;
    const startedUs = clock.nowUs();
    try {
      connections.wake(now);
      this.#data.tick(now);
      this.#seeToData(now);
      this.#relays.tick(now);
      this.#sockets.flush();
      connections.settle();
      const levels = this.#levels.collect(now);
      if (levels.length > 0) this.onEvent({ type: "audio_levels", levels });
    } catch (error) {
      // What even the guards let through must not stop the time of everybody.
      this.#drops.count("engine_threw");
      log.error("Media engine failed on timed work", { error });
    }
    this.#busyUs += clock.nowUs() - startedUs;
    if (this.#isClosed) return;
    const at = Math.min(connections.nextWakeAt, this.#sharedWakeAt());
    this.#wakeTimer.set(at, this.#grainMs(connections.grainMs));
  }

  /** When there is timed work that is no single connection's; `Infinity` if nothing is foreseen. */
  #sharedWakeAt(): number {
    const now = this.#now();
    const relays = this.#relays;
    const pollAt = relays.isActive ? now + GRAIN_MS : Infinity;
    const hopsAt = relays.hops.nextWakeAt;
    return Math.min(this.#levels.nextWakeAt(), this.#data.nextWakeAt(now), pollAt, hopsAt);
  }

  #reportStats(request: number, engine: EngineConnections): void {
    const connections = engine.all();
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
        messagesSent: this.#data.messagesSent,
        forwardLatencyUs: this.#latency.take(),
        upTracks: [...this.#upTracks]
          .filter(([upTrack]) => !this.#relays.has(upTrack))
          .map(([upTrack, track]) => ({ upTrack, layers: track.stats() })),
        downTracks: connections.flatMap((connection) => connection.sending.stats()),
        sendPaths: connections.flatMap(({ id, sending }) => {
          const path = sending.bandwidth.stats();
          return path === undefined ? [] : [{ connection: id, ...path }];
        }),
        relays: this.#relays.hops.stats(),
        drops,
      },
    });
  }

  #now(): number {
    return this.#options.platform.clock.now();
  }
}
