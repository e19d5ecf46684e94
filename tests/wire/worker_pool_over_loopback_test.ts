/**
 * A pool of real workers over real sockets on the loopback address: rooms that span workers, data
 * and TCP across them, and workers that die.
 */
import assert from "node:assert/strict";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { DEFAULT_PLACEMENT } from "../../lib/engine/pool/placement.ts";
import { createWorkerPool } from "../../lib/engine/worker/worker_pool.ts";
import { readDataTrackPacket, writeDataTrackPacket } from "../../lib/wire/data_track_packet.ts";
import { MortalWorkers } from "../support/wire/mortal_workers.ts";
import { freeUdpPort } from "../support/process/roomwire_process.ts";
import { SPREAD } from "../support/wire/test_engine.ts";
import { userPacket, userText } from "../support/wire/user_packet.ts";
import { until } from "../support/wire/until.ts";
import { audioSection, AudioStream, TransportNumbers } from "../support/wire/wire_media.ts";
import {
  assertDense,
  AUDIO,
  frames,
  layerOf,
  type Publisher,
  publisher,
  sequenceNumbers,
  VIDEO,
} from "../support/wire/wire_publisher.ts";
import type { ReceivedRtp } from "../support/wire/wire_client.ts";
import { type Peer, type PeerOptions, WireRoom } from "../support/wire/wire_room.ts";

const HOST = "127.0.0.1";
/** Data messages, of 8,000 bytes each. */
const MESSAGES = 500;
const MESSAGE_BYTES = 8_000;
const DATA_POLICY = {
  dataTracks: true,
  slowThresholdBps: 0,
  lossyTargetLatencyMs: 0,
  dataTrackTargetLatencyMs: 100,
};

/** Registers a test on two workers. werift's client keeps timers, so the sanitizers are off. */
function poolTest(
  name: string,
  body: (room: WireRoom, workers: MortalWorkers) => Promise<void>,
  { placement = SPREAD, errors = 0 } = {},
): void {
  Deno.test({
    name,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const ports = [await freeUdpPort(HOST), await freeUdpPort(HOST)];
      const workers = new MortalWorkers(ports);
      await using room = await WireRoom.open(({ udp: _, ...options }) =>
        createWorkerPool({
          ...options,
          udpOf: ports.map((port) => [{ hostname: HOST, port }]),
          placement,
          spawn: workers.spawn,
        })
      );
      await body(room, workers);
      assert.equal(room.errors.length, errors, room.errors.join("\n"));
    },
  });
}

/** Newcomers until one must have found another worker. */
const MAX_ATTEMPTS = 100;

/** UDP port of the worker a peer is on. */
function portOf(room: WireRoom, { id }: Peer): number {
  return room.engine.addressesOf(id).find(({ protocol }) => protocol === "udp")!.port;
}

/**
 * A connected peer on another worker than `from`'s, in a room of its own unless `options` say
 * where: which worker is the freest depends on what the machine does besides.
 */
async function connectAway(room: WireRoom, from: Peer, options: PeerOptions = {}): Promise<Peer> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const peer = await room.connect({ placement: `away ${attempt}`, ...options });
    if (portOf(room, peer) !== portOf(room, from)) return peer;
    room.engine.send({ type: "close_connection", connection: peer.id });
    await peer.client.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`No other worker took a newcomer in ${MAX_ATTEMPTS} attempts`);
}

/**
 * Sends key frames and audio until the highest layer and the audio arrive: what crosses between
 * workers is asked for when it is first seen, and a real publisher sends a key frame when asked.
 */
async function untilFlowing(
  room: WireRoom,
  from: Publisher,
  to: Peer,
  video: number,
  audio: number,
) {
  await until("the highest layer and audio on another worker", async () => {
    await frames(from, { key: true });
    await from.client.sendRtp(from.audio.packet());
    await room.stats();
    const last = to.client.rtpOf(video).at(-1);
    return last !== undefined && layerOf(last) === 2 && to.client.rtpOf(audio).length > 0;
  }, () => room.drops.snapshot());
}

poolTest("EnginePool carries tracks to a subscriber on another worker, whole", async (room) => {
  const from = await publisher(room);
  const to = await connectAway(room, from);
  room.subscribe(to, VIDEO, "video", 5000);
  room.subscribe(to, AUDIO, "audio", 5100);
  await untilFlowing(room, from, to, 5000, 5100);
  const before = [5000, 5100].map((ssrc) => to.client.rtpOf(ssrc).length);
  for (let i = 0; i < 50; i++) {
    await frames(from);
    await from.client.sendRtp(from.audio.packet());
  }
  const [video, audio] = [5000, 5100].map((ssrc, i) => () =>
    to.client.rtpOf(ssrc).slice(before[i]! - 1)
  ) as [() => ReceivedRtp[], () => ReceivedRtp[]];
  await room.until("all packets", () => video().length > 50 && audio().length > 50);
  assertDense(sequenceNumbers(video()), "video");
  assertDense(sequenceNumbers(audio()), "audio");
  assertDense(video().map(({ bytes }) => (bytes.at(-3)! << 8) | bytes.at(-2)!), "video's source");
  assert.ok(video().every((packet) => layerOf(packet) === 2));
  const { upTracks, downTracks, connections } = await room.stats();
  assert.deepEqual(upTracks.map(({ upTrack }) => upTrack).sort(), [AUDIO, VIDEO].sort());
  assert.deepEqual([downTracks.length, connections], [2, 2]);
});

poolTest("EnginePool serves clients of both workers through one TCP port", async (room) => {
  const from = await publisher(room, "tcp");
  const to = await connectAway(room, from, { protocol: "tcp" });
  const tcpPorts = [from, to].map(({ id }) =>
    room.engine.addressesOf(id).find(({ protocol }) => protocol === "tcp")!.port
  );
  assert.equal(tcpPorts[0], tcpPorts[1]);
  room.subscribe(to, AUDIO, "audio", 5100);
  await room.until("the first packet", () => {
    from.client.sendRtp(from.audio.packet());
    return to.client.rtpOf(5100).length > 0;
  });
  const before = to.client.rtpOf(5100).length;
  for (let i = 0; i < 200; i++) await from.client.sendRtp(from.audio.packet());
  await room.until("all packets", () => to.client.rtpOf(5100).length >= before + 200);
  assertDense(sequenceNumbers(to.client.rtpOf(5100)), "audio over TCP");
});

poolTest("EnginePool holds a writer whose reader on another worker cannot follow", async (room) => {
  // Slow, and never too slow: a machine with other work makes it slower still.
  const dataPolicy = { ...DATA_POLICY, slowThresholdBps: 1 };
  const writer = await room.connect({ dataChannels: "accept", dataPolicy });
  const reader = await connectAway(room, writer, { dataChannels: "create", dataPolicy });
  for (const peer of [writer, reader]) room.joinData(peer);
  writer.client.channels!.open("_reliable", { ordered: true });
  for (const { client } of [writer, reader]) {
    await room.until("the channel", () => client.channels!.isOpen("_reliable"));
  }
  const slow = reader.client.channels!.readSlowly(64 * 1024);
  const reading = setInterval(() => slow.read(64 * 1024), 50);
  try {
    for (let i = 0; i < MESSAGES; i++) {
      const bytes = userPacket(String(i).padEnd(MESSAGE_BYTES));
      writer.client.channels!.send("_reliable", bytes);
    }
    const { messages } = reader.client.channels!;
    await room.until("all messages", () => messages.length === MESSAGES);
    assert.ok(messages.every(({ bytes }, i) => userText(bytes).trim() === String(i)), "in order");
  } finally {
    clearInterval(reading);
  }
  await room.recount();
  assert.ok(room.drops.get("data_writer_held") > 0);
  assert.equal(room.drops.get("data_not_sent_reliable"), 0);
  assert.equal(room.drops.get("data_reliable_buffer_full"), 0);
  const told = room.events.filter(({ type }) => type.startsWith("data_"));
  assert.ok(
    told.every(({ type }) => type === "data_channel_open"),
    "nobody else had to do with it",
  );
});

poolTest(
  "EnginePool carries messages between clients of both workers, as the table says",
  async (room) => {
    const options = { dataChannels: "accept", dataPolicy: DATA_POLICY } as const;
    const one = await room.connect(options);
    const away = await connectAway(room, one, options);
    const third = await connectAway(room, away, options);
    const peers = [one, away, third];
    for (const peer of peers) room.joinData(peer);
    for (const { client } of peers) {
      client.channels!.open("_reliable", { ordered: true });
      await room.until("the channel", () => client.channels!.isOpen("_reliable"));
    }
    const count = 300;
    const say = (peer: Peer, text: string) =>
      peer.client.channels!.send("_reliable", userPacket(text));
    for (let i = 0; i < count; i++) peers.forEach((peer, sender) => say(peer, `${sender} ${i}`));
    const from = (peer: Peer, sender: string) =>
      peer.client.channels!.messages.map(({ bytes }) => userText(bytes))
        .filter((text) => text.startsWith(sender));
    for (const [receiver, peer] of peers.entries()) {
      for (const sender of [0, 1, 2]) {
        const expected = sender === receiver
          ? []
          : Array.from({ length: count }, (_, i) => `${sender} ${i}`);
        const came = () => from(peer, `${sender} `);
        await room.until(
          `all of ${sender} at ${receiver}`,
          () => came().length === expected.length,
        );
        assert.deepEqual(came(), expected, "in order, once");
      }
    }
    // In the midst of a flood it may not speak any more, and then it may again.
    for (let i = 0; i < count; i++) {
      say(one, `before ${i}`);
    }
    room.joinData(one, { maySend: false });
    say(one, "while it may not");
    const refused = () => room.drops.get("data_not_allowed");
    const passed = () => from(third, "before ").length;
    await room.until("what it said to pass or not", () => passed() + refused() === count + 1);
    assert.deepEqual(from(third, "while"), []);
    room.joinData(one);
    say(one, "again");
    room.send({ type: "send_room_data", room: 1, kind: "reliable", bytes: userPacket("server") });
    for (const peer of [away, third]) {
      await room.until("what came after", () => from(peer, "again").length === 1);
      await room.until("the server's word", () => from(peer, "server").length === 1);
    }
  },
);

poolTest("EnginePool brings data tracks to receivers on both workers", async (room) => {
  const dataPolicy = DATA_POLICY;
  const label = "_data_track";
  const from = await room.connect({ dataChannels: "accept", dataPolicy });
  const options = { dataChannels: "create", dataPolicy } as const;
  const away = await connectAway(room, from, options);
  const others = [away, await connectAway(room, away, options), await room.connect(options)];
  from.client.channels!.open(label, { ordered: false, maxRetransmits: 0 });
  for (const { client } of [from, ...others]) {
    await room.until("the channel", () => client.channels!.isOpen(label));
  }
  const receivers = others.map(({ id }, i) => ({ connection: id, handle: 500 + i }));
  room.send({
    type: "set_data_track_routes",
    connection: from.id,
    routes: [{ handle: 3, receivers }],
  });
  const packet = (handle: number) =>
    writeDataTrackPacket({
      version: 0,
      startOfFrame: true,
      finalOfFrame: true,
      handle,
      sequence: 1,
      frameNumber: 1,
      timestamp: 90_000,
      extensions: [],
      payload: Uint8Array.of(1, 2, 3),
    })!;
  await room.stats(); // the routes are set on both
  from.client.channels!.send(label, packet(3));
  for (const [i, { client }] of others.entries()) {
    await room.until("the packet", () => client.channels!.messages.length === 1);
    assert.deepEqual(
      readDataTrackPacket(client.channels!.messages[0]!.bytes),
      readDataTrackPacket(packet(500 + i)),
    );
  }
});

poolTest(
  "EnginePool loses with a worker its connections alone, and has it back on its port",
  async (room, workers) => {
    const openRoom = async (placement: string) => {
      const [from, to] = [await room.connect({ placement }), await room.connect({ placement })];
      assert.equal(portOf(room, to), portOf(room, from), "a room stays on one worker");
      const upTrack = `audio-${placement}` as typeof AUDIO;
      const sections = [audioSection("1", upTrack)];
      room.send({ type: "set_receive", connection: from.id, sections });
      room.subscribe(to, upTrack, "audio", 5100);
      return { from, to, stream: new AudioStream(2000, "1", new TransportNumbers()) };
    };
    const lost = await openRoom("lost");
    let kept = await openRoom("kept 0");
    for (let i = 1; portOf(room, kept.from) === portOf(room, lost.from); i++) {
      assert.ok(i < MAX_ATTEMPTS, "every room is on one worker");
      kept = await openRoom(`kept ${i}`);
    }
    const rooms = [lost, kept];
    const lostPort = portOf(room, lost.from);
    let sent = 0;
    const heardBy = ({ to }: typeof kept) => to.client.rtpOf(5100);
    const speaking = setInterval(() => {
      sent++;
      for (const { from, stream } of rooms) from.client.sendRtp(stream.packet()).catch(() => {});
    }, 20);
    try {
      for (const one of rooms) {
        await room.until("a second of audio", () => heardBy(one).length > 50);
      }
      const unheard = sent - heardBy(kept).length;
      workers.kill(lostPort, "vanish");
      for (const { id } of [lost.from, lost.to]) {
        const failed = await room.event("connection_failed", ({ connection }) => connection === id);
        assert.equal(failed.reason, "worker_lost");
      }
      assert.equal(room.drops.get("media_worker_lost"), 1);
      assert.equal(portOf(room, await connectAway(room, kept.from)), lostPort);
      clearInterval(speaking);
      await room.until(
        "what the other room spoke meanwhile",
        () => heardBy(kept).length >= sent - unheard,
      );
    } finally {
      clearInterval(speaking);
    }
    const ofKept = [kept.from.id, kept.to.id];
    assert.ok(
      !room.events.some((event) =>
        event.type === "connection_failed" && ofKept.includes(event.connection)
      ),
    );
    assertDense(sequenceNumbers(heardBy(kept)), "the other room");
  },
  { placement: DEFAULT_PLACEMENT, errors: 1 },
);

poolTest(
  "EnginePool carries tracks to a worker that was lost, once it is back",
  async (room, workers) => {
    const from = await publisher(room);
    const first = await connectAway(room, from);
    room.subscribe(first, AUDIO, "audio", 5100);
    const speaking = setInterval(() => from.client.sendRtp(from.audio.packet()), 20);
    try {
      await room.until("audio", () => first.client.rtpOf(5100).length > 20);
      workers.kill(portOf(room, first), "fail");
      await room.event("connection_failed", ({ connection }) => connection === first.id);
      const second = await connectAway(room, from);
      room.subscribe(second, AUDIO, "audio", 5200);
      await room.until("audio again", () => second.client.rtpOf(5200).length > 20);
      assertDense(sequenceNumbers(second.client.rtpOf(5200)), "audio after the loss");
    } finally {
      clearInterval(speaking);
    }
  },
  { errors: 1 },
);

function plainPool(udp: readonly number[], tcp: readonly number[] = []) {
  return createWorkerPool({
    platform: denoPlatform(),
    udpOf: udp.map((port) => [{ hostname: HOST, port }]),
    tcp: tcp.map((port) => ({ hostname: HOST, port })),
    advertised: [HOST],
  });
}

Deno.test("EnginePool.start() says which address is in use, and close() leaves nothing behind", async () => {
  const first = plainPool([0, 0], [0]);
  const { addresses, fingerprint, ports } = await first.start();
  assert.deepEqual(addresses.map(({ protocol }) => protocol), ["udp", "udp", "tcp"]);
  assert.match(fingerprint.value, /^(?:[\dA-F]{2}:){31}[\dA-F]{2}$/);
  assert.match(ports, /sockets/);
  const [, taken, listening] = addresses.map(({ port }) => port);
  await assert.rejects(plainPool([0, taken!]).start(), { code: "address_in_use" });
  await assert.rejects(plainPool([0], [listening!]).start(), { code: "address_in_use" });
  await assert.rejects(plainPool([]).start(), { code: "invalid_config" });
  await first.close();
  await first.close();
  const second = plainPool([taken!], [listening!]);
  await second.start();
  await second.close();
});
