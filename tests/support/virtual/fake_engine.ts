/**
 * A media plane that does nothing but remember: tests look at the commands it was sent and make it
 * emit events. Both cross it as structured clones. Data alone is carried, as an engine does, and
 * what would go to clients remembered.
 *
 * @module
 */
import type { ConnectionId } from "../../../lib/base/ids.ts";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { Platform } from "../../../lib/base/platform.ts";
import { WakeTimer } from "../../../lib/base/wake_timer.ts";
import type { DataEndpoint } from "../../../lib/engine/data/data_endpoint.ts";
import { DataPlane } from "../../../lib/engine/data/data_plane.ts";
import type { EngineCommand } from "../../../lib/engine/messages/engine_messages.ts";
import type {
  EngineReady,
  EngineStats,
  MediaEngine,
  MediaEvent,
} from "../../../lib/engine/messages/media_messages.ts";
import { VirtualPlatform } from "./virtual_platform.ts";

/** One kind of command. */
export type CommandOf<T extends EngineCommand["type"]> = Extract<EngineCommand, { type: T }>;

export const FAKE_ENGINE_READY: EngineReady = {
  fingerprint: { algorithm: "sha-256", value: Array(32).fill("AB").join(":") },
  addresses: [
    { protocol: "udp", hostname: "192.0.2.1", port: 7882 },
    { protocol: "tcp", hostname: "192.0.2.1", port: 7881 },
  ],
  hosts: ["192.0.2.1"],
  ports: "none",
  relays: [{ addresses: [{ hostname: "192.0.2.1", port: 7882 }] }],
};

/** Of a media plane that has done nothing. */
export const NO_STATS: EngineStats = {
  connections: 0,
  upTracks: [],
  downTracks: [],
  sockets: 0,
  datagramsSent: 0,
  messagesSent: 0,
  forwardLatencyUs: [],
  sendPaths: [],
  relays: [],
  drops: {},
};

/** One message as it would leave: the same bytes for all that come one after the other. */
export interface SentData {
  readonly connections: ConnectionId[];
  readonly kind: string;
  readonly bytes: Uint8Array;
}

/**
 * Keeps every command, and emits what a test says. Both are cloned, so what cannot cross a thread
 * fails here.
 */
export class FakeEngine implements MediaEngine {
  readonly commands: EngineCommand[] = [];
  /** Messages that went to clients, in order. */
  readonly sent: SentData[] = [];
  /** Whose reliable messages are not read now. */
  readonly held = new Set<ConnectionId>();
  readonly #data: DataPlane;
  onEvent: (event: MediaEvent) => void = () => {};

  constructor(
    platform: Pick<Platform, "clock" | "timers"> = new VirtualPlatform(),
    drops: DropCounters = new DropCounters(),
  ) {
    const wake = new WakeTimer(platform, (now) => {
      this.#data.tick(now);
      wake.atMost(this.#data.nextWakeAt(now));
    });
    this.#data = new DataPlane({
      clock: platform.clock,
      drops,
      endpoint: (connection) => this.#endpoint(connection),
      emit: (event) => this.emit(event),
      failed: (_connection, error) => {
        throw error;
      },
      timed: (at) => wake.atMost(at),
      lane: () => undefined,
    });
  }

  start(): Promise<EngineReady> {
    return Promise.resolve(structuredClone(FAKE_ENGINE_READY));
  }

  send(command: EngineCommand): void {
    const own = structuredClone(command);
    this.commands.push(own);
    switch (own.type) {
      case "set_data_member":
      case "remove_data_member":
      case "send_room_data":
      case "set_data_track_routes":
        this.#data.carryOut(own);
    }
  }

  /** A client sent a message. */
  receiveData(connection: ConnectionId, label: string, bytes: Uint8Array): void {
    this.#data.receive(connection, label, bytes.slice());
  }

  addressesOf(_connection: ConnectionId): EngineReady["addresses"] {
    return FAKE_ENGINE_READY.addresses;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  emit(event: MediaEvent): void {
    this.onEvent(structuredClone(event));
    if (event.type === "data_channel_open") this.#data.channelOpen(event.connection, event.label);
  }

  /** Commands of one kind, in the order they came. */
  of<T extends EngineCommand["type"]>(type: T): CommandOf<T>[] {
    return this.commands.filter((command): command is CommandOf<T> => command.type === type);
  }

  /** Connections that are open now. */
  openConnections(): ConnectionId[] {
    const closed = new Set(this.of("close_connection").map(({ connection }) => connection));
    return this.of("open_connection").map(({ connection }) => connection)
      .filter((connection) => !closed.has(connection));
  }

  /** Down-tracks that are forwarded now, on open connections. */
  forwarding(): CommandOf<"add_down_track">[] {
    const live = new Map<string, CommandOf<"add_down_track">>();
    for (const command of this.commands) {
      if (command.type === "add_down_track" && !live.has(command.downTrack)) {
        live.set(command.downTrack, command);
      } else if (command.type === "set_down_track_source") {
        const { downTrack, upTrack } = command;
        const forwarded = live.get(downTrack);
        if (forwarded !== undefined) live.set(downTrack, { ...forwarded, upTrack });
      } else if (command.type === "remove_down_track") {
        live.delete(command.downTrack);
      } else if (command.type === "close_connection") {
        for (const [id, { connection }] of live) {
          if (connection === command.connection) live.delete(id);
        }
      }
    }
    return [...live.values()];
  }

  #endpoint(connection: ConnectionId): DataEndpoint {
    return {
      sendData: (kind, bytes) => {
        const last = this.sent.at(-1);
        if (last?.bytes === bytes && last.kind === kind) last.connections.push(connection);
        else this.sent.push({ connections: [connection], kind, bytes });
      },
      isDataOpen: () => false,
      isDataBacklogged: () => false,
      holdData: (held) => void (held ? this.held.add(connection) : this.held.delete(connection)),
    };
  }
}
