/**
 * Where the tracks of a pool's connections live, and which of them cross to which engine.
 *
 * Contract: a command reaches exactly the engines it concerns, after what it needs there. An
 * up-track crosses to another engine while, and only while, a down-track there uses it.
 *
 * Synchronous and without effects but the commands it hands out.
 *
 * @module
 */
import type { ConnectionId, DownTrackId, UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";

type CommandOf<T extends EngineCommand["type"]> = Extract<EngineCommand, { type: T }>;

/** Commands about tracks. */
export type TrackCommand = CommandOf<
  | "set_receive"
  | "set_up_track_muted"
  | "add_down_track"
  | "set_down_track_target"
  | "set_down_track_source"
  | "remove_down_track"
>;

interface UpTrackPlace {
  readonly connection: ConnectionId;
  readonly engine: number;
  /** As first described: later descriptions change nothing of a track. */
  readonly section: ReceiveSection;
  /** Engine → the down-tracks there that use it. Never its own engine, never empty. */
  readonly relays: Map<number, Set<DownTrackId>>;
}

interface DownTrackPlace {
  readonly connection: ConnectionId;
  readonly engine: number;
  upTrack: UpTrackId;
}

/** What is known of one connection's tracks. */
interface TracksOfConnection {
  readonly ups: Set<UpTrackId>;
  readonly downs: Set<DownTrackId>;
}

/**
 * A pool's tracks: an up-track crosses to an engine while, and only while, a down-track there uses
 * it. Effects are the commands handed out, and nothing else.
 */
export class PoolTracks {
  readonly #send: (engine: number, command: EngineCommand) => void;
  readonly #ups = new Map<UpTrackId, UpTrackPlace>();
  readonly #downs = new Map<DownTrackId, DownTrackPlace>();
  readonly #connections = new Map<ConnectionId, TracksOfConnection>();

  /** @param send Brings a command to one engine; keeps the order. */
  constructor(send: (engine: number, command: EngineCommand) => void) {
    this.#send = send;
  }

  /** How many relays there are: one for each up-track and engine it crosses to. */
  get relayCount(): number {
    let count = 0;
    for (const { relays } of this.#ups.values()) count += relays.size;
    return count;
  }

  /** Carries out a command about a track. */
  carryOut(
    command: TrackCommand,
    engineOf: (connection: ConnectionId) => number | undefined,
  ): void {
    switch (command.type) {
      case "set_receive": {
        const engine = engineOf(command.connection);
        return engine === undefined ? undefined : this.#setReceive(engine, command);
      }
      case "add_down_track": {
        const engine = engineOf(command.connection);
        return engine === undefined ? undefined : this.#add(engine, command);
      }
      case "set_down_track_source":
        return this.#setSource(command);
      case "set_up_track_muted": {
        const up = this.#ups.get(command.upTrack);
        if (up === undefined) return;
        // Where it crosses to it is told in order with the packets.
        return this.#send(up.engine, command);
      }
      case "set_down_track_target": {
        const down = this.#downs.get(command.downTrack);
        if (down !== undefined) this.#send(down.engine, command);
        return;
      }
      case "remove_down_track": {
        const down = this.#downs.get(command.downTrack);
        if (down === undefined) return;
        this.#send(down.engine, command);
        return this.#forgetDown(command.downTrack, down);
      }
    }
  }

  /** A connection is closed, or its engine has freed it: its tracks are no more. */
  connectionGone(connection: ConnectionId): void {
    const tracks = this.#connections.get(connection);
    if (tracks === undefined) return;
    for (const id of [...tracks.downs]) this.#forgetDown(id, this.#downs.get(id)!);
    for (const id of [...tracks.ups]) this.#endUp(id, this.#ups.get(id)!);
    this.#connections.delete(connection);
  }

  #setReceive(engine: number, command: CommandOf<"set_receive">): void {
    const { connection, sections } = command;
    const tracks = this.#of(connection);
    const wanted = new Set(sections.map(({ upTrack }) => upTrack));
    for (const id of [...tracks.ups]) if (!wanted.has(id)) this.#endUp(id, this.#ups.get(id)!);
    this.#send(engine, command);
    for (const section of sections) {
      if (tracks.ups.has(section.upTrack)) continue;
      tracks.ups.add(section.upTrack);
      const relays = new Map<number, Set<DownTrackId>>();
      this.#ups.set(section.upTrack, { connection, engine, section, relays });
    }
  }

  #add(engine: number, command: CommandOf<"add_down_track">): void {
    const { connection, downTrack: id, upTrack } = command;
    if (this.#downs.has(id) || !this.#ups.has(upTrack)) return;
    this.#downs.set(id, { connection, engine, upTrack });
    this.#of(connection).downs.add(id);
    this.#use(upTrack, engine, id);
    this.#send(engine, command);
  }

  #setSource(command: CommandOf<"set_down_track_source">): void {
    const { downTrack: id, upTrack } = command;
    const down = this.#downs.get(id);
    if (down === undefined || !this.#ups.has(upTrack)) return;
    const before = down.upTrack;
    down.upTrack = upTrack;
    this.#use(upTrack, down.engine, id);
    this.#send(down.engine, command);
    if (before !== upTrack) this.#unuse(before, down.engine, id);
  }

  /** A down-track on `engine` uses `upTrack`, which crosses to there if it must. */
  #use(upTrack: UpTrackId, engine: number, id: DownTrackId): void {
    const up = this.#ups.get(upTrack)!;
    if (up.engine === engine) return;
    const users = up.relays.get(engine);
    if (users !== undefined) return void users.add(id);
    up.relays.set(engine, new Set([id]));
    const { section } = up;
    this.#send(engine, { type: "receive_relay", upTrack, from: up.engine, section });
    this.#send(up.engine, { type: "send_relay", upTrack, to: engine });
  }

  #unuse(upTrack: UpTrackId, engine: number, id: DownTrackId): void {
    const up = this.#ups.get(upTrack);
    const users = up?.relays.get(engine);
    if (up === undefined || !users?.delete(id) || users.size > 0) return;
    up.relays.delete(engine);
    this.#endRelay(upTrack, up.engine, engine);
  }

  #endRelay(upTrack: UpTrackId, from: number, to: number): void {
    this.#send(from, { type: "stop_relay", upTrack, to });
    this.#send(to, { type: "end_relay", upTrack });
  }

  #endUp(id: UpTrackId, up: UpTrackPlace): void {
    this.#ups.delete(id);
    this.#connections.get(up.connection)?.ups.delete(id);
    for (const engine of up.relays.keys()) this.#endRelay(id, up.engine, engine);
  }

  #forgetDown(id: DownTrackId, down: DownTrackPlace): void {
    this.#downs.delete(id);
    this.#connections.get(down.connection)?.downs.delete(id);
    this.#unuse(down.upTrack, down.engine, id);
  }

  #of(connection: ConnectionId): TracksOfConnection {
    let tracks = this.#connections.get(connection);
    if (tracks === undefined) {
      tracks = { ups: new Set(), downs: new Set() };
      this.#connections.set(connection, tracks);
    }
    return tracks;
  }
}
