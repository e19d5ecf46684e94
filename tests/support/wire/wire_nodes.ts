/**
 * Several nodes on the loopback address, each with a real media plane, its clients, and its part of
 * the exchange of tracks. Their links are calls within the process that take a while.
 *
 * @module
 */
import type { NodeId, UpTrackId } from "../../../lib/base/ids.ts";
import type { ReceiveSection } from "../../../lib/base/media_vocabulary.ts";
import { denoPlatform } from "../../../lib/base/deno_platform.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import type { RpcMethod } from "../../../lib/cluster/link/link_ports.ts";
import { MediaExchange } from "../../../lib/cluster/media/media_exchange.ts";
import { isNodeEvent, type RelayEndpoint } from "../../../lib/engine/messages/node_messages.ts";
import type { LocalEngineOptions } from "../../../lib/engine/local/local_engine_options.ts";
import type { MediaEngine } from "../../../lib/engine/messages/media_messages.ts";
import { createThreadPool } from "../../../lib/engine/worker/thread_pool.ts";
import { packMessage, unpackMessage } from "../../../lib/wire/message_pack.ts";
import { scaledPlatform } from "../virtual/scaled_platform.ts";
import { WireRoom } from "./wire_room.ts";
import { pause } from "./until.ts";

/** One way over a link, ms. */
const LINK_MS = 5;

/** One node. */
export class WireNode {
  readonly methods = new Map<string, RpcMethod>();
  readonly exchange: MediaExchange;
  readonly id: NodeId;

  constructor(
    readonly nodes: WireNodes,
    readonly index: number,
    readonly region: string,
    readonly room: WireRoom,
    endpoints: readonly RelayEndpoint[],
  ) {
    this.id = `ND_n${index}` as NodeId;
    const { timers } = denoPlatform(silentLog);
    this.exchange = new MediaExchange({
      self: this.id,
      region,
      timers,
      log: silentLog,
      endpoints: () => endpoints,
      regionOf: (id) => nodes.node(id)?.region,
      send: (command) => room.send(command),
      links: {
        serve: (method, answer) => void this.methods.set(method, answer),
        call: async (peer, method, payload, { withinMs }) => {
          await pause(LINK_MS);
          const there = nodes.reached(this, peer);
          if (there === undefined) throw new Error("timeout");
          const value = unpackMessage(packMessage(payload), 1000)!;
          const answer = await there.methods.get(method)!(this.id, value, withinMs);
          await pause(LINK_MS);
          return answer;
        },
        facts: (peer) => ({
          isUp: nodes.reached(this, peer) !== undefined,
          protocol: 1,
          rttMs: 2 * LINK_MS,
          queuedBytes: 0,
          mediaBytes: 0,
          secret: secretOf(this.id, peer),
        }),
        sendDatagram: (peer, _kind, bytes) => {
          setTimeout(() => nodes.reached(this, peer)?.exchange.datagram(this.id, bytes), LINK_MS);
          return true;
        },
      },
    });
    const { onEvent } = room.engine;
    room.engine.onEvent = (event) => {
      onEvent(event);
      if (isNodeEvent(event)) this.exchange.handle(event);
    };
  }

  /** A track of another node becomes known. */
  know(section: ReceiveSection): void {
    this.room.send({ type: "add_remote_track", upTrack: section.upTrack, section });
  }
}

/** All nodes. Dispose it to end engines and clients. */
export class WireNodes implements AsyncDisposable {
  readonly all: WireNode[] = [];
  readonly #gone = new Set<NodeId>();
  /** Pairs of nodes without a link. */
  readonly #cut = new Set<string>();

  /**
   * @param regions Of each node, with what makes its engine if it is not one in this thread.
   * @param reach Where others reach an engine that is there.
   */
  static async open(
    regions: readonly {
      readonly region: string;
      readonly createEngine?: (options: LocalEngineOptions) => MediaEngine;
    }[],
    reach: (there: RelayEndpoint) => Promise<RelayEndpoint> = (there) => Promise.resolve(there),
  ): Promise<WireNodes> {
    const nodes = new WireNodes();
    for (const [index, { region, createEngine }] of regions.entries()) {
      // What engines give up after a time they give up for the network, not for the machine.
      const room = await WireRoom.open((options) =>
        (createEngine ?? createThreadPool)({
          ...options,
          platform: scaledPlatform(1, options.platform.log),
        })
      );
      const endpoints = await Promise.all(room.ready.relays.map(reach));
      nodes.all.push(new WireNode(nodes, index, region, room, endpoints));
    }
    for (const node of nodes.all) {
      for (const peer of nodes.all) if (peer !== node) node.exchange.linkUp(peer.id);
    }
    await pause(10 * LINK_MS);
    return nodes;
  }

  node(id: NodeId): WireNode | undefined {
    return this.#gone.has(id) ? undefined : this.all.find((node) => node.id === id);
  }

  /** Whoever a link leads to. */
  reached(from: WireNode, id: NodeId): WireNode | undefined {
    return this.#cut.has(secretOf(from.id, id).join()) ? undefined : this.node(id);
  }

  /** The link of two nodes ends; media has its own way. */
  cut(one: WireNode, other: WireNode): void {
    this.#cut.add(secretOf(one.id, other.id).join());
    one.exchange.linkDown(other.id);
    other.exchange.linkDown(one.id);
  }

  /** It is there again. */
  mend(one: WireNode, other: WireNode): void {
    this.#cut.delete(secretOf(one.id, other.id).join());
    one.exchange.linkUp(other.id);
    other.exchange.linkUp(one.id);
  }

  /** A node dies. */
  async kill(node: WireNode): Promise<void> {
    this.#gone.add(node.id);
    node.exchange.close();
    await node.room[Symbol.asyncDispose]();
    for (const other of this.all) {
      if (!this.#gone.has(other.id)) other.exchange.linkDown(node.id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { exchange, room, id } of this.all) {
      if (this.#gone.has(id)) continue;
      exchange.close();
      await room[Symbol.asyncDispose]();
    }
  }
}

/** The id of a track of node `index`. */
export function trackOf(index: number, n: number): UpTrackId {
  return `UT_n${index}.${n}` as UpTrackId;
}

function secretOf(a: NodeId, b: NodeId): Uint8Array {
  const secret = new Uint8Array(32);
  new TextEncoder().encodeInto([a, b].sort().join(""), secret);
  return secret;
}
