import assert from "node:assert/strict";
import {
  AddTrackRequest,
  DisconnectReason,
  LeaveRequest_Action,
  MuteTrackRequest,
  ParticipantPermission,
  RequestResponse_Reason,
  SessionDescription,
  TrackType,
  TrickleRequest,
  UpdateLocalAudioTrack,
  UpdateLocalVideoTrack,
  UpdateParticipantMetadata,
  UpdateVideoLayers,
  VideoQuality,
} from "@livekit/protocol";
import {
  cameraRequest,
  clientOffer,
  FULL_GRANT,
  type ScriptedClient,
  World,
} from "../support/virtual/scripted_client.ts";

/**
 * What these clients are told from now on, in the order in which the server says it to any of them.
 */
function inOrder(...clients: readonly ScriptedClient[]): string[] {
  const told: string[] = [];
  for (const client of clients) {
    const { socket } = client;
    const send = socket.send.bind(socket);
    socket.send = (data) => {
      send(data);
      told.push(`${client.identity} ${client.cases.at(-1)}`);
    };
  }
  return told;
}

Deno.test("PublisherConnection.offer() answers with the offer's id before the track is published to others", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const told = inOrder(alice, bob);
  const sid = await alice.publishCamera();
  assert.equal(alice.last("answer").id, 1);
  assert.match(sid, /^TR_VC/);
  const order = told.filter((line) => /trackPublished|answer|update/.test(line));
  assert.deepEqual(order.slice(0, 2), ["alice trackPublished", "alice answer"]);
  assert.deepEqual(order.slice(2).sort(), ["alice update", "bob update"]);
  const info = bob.last("update").participants[0]!;
  assert.equal(info.identity, "alice");
  assert.equal(info.isPublisher, true);
  assert.deepEqual(info.tracks.map((track) => track.sid), [sid]);
  assert.deepEqual(alice.last("update").participants[0]!.tracks.length, 1, "the publisher, too");
});

Deno.test("PublisherConnection.offer() publishes by the description alone, before any packet", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.publishMicrophone();
  await world.pass(200);
  assert.equal(bob.forwarded().length, 1);
  assert.equal(world.engine.of("set_receive").at(-1)!.sections[0]!.kind, "audio");
});

Deno.test("PublisherConnection takes later simulcast layers into the same track", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  const upTrack = alice.upTrack("1");
  const connection = alice.participant.publisher.id;
  for (const [spatial, rid] of ["q", "h", "f"].entries()) {
    await world.pass(120_000, 10_000);
    world.engine.emit({
      type: "layer_arrived",
      connection,
      upTrack,
      mid: "1",
      rid,
      spatial: spatial as 0 | 1 | 2,
      ssrc: 100 + spatial,
      mime: "video/VP8",
    });
    await world.settle();
  }
  assert.deepEqual(alice.participant.tracks.map((track) => track.sid), [sid]);
  assert.equal(bob.forwarded().length, 1);
  assert.equal(bob.participant.subscriber.sectionCount, 2);
  const layers = bob.last("update").participants[0]!.tracks[0]!.layers;
  assert.deepEqual(layers.map(({ ssrc }) => ssrc), [100, 101, 102]);
});

Deno.test("PublisherConnection publishes a track whose id in the description is not the announced one", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.announce(cameraRequest("announced"));
  await alice.offer([{ mid: "1", kind: "video", cid: "{changed-by-the-browser}" }]);
  await world.pass(200);
  const { sid } = alice.last("trackPublished").track!;
  assert.deepEqual(alice.participant.tracks.map((track) => track.sid), [sid]);
  assert.equal(bob.forwarded().length, 1);
});

Deno.test("PublisherConnection ends the track of a section that goes inactive", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.publishCamera();
  await world.pass(200);
  await alice.offer([{ mid: "1", kind: "video", cid: "cam", direction: "inactive" }]);
  await world.pass(400);
  assert.deepEqual(alice.participant.tracks, []);
  assert.deepEqual(bob.last("update").participants[0]!.tracks, []);
  assert.deepEqual(bob.forwarded(), []);
  assert.deepEqual(world.engine.of("set_receive").at(-1)!.sections, []);
});

Deno.test("PublisherConnection gives a section that changes its track a new up-track", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const first = await alice.publishCamera("one");
  const before = alice.upTrack("1");
  await world.pass(200);
  const second = await alice.publishCamera("two");
  await world.pass(400);
  assert.notEqual(second, first);
  assert.notEqual(alice.upTrack("1"), before);
  assert.deepEqual(alice.participant.tracks.map((track) => track.sid), [second]);
  assert.deepEqual(bob.forwarded().map(({ upTrack }) => upTrack), [alice.upTrack("1")]);
});

Deno.test("PublisherConnection keeps both descriptions from growing over 50 rounds of republishing", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  for (let round = 0; round < 50; round++) {
    const cid = `cam${round}`;
    await alice.publishCamera(cid);
    await world.pass(400);
    assert.equal(bob.forwarded().length, 1, `round ${round}`);
    assert.equal(bob.forwarded()[0]!.section.mid, "1", `round ${round}`);
    await alice.offer([{ mid: "1", kind: "video", cid, direction: "inactive" }]);
    await world.pass(400);
    assert.equal(bob.forwarded().length, 0, `round ${round}`);
  }
  assert.equal(bob.participant.subscriber.sectionCount, 2);
  const ssrcs = world.engine.of("add_down_track").map(({ section }) => section.ssrc);
  assert.equal(new Set(ssrcs).size, 50, "an SSRC is never used twice");
});

Deno.test("PublisherConnection restarts ICE with new credentials when the offer's ufrag changes", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.publishCamera();
  const opened = world.engine.of("open_connection")
    .find(({ connection }) => connection === alice.participant.publisher.id)!.local;
  assert.ok(alice.last("answer").sdp.includes(`a=ice-ufrag:${opened.ufrag}`));
  await alice.offer([{ mid: "1", kind: "video", cid: "cam", rids: ["q", "h", "f"] }], "newUfrag");
  const restarts = world.engine.of("restart_ice");
  assert.equal(restarts.length, 1);
  assert.equal(restarts[0]!.connection, alice.participant.publisher.id);
  assert.notEqual(restarts[0]!.local.ufrag, opened.ufrag);
  assert.ok(alice.last("answer").sdp.includes(`a=ice-ufrag:${restarts[0]!.local.ufrag}`));
  assert.equal(world.engine.of("set_remote").at(-1)!.remote.ufrag, "newUfrag");
  assert.equal(alice.participant.tracks.length, 1);
});

Deno.test("PublisherConnection.offer() makes a client with an unreadable description join anew", async () => {
  for (const sdp of ["", "nonsense", "v=0\r\nm=video", clientOffer([], "x")]) {
    const world = new World();
    const alice = await world.joined("alice");
    const bob = await world.joined("bob");
    const value = new SessionDescription({ type: "offer", sdp, id: 1 });
    await alice.request({ case: "offer", value });
    const leave = alice.last("leave");
    assert.equal(leave.action, LeaveRequest_Action.RECONNECT);
    assert.equal(leave.reason, DisconnectReason.STATE_MISMATCH);
    assert.equal(alice.closeCode, 1000);
    assert.equal(bob.closeCode, undefined);
  }
});

Deno.test("handleRequest() refuses a track of a source that may not be published", async () => {
  const world = new World();
  const grant = { ...FULL_GRANT, canPublish: false };
  const alice = await world.joined("alice", { grant });
  await alice.announce(cameraRequest("cam"));
  assert.equal(alice.all("trackPublished").length, 0);
  const response = alice.last("requestResponse");
  assert.equal(response.reason, RequestResponse_Reason.NOT_ALLOWED);
  assert.ok(response.request.value instanceof AddTrackRequest);
});

Deno.test("whoever may not publish any more is no publisher, as others hear at once", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.publishCamera();
  const told = () => bob.last("update").participants[0]!;
  const counted = () => world.rooms.get("lobby")!.info().numPublishers;
  assert.deepEqual([told().isPublisher, told().tracks.length, counted()], [true, 1, 1]);
  const toldCount = async () => {
    await world.pass(6_000, 500);
    return bob.last("roomUpdate").room!.numPublishers;
  };
  assert.equal(await toldCount(), 1);

  const permission = alice.participant.profile.permission.clone();
  permission.canPublish = false;
  await alice.participant.setPermission(permission);
  await world.settle();
  assert.deepEqual([told().isPublisher, told().tracks.length, counted()], [false, 0, 0]);
  assert.equal(await toldCount(), 0);

  await alice.participant.setPermission(
    new ParticipantPermission({ ...permission, canPublish: true }),
  );
  await world.settle();
  assert.deepEqual([told().isPublisher, counted()], [true, 1], "as LiveKit has it");
  assert.equal(await toldCount(), 1);
});

Deno.test("a track announced twice at once can be published again and again", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  for (let round = 1; round <= 3; round++) {
    const before = alice.all("trackPublished").length;
    await Promise.all([alice.announce(cameraRequest("cam")), alice.announce(cameraRequest("cam"))]);
    const [first, second, ...more] = alice.all("trackPublished").slice(before);
    assert.deepEqual(more, []);
    assert.equal(first!.track!.sid, second!.track!.sid, `round ${round}`);
    await alice.offer([{ mid: "1", kind: "video", cid: "cam" }]);
    assert.deepEqual(alice.participant.tracks.map(({ sid }) => sid), [first!.track!.sid]);
    assert.equal(bob.last("update").participants[0]!.tracks.length, 1);
    // A third caller, while it is published, waits; its answer comes with the end of the track.
    await alice.announce(cameraRequest("cam"));
    assert.equal(alice.last("requestResponse").reason, RequestResponse_Reason.QUEUED);
    assert.equal(alice.participant.tracks.length, 1);
    await alice.offer([{ mid: "1", kind: "video", cid: "cam", direction: "inactive" }]);
    assert.equal(alice.participant.tracks.length, 0);
    assert.equal(alice.all("trackPublished").length, before + 3);
  }
});

Deno.test("handleRequest() mutes a track for everybody and for the media plane", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishMicrophone();
  await alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) });
  assert.equal(bob.last("update").participants[0]!.tracks[0]!.muted, true);
  assert.deepEqual(world.engine.of("set_up_track_muted").map(({ muted }) => muted), [true]);
  assert.equal(alice.all("mute").length, 0, "no echo");
  await alice.request({ case: "mute", value: new MuteTrackRequest({ sid: "TR_none" }) });
  assert.equal(alice.last("requestResponse").reason, RequestResponse_Reason.NOT_FOUND);
});

Deno.test("handleRequest() publishes a track that was announced muted as muted", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.announce({ cid: "mic", type: TrackType.AUDIO, muted: true });
  await alice.offer([{ mid: "1", kind: "audio", cid: "mic" }]);
  assert.equal(bob.last("update").participants[0]!.tracks[0]!.muted, true);
  assert.deepEqual(world.engine.of("set_up_track_muted"), [
    { type: "set_up_track_muted", upTrack: alice.upTrack("1"), muted: true },
  ]);
});

Deno.test("handleRequest() tells everybody new dimensions, and NOT_FOUND of unknown tracks", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const trackSid = await alice.publishCamera();
  const resize = (sid: string) =>
    alice.request({
      case: "updateVideoTrack",
      value: new UpdateLocalVideoTrack({ trackSid: sid, width: 640, height: 480 }),
    });
  await resize(trackSid);
  assert.equal(bob.last("update").participants[0]!.tracks[0]!.height, 480);
  await resize("TR_none");
  assert.equal(alice.last("requestResponse").reason, RequestResponse_Reason.NOT_FOUND);
});

Deno.test("handleRequest() answers once, with the request and the reason, what it refuses about tracks", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const trackSid = "TR_none";
  const VIDEO = TrackType.VIDEO;
  const refused = {
    NOT_FOUND: [
      { case: "mute", value: new MuteTrackRequest({ sid: trackSid, muted: true }) },
      { case: "updateVideoTrack", value: new UpdateLocalVideoTrack({ trackSid }) },
      { case: "updateAudioTrack", value: new UpdateLocalAudioTrack({ trackSid }) },
      { case: "addTrack", value: new AddTrackRequest({ cid: "a", type: VIDEO, sid: trackSid }) },
    ],
    UNSUPPORTED_TYPE: [
      { case: "addTrack", value: new AddTrackRequest({ cid: "b", type: TrackType.DATA }) },
    ],
  } as const;
  for (const [reason, requests] of Object.entries(refused)) {
    for (const request of requests) {
      const before = alice.received.length;
      await alice.request(request);
      const [answer, ...more] = alice.received.slice(before);
      assert.ok(answer?.case === "requestResponse" && more.length === 0, request.case);
      assert.equal(RequestResponse_Reason[answer.value.reason], reason);
      assert.equal(answer.value.request.case, request.case);
      assert.ok(request.value.equals(answer.value.request.value as never));
    }
  }
  const layers = new UpdateVideoLayers({ trackSid });
  const before = alice.received.length;
  await alice.request({ case: "updateLayers", value: layers });
  assert.equal(alice.received.length, before, "deprecated and ignored");
});

Deno.test("a track that was taken away with the permission can be published again when it is back", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  const sid = await alice.publishCamera();
  await world.pass(300);
  const { permission } = alice.participant.profile;
  const listener = permission.clone();
  listener.canPublish = false;
  await alice.participant.setPermission(listener);
  await world.pass(300);
  assert.equal(alice.last("trackUnpublished").trackSid, sid);
  assert.deepEqual([bob.forwarded(), alice.participant.tracks], [[], []]);
  await alice.announce(cameraRequest("cam"));
  assert.equal(alice.last("requestResponse").reason, RequestResponse_Reason.NOT_ALLOWED);
  await alice.participant.setPermission(permission);
  await alice.announce(cameraRequest("cam"));
  const again = alice.last("trackPublished").track!.sid;
  assert.notEqual(again, sid);
  await alice.offer([{ mid: "2", kind: "video", cid: "cam" }]);
  await world.pass(400);
  assert.deepEqual(bob.forwarded().map(({ upTrack }) => upTrack), [alice.upTrack("2")]);
});

Deno.test("handleRequest() changes metadata only with the permission, and answers either way", async () => {
  const world = new World();
  const alice = await world.joined("alice", { attributes: { keep: "1", drop: "2" } });
  const bob = await world.joined("bob", { grant: { ...FULL_GRANT, canUpdateOwnMetadata: false } });
  const value = new UpdateParticipantMetadata({
    name: "Alice",
    attributes: { drop: "", add: "3" },
    requestId: 9,
  });
  const tokens = alice.all("refreshToken").length;
  await alice.request({ case: "updateMetadata", value });
  const info = bob.last("update").participants[0]!;
  assert.equal(info.name, "Alice");
  assert.deepEqual(info.attributes, { keep: "1", add: "3" });
  const { reason, requestId } = alice.last("requestResponse");
  assert.deepEqual([reason, requestId], [RequestResponse_Reason.OK, 9]);
  assert.equal(alice.all("refreshToken").length, tokens + 1);
  await bob.request({ case: "updateMetadata", value });
  assert.equal(bob.last("requestResponse").reason, RequestResponse_Reason.NOT_ALLOWED);
});

Deno.test("handleRequest() answers a malformed candidate and takes a good one without a word", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const trickle = (candidateInit: string) =>
    alice.request({ case: "trickle", value: new TrickleRequest({ candidateInit }) });
  await trickle('{"candidate":"candidate:1 1 udp 1 a.local 9 typ host","sdpMid":"0"}');
  await trickle('{"candidate":""}');
  assert.equal(alice.all("requestResponse").length, 0);
  await trickle("{");
  assert.equal(alice.last("requestResponse").reason, RequestResponse_Reason.UNCLASSIFIED_ERROR);
});

Deno.test("RoomTracks tells a publisher which qualities are wanted: up at once, down after five seconds", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await alice.publishCamera();
  const enabled = () =>
    alice.last("subscribedQualityUpdate").subscribedQualities
      .filter((quality) => quality.enabled).map(({ quality }) => quality);
  await world.pass(9_900);
  assert.equal(alice.all("subscribedQualityUpdate").length, 0);
  await world.pass(200);
  assert.deepEqual(enabled(), [], "a track nobody wants is turned off");
  const bob = await world.joined("bob", { adaptiveStream: true });
  await world.pass(200);
  assert.deepEqual(enabled(), [VideoQuality.LOW]);
  assert.equal(alice.last("subscribedQualityUpdate").subscribedCodecs[0]!.codec, "vp8");
  assert.equal(alice.last("subscribedQualityUpdate").trackSid, sid);
  const carol = await world.joined("carol");
  await world.pass(200);
  assert.deepEqual(enabled(), [VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH]);
  carol.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await world.pass(4_900);
  assert.equal(enabled().length, 3);
  await world.pass(200);
  assert.deepEqual(enabled(), [VideoQuality.LOW]);
  assert.equal(bob.forwarded().length, 1);
});
