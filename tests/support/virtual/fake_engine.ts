/**
 * A media plane that does nothing but remember: tests look at the commands it was sent and make it
 * emit events. Both cross it as structured clones.
 *
 * @module
 */
import type { ConnectionId } from "../../../lib/base/ids.ts";
import type { EngineCommand } from "../../../lib/engine/messages/engine_messages.ts";
import type {
  EngineReady,
  MediaEngine,
  MediaEvent,
} from "../../../lib/engine/messages/media_messages.ts";

/** One kind of command. */
export type CommandOf<T extends EngineCommand["type"]> = Extract<EngineCommand, { type: T }>;

export const FAKE_ENGINE_READY: EngineReady = {
  fingerprint: { algorithm: "sha-256", value: Array(32).fill("AB").join(":") },
  addresses: [
    { protocol: "udp", hostname: "192.0.2.1", port: 7882 },
    { protocol: "tcp", hostname: "192.0.2.1", port: 7881 },
  ],
  ports: "none",
};

/**
 * Keeps every command, and emits what a test says. Both are cloned, so what cannot cross a thread
 * fails here.
 */
export class FakeEngine implements MediaEngine {
  readonly commands: EngineCommand[] = [];
  onEvent: (event: MediaEvent) => void = () => {};

  start(): Promise<EngineReady> {
    return Promise.resolve(structuredClone(FAKE_ENGINE_READY));
  }

  send(command: EngineCommand): void {
    this.commands.push(structuredClone(command));
  }

  addressesOf(_connection: ConnectionId): EngineReady["addresses"] {
    return FAKE_ENGINE_READY.addresses;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  emit(event: MediaEvent): void {
    this.onEvent(structuredClone(event));
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
}
