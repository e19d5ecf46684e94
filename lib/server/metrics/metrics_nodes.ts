/**
 * Metrics of what joins this node to others of its cluster: the links between control planes, and
 * the relays between media planes. All are by `peer`, the other node's id; a node that is not known
 * any more has no lines.
 *
 * @module
 */
import type { NodeId } from "../../base/ids.ts";
import type { RelayStats } from "../../engine/messages/node_messages.ts";
import type { Instruments } from "./metrics_instruments.ts";

/** How the link to a node is. */
export interface NodeLinkFigures {
  readonly peer: NodeId;
  readonly isUp: boolean;
  /** `undefined` before the first. */
  readonly rttMs: number | undefined;
  /** Bytes that wait to be sent. */
  readonly queuedBytes: number;
}

/** Totals of a relay, which may begin anew. */
const TOTALS = [
  "datagramsOut",
  "bytesOut",
  "datagramsIn",
  "bytesIn",
  "repairsOut",
  "repaired",
  "lost",
  "shed",
] as const;
type Totals = Record<typeof TOTALS[number], number>;

/** The metrics of links and relays. Totals never go back when a relay begins anew. */
export class NodeMetrics {
  #before = new Map<string, RelayStats>();
  #peers: ReadonlySet<string> = new Set();

  constructor(readonly instruments: Instruments) {}

  /** Adds what has happened since the last call. */
  update(relays: readonly RelayStats[], links: readonly NodeLinkFigures[]): void {
    const peers = new Set([...relays.map(({ node }) => node), ...links.map(({ peer }) => peer)]);
    for (const peer of this.#peers) if (!peers.has(peer as NodeId)) this.#forget(peer);
    this.#peers = peers;
    for (const link of links) this.#setLink(link);
    const after = new Map<string, RelayStats>();
    for (const peer of peers) {
      const own = relays.filter(({ node }) => node === peer);
      this.#setState(peer, own);
      for (const relay of own) this.#add(relay, after);
    }
    this.#before = after;
    this.instruments.relayMemory.set(relays.reduce((sum, { memory }) => sum + memory, 0));
  }

  #setLink({ peer, isUp, rttMs, queuedBytes }: NodeLinkFigures): void {
    const { linkUp, linkRtt, linkQueued } = this.instruments;
    linkUp.set({ peer }, isUp ? 1 : 0);
    if (rttMs !== undefined) linkRtt.set({ peer }, rttMs);
    linkQueued.set({ peer }, queuedBytes);
  }

  /** The worst of all relays to a node, as one that suffers is what is looked for. */
  #setState(peer: string, relays: readonly RelayStats[]): void {
    const { relays: count, relayRtt, relayLoss, relayQueue, relayCapacity } = this.instruments;
    const blocked = relays.filter((relay) => relay.blocked).length;
    const udp = relays.filter((relay) => relay.connected && !relay.blocked).length;
    count.set({ peer, state: "udp" }, udp);
    count.set({ peer, state: "blocked" }, blocked);
    count.set({ peer, state: "connecting" }, relays.length - udp - blocked);
    const worst = (of: (relay: RelayStats) => number) => Math.max(0, ...relays.map(of));
    relayRtt.set({ peer }, worst(({ rttMs }) => rttMs));
    relayLoss.set({ peer }, worst(({ loss }) => loss));
    relayQueue.set({ peer }, worst(({ queueMs }) => queueMs));
    if (relays.length > 0) relayCapacity.set({ peer }, Math.min(...relays.map(({ bps }) => bps)));
  }

  #add(relay: RelayStats, after: Map<string, RelayStats>): void {
    const { node: peer, ownEngine, theirEngine } = relay;
    const key = `${peer} ${ownEngine} ${theirEngine}`;
    const by = since(this.#before.get(key), relay);
    after.set(key, relay);
    const { instruments } = this;
    instruments.relayDatagrams.inc({ peer, direction: "outgoing" }, by.datagramsOut);
    instruments.relayDatagrams.inc({ peer, direction: "incoming" }, by.datagramsIn);
    instruments.relayBytes.inc({ peer, direction: "outgoing" }, by.bytesOut);
    instruments.relayBytes.inc({ peer, direction: "incoming" }, by.bytesIn);
    instruments.relayRepairs.inc({ peer, outcome: "resent" }, by.repairsOut);
    instruments.relayRepairs.inc({ peer, outcome: "repaired" }, by.repaired);
    instruments.relayRepairs.inc({ peer, outcome: "lost" }, by.lost);
    instruments.relayShed.inc({ peer }, by.shed);
  }

  #forget(peer: string): void {
    const { instruments } = this;
    const { linkUp, linkRtt, linkQueued } = instruments;
    const { relayRtt, relayLoss, relayQueue, relayCapacity, relayShed } = instruments;
    for (const one of [linkUp, linkRtt, linkQueued]) one.remove({ peer });
    for (const one of [relayRtt, relayLoss, relayQueue, relayCapacity, relayShed]) {
      one.remove({ peer });
    }
    for (const state of ["udp", "blocked", "connecting"]) {
      instruments.relays.remove({ peer, state });
    }
    for (const direction of ["outgoing", "incoming"]) {
      instruments.relayDatagrams.remove({ peer, direction });
      instruments.relayBytes.remove({ peer, direction });
    }
    for (const outcome of ["resent", "repaired", "lost"]) {
      instruments.relayRepairs.remove({ peer, outcome });
    }
  }
}

/** What `now` has more than `before`; all of it if it began anew between. */
function since(before: RelayStats | undefined, now: RelayStats): Totals {
  const isSame = before !== undefined && now.datagramsOut >= before.datagramsOut;
  return Object.fromEntries(
    TOTALS.map((name) => [name, Math.max(0, now[name] - (isSame ? before[name] : 0))]),
  ) as Totals;
}
