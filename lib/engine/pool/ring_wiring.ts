/**
 * The shared memory between a pool's engines: made for a pair when something first has to cross, as
 * few rooms span engines, and made anew when one of the two was.
 *
 * @module
 */
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { RelayPeer } from "../messages/neighbour_messages.ts";
import { createRelayRing } from "../relay/relay_ring.ts";

/**
 * A pool's rings: a pair for two engines that have something to cross, and a new pair when one of
 * them was lost since.
 */
export class RingWiring {
  readonly #send: (engine: number, command: EngineCommand) => void;
  readonly #create: () => SharedArrayBuffer;
  readonly #bellOf: (engine: number) => number | undefined;
  /** Pairs that are joined, the lower index first. */
  readonly #joined = new Set<string>();

  /**
   * @param send Brings a command to one engine; keeps the order.
   * @param bellOf How an engine's thread is woken, if it waits for a bell.
   */
  constructor(
    send: (engine: number, command: EngineCommand) => void,
    create: () => SharedArrayBuffer = createRelayRing,
    bellOf: (engine: number) => number | undefined = () => undefined,
  ) {
    this.#send = send;
    this.#create = create;
    this.#bellOf = bellOf;
  }

  /** Joins two engines, unless they are. */
  connect(one: number, other: number): void {
    const pair = pairOf(one, other);
    if (this.#joined.has(pair)) return;
    this.#joined.add(pair);
    const there = this.#create();
    const back = this.#create();
    this.#tell(one, { index: other, outbound: there, inbound: back });
    this.#tell(other, { index: one, outbound: back, inbound: there });
  }

  #tell(engine: number, rings: RelayPeer): void {
    const bell = this.#bellOf(rings.index);
    const peer = bell === undefined ? rings : { ...rings, bell };
    this.#send(engine, { type: "connect_relay", peer });
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
