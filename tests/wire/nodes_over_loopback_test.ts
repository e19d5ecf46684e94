/**
 * Media planes of several nodes over real sockets on the loopback address: a subscriber gets what is
 * published on another node, wherever it is.
 */
import assert from "node:assert/strict";
import { dataTrackId } from "../../lib/base/ids.ts";
import { createWorkerPool } from "../../lib/engine/worker/worker_pool.ts";
import { readDataTrackPacket, writeDataTrackPacket } from "../../lib/wire/data_track_packet.ts";
import { until } from "../support/wire/until.ts";
import {
  behind,
  nodesTest,
  subscriber,
  untilFlowing,
  VIDEO,
} from "../support/wire/distant_subscribers.ts";
import type { WireNode } from "../support/wire/wire_nodes.ts";
import { assertDense, frames, sequenceNumbers } from "../support/wire/wire_publisher.ts";
import type { LocalEngineOptions } from "../../lib/engine/local/local_engine_options.ts";
import { LossyProxy } from "../support/process/lossy_proxy.ts";
import { freeUdpPort } from "../support/process/roomwire_process.ts";
import { MortalWorkers } from "../support/wire/mortal_workers.ts";
import { SPREAD } from "../support/wire/test_engine.ts";
import type { Peer } from "../support/wire/wire_room.ts";
import { pictureLosses } from "../support/wire/wire_rtcp.ts";

const HOST = "127.0.0.1";

/** Two workers, on whatever ports are free; they lose no time to a machine that is busy. */
function twoWorkers({ udp, ...options }: LocalEngineOptions) {
  const program = new URL("../support/wire/patient_worker.ts", import.meta.url);
  const spawn = () => new Worker(program, { type: "module" });
  return createWorkerPool({ ...options, udpOf: [udp, udp], placement: SPREAD, spawn });
}

/** Two workers on ports of their own, so that a worker that is begun anew is where it was. */
async function mortalWorkers() {
  const ports = [await freeUdpPort(HOST), await freeUdpPort(HOST)];
  const workers = new MortalWorkers(ports);
  const createEngine = (options: LocalEngineOptions) =>
    createWorkerPool({
      ...options,
      udpOf: ports.map((port) => [{ hostname: HOST, port }]),
      placement: SPREAD,
      spawn: workers.spawn,
    });
  return { createEngine, kill: (engine: number) => workers.kill(ports[engine]!, "fail") };
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
    // What was on its way by then may still come.
    const last = sequence;
    const unknown = () => near.room.drops.get("data_track_unknown_handle");
    const before = unknown();
    await until("what is sent later to be dropped", () => {
      send(100);
      return unknown() >= before + 5;
    });
    for (const peer of peers) {
      assert.ok(got(peer).every(({ sequence }) => sequence <= last), "its publisher ended it");
    }
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

{
  const proxy = new LossyProxy(1);
  nodesTest(
    "Where a fiftieth is lost everything comes; where UDP is blocked it goes by the link, and back",
    [{ region: "eu" }, { region: "us", createEngine: twoWorkers }],
    async (nodes, from) => {
      await using _proxy = proxy;
      const far = nodes.all[1]!;
      const peer = await subscriber(far);
      await untilFlowing(nodes, from, [peer]);
      proxy.loss = 0.02;
      const start = peer.client.rtpOf(5100).length;
      for (let i = 0; i < 300; i++) {
        await from.client.sendRtp(from.audio.packet());
        if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await until("every packet of audio", () => peer.client.rtpOf(5100).length >= start + 300);
      const numbers = sequenceNumbers(peer.client.rtpOf(5100).slice(start));
      assert.equal(new Set(numbers).size, numbers.length, "none twice");
      assert.ok(proxy.lost > 0, "some were lost on the way");
      const told = (blocked: boolean) =>
        nodes.all.flatMap(({ room }) => room.events)
          .filter((event) => event.type === "relay_blocked" && event.blocked === blocked).length;
      proxy.loss = 1;
      await untilFlowing(nodes, from, [peer]);
      await until("the end of doubt: UDP is blocked", async () => {
        await frames(from);
        await new Promise((resolve) => setTimeout(resolve, 10));
        return told(true) > 0;
      });
      await untilFlowing(nodes, from, [peer]);
      assert.equal(told(false), 0);
      proxy.loss = 0;
      await until("UDP again", async () => {
        await frames(from);
        await new Promise((resolve) => setTimeout(resolve, 10));
        return told(false) > 0;
      });
      await untilFlowing(nodes, from, [peer]);
    },
    behind(proxy),
  );
}

nodesTest(
  "A node is reached by whichever of its addresses answers",
  [{ region: "eu" }, { region: "us", createEngine: twoWorkers }],
  async (nodes, from) => {
    const peer = await subscriber(nodes.all[1]!);
    await untilFlowing(nodes, from, [peer]);
    const blocked = nodes.all.flatMap(({ room }) => room.events)
      .filter((event) => event.type === "relay_blocked");
    assert.deepEqual(blocked, [], "by UDP from the beginning");
  },
  // Nobody listens on the port for discarding.
  ({ addresses }) => Promise.resolve({ addresses: [{ hostname: HOST, port: 9 }, ...addresses] }),
);

{
  const head = await mortalWorkers();
  nodesTest(
    "A worker that a region is served by ends, and the others of the region go on",
    [{ region: "eu" }, { region: "us", createEngine: head.createEngine }, { region: "us" }],
    async (nodes, from) => {
      const [, first, second] = nodes.all as [WireNode, WireNode, WireNode];
      const beside = [await subscriber(first), await subscriber(first)];
      await untilFlowing(nodes, from, beside);
      const behindIt = await subscriber(second);
      await untilFlowing(nodes, from, [...beside, behindIt]);
      const wanted = first.room.events.findLast((event) => event.type === "relay_wanted");
      assert.ok(wanted?.type === "relay_wanted");
      head.kill(wanted.engine);
      const failed = await until(
        "the loss of its connection",
        () => first.room.events.find((event) => event.type === "connection_failed"),
      );
      const left = beside.filter(({ id }) => id !== failed.connection);
      assert.equal(left.length, 1, "each was on a worker of its own");

      await untilFlowing(nodes, from, [...left, behindIt]);
      first.room.errors.length = 0; // the worker's own
    },
  );
}
