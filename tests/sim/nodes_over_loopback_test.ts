/**
 * Media planes of several nodes over real sockets on the loopback address: a subscriber gets what is
 * published on another node, wherever it is.
 */
import assert from "node:assert/strict";
import { dataTrackId } from "../../lib/base/ids.ts";
import { createWorkerPool } from "../../lib/engine/worker/worker_pool.ts";
import { readDataTrackPacket, writeDataTrackPacket } from "../../lib/wire/data_track_packet.ts";
import { until } from "../support/wire/until.ts";
import { audioSection, videoSection } from "../support/wire/wire_media.ts";
import { trackOf, type WireNode, WireNodes } from "../support/wire/wire_nodes.ts";
import {
  assertDense,
  frames,
  layerOf,
  type Publisher,
  publisher,
  sequenceNumbers,
} from "../support/wire/wire_publisher.ts";
import type { LocalEngineOptions } from "../../lib/engine/local/local_engine_options.ts";
import { SPREAD } from "../support/wire/test_engine.ts";
import type { Peer } from "../support/wire/wire_room.ts";
import { pictureLosses } from "../support/wire/wire_rtcp.ts";

const VIDEO = trackOf(0, 1);
const AUDIO = trackOf(0, 2);

/** Two workers, on whatever ports are free. */
function twoWorkers({ udp, ...options }: LocalEngineOptions) {
  return createWorkerPool({ ...options, udpOf: [udp, udp], placement: SPREAD });
}

/** Registers a test. werift's client keeps timers, so the sanitizers are off. */
function nodesTest(
  name: string,
  regions: Parameters<typeof WireNodes.open>[0],
  body: (nodes: WireNodes, from: Publisher) => Promise<void>,
): void {
  Deno.test({
    name,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await using nodes = await WireNodes.open(regions);
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

async function subscriber({ room }: WireNode, ssrc = 5000): Promise<Peer> {
  const peer = await room.connect();
  room.subscribe(peer, VIDEO, "video", ssrc);
  room.subscribe(peer, AUDIO, "audio", ssrc + 100);
  return peer;
}

/** Sends until all get the highest layer and audio, with key frames as a client would. */
async function untilFlowing(nodes: WireNodes, from: Publisher, peers: readonly Peer[]) {
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

nodesTest(
  "A subscriber on another node gets a track whole, and asks for key frames and repair",
  [{ region: "eu" }, { region: "eu", createEngine: twoWorkers }],
  async (nodes, from) => {
    const [near, far] = nodes.all as [WireNode, WireNode];
    const peers = [await subscriber(far), await subscriber(far)];
    await untilFlowing(nodes, from, peers);
    const starts = peers.map(({ client }) => [5000, 5100].map((ssrc) => client.rtpOf(ssrc).length));
    for (let i = 0; i < 50; i++) {
      await frames(from);
      await from.client.sendRtp(from.audio.packet());
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const [i, { client }] of peers.entries()) {
      const received = (kind: 0 | 1) =>
        client.rtpOf(5000 + 100 * kind).slice(starts[i]![kind]! - 1);
      await far.room.until("all packets", () => received(0).length > 50 && received(1).length > 50);
      assertDense(sequenceNumbers(received(0)), "video");
      assertDense(sequenceNumbers(received(1)), "audio");
    }
    const asked = pictureLosses(from.client.rtcp, 1000);
    far.room.subscribe(await far.room.connect(), VIDEO, "video", 7000, {
      enabled: true,
      maxSpatial: 0,
      maxTemporal: 3,
    });
    await near.room.until(
      "a key-frame request for the lowest layer",
      () => pictureLosses(from.client.rtcp, 1000) > asked,
    );
  },
);

nodesTest(
  "A track reaches a region once, and the region without its head",
  [{ region: "eu" }, { region: "us" }, { region: "us" }, { region: "us" }],
  async (nodes, from) => {
    const [near, ...others] = nodes.all as [WireNode, ...WireNode[]];
    const peers: Peer[] = [];
    for (const node of others) peers.push(await subscriber(node));
    await untilFlowing(nodes, from, peers);
    const sources = near.room.events.filter(({ type }) => type === "relay_sending");
    assert.equal(new Set(sources.map((event) => "node" in event && event.node)).size, 1);
    await nodes.kill(others[0]!);
    await untilFlowing(nodes, from, peers.slice(1));
    const now = near.room.events.filter(({ type }) => type === "relay_sending");
    assert.ok(now.length > sources.length, "asked by those that are left");
  },
);

nodesTest(
  "A data track reaches receivers on every engine of another node, and ends with its route",
  [{ region: "eu" }, { region: "us", createEngine: twoWorkers }, { region: "us" }],
  async (nodes) => {
    const [near, ...others] = nodes.all as [WireNode, ...WireNode[]];
    const label = "_data_track";
    const policy = { dataTracks: true, slowThresholdBps: 0, lossyTargetLatencyMs: 0 };
    const dataPolicy = { ...policy, dataTrackTargetLatencyMs: 100 };
    const from = await near.room.connect({ dataChannels: "accept", dataPolicy });
    from.client.channels!.open(label, { ordered: false, maxRetransmits: 0 });
    const track = dataTrackId(near.id, "DTR_one");
    const own = { handle: 7, receivers: [], track };
    near.room.send({ type: "set_data_track_routes", connection: from.id, routes: [own] });
    const peers: Peer[] = [];
    for (const { room } of others) {
      const here: Peer[] = [];
      for (let i = 0; i < 2; i++) {
        here.push(await room.connect({ dataChannels: "create", dataPolicy }));
      }
      const receivers = here.map(({ id }, i) => ({ connection: id, handle: 100 + i }));
      room.send({ type: "set_remote_data_track", track, handle: 7, receivers });
      peers.push(...here);
    }
    for (const { client } of [from, ...peers]) {
      await until("a channel", () => client.channels!.isOpen(label));
    }
    let sequence = 0;
    const send = (bytes: number) =>
      from.client.channels!.send(
        label,
        writeDataTrackPacket({
          ...{ version: 0, startOfFrame: true, finalOfFrame: true, handle: 7 },
          ...{ sequence: ++sequence, frameNumber: 1, timestamp: 0, extensions: [] },
          payload: new Uint8Array(bytes),
        })!,
      );
    const got = ({ client }: Peer) =>
      client.channels!.messages.filter((message) => message.label === label)
        .map(({ bytes }) => readDataTrackPacket(bytes)!);
    const allGet = async (bytes: number) => {
      await until("a packet everywhere", async () => {
        send(bytes);
        await new Promise((resolve) => setTimeout(resolve, 20));
        return peers.every((peer) => got(peer).some(({ payload }) => payload.length === bytes));
      }, () => nodes.all.map(({ room }) => room.drops.snapshot()));
    };
    for (const bytes of [100, 16_000]) await allGet(bytes);
    for (const [i, peer] of peers.entries()) {
      const sequences = got(peer).map(({ sequence }) => sequence);
      assert.equal(new Set(sequences).size, sequences.length, "each once");
      assert.ok(got(peer).every(({ handle }) => handle === 100 + i % 2));
    }
    const names = near.room.events.flatMap((event) =>
      event.type === "relay_sending" ? [`${event.node} ${event.engine}`] : []
    );
    assert.equal(new Set(names).size, others.length, "once to each node");
    near.room.send({ type: "set_data_track_routes", connection: from.id, routes: [] });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = peers.map((peer) => got(peer).length);
    for (let i = 0; i < 5; i++) send(100);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual(peers.map((peer) => got(peer).length), before, "its publisher ended it");
  },
);

nodesTest(
  "What nobody wants any more crosses no more, and begins again with a newcomer",
  [{ region: "eu" }, { region: "eu", createEngine: twoWorkers }],
  async (nodes, from) => {
    const far = nodes.all[1]!;
    const peers = [await subscriber(far), await subscriber(far)];
    await untilFlowing(nodes, from, peers);
    // Both leave: nothing crosses any more, and begins again with a newcomer.
    for (const { id } of peers) far.room.send({ type: "close_connection", connection: id });
    await until(
      "the end of it",
      () => Promise.resolve(far.room.events.filter(({ type }) => type === "relay_unwanted").length),
    );
    const again = await subscriber(far);
    await untilFlowing(nodes, from, [again]);
  },
);
