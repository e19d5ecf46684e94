/**
 * The ways from a pool's engines to those of other nodes: named when a node is told of, and joined
 * when something first crosses.
 *
 * Contract: two engines are joined once, and once more when either was started anew.
 *
 * @module
 */
import type { NodeId } from "../../base/ids.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { NodeCommand, RelayEndpoint } from "../messages/node_messages.ts";

/** Engines of one node that are told apart: their index has this many bits in a datagram. */
export const MAX_ENGINES = 1 << 8;

type SetNode = Extract<NodeCommand, { readonly type: "set_node" }>;

interface Node {
  readonly told: SetNode;
  /** Their engines' names here, by their index there. */
  readonly indices: readonly number[];
}

interface Distant {
  readonly node: Node;
  readonly engine: number;
  readonly endpoint: RelayEndpoint;
  /** Engines here that are joined to it. */
  readonly joined: Set<number>;
}

/**
 * Other nodes' engines, by names that come after those of this process. Two engines are joined
 * once.
 */
export class HopWiring {
  readonly #send: (engine: number, command: EngineCommand) => void;
  readonly #nodes = new Map<NodeId, Node>();
  readonly #distant = new Map<number, Distant>();
  #lastIndex: number;

  /**
   * @param send Brings a command to one engine; keeps the order.
   * @param size Engines of this process, whose names are below it.
   */
  constructor(send: (engine: number, command: EngineCommand) => void, size: number) {
    this.#send = send;
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
      this.#distant.set(node.indices[engine]!, { node, engine, endpoint, joined: new Set() });
    }
    return gone;
  }

  /** @returns Names that stand for nobody any more. */
  forget(id: NodeId): ReadonlySet<number> {
    const gone = new Set(this.#nodes.get(id)?.indices);
    this.#nodes.delete(id);
    for (const index of gone) {
      const distant = this.#distant.get(index)!;
      this.#distant.delete(index);
      for (const engine of distant.joined) this.#send(engine, { type: "disconnect_relay", index });
    }
    return gone;
  }

  /** @returns Whether the engine was joined to any of another node. */
  engineLost(engine: number): boolean {
    let wasJoined = false;
    for (const { joined } of this.#distant.values()) {
      if (joined.delete(engine)) wasJoined = true;
    }
    return wasJoined;
  }

  /** Joins an engine here to that of another node, unless it was. */
  connect(engine: number, index: number): void {
    const distant = this.#distant.get(index);
    if (distant === undefined || distant.joined.has(engine)) return;
    distant.joined.add(engine);
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
