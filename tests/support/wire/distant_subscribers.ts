/**
 * Tests of media planes of several nodes over real sockets on the loopback address: a publisher at
 * the first node, subscribers at the others.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { RelayEndpoint } from "../../../lib/engine/messages/node_messages.ts";
import type { LossyProxy } from "../process/lossy_proxy.ts";
import { until } from "./until.ts";
import { audioSection, videoSection } from "./wire_media.ts";
import { trackOf, type WireNode, WireNodes } from "./wire_nodes.ts";
import { frames, layerOf, type Publisher, publisher } from "./wire_publisher.ts";
import type { Peer } from "./wire_room.ts";

/** What is published at the first node. */
export const VIDEO = trackOf(0, 1);
export const AUDIO = trackOf(0, 2);

/** Registers a test. werift's client keeps timers, so the sanitizers are off. */
export function nodesTest(
  name: string,
  regions: Parameters<typeof WireNodes.open>[0],
  body: (nodes: WireNodes, from: Publisher) => Promise<void>,
  reach?: Parameters<typeof WireNodes.open>[1],
): void {
  Deno.test({
    name,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await using nodes = await WireNodes.open(regions, reach);
      const [first, ...others] = nodes.all as [WireNode, ...WireNode[]];
      const from = await publisher(first.room, "udp", { video: VIDEO, audio: AUDIO });
      for (const node of others) {
        node.know(videoSection("0", VIDEO));
        node.know(audioSection("1", AUDIO));
      }
      await body(nodes, from);
      for (const { room } of nodes.all) assert.deepEqual(room.errors, [], "nothing failed inside");
    },
  });
}

/** Somebody at a node who receives both. */
export async function subscriber({ room }: WireNode, ssrc = 5000): Promise<Peer> {
  const peer = await room.connect();
  room.subscribe(peer, VIDEO, "video", ssrc);
  room.subscribe(peer, AUDIO, "audio", ssrc + 100);
  return peer;
}

/** The ports of engines as others see them: in front of each is a network that loses. */
export function behind(proxy: LossyProxy) {
  return async ({ addresses }: RelayEndpoint): Promise<RelayEndpoint> => ({
    addresses: await Promise.all(
      addresses.map(async ({ hostname, port }) => ({
        hostname,
        port: await proxy.portFor(hostname, port),
      })),
    ),
  });
}

/** Sends until all get the highest layer and audio, with key frames as a client would. */
export async function untilFlowing(nodes: WireNodes, from: Publisher, peers: readonly Peer[]) {
  const counts = peers.map(({ client }) => client.rtpOf(5000).length);
  const voices = peers.map(({ client }) => client.rtpOf(5100).length);
  await until("the highest layer and audio everywhere", async () => {
    await frames(from, { key: true });
    await from.client.sendRtp(from.audio.packet());
    await new Promise((resolve) => setTimeout(resolve, 10));
    return peers.every(({ client }, i) => {
      const video = client.rtpOf(5000);
      return video.length > counts[i]! && layerOf(video.at(-1)!) === 2 &&
        client.rtpOf(5100).length > voices[i]!;
    });
  }, () => nodes.all.map(({ room }) => room.drops.snapshot()));
}
