/**
 * Recorded tracks of whole media engines, over real sockets on the loopback address: of an engine in
 * this thread, of two workers, and of a track that comes by relay rings or as from another node.
 */
import assert from "node:assert/strict";
import type { DownTrackId } from "../../lib/base/ids.ts";
import { recordableCodecs } from "../../lib/recording/frames/frame_assembly.ts";
import type { RtpView } from "../../lib/wire/rtp_view.ts";
import { packetsOf } from "../support/media/packet_bundles.ts";
import { RelayedRooms } from "../support/wire/relayed_rooms.ts";
import { createTestPool, SPREAD } from "../support/wire/test_engine.ts";
import { videoSection } from "../support/wire/wire_media.ts";
import { AUDIO, frames, type Publisher, publisher, VIDEO } from "../support/wire/wire_publisher.ts";
import { WireRoom } from "../support/wire/wire_room.ts";
import { pictureLosses } from "../support/wire/wire_rtcp.ts";

const PICTURE = "DT_picture" as DownTrackId;
const SOUND = "DT_sound" as DownTrackId;
/** The best layer's SSRC is 1020. */
const BEST = 1_020;

function record(room: WireRoom, kind: "audio" | "video"): void {
  room.send({
    type: "record_track",
    downTrack: kind === "video" ? PICTURE : SOUND,
    upTrack: kind === "video" ? VIDEO : AUDIO,
    kind,
    codecs: recordableCodecs(kind),
  });
}

function recorded(room: WireRoom, downTrack: DownTrackId): RtpView[] {
  return room.events.flatMap((event) =>
    event.type === "recorded" && event.downTrack === downTrack ? packetsOf(event.packets) : []
  );
}

/** Layers are told of by their first packets, and only then wanted. */
async function begin(from: Publisher, room: WireRoom): Promise<void> {
  await frames(from);
  await room.event("layer_arrived", ({ upTrack, spatial }) => upTrack === VIDEO && spatial === 2);
}

async function assertRecorded(from: Publisher, origin: WireRoom, at: WireRoom): Promise<void> {
  await origin.until("a key-frame request", () => pictureLosses(from.client.rtcp, BEST) > 0);
  await frames(from, { key: true });
  for (let i = 0; i < 40; i++) await frames(from);
  const ofBest = (packet: RtpView) => (packet.bytes[packet.length - 4]! & 0xfe) === (BEST & 0xfe);
  await at.until("all of the best layer", () => recorded(at, PICTURE).filter(ofBest).length >= 41);
  const packets = recorded(at, PICTURE);
  packets.forEach((packet, i) => {
    assert.equal((packet.sequenceNumber - packets[0]!.sequenceNumber) & 0xffff, i, "once each");
  });
  // What was there before the best layer was, a frame of each lower one at most.
  assert.ok(packets.length <= 41 + 2 + 1);
  assert.ok(packets.slice(-41).every(ofBest));
}

/** werift's client keeps timers, so the sanitizers are off. */
function recordingTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
}

recordingTest("an engine tells of a recorded track its best layer, each packet once", async () => {
  await using room = await WireRoom.open();
  const from = await publisher(room);
  record(room, "video");
  record(room, "audio");
  await begin(from, room);
  await assertRecorded(from, room, room);
  for (let i = 0; i < 10; i++) await from.client.sendRtp(from.audio.packet());
  await room.until("sound", () => recorded(room, SOUND).length === 10);
  room.send({ type: "remove_down_track", downTrack: SOUND });
  for (let i = 0; i < 10; i++) await from.client.sendRtp(from.audio.packet());
  const before = recorded(room, PICTURE).length;
  await frames(from);
  await room.until("more pictures", () => recorded(room, PICTURE).length > before);
  assert.equal(recorded(room, SOUND).length, 10, "nothing more");
  assert.deepEqual(room.errors, []);
});

recordingTest("workers tell of recorded tracks across threads", async () => {
  await using room = await WireRoom.open((options) => createTestPool(options, 2, SPREAD));
  const from = await publisher(room);
  record(room, "video");
  await begin(from, room);
  await assertRecorded(from, room, room);
  assert.deepEqual(room.errors, []);
});

for (
  const [way, open] of [
    ["by rings", () => RelayedRooms.open()],
    ["from another node", () => RelayedRooms.openHop()],
  ] as const
) {
  recordingTest(`a track that comes ${way} is recorded as one that is here`, async () => {
    await using rooms = await open();
    const { near, far } = rooms;
    const from = await publisher(near);
    rooms.relay(videoSection("0", VIDEO));
    record(far, "video");
    await begin(from, near);
    await assertRecorded(from, near, far);
    assert.deepEqual([...near.errors, ...far.errors], []);
  });
}
