/**
 * One media engine made of several: each connection lives on one of them, tracks cross where they
 * are wanted, and data goes where its receivers are. The control plane sees a single `MediaEngine`.
 *
 * Contract: commands keep their order for each connection. An engine that is lost takes its
 * connections with it, each told as failed with `worker_lost`, and comes back; nothing else
 * notices.
 *
 * @module
 */
import type { DropCounters } from "../../base/drop_counters.ts";
import { SfuError } from "../../base/errors.ts";
import { type ConnectionId, isDataTrackId } from "../../base/ids.ts";
import type { MediaAddress } from "../../base/media_vocabulary.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { TcpFromSession, TcpToSession } from "../../transport/tcp/tcp_handover.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { EngineReady, MediaEngine, MediaEvent } from "../messages/media_messages.ts";
import type { RelayEndpoint } from "../messages/node_messages.ts";
import { DEFAULT_PLACEMENT, Placement, type PlacementPolicy } from "./placement.ts";
import { PoolData } from "./pool_data.ts";
import { PoolDataTracks } from "./pool_data_tracks.ts";
import { HopWiring } from "./hop_wiring.ts";
import { mergeStats, PoolStats } from "./pool_stats.ts";
import { PoolTracks, type PoolTracksHost } from "./pool_tracks.ts";
import type { PooledEngine } from "./pooled_engine.ts";
import { RingWiring } from "./ring_wiring.ts";
import { RestartDelay } from "./restart_delay.ts";

/** ICE over TCP for all engines of a pool. */
export interface PoolTcp {
  /**
   * Starts listening.
   *
   * @param hosts The literal addresses that clients are shown.
   * @returns what clients are told.
   */
  start(hosts: readonly string[]): Promise<readonly MediaAddress[]>;
  /** What clients are told when they are shown other addresses. */
  addresses(hosts: readonly string[]): readonly MediaAddress[];
  receive(engine: number, message: TcpFromSession): void;
  engineLost(engine: number): void;
  close(): Promise<void>;
}

/** What listens needs of the pool. */
export interface PoolTcpHost {
  engineOfUfrag(ufrag: string): number | undefined;
  send(engine: number, message: TcpToSession): void;
}

/** What a pool is made of. */
export interface EnginePoolOptions {
  readonly platform: Platform;
  /** How many engines. */
  readonly size: number;
  /** Makes what they share, once, before the first. */
  readonly prepare?: () => Promise<void>;
  /** Makes one, for the first time or again. */
  readonly createEngine: (index: number) => PooledEngine;
  /**
   * A lost engine did not come back because its address is still taken: the next may use another.
   */
  readonly addressTaken?: (index: number) => void;
  readonly createTcp: (host: PoolTcpHost) => PoolTcp;
  readonly drops: DropCounters<EngineDrop>;
  readonly placement?: PlacementPolicy;
  /** Memory of a ring between two engines; for tests that need none. */
  readonly createRing?: () => SharedArrayBuffer;
  /** How the thread of an engine is woken, in all its lives; see `thread_bell.ts`. */
  readonly bellOf?: (engine: number) => number | undefined;
  /** All engines are closed. */
  readonly closed?: () => void;
}

/** Local ufrags of a connection that name it at once: that of its description, and restarts. */
const MAX_UFRAGS = 4;

/** One place of the pool. */
interface Slot {
  /** Absent while it is away. */
  engine: PooledEngine | undefined;
  /** It has started. */
  isUp: boolean;
  /** Where its clients reach it. */
  addresses: readonly MediaAddress[];
  /** Where other nodes do. */
  relays: readonly RelayEndpoint[];
  /** Those and the ones of TCP, as clients were told last. */
  told:
    | Readonly<Record<"own" | "tcp" | "all", readonly MediaAddress[]>>
    | undefined;
  readonly restart: RestartDelay;
  cancelRestart: Cancel | undefined;
}

/** Where a connection lives. */
interface Home {
  readonly engine: number;
  /** Else its place is only kept for it. */
  isOpen: boolean;
  readonly room: string | undefined;
  readonly ufrags: string[];
}

/**
 * The pool as one engine: commands keep their order for each connection, and a lost engine fails
 * its own connections and nothing else.
 */
export class EnginePool implements MediaEngine {
  onEvent: (event: MediaEvent) => void = () => {};
  readonly #options: EnginePoolOptions;
  readonly #slots: readonly Slot[];
  readonly #homes = new Map<ConnectionId, Home>();
  /** Local ufrag → engine. */
  readonly #ufrags = new Map<string, number>();
  readonly #placement: Placement;
  readonly #rings: RingWiring;
  readonly #hops: HopWiring;
  readonly #tracks: PoolTracks;
  readonly #data: PoolData;
  readonly #dataTracks: PoolDataTracks;
  readonly #stats: PoolStats;
  readonly #tcp: PoolTcp;
  /** What all engines are told of a room's audio, also those that come back. */
  readonly #audioLimits = new Map<string, EngineCommand>();
  #tcpAddresses: readonly MediaAddress[] = [];
  #isClosed = false;

  constructor(options: EnginePoolOptions) {
    this.#options = options;
    const { size, platform, drops } = options;
    const now = platform.clock.now();
    this.#slots = Array.from({ length: size }, () => ({
      engine: undefined,
      isUp: false,
      addresses: [],
      relays: [],
      told: undefined,
      restart: new RestartDelay(now),
      cancelRestart: undefined,
    }));
    this.#placement = new Placement(size, options.placement ?? DEFAULT_PLACEMENT);
    const send = (engine: number, command: EngineCommand) => this.#sendTo(engine, command);
    this.#rings = new RingWiring(send, options.createRing, options.bellOf);
    this.#hops = new HopWiring(send, size, platform.timers);
    const relays: Omit<PoolTracksHost, "anyEngine"> = {
      send: (engine, command) => {
        if (command.type === "receive_relay") this.#join(engine, command.from);
        if (command.type === "send_relay") this.#join(engine, command.to);
        this.#hops.prepare(engine, command);
        send(engine, command);
      },
      distant: (node, engine) => this.#hops.indexOf(node, engine),
      emit: (event) => this.onEvent(event),
    };
    this.#tracks = new PoolTracks({ ...relays, anyEngine: () => this.#placement.freest() });
    const host = {
      engineOf: (id: ConnectionId) => this.#homes.get(id)?.engine,
      reserve: (id: ConnectionId, room: string | undefined) => void this.#reserve(id, room),
      release: (id: ConnectionId) => this.#release(id),
      join: (one: number, other: number) => this.#rings.connect(one, other),
      send,
    };
    this.#data = new PoolData(host);
    this.#dataTracks = new PoolDataTracks({ ...host, ...relays });
    this.#stats = new PoolStats((request, parts) => {
      const stats = mergeStats(parts, drops.snapshot());
      this.onEvent({ type: "stats", request, stats });
    });
    this.#tcp = options.createTcp({
      engineOfUfrag: (ufrag) => this.#ufrags.get(ufrag),
      send: (engine, message) => this.#slots[engine]?.engine?.sendTcp(message),
    });
  }

  async start(): Promise<EngineReady> {
    try {
      await this.#options.prepare?.();
      const ready = await Promise.all(this.#slots.map((_, index) => this.#startEngine(index)));
      this.#tcpAddresses = await this.#tcp.start(ready[0]!.hosts);
      const addresses = [...ready.flatMap((engine) => engine.addresses), ...this.#tcpAddresses];
      return { ...ready[0]!, addresses, relays: ready.flatMap(({ relays }) => relays) };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  addressesOf(connection: ConnectionId): readonly MediaAddress[] {
    const home = this.#homes.get(connection);
    const slot = home && this.#slots[home.engine];
    if (slot === undefined) return [];
    // Everybody's description is written from the same object, so that its text can be kept.
    const { addresses: own, told } = slot;
    const tcp = this.#tcpAddresses;
    if (told?.own === own && told.tcp === tcp) return told.all;
    const all = [...own, ...tcp];
    slot.told = { own, tcp, all };
    return all;
  }

  send(command: EngineCommand): void {
    if (this.#isClosed) return;
    switch (command.type) {
      case "open_connection":
        return this.#open(command);
      case "restart_ice":
        this.#addUfrag(command.connection, command.local.ufrag);
        return this.#sendHome(command.connection, command);
      case "close_connection":
        this.#sendHome(command.connection, command);
        return this.#gone(command.connection);
      case "set_receive":
      case "add_down_track":
      case "set_down_track_source":
      case "set_down_track_target":
      case "set_up_track_muted":
      case "remove_down_track":
      case "record_track":
      case "request_key_frame":
        return this.#tracks.carryOut(command, (id) => this.#homes.get(id)?.engine);
      case "set_data_member":
        return this.#data.set(command);
      case "remove_data_member":
        return this.#data.remove(command);
      case "send_room_data":
        return this.#data.sendOwn(command);
      case "set_data_track_routes":
        return this.#dataTracks.setRoutes(command);
      case "request_stats":
        return this.#requestStats(command);
      case "set_speaker":
      case "limit_audio":
        return this.#sendAll(command);
      case "set_remote":
      case "source_packets":
      case "cap_bandwidth":
      case "capture_packets":
        return this.#sendHome(command.connection, command);
      case "set_node":
        return this.#distantGone(this.#hops.set(command));
      case "move_node":
        return this.#hops.move(command);
      case "forget_node":
        return this.#distantGone(this.#hops.forget(command.node));
      case "relay_datagram":
      case "relay_queue":
        return this.#toHop(command);
      case "set_remote_data_track":
        return this.#dataTracks.setRemote(command);
      case "add_remote_track":
      case "remove_remote_track":
        return this.#tracks.carryOutNode(command);
      case "relay_from":
      case "send_to_node":
      case "stop_to_node":
        return this.#toNode(command);
    }
  }

  #toNode(
    command: Extract<
      EngineCommand,
      { readonly type: "relay_from" | "send_to_node" | "stop_to_node" }
    >,
  ): void {
    const { upTrack } = command;
    if (isDataTrackId(upTrack)) return this.#dataTracks.carryOutNode(command, upTrack);
    this.#tracks.carryOutNode({ ...command, upTrack });
  }

  /** What came, or waits, by another way than UDP. */
  #toHop(
    command: Extract<EngineCommand, { readonly type: "relay_datagram" | "relay_queue" }>,
  ): void {
    const { node, theirEngine, ownEngine } = command;
    const index = this.#hops.indexOf(node, theirEngine);
    if (index === undefined) return;
    const hop = command.type === "relay_datagram"
      ? { type: "hop_datagram", index, bytes: command.bytes } as const
      : { type: "hop_queue", index, bytes: command.bytes } as const;
    this.#sendTo(ownEngine, hop);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { cancelRestart } of this.#slots) cancelRestart?.();
    this.#hops.close();
    await Promise.all(this.#slots.map(({ engine }) => engine?.close()));
    await this.#tcp.close();
    this.#options.closed?.();
  }

  async #startEngine(index: number): Promise<EngineReady> {
    const slot = this.#slots[index]!;
    const engine = this.#options.createEngine(index);
    engine.onEvent = (event) => this.#receive(index, event);
    engine.onLoad = (load) => this.#placement.report(index, load);
    engine.onTcp = (message) => this.#tcp.receive(index, message);
    engine.onLost = (reason) => this.#lost(index, reason);
    slot.engine = engine;
    try {
      const ready = await engine.start();
      slot.isUp = true;
      slot.addresses = ready.addresses;
      slot.relays = ready.relays;
      slot.restart.started(this.#now());
      for (const limit of this.#audioLimits.values()) this.#sendTo(index, limit);
      return ready;
    } catch (error) {
      slot.engine = undefined;
      throw error;
    }
  }

  #open(command: Extract<EngineCommand, { type: "open_connection" }>): void {
    const { connection, placement: room } = command;
    if (this.#homes.get(connection)?.isOpen) return;
    const home = this.#reserve(connection, room);
    if (home === undefined) {
      // As if it had been opened just before the last one was lost.
      this.#options.platform.timers.after(0, () => this.#fail(connection));
      return;
    }
    home.isOpen = true;
    this.#addUfrag(connection, command.local.ufrag);
    this.#data.moved(connection);
    this.#sendTo(home.engine, command);
    this.#dataTracks.opened(connection);
  }

  /** The place of a connection, from now on if it has none; none if no engine lives. */
  #reserve(connection: ConnectionId, room: string | undefined): Home | undefined {
    const known = this.#homes.get(connection);
    if (known !== undefined) return known;
    const engine = this.#placement.place(room);
    if (engine === undefined) return undefined;
    const home = { engine, isOpen: false, room, ufrags: [] };
    this.#homes.set(connection, home);
    return home;
  }

  /** Gives up a place that was kept for a connection. */
  #release(connection: ConnectionId): void {
    if (this.#homes.get(connection)?.isOpen === false) this.#gone(connection);
  }

  #receive(engine: number, event: MediaEvent): void {
    switch (event.type) {
      case "stats":
        return this.#stats.answered(engine, event.request, event.stats);
      case "addresses_changed":
        this.#slots[engine]!.addresses = event.addresses;
        this.#slots[engine]!.relays = event.relays;
        return this.#tellAddresses(event.hosts);
      case "connection_failed":
        this.#gone(event.connection);
    }
    this.onEvent(event);
  }

  /** An engine found out that the machine has other addresses, or is seen under others. */
  #tellAddresses(hosts: readonly string[]): void {
    const tcp = this.#tcpAddresses = this.#tcp.addresses(hosts);
    const own = this.#slots.flatMap(({ addresses }) => addresses);
    const relays = this.#slots.flatMap((slot) => slot.relays);
    this.onEvent({ type: "addresses_changed", addresses: [...own, ...tcp], hosts, relays });
  }

  #distantGone(gone: ReadonlySet<number>): void {
    this.#tracks.distantGone(gone);
    this.#dataTracks.distantGone(gone);
  }

  #lost(index: number, reason: string): void {
    const { platform, drops } = this.#options;
    drops.count("media_worker_lost");
    const lost = [...this.#homes].filter(([, { engine }]) => engine === index);
    platform.log.error("media worker lost", { worker: index, reason, connections: lost.length });
    const slot = this.#slots[index]!;
    slot.engine = undefined;
    slot.isUp = false;
    this.#placement.setAlive(index, false);
    this.#tcp.engineLost(index);
    this.#dataTracks.engineLost(index);
    for (const [connection] of lost) this.#gone(connection);
    this.#rings.engineLost(index);
    this.#tracks.engineLost(index);
    if (this.#hops.engineLost(index)) this.onEvent({ type: "relay_engine_lost", engine: index });
    this.#stats.engineLost(index);
    for (const [connection] of lost) this.#fail(connection);
    this.#restartLater(index);
  }

  #restartLater(index: number): void {
    if (this.#isClosed) return;
    const { platform: { timers, log } } = this.#options;
    const slot = this.#slots[index]!;
    slot.cancelRestart = timers.after(slot.restart.lost(this.#now()), () => {
      const before = addressesOf(slot);
      this.#startEngine(index).then(({ hosts }) => {
        this.#placement.setAlive(index, true);
        // On another port, if the one it had stays taken.
        if (addressesOf(slot) !== before) this.#tellAddresses(hosts);
        log.warn("media worker restarted", { worker: index });
      }, (error) => {
        if (this.#isClosed) return;
        log.error("media worker did not start", { worker: index, error });
        if (error instanceof SfuError && error.code === "address_in_use") {
          this.#options.addressTaken?.(index);
        }
        this.#restartLater(index);
      });
    });
  }

  /** Forgets a connection; what crossed because of it ends. */
  #gone(connection: ConnectionId): void {
    const home = this.#homes.get(connection);
    if (home === undefined) return;
    this.#tracks.connectionGone(connection);
    this.#dataTracks.gone(connection);
    this.#homes.delete(connection);
    this.#data.moved(connection);
    for (const ufrag of home.ufrags) this.#ufrags.delete(ufrag);
    this.#placement.gone(home.engine, home.room);
  }

  #fail(connection: ConnectionId): void {
    this.onEvent({ type: "connection_failed", connection, reason: "worker_lost" });
  }

  #addUfrag(connection: ConnectionId, ufrag: string): void {
    const home = this.#homes.get(connection);
    if (home === undefined) return;
    home.ufrags.push(ufrag);
    this.#ufrags.set(ufrag, home.engine);
    // As the ICE agent does: the first may still be in use, and the latest.
    if (home.ufrags.length > MAX_UFRAGS) this.#ufrags.delete(home.ufrags.splice(1, 1)[0]!);
  }

  #requestStats(command: Extract<EngineCommand, { type: "request_stats" }>): void {
    const engines = [...this.#slots.keys()].filter((index) => this.#slots[index]!.isUp);
    this.#stats.requested(command.request, engines);
    for (const engine of engines) this.#sendTo(engine, command);
  }

  /** Joins an engine to one of this process. */
  #join(engine: number, other: number | undefined): void {
    if (other !== undefined && !this.#hops.has(other)) this.#rings.connect(engine, other);
  }

  #sendHome(connection: ConnectionId, command: EngineCommand): void {
    const home = this.#homes.get(connection);
    if (home !== undefined) this.#sendTo(home.engine, command);
  }

  #sendAll(command: Extract<EngineCommand, { type: "set_speaker" | "limit_audio" }>): void {
    if (command.type === "limit_audio") {
      if (command.tracks > 0) this.#audioLimits.set(command.room, command);
      else this.#audioLimits.delete(command.room);
    }
    for (const engine of this.#slots.keys()) this.#sendTo(engine, command);
  }

  #sendTo(engine: number, command: EngineCommand): void {
    const slot = this.#slots[engine];
    if (slot?.isUp) slot.engine?.send(command);
  }

  #now(): number {
    return this.#options.platform.clock.now();
  }
}

/** Where others reach the engine of a place, as one text. */
function addressesOf({ addresses, relays }: Slot): string {
  return JSON.stringify([addresses, relays]);
}
