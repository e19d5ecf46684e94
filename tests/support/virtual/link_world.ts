/**
 * Nodes on virtual time whose links go over a {@linkcode LinkNetwork}, and rooms that check what
 * they are told.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { NodeId } from "../../../lib/base/ids.ts";
import type { Log } from "../../../lib/base/platform.ts";
import { ClusterLinks } from "../../../lib/cluster/link/cluster_links.ts";
import type { ClusterDrop } from "../../../lib/cluster/drop_reasons.ts";
import type { ProtocolRange } from "../../../lib/cluster/link/link_handshake.ts";
import type { DatagramKind } from "../../../lib/cluster/link/link_ports.ts";
import { LinkNetwork, type LinkWeather } from "./link_network.ts";
import { VirtualPlatform } from "./virtual_platform.ts";

/** One node. */
export interface LinkNode {
  readonly id: NodeId;
  readonly address: string;
  readonly links: ClusterLinks;
  /** `up ND_b`, `down ND_b`. */
  readonly events: string[];
  readonly datagrams: { readonly peer: NodeId; readonly kind: DatagramKind; bytes: Uint8Array }[];
  readonly counters: DropCounters<ClusterDrop>;
}

/** What may differ between nodes. */
export interface LinkNodeOptions {
  readonly secret?: string;
  readonly protocol?: ProtocolRange;
  /** Of its wall clock, ms. */
  readonly skewMs?: number;
  readonly log?: Log;
}

/** Some nodes and what connects them. */
export class LinkWorld {
  readonly platform: VirtualPlatform;
  readonly network: LinkNetwork;
  readonly nodes: LinkNode[] = [];

  constructor(seed = 1, weather: Partial<LinkWeather> = {}) {
    this.platform = new VirtualPlatform(seed);
    this.network = new LinkNetwork(this.platform, weather);
  }

  /** Adds a node; ids order as names do. */
  add(name: string, options: LinkNodeOptions = {}): LinkNode {
    const { clock, timers, random } = this.platform;
    const { secret = "of the cluster", protocol, skewMs = 0, log = this.platform.log } = options;
    const id = `ND_${name}` as NodeId;
    const events: string[] = [];
    const datagrams: LinkNode["datagrams"] = [];
    const counters = new DropCounters<ClusterDrop>();
    const address = `ws://${name}/cluster`;
    const links = new ClusterLinks({
      platform: {
        clock: {
          now: () => clock.now(),
          nowUs: () => clock.nowUs(),
          wallMs: () => clock.wallMs() + skewMs,
        },
        timers,
        random,
        log,
      },
      counters,
      node: id,
      address: () => address,
      secret: new TextEncoder().encode(secret),
      dial: this.network.dialFrom(id),
      observer: {
        onUp: (peer) => void events.push(`up ${peer}`),
        onDown: (peer) => void events.push(`down ${peer}`),
        onDatagram: (peer, kind, bytes) => void datagrams.push({ peer, kind, bytes }),
      },
      ...(protocol === undefined ? {} : { protocol }),
    });
    this.network.listen(address, id, (token) => {
      const accepted = links.accept(token);
      return accepted.ok ? accepted.open : undefined;
    });
    const node: LinkNode = { id, address, links, events, datagrams, counters };
    this.nodes.push(node);
    return node;
  }

  advance(ms: number): Promise<void> {
    return this.platform.advanceAsync(ms, 1);
  }

  /** Closes all, and lets what is under way end. */
  async close(): Promise<void> {
    for (const { links } of this.nodes) links.close();
    this.network.healAll();
    await this.platform.advanceAsync(3_000, 50);
  }
}
