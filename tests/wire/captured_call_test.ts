/**
 * A call over the loopback address is captured into a file, and the file is played to the forwarding
 * plane again: what a bug report has in it is what happened.
 */
import assert from "node:assert/strict";
import type { NodeId } from "../../lib/base/ids.ts";
import { silentLog } from "../../lib/base/platform.ts";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { PacketCaptures } from "../../lib/admin/packet_captures.ts";
import { EngineRouter } from "../../lib/room/context/engine_router.ts";
import { RtpView } from "../../lib/wire/rtp_view.ts";
import { CapturedCall } from "../support/media/captured_call.ts";
import { type ReadDatagram, readPcapng } from "../support/media/pcapng_reader.ts";
import { createTestPool, SPREAD } from "../support/wire/test_engine.ts";
import {
  AUDIO,
  LAYER_SSRCS,
  type Publisher,
  publisher,
  VIDEO,
} from "../support/wire/wire_publisher.ts";
import { EVERYTHING, type Peer, WireRoom } from "../support/wire/wire_room.ts";

const NOTES_PORT = 9;
const LOST = [7, 12, 13, 30];
const FRAMES = 60;

/** A capture of two connections as those of one participant. */
function capture(room: WireRoom, publisher: Peer, subscriber: Peer, limits = {}) {
  const router = new EngineRouter(room.engine, silentLog, "ND_a" as NodeId);
  const keep = room.engine.onEvent;
  room.engine.onEvent = (event) => {
    keep(event);
    router.dispatch(event);
  };
  const session = { sid: "PA_1", publisher, subscriber };
  const captures = new PacketCaptures({
    rooms: { get: () => ({ name: "room", session: () => session }) as never },
    router,
    platform: denoPlatform(),
    rules: { maxMs: 60_000, maxBytes: 10_000_000 },
    application: "Roomwire test",
  });
  const file = captures.start({ room: "room", identity: "ann", ...limits });
  assert.ok(file instanceof ReadableStream);
  return { router, captures, bytes: bytesOf(file) };
}

async function bytesOf(file: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(file as BodyInit).arrayBuffer());
}

function mediaOf(datagrams: readonly ReadDatagram[], isSent: boolean): RtpView[] {
  return datagrams.flatMap(({ isSent: sent, ports, bytes, length }) => {
    if (sent !== isSent || ports.includes(NOTES_PORT)) return [];
    if (bytes[1]! >= 192 && bytes[1]! <= 223) return [];
    const whole = new Uint8Array(length);
    whole.set(bytes);
    const view = new RtpView();
    assert.ok(view.wrap(whole, length));
    return [view];
  });
}

/** One layer alone, of which some packets are lost for good; and sound. */
async function talk(from: Publisher): Promise<void> {
  const [low] = from.layers;
  for (let i = 0; i < FRAMES; i++) {
    const frame = low!.frame({ key: i % 20 === 0 });
    if (!LOST.includes(i)) await from.client.sendRtp(frame);
    await from.client.sendRtp(from.audio.packet());
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** werift's client keeps timers, so the sanitizers are off. */
function captureTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
}

for (const workers of [0, 2]) {
  captureTest(`a captured call is forwarded again as it was (${workers} workers)`, async () => {
    await using room = await WireRoom.open(
      workers === 0 ? undefined : (options) => createTestPool(options, workers, SPREAD),
    );
    const from = await publisher(room);
    const to = await room.connect();
    const { bytes, router } = capture(room, from, to);
    await talk(from);
    room.subscribe(to, VIDEO, "video", 5_000);
    await talk(from);
    await room.until("pictures", () => to.client.rtp.some(({ ssrc }) => ssrc === 5_000));
    router.send({ type: "capture_packets", connection: from.id });
    router.send({ type: "capture_packets", connection: to.id });
    const file = await bytes;
    const read = readPcapng(file);
    assert.deepEqual(read.interfaces, ["publisher", "subscriber"]);
    assert.equal(read.application, "Roomwire test");

    const published = mediaOf(read.datagrams.filter(({ on }) => on === "publisher"), false);
    const ofVideo = published.filter(({ ssrc }) => ssrc === LAYER_SSRCS[0]);
    assert.equal(ofVideo.length, 2 * (FRAMES - LOST.length), "what was lost is not in it");
    assert.equal(published.length - ofVideo.length, 2 * FRAMES);
    const sent = mediaOf(read.datagrams.filter(({ on }) => on === "subscriber"), true)
      .filter(({ ssrc, payloadLength }) => ssrc === 5_000 && payloadLength > 0);
    const received = to.client.rtp.filter(({ ssrc, isPadding }) => ssrc === 5_000 && !isPadding);
    assert.deepEqual(
      sent.slice(0, received.length).map(({ sequenceNumber }) => sequenceNumber),
      received.map(({ sequenceNumber }) => sequenceNumber),
      "what went out is what came",
    );

    const again = new CapturedCall(file);
    const pictures = again.subscribe(VIDEO, EVERYTHING);
    const sound = again.subscribe(AUDIO, EVERYTHING);
    again.play();
    assert.equal(sound.packets.length, 2 * FRAMES);
    assert.deepEqual(again.drops.snapshot(), {});
    // From the first key frame on, with holes where what was lost never came.
    const views = pictures.views;
    assert.equal(views.length, ofVideo.length);
    const numbers = views.map(({ sequenceNumber }) =>
      (sequenceNumber - views[0]!.sequenceNumber) & 0xffff
    );
    const lost = [...LOST, ...LOST.map((at) => at + FRAMES)];
    const kept = Array.from({ length: 2 * FRAMES }, (_, at) => at).filter((at) =>
      !lost.includes(at)
    );
    assert.deepEqual(numbers, kept);
    const { nacksSent } = again.upTracks.get(VIDEO)!.stats()[0]!;
    assert.ok(nacksSent >= lost.length, "and they are asked for again");
    assert.deepEqual(room.errors, []);
  });
}

captureTest("a capture has no address, no key, no picture and no sound in it", async () => {
  await using room = await WireRoom.open();
  const from = await publisher(room);
  const to = await room.connect();
  room.subscribe(to, AUDIO, "audio", 6_000);
  const { bytes, router } = capture(room, from, to);
  const secret = new TextEncoder().encode("what nobody else may hear or see");
  const { client, layers: [low], audio } = from;
  const longer = (packet: Uint8Array) => {
    const made = new Uint8Array(packet.length + 100 + secret.length + 64);
    made.set(packet);
    made.set(secret, packet.length + 100);
    return made.subarray(0, packet.length + 100 + secret.length);
  };
  for (let i = 0; i < 20; i++) {
    await client.sendRtp(longer(low!.frame({ key: i === 0 })));
    const sound = audio.packet();
    const made = new Uint8Array(sound.length + secret.length + 64);
    made.set(sound);
    made.set(secret, sound.length);
    await client.sendRtp(made.subarray(0, sound.length + secret.length));
  }
  await room.until("sound", () => to.client.rtp.filter(({ ssrc }) => ssrc === 6_000).length >= 20);
  router.send({ type: "close_connection", connection: from.id });
  router.send({ type: "close_connection", connection: to.id });
  const file = await bytes;
  const text = new TextDecoder("latin1").decode(file);
  assert.ok(!text.includes("what nobody"), "payloads are cut off");
  assert.ok(!text.includes("127.0.0.1"));
  for (const { remote, local } of [from, to]) {
    assert.ok(!text.includes(remote.pwd) && !text.includes(local.pwd));
  }
  const { datagrams } = readPcapng(file);
  assert.deepEqual([...new Set(datagrams.map(({ from }) => from))].sort(), [
    "192.0.2.1",
    "198.51.100.1",
  ]);
  const sounds = datagrams.filter(({ bytes }) => bytes[1] === 0x80 + 111 || bytes[1] === 111);
  assert.ok(sounds.length >= 20);
  const ends = datagrams.filter(({ ports }) => ports[0] === NOTES_PORT)
    .map(({ bytes }) => JSON.parse(new TextDecoder().decode(bytes)).ended)
    .filter((ended) => ended !== undefined);
  assert.deepEqual(ends, ["closed", "closed"], "it ends with its connections");
});

captureTest("a capture ends by itself, after its bytes or its time", async () => {
  await using room = await WireRoom.open();
  const from = await publisher(room);
  const to = await room.connect();
  const { bytes } = capture(room, from, to, { bytes: 4_000, ms: 400 });
  await talk(from);
  const { datagrams } = readPcapng(await bytes);
  const media = datagrams.filter(({ ports }) => !ports.includes(NOTES_PORT));
  const size = media.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(size > 1_000 && size <= 4_000, `${size} bytes`);
  assert.ok(media.length < 2 * FRAMES);
  // Everything is there as if nothing had been.
  assert.deepEqual(room.errors, []);
});
