/**
 * The ways from a pool's engines to those of other nodes: named when a node is told of, and joined
 * when something first crosses.
 *
 * Contract: two engines are joined once, and once more when either was started anew, or when
 * something crosses again after nothing had for long: then the way was let go with its memory.
 *
 * @module
 */
import type { NodeId, RelayedTrackId } from "../../base/ids.ts";
import type { Cancel, Timers } from "../../base/platform.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { NodeCommand, RelayEndpoint } from "../messages/node_messages.ts";

/** Engines of one node that are told apart: their index has this many bits in a datagram. */
export const MAX_ENGINES = 1 << 8;

/** A way that nothing crosses is let go after so long, ms: whoever left may be back. */
const IDLE_MS = 60_000;

type SetNode = Extract<NodeCommand, { readonly type: "set_node" }>;

interface Node {
  readonly told: SetNode;
  /** Their engines' names here, by their index there. */
  readonly indices: readonly number[];
}

interface Distant {
  readonly node: Node;
  readonly engine: number;
  endpoint: RelayEndpoint;
  /** Engines here that are joined to it. */
  readonly joined: Map<number, Way>;
}

/** What joins an engine here to one of another node. */
interface Way {
  /** Tracks that cross to there, and from there. */
  readonly sent: Set<RelayedTrackId>;
  readonly received: Set<RelayedTrackId>;
  /** Ends the wait to let it go. */
  cancel: Cancel | undefined;
}

/**
 * Other nodes' engines, by names that come after those of this process. Two engines are joined
 * once.
 */
export class HopWiring {
  readonly #send: (engine: number, command: EngineCommand) => void;
  readonly #nodes = new Map<NodeId, Node>();
  readonly #distant = new Map<number, Distant>();
  readonly #timers: Timers;
  /** Engine here → what it receives from other nodes, and from which engine. */
  readonly #sources = new Map<number, Map<RelayedTrackId, number>>();
  #lastIndex: number;

  /**
   * @param send Brings a command to one engine; keeps the order.
   * @param size Engines of this process, whose names are below it.
   */
  constructor(
    send: (engine: number, command: EngineCommand) => void,
    size: number,
    timers: Timers,
  ) {
    this.#send = send;
    this.#timers = timers;
    this.#lastIndex = size - 1;
  }

  /** Whether that is the name of an engine of another node. */
  has(index: number): boolean {
    return this.#distant.has(index);
  }

  /** The name of an engine of another node; `undefined` if there is none. */
  indexOf(node: string, engine: number): number | undefined {
    return this.#nodes.get(node as NodeId)?.indices[engine];
  }

  /** @returns Names that stand for nobody any more: the node was known before. */
  set(told: SetNode): ReadonlySet<number> {
    const gone = this.forget(told.node);
    const endpoints = told.engines.slice(0, MAX_ENGINES);
    const node: Node = { told, indices: endpoints.map(() => ++this.#lastIndex) };
    this.#nodes.set(told.node, node);
    for (const [engine, endpoint] of endpoints.entries()) {
      this.#distant.set(node.indices[engine]!, { node, engine, endpoint, joined: new Map() });
    }
    return gone;
  }

  /** The node's engines are reached elsewhere: what crosses goes on there. */
  move({ node, engines }: Extract<NodeCommand, { readonly type: "move_node" }>): void {
    for (const [engine, index] of this.#nodes.get(node)?.indices.entries() ?? []) {
      const distant = this.#distant.get(index)!;
      const endpoint = engines[engine];
      if (endpoint === undefined) continue;
      distant.endpoint = endpoint;
      const { addresses } = endpoint;
      for (const own of distant.joined.keys()) {
        this.#send(own, { type: "move_hop", index, addresses });
      }
    }
  }

  /** @returns Names that stand for nobody any more. */
  forget(id: NodeId): ReadonlySet<number> {
    const gone = new Set(this.#nodes.get(id)?.indices);
    this.#nodes.delete(id);
    for (const index of gone) {
      const distant = this.#distant.get(index)!;
      this.#distant.delete(index);
      for (const [engine, { cancel }] of distant.joined) {
        cancel?.();
        this.#send(engine, { type: "disconnect_relay", index });
      }
    }
    return gone;
  }

  /** @returns Whether the engine was joined to any of another node. */
  engineLost(engine: number): boolean {
    let wasJoined = false;
    this.#sources.delete(engine);
    for (const { joined } of this.#distant.values()) {
      joined.get(engine)?.cancel?.();
      if (joined.delete(engine)) wasJoined = true;
    }
    return wasJoined;
  }

  /** To be told of each command to an engine here before it is sent: joins whom it is about. */
  prepare(engine: number, command: EngineCommand): void {
    switch (command.type) {
      case "send_relay":
        return void this.#way(engine, command.to)?.sent.add(command.upTrack);
      case "stop_relay": {
        const way = this.#distant.get(command.to)?.joined.get(engine);
        if (way?.sent.delete(command.upTrack)) this.#endIfIdle(engine, command.to, way);
        return;
      }
      case "receive_relay": {
        const { upTrack, from } = command;
        const way = from === undefined ? undefined : this.#way(engine, from);
        way?.received.add(upTrack);
        return this.#setSource(engine, upTrack, way === undefined ? undefined : from);
      }
      case "set_relayed_data_track": {
        const { track, from, route } = command;
        const way = from === undefined || route === undefined ? undefined : this.#way(engine, from);
        way?.received.add(track);
        return this.#setSource(engine, track, way === undefined ? undefined : from);
      }
      case "end_relay":
        return this.#setSource(engine, command.upTrack, undefined);
    }
  }

  /** Nothing is let go any more. */
  close(): void {
    for (const { joined } of this.#distant.values()) {
      for (const { cancel } of joined.values()) cancel?.();
    }
  }

  #setSource(engine: number, upTrack: RelayedTrackId, from: number | undefined): void {
    const sources = this.#sources.get(engine) ?? new Map<RelayedTrackId, number>();
    const before = sources.get(upTrack);
    if (before === from) return;
    if (from === undefined) sources.delete(upTrack);
    else this.#sources.set(engine, sources.set(upTrack, from));
    const way = before === undefined ? undefined : this.#distant.get(before)?.joined.get(engine);
    if (way?.received.delete(upTrack)) this.#endIfIdle(engine, before!, way);
  }

  /** The way to an engine of another node, from now on if there was none. */
  #way(engine: number, index: number): Way | undefined {
    const distant = this.#distant.get(index);
    if (distant === undefined) return undefined;
    let way = distant.joined.get(engine);
    if (way === undefined) {
      way = { sent: new Set(), received: new Set(), cancel: undefined };
      distant.joined.set(engine, way);
      this.#connect(engine, index, distant);
    }
    way.cancel?.();
    way.cancel = undefined;
    return way;
  }

  #endIfIdle(engine: number, index: number, way: Way): void {
    if (way.sent.size + way.received.size > 0) return;
    way.cancel?.();
    way.cancel = this.#timers.after(IDLE_MS, () => {
      this.#distant.get(index)?.joined.delete(engine);
      this.#send(engine, { type: "disconnect_relay", index });
    });
  }

  #connect(engine: number, index: number, distant: Distant): void {
    const { engine: other, endpoint, node: { told } } = distant;
    const { node, self, slot, theirSlot, secret } = told;
    this.#send(engine, {
      type: "connect_hop",
      peer: {
        index,
        own: { node: self, engine },
        other: { node, engine: other },
        sendId: hopId(theirSlot, engine, other),
        receiveId: hopId(slot, other, engine),
        secret,
        addresses: endpoint.addresses,
      },
    });
  }
}

/**
 * Names one direction of a hop to the engine that receives it.
 *
 * @param slot What the receiving node calls the sending one.
 * @returns 32 bits, unsigned.
 */
function hopId(slot: number, sender: number, receiver: number): number {
  return ((slot & 0xffff) << 16 | (sender & 0xff) << 8 | (receiver & 0xff)) >>> 0;
}
