import assert from "node:assert/strict";
import {
  DataPacket,
  DisconnectReason,
  TrackSource,
  UserPacket,
  VideoLayer_Mode,
} from "@livekit/protocol";
import type { ConnectionId, UpTrackId } from "../../lib/base/ids.ts";
import { moveParticipant } from "../../lib/admin/participant_transfer.ts";
import { sdpFixture } from "../support/virtual/negotiation_fixtures.ts";
import { singleOffer } from "../support/virtual/single_offer.ts";
import { WHIP_OFFER, WhipWorld } from "../support/virtual/whip_world.ts";

const RECEIVER = singleOffer([
  { mid: "1", kind: "video", direction: "recvonly" },
  { mid: "2", kind: "audio", direction: "recvonly" },
]);

/** Header that asks for tracks of one participant. */
function wants(identity: string, ...names: string[]) {
  const info = { subscribedParticipantTrackNames: { [identity]: names } };
  return { headers: { "X-LiveKit-ClientInfo": JSON.stringify(info) } };
}

/** `mid` → what the answer sends there. */
function sent(sdp: string): Record<string, string> {
  const sections = sdp.split(/\r\n(?=m=)/).slice(1);
  return Object.fromEntries(sections.flatMap((section) => {
    const track = /^a=msid:\S+ (\S+)\r?$/m.exec(section)?.[1];
    const mid = /^a=mid:(\S+)\r?$/m.exec(section)?.[1];
    return track === undefined || mid === undefined ? [] : [[mid, track]];
  }));
}

function connect(world: WhipWorld, identity = "cam"): void {
  const connection = world.participant(identity)!.publisher.id;
  world.world.engine.emit({ type: "connection_connected", connection, protocol: "udp" });
}

Deno.test("a WHIP client's tracks are published under names of the server's", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  assert.equal((await world.post()).status, 201);
  await world.world.settle();
  const { tracks, name } = world.participant()!.info();
  assert.equal(name, "cam's name");
  const shown = tracks.map(({ name, source, stream, disableDtx, stereo, layers, mid }) =>
    [mid, name, source, stream, disableDtx, stereo, layers.length] as const
  );
  assert.deepEqual(shown, [
    ["1", "synthesized-microphone", TrackSource.MICROPHONE, "camera", true, false, 0],
    ["2", "synthesized-camera", TrackSource.CAMERA, "camera", true, false, 1],
  ]);
  const subscribed = ann.participant.subscriptions.subscribedTracks().sort();
  assert.deepEqual(subscribed, tracks.map(({ sid }) => sid).sort());
});

Deno.test("a WHIP client that may not publish is answered without its sections", async () => {
  const world = new WhipWorld();
  const reply = await world.post(WHIP_OFFER, { token: world.token("cam", { canPublish: false }) });
  assert.equal(reply.status, 201);
  assert.equal(reply.body.match(/^a=inactive\r$/gm)?.length, 2);
  assert.deepEqual(world.participant()?.tracks, []);
});

Deno.test("a WHIP client is ACTIVE with its connection and gone without it", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  for (const [type, reason] of [["connection_lost"], ["connection_failed", "closed_by_peer"]]) {
    await world.post();
    const participant = world.participant()!;
    assert.equal(participant.active, false);
    connect(world);
    assert.equal(participant.active, true);
    const connection = participant.publisher.id;
    if (type === "connection_lost") world.world.engine.emit({ type, connection });
    else {world.world.engine.emit({
        type: "connection_failed",
        connection,
        reason: "closed_by_peer",
      });}
    assert.equal(participant.closed, true, reason);
    assert.equal(participant.info().disconnectReason, DisconnectReason.CONNECTION_TIMEOUT);
    await world.world.pass(100);
    const update = ann.all("update").at(-1)!.participants.find(({ identity }) =>
      identity === "cam"
    );
    assert.equal(update?.sid, participant.sid);
  }
});

Deno.test("a WHIP client that never connects is removed", async () => {
  const world = new WhipWorld();
  await world.post();
  await world.world.pass(61_000, 1_000);
  assert.equal(world.participant(), undefined);
});

Deno.test("a WHIP client gets tracks by name first, then what is there, and rejects nothing later", async () => {
  const world = new WhipWorld({ reconnectOnSubscriptionError: true });
  const ann = await world.world.joined("ann");
  const first = await ann.publishCamera("first");
  const bob = await world.world.joined("bob");
  const wanted = await bob.publishCamera("face");
  const dan = await world.world.joined("dan");
  const voice = await dan.publishMicrophone();
  const reply = await world.post(RECEIVER, wants("bob", "face"));
  assert.equal(reply.status, 201, reply.body);
  assert.deepEqual(sent(reply.body), { "1": wanted, "2": voice });
  connect(world);
  const { subscriptions } = world.participant()!;
  assert.equal(subscriptions.isDesired(first), false, "there was no section for it");
  // What comes later cannot be described, and ends nothing.
  const eve = await world.world.joined("eve");
  await eve.publishCamera("late");
  await world.world.pass(20_000, 500);
  assert.deepEqual(subscriptions.subscribedTracks().sort(), [wanted, voice].sort());
  assert.equal(world.participant()?.active, true);
});

Deno.test("a subscription asked for by the server API after the answer comes to nothing", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  await world.post(RECEIVER);
  const late = await ann.publishCamera("late");
  const { subscriptions } = world.participant()!;
  subscriptions.desire([late]);
  assert.deepEqual(subscriptions.subscribedTracks(), [late]);
  await world.world.pass(100);
  assert.deepEqual(subscriptions.subscribedTracks(), []);
  assert.equal(subscriptions.isDesired(late), false);
});

Deno.test("POST /whip/v1 waits a while for the tracks it names", async () => {
  const world = new WhipWorld();
  const pending = world.post(RECEIVER, wants("ann", "face"));
  await world.world.pass(1_000);
  const ann = await world.world.joined("ann");
  const face = await ann.publishCamera("face");
  await world.world.pass(100);
  const reply = await pending;
  assert.equal(reply.status, 201, reply.body);
  assert.equal(sent(reply.body)["1"], face);
});

Deno.test("POST /whip/v1 gives up on tracks that do not come, or cannot be sent", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  const pending = world.post(RECEIVER, wants("ann", "face"));
  await world.world.pass(6_000);
  const reply = await pending;
  assert.deepEqual([reply.status, JSON.parse(reply.body).error], [
    503,
    "could not subscribe to tracks",
  ]);
  assert.equal(world.participant(), undefined, "nobody is left behind");

  await ann.publishCamera("face");
  const audioOnly = singleOffer([{ mid: "1", kind: "audio", direction: "recvonly" }]);
  assert.equal((await world.post(audioOnly, wants("ann", "face"))).status, 503);
  assert.equal(world.participant(), undefined);
  const { token } = { token: world.token("cam", { canSubscribe: false }) };
  assert.equal((await world.post(RECEIVER, { ...wants("ann", "face"), token })).status, 503);
});

Deno.test("a WHIP client and others exchange the bare payloads of user packets", async () => {
  const world = new WhipWorld();
  const { engine } = world.world;
  const ann = await world.world.joined("ann");
  await world.post();
  connect(world);
  const connection = world.participant()!.publisher.id;
  const raw = () =>
    engine.sent.filter((command) => command.connections.includes(connection))
      .map(({ kind, bytes }) => [kind, new TextDecoder().decode(bytes)]);
  const user = (text: string, sequence = 0) => {
    const payload = new TextEncoder().encode(text);
    return new DataPacket({ sequence, value: { case: "user", value: new UserPacket({ payload }) } })
      .toBinary();
  };
  // Held until the client's channel opens, numbered or not.
  await ann.sendData("_reliable", user("one", 1));
  engine.emit({ type: "data_channel_open", connection, label: "_reliable" });
  assert.deepEqual(raw(), []);
  engine.emit({ type: "data_channel_open", connection, label: "chat" });
  assert.deepEqual(raw(), [["raw", "one"]]);
  await ann.sendData("_lossy", user("two"));
  await ann.sendData(
    "_reliable",
    new DataPacket({
      value: { case: "chatMessage", value: { message: "not for raw receivers" } },
    }).toBinary(),
  );
  assert.deepEqual(raw(), [["raw", "one"], ["raw", "two"]]);
  assert.equal(world.world.counters.get("data_not_raw"), 1);

  const hello = new TextEncoder().encode("hello");
  engine.receiveData(connection, "chat", hello);
  const toAnn = engine.sent.at(-1)!;
  assert.deepEqual(toAnn.connections, [ann.participant.subscriber.id]);
  const packet = DataPacket.fromBinary(toAnn.bytes);
  assert.equal(packet.participantIdentity, "cam");
  assert.deepEqual(packet.value.case === "user" && packet.value.value.payload, hello);
});

Deno.test("a second WHIP session of an identity ends the first", async () => {
  const world = new WhipWorld();
  const first = await world.post();
  const second = await world.post();
  assert.notEqual(first.headers.get("Location"), second.headers.get("Location"));
  const method = "DELETE";
  assert.equal((await world.request(first.headers.get("Location")!, { method })).status, 404);
  assert.equal((await world.request(second.headers.get("Location")!, { method })).status, 200);
});

Deno.test("a WHIP client cannot be moved to another room", async () => {
  const world = new WhipWorld();
  await world.post();
  const { rooms } = world.world;
  const to = rooms.create({ name: "elsewhere" });
  const destination = {
    enter: () => Promise.resolve({ ok: true as const, room: to }),
    forgo() {},
  };
  const outcome = await moveParticipant(world.participant()!, rooms.get("lobby")!, destination);
  assert.equal(outcome?.code, "failed_precondition");
  assert.ok(world.participant());
});

Deno.test("an encoder's offer without header extensions is taken by its SSRCs", async () => {
  const world = new WhipWorld();
  const agent = "Mozilla/5.0 (OBS-Studio/30.1.0; Linux x86_64; en-US)";
  const reply = await world.post(sdpFixture("encoder_whip_offer"), {
    headers: { "User-Agent": agent },
  });
  assert.equal(reply.status, 201, reply.body);
  await world.world.settle();
  const { tracks } = world.participant()!.info();
  assert.deepEqual(tracks.map(({ name, mimeType }) => [name, mimeType]), [
    ["synthesized-microphone", "audio/opus"],
    ["synthesized-camera", "video/H264"],
  ]);
  assert.equal(
    tracks[1]!.codecs[0]!.videoLayerMode,
    VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM_INCOMPLETE_RTCP_SR,
  );
  const { sections } = world.world.engine.of("set_receive").at(-1)!;
  assert.deepEqual(sections.map(({ ssrcs }) => ssrcs), [[{ ssrc: 1001 }], [{ ssrc: 1002 }]]);
  // Its own encoder settings are its own: the answer asks for nothing.
  assert.match(reply.body, /^a=fmtp:111 minptime=10;useinbandfec=1\r$/m);
  assert.match(reply.body, /^m=video 9 UDP\/TLS\/RTP\/SAVPF 96\r$/m);
});

Deno.test("a WHIP client's video is as large as its pictures, others' as they say", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  const camera = await ann.publishCamera();
  await world.post();
  await world.world.settle();
  const whip = world.participant()!;
  const sized = async (connection: ConnectionId, upTrack: UpTrackId, width: number) => {
    const height = width * 9 / 16;
    const event = { type: "layer_size", connection, upTrack, spatial: 0, width, height } as const;
    world.world.engine.emit(event);
    await world.world.settle();
  };
  const video = () => whip.tracks.find(({ kind }) => kind === "video")!;
  const { version } = whip.info();
  await sized(whip.publisher.id, video().upTracks[0]!.upTrack, 1280);
  const { info } = video();
  assert.deepEqual([info.width, info.height], [1280, 720]);
  for (const [layer] of [info.layers, info.codecs[0]!.layers]) {
    assert.deepEqual([layer!.width, layer!.height], [1280, 720]);
  }
  assert.ok(whip.info().version > version);
  await world.world.pass(100);
  const told = ann.all("update").flatMap(({ participants }) => participants)
    .findLast(({ identity }) => identity === "cam");
  assert.equal(told?.tracks.find(({ sid }) => sid === info.sid)?.width, 1280);
  const after = whip.info().version;
  await sized(whip.publisher.id, video().upTracks[0]!.upTrack, 1280);
  assert.equal(whip.info().version, after, "nothing new");

  const own = () => ann.participant.tracks.find(({ sid }) => sid === camera)!;
  const before = own().info.width;
  await sized(ann.participant.publisher.id, own().upTracks[0]!.upTrack, 320);
  assert.equal(own().info.width, before);
});
