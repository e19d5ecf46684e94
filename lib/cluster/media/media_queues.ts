/**
 * Tells the media plane how much of its datagrams waits in the links that they take where UDP is
 * blocked: for who sends by TCP, that is the sign that it is too much. What else waits there has
 * shares of its own.
 *
 * @module
 */
import type { NodeId } from "../../base/ids.ts";
import type { Timers } from "../../base/platform.ts";
import type { NodeCommand } from "../../engine/messages/node_messages.ts";
import type { NodeLinks } from "../link/link_ports.ts";

/** While datagrams go it is told this often, ms. */
const INTERVAL_MS = 100;

interface QueuesHost {
  readonly timers: Timers;
  readonly links: Pick<NodeLinks, "facts">;
  /** To the media plane. */
  send(command: NodeCommand): void;
}

/** Two engines between which datagrams go by the link. */
interface Way {
  readonly node: NodeId;
  readonly ownEngine: number;
  readonly theirEngine: number;
  /** Some went since it was told last. */
  isUsed: boolean;
  cancel: () => void;
}

/** The links' queues, as far as media waits in them. */
export class MediaQueues {
  readonly #host: QueuesHost;
  readonly #ways = new Map<string, Way>();

  constructor(host: QueuesHost) {
    this.#host = host;
  }

  /** A datagram went. */
  sent(node: NodeId, ownEngine: number, theirEngine: number): void {
    const key = `${node} ${ownEngine} ${theirEngine}`;
    const known = this.#ways.get(key);
    if (known !== undefined) {
      known.isUsed = true;
      return;
    }
    const way: Way = { node, ownEngine, theirEngine, isUsed: true, cancel: () => {} };
    this.#ways.set(key, way);
    this.#tell(key, way);
  }

  /** Nothing is told any more. Idempotent. */
  close(): void {
    for (const { cancel } of this.#ways.values()) cancel();
    this.#ways.clear();
  }

  #tell(key: string, way: Way): void {
    const { node, ownEngine, theirEngine } = way;
    const bytes = this.#host.links.facts(node)?.mediaBytes;
    if (!way.isUsed || bytes === undefined) {
      this.#ways.delete(key);
      return;
    }
    way.isUsed = false;
    this.#host.send({ type: "relay_queue", node, ownEngine, theirEngine, bytes });
    way.cancel = this.#host.timers.after(INTERVAL_MS, () => this.#tell(key, way));
  }
}
