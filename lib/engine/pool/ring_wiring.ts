/**
 * The shared memory between a pool's engines: made for a pair when something first has to cross, as
 * few rooms span engines, and made anew when one of the two was.
 *
 * @module
 */
import type { EngineCommand } from "../messages/engine_messages.ts";
import { createRelayRing } from "../relay/relay_ring.ts";

/**
 * A pool's rings: a pair for two engines that have something to cross, and a new pair when one of
 * them was lost since.
 */
export class RingWiring {
  readonly #send: (engine: number, command: EngineCommand) => void;
  readonly #create: () => SharedArrayBuffer;
  /** Pairs that are joined, the lower index first. */
  readonly #joined = new Set<string>();

  /** @param send Brings a command to one engine; keeps the order. */
  constructor(
    send: (engine: number, command: EngineCommand) => void,
    create: () => SharedArrayBuffer = createRelayRing,
  ) {
    this.#send = send;
    this.#create = create;
  }

  /** Joins two engines, unless they are. */
  connect(one: number, other: number): void {
    const pair = pairOf(one, other);
    if (this.#joined.has(pair)) return;
    this.#joined.add(pair);
    const there = this.#create();
    const back = this.#create();
    const type = "connect_relay";
    this.#send(one, { type, peer: { index: other, outbound: there, inbound: back } });
    this.#send(other, { type, peer: { index: one, outbound: back, inbound: there } });
  }

  /** Whatever it wrote last may be half written, so nobody goes on with its rings. */
  engineLost(engine: number): void {
    for (const pair of [...this.#joined]) {
      const [one, other] = pair.split(" ").map(Number) as [number, number];
      if (one !== engine && other !== engine) continue;
      this.#joined.delete(pair);
      this.#send(one === engine ? other : one, { type: "disconnect_relay", index: engine });
    }
  }
}

function pairOf(one: number, other: number): string {
  return `${Math.min(one, other)} ${Math.max(one, other)}`;
}
