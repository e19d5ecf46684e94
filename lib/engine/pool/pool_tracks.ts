/**
 * Where the tracks of a pool's connections live, which of them cross to which engine, and which
 * come from other nodes or go there.
 *
 * Contract: a command reaches exactly the engines it concerns, after what it needs there. An
 * up-track crosses to another engine while, and only while, a down-track there uses it. One of
 * another node is received by one engine, while a down-track here or a further node uses it, and
 * crosses from there like any other.
 *
 * Synchronous and without effects but the commands and events it hands out.
 *
 * @module
 */
import type { ConnectionId, DownTrackId, UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { NodeCommand, NodeEvent } from "../messages/node_messages.ts";
import type { RecordingEvent } from "../messages/recording_messages.ts";

type CommandOf<T extends EngineCommand["type"]> = Extract<EngineCommand, { type: T }>;

/** Commands about tracks. */
export type TrackCommand = CommandOf<
  | "set_receive"
  | "set_up_track_muted"
  | "add_down_track"
  | "set_down_track_target"
  | "set_down_track_source"
  | "remove_down_track"
  | "record_track"
  | "request_key_frame"
>;

type CommandAboutNode = Exclude<
  NodeCommand,
  {
    readonly type:
      | "set_node"
      | "move_node"
      | "forget_node"
      | "relay_datagram"
      | "relay_queue"
      | "set_remote_data_track";
  }
>;

/** Commands about the tracks of other nodes, and those that go there. */
export type NodeTrackCommand = CommandAboutNode & { readonly upTrack: UpTrackId };

/** The pool as its tracks see it. */
export interface PoolTracksHost {
  /** Brings a command to one engine; keeps the order. */
  send(engine: number, command: EngineCommand): void;
  /** Names an engine of another node among those that relays join; `undefined` if unknown. */
  distant(node: string, engine: number): number | undefined;
  /** The engine for a track that only other nodes use; `undefined` if none lives. */
  anyEngine(): number | undefined;
  emit(event: NodeEvent | RecordingEvent): void;
}

interface UpTrackPlace {
  /** Where its publisher is connected; absent if that is on another node. */
  readonly connection: ConnectionId | undefined;
  /** As first described: later descriptions change nothing of a track that is published here. */
  section: ReceiveSection;
  /** Where it first is; absent for one of another node that nobody uses. */
  engine: number | undefined;
  /** Which engine of another node sends it, by its name among relays. */
  from: number | undefined;
  /** Engine → the down-tracks there that use it. Never empty. */
  readonly users: Map<number, Set<DownTrackId>>;
  /** Engines of other nodes that it is sent to, by their names among relays. */
  readonly nodes: Set<number>;
}

interface DownTrackPlace {
  /** Absent if it is recorded. */
  readonly connection: ConnectionId | undefined;
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
 * it. Effects are the commands and events handed out, and nothing else.
 */
export class PoolTracks {
  readonly #host: PoolTracksHost;
  readonly #ups = new Map<UpTrackId, UpTrackPlace>();
  readonly #downs = new Map<DownTrackId, DownTrackPlace>();
  readonly #connections = new Map<ConnectionId, TracksOfConnection>();

  constructor(host: PoolTracksHost) {
    this.#host = host;
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
      case "record_track":
        return this.#record(command);
      case "set_down_track_source":
        return this.#setSource(command);
      case "set_up_track_muted": {
        const up = this.#ups.get(command.upTrack);
        // Where it crosses to it is told in order with the packets.
        if (up?.connection !== undefined) this.#host.send(up.engine!, command);
        return;
      }
      case "request_key_frame":
      case "set_down_track_target": {
        const down = this.#downs.get(command.downTrack);
        if (down !== undefined) this.#host.send(down.engine, command);
        return;
      }
      case "remove_down_track": {
        const down = this.#downs.get(command.downTrack);
        if (down === undefined) return;
        this.#host.send(down.engine, command);
        return this.#forgetDown(command.downTrack, down);
      }
    }
  }

  /** Carries out a command about what crosses between nodes. */
  carryOutNode(command: NodeTrackCommand): void {
    switch (command.type) {
      case "add_remote_track":
        return this.#addRemote(command.upTrack, command.section);
      case "remove_remote_track": {
        const up = this.#ups.get(command.upTrack);
        if (up !== undefined && up.connection === undefined) this.#endUp(command.upTrack, up);
        return;
      }
      case "relay_from": {
        const up = this.#ups.get(command.upTrack);
        const from = this.#host.distant(command.node, command.engine);
        if (from === undefined || up?.connection !== undefined || up?.engine === undefined) return;
        up.from = from;
        return this.#receiveHere(command.upTrack, up);
      }
      case "send_to_node":
        return this.#sendToNode(command);
      case "stop_to_node": {
        const up = this.#ups.get(command.upTrack);
        const to = this.#host.distant(command.node, command.engine);
        if (up === undefined || to === undefined || !up.nodes.delete(to)) return;
        this.#host.send(up.engine!, { type: "stop_relay", upTrack: command.upTrack, to });
        return this.#endIfUnused(command.upTrack, up);
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

  /**
   * An engine here was lost, and so were its connections: what it received from other nodes another
   * receives.
   */
  engineLost(engine: number): void {
    for (const [id, down] of this.#downs) {
      if (down.connection !== undefined || down.engine !== engine) continue;
      this.#forgetDown(id, down);
      this.#host.emit({ type: "recording_lost", downTrack: id });
    }
    for (const [id, up] of this.#ups) {
      if (up.connection !== undefined || up.engine !== engine) continue;
      // What it sent on to other nodes they ask for again.
      up.nodes.clear();
      up.from = undefined;
      up.engine = up.users.keys().next().value;
      if (up.engine === undefined) this.#host.emit({ type: "relay_unwanted", upTrack: id });
      else this.#begin(id, up);
    }
  }

  /** Engines of another node are gone, or begin anew: nothing comes from them or goes there. */
  distantGone(gone: ReadonlySet<number>): void {
    for (const [id, up] of this.#ups) {
      for (const to of up.nodes) {
        if (gone.has(to)) up.nodes.delete(to);
      }
      if (up.from !== undefined && gone.has(up.from)) {
        up.from = undefined;
        this.#receiveHere(id, up);
        this.#host.emit({ type: "relay_wanted", upTrack: id, engine: up.engine! });
      }
      this.#endIfUnused(id, up);
    }
  }

  #setReceive(engine: number, command: CommandOf<"set_receive">): void {
    const { connection, sections } = command;
    const tracks = this.#of(connection);
    const wanted = new Set(sections.map(({ upTrack }) => upTrack));
    for (const id of [...tracks.ups]) if (!wanted.has(id)) this.#endUp(id, this.#ups.get(id)!);
    this.#host.send(engine, command);
    for (const section of sections) {
      if (tracks.ups.has(section.upTrack)) continue;
      tracks.ups.add(section.upTrack);
      this.#ups.set(section.upTrack, placeOf(section, connection, engine));
    }
  }

  #addRemote(upTrack: UpTrackId, section: ReceiveSection): void {
    const known = this.#ups.get(upTrack);
    if (known === undefined) return void this.#ups.set(upTrack, placeOf(section));
    if (known.connection !== undefined) return;
    known.section = section;
    if (known.engine === undefined) return;
    this.#receiveHere(upTrack, known);
    const from = known.engine;
    for (const engine of otherEngines(known)) {
      this.#host.send(engine, { type: "receive_relay", upTrack, from, section });
    }
  }

  #add(engine: number, command: CommandOf<"add_down_track">): void {
    const { connection, downTrack: id, upTrack } = command;
    if (this.#downs.has(id) || !this.#ups.has(upTrack)) return;
    this.#downs.set(id, { connection, engine, upTrack });
    this.#of(connection).downs.add(id);
    this.#use(upTrack, engine, id);
    this.#host.send(engine, command);
  }

  /** Where the track is, or, if that is nowhere yet, anywhere. */
  #record(command: CommandOf<"record_track">): void {
    const { downTrack: id, upTrack } = command;
    if (this.#downs.has(id)) return;
    const up = this.#ups.get(upTrack);
    const engine = up && (up.engine ?? this.#host.anyEngine());
    if (engine === undefined) return this.#host.emit({ type: "recording_lost", downTrack: id });
    this.#downs.set(id, { connection: undefined, engine, upTrack });
    this.#use(upTrack, engine, id);
    this.#host.send(engine, command);
  }

  #setSource(command: CommandOf<"set_down_track_source">): void {
    const { downTrack: id, upTrack } = command;
    const down = this.#downs.get(id);
    if (down === undefined || !this.#ups.has(upTrack)) return;
    const before = down.upTrack;
    down.upTrack = upTrack;
    this.#use(upTrack, down.engine, id);
    this.#host.send(down.engine, command);
    if (before !== upTrack) this.#unuse(before, down.engine, id);
  }

  #sendToNode(
    { upTrack, node, engine }: Extract<NodeTrackCommand, { readonly type: "send_to_node" }>,
  ): void {
    const up = this.#ups.get(upTrack);
    const to = this.#host.distant(node, engine);
    if (up === undefined || to === undefined) return;
    if (up.engine === undefined) {
      up.engine = this.#host.anyEngine();
      if (up.engine === undefined) return;
      this.#begin(upTrack, up);
    }
    up.nodes.add(to);
    this.#host.send(up.engine, { type: "send_relay", upTrack, to });
    this.#host.emit({ type: "relay_sending", upTrack, from: up.engine, node, engine });
  }

  /** A down-track on `engine` uses `upTrack`, which crosses to there if it must. */
  #use(upTrack: UpTrackId, engine: number, id: DownTrackId): void {
    const up = this.#ups.get(upTrack)!;
    const users = up.users.get(engine);
    if (users !== undefined) return void users.add(id);
    up.users.set(engine, new Set([id]));
    if (up.engine === undefined) {
      up.engine = engine;
      this.#begin(upTrack, up);
    } else if (up.engine !== engine) this.#relay(upTrack, up, engine);
  }

  #unuse(upTrack: UpTrackId, engine: number, id: DownTrackId): void {
    const up = this.#ups.get(upTrack);
    const users = up?.users.get(engine);
    if (up === undefined || !users?.delete(id) || users.size > 0) return;
    up.users.delete(engine);
    if (up.engine !== engine) this.#endRelay(upTrack, up.engine!, engine);
    this.#endIfUnused(upTrack, up);
  }

  /** The first use here of a track of another node, on the engine that receives it from now on. */
  #begin(upTrack: UpTrackId, up: UpTrackPlace): void {
    this.#receiveHere(upTrack, up);
    for (const engine of otherEngines(up)) this.#relay(upTrack, up, engine);
    this.#host.emit({ type: "relay_wanted", upTrack, engine: up.engine! });
  }

  #receiveHere(upTrack: UpTrackId, { engine, from, section }: UpTrackPlace): void {
    const source = from === undefined ? {} : { from };
    this.#host.send(engine!, { type: "receive_relay", upTrack, ...source, section });
  }

  #relay(upTrack: UpTrackId, up: UpTrackPlace, engine: number): void {
    const from = up.engine!;
    this.#host.send(engine, { type: "receive_relay", upTrack, from, section: up.section });
    this.#host.send(from, { type: "send_relay", upTrack, to: engine });
  }

  #endRelay(upTrack: UpTrackId, from: number, to: number): void {
    this.#host.send(from, { type: "stop_relay", upTrack, to });
    this.#host.send(to, { type: "end_relay", upTrack });
  }

  /** A track of another node that nobody uses any more is not received. */
  #endIfUnused(upTrack: UpTrackId, up: UpTrackPlace): void {
    const { connection, engine, users, nodes } = up;
    if (connection !== undefined || engine === undefined || users.size + nodes.size > 0) return;
    up.engine = up.from = undefined;
    this.#host.send(engine, { type: "end_relay", upTrack });
    this.#host.emit({ type: "relay_unwanted", upTrack });
  }

  #endUp(id: UpTrackId, up: UpTrackPlace): void {
    this.#ups.delete(id);
    if (up.connection !== undefined) this.#connections.get(up.connection)?.ups.delete(id);
    if (up.engine === undefined) return;
    for (const engine of otherEngines(up)) this.#endRelay(id, up.engine, engine);
    for (const to of up.nodes) this.#host.send(up.engine, { type: "stop_relay", upTrack: id, to });
    if (up.connection !== undefined) return;
    this.#host.send(up.engine, { type: "end_relay", upTrack: id });
    this.#host.emit({ type: "relay_unwanted", upTrack: id });
  }

  #forgetDown(id: DownTrackId, down: DownTrackPlace): void {
    this.#downs.delete(id);
    if (down.connection !== undefined) this.#connections.get(down.connection)?.downs.delete(id);
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

function placeOf(
  section: ReceiveSection,
  connection?: ConnectionId,
  engine?: number,
): UpTrackPlace {
  return {
    connection,
    section,
    engine,
    from: undefined,
    users: new Map(),
    nodes: new Set(),
  };
}

/** Engines that get the track from the one where it first is. */
function otherEngines({ engine, users }: UpTrackPlace): number[] {
  return [...users.keys()].filter((user) => user !== engine);
}
