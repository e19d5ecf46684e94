/** LiveKit's tests of a participant, on virtual time over a media plane that only remembers. */
import assert from "node:assert/strict";
import {
  ClientInfo,
  ClientInfo_SDK,
  DataPacket,
  DisconnectReason,
  MuteTrackRequest,
  ParticipantInfo,
  ParticipantInfo_State,
  RequestResponse_Reason,
  SessionDescription,
  SimulcastCodec,
  TrackSource,
  TrackType,
  UserPacket,
} from "@livekit/protocol";
import { ParticipantProfile } from "../../lib/room/context/participant_profile.ts";
import { sectionText } from "../support/virtual/negotiation_fixtures.ts";
import {
  cameraRequest,
  clientOffer,
  FULL_GRANT,
  World,
} from "../support/virtual/scripted_client.ts";
import { scenario, unitScenario } from "./support.ts";

const { JOINING, JOINED, ACTIVE, DISCONNECTED } = ParticipantInfo_State;

unitScenario("TestIsReady", async () => {
  const world = new World();
  const alice = await world.open("alice");
  const { participant } = alice;
  const seen: [ParticipantInfo_State, boolean][] = [[participant.state, participant.ready]];
  await alice.connect();
  seen.push([participant.state, participant.ready]);
  participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  seen.push([participant.state, participant.ready]);
  assert.deepEqual(seen, [[JOINED, true], [ACTIVE, true], [DISCONNECTED, false]]);
  // JOINING lasts from the constructor to the join response and can be seen only in between.
  const room = world.rooms.get("lobby")!;
  const sink = { send() {}, close() {} };
  const joining = room.join({ ...participant.init, identity: "bob" }, sink);
  assert.ok(typeof joining !== "string");
  assert.deepEqual([joining.state, joining.ready], [JOINING, false]);
});

unitScenario("TestTrackPublishing", async (t) => {
  const queued = (reason: RequestResponse_Reason) => reason === RequestResponse_Reason.QUEUED;
  await t.step("an announcement is answered with its cid, name, type and size", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    await alice.announce(cameraRequest("cid"));
    const { cid, track } = alice.last("trackPublished");
    assert.equal(cid, "cid");
    const { name, type, width, height } = track!;
    assert.deepEqual([name, type, width, height], ["cid", TrackType.VIDEO, 1280, 720]);
  });
  await t.step("a cid announced twice is no second track", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    await alice.announce(cameraRequest("cid"));
    await alice.announce(cameraRequest("cid"));
    // An extra answer, and the same track: one that nobody may have waited for is given again.
    const sids = alice.all("trackPublished").map(({ track }) => track!.sid);
    assert.equal(sids.length, 2);
    assert.equal(sids[0], sids[1]);
    assert.equal(alice.participant.registry.contents().pending.length, 1);
  });
  await t.step("a published cid is queued, all under one new sid", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    const first = await alice.publishCamera("cid");
    for (let i = 0; i < 2; i++) await alice.announce(cameraRequest("cid"));
    const responses = alice.all("requestResponse");
    assert.deepEqual(responses.map(({ reason }) => queued(reason)), [true, true]);
    const [slot] = alice.participant.registry.contents().pending;
    const sids = slot!.entries.map(({ info }) => info.sid);
    assert.equal(sids.length, 2);
    assert.equal(new Set(sids).size, 1);
    assert.ok(!sids.some((sid) => sid === first));
    await alice.offer([{ mid: "1", kind: "video", cid: "cid", direction: "inactive" }]);
    assert.equal(alice.last("trackPublished").track!.sid, sids[0]);
  });
  await t.step("a cid that only the description has counts as well", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    await alice.announce(cameraRequest("announced"));
    await alice.offer([{ mid: "1", kind: "video", cid: "described" }]);
    assert.equal(alice.participant.tracks.length, 1);
    await alice.announce(cameraRequest("described"));
    assert.ok(queued(alice.last("requestResponse").reason));
  });
  await t.step("a source that is not allowed is refused", async () => {
    const world = new World();
    const grant = { ...FULL_GRANT, canPublishSources: [TrackSource.MICROPHONE] };
    const alice = await world.joined("alice", { grant });
    await alice.announce(cameraRequest("cam"));
    assert.equal(alice.last("requestResponse").reason, RequestResponse_Reason.NOT_ALLOWED);
    assert.equal(alice.all("trackPublished").length, 0);
    await alice.publishMicrophone();
    assert.equal(alice.participant.tracks.length, 1);
  });
});

unitScenario("TestOutOfOrderUpdates", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const update = (version: number, metadata: string) => ({
    info: new ParticipantInfo({ sid: "PA_1", identity: "bob", state: ACTIVE, version, metadata }),
    synthesizedDisconnect: false,
  });
  alice.participant.sendUpdates([update(2, "newer")]);
  alice.participant.sendUpdates([update(1, "older")]);
  const told = alice.all("update").flatMap(({ participants }) => participants)
    .filter(({ identity }) => identity === "bob");
  assert.deepEqual(told.map(({ metadata }) => metadata), ["newer"]);
});

unitScenario("TestDisconnectTiming", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const { participant } = alice;
  alice.socket.onClose();
  participant.subscriber.negotiate(true);
  await world.pass(1_000, 100);
  assert.equal(participant.closed, false, "its media connection is still up");
  participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  participant.subscriber.negotiate(true);
  await world.pass(1_000, 100);
  assert.deepEqual(world.counters.snapshot(), {});
});

unitScenario("TestCorrectJoinedAt", async () => {
  const world = new World();
  const alice = await world.open("alice");
  const now = world.platform.clock.wallMs();
  const { joinedAt, joinedAtMs } = alice.last("join").participant!;
  assert.deepEqual([joinedAt, joinedAtMs], [BigInt(Math.trunc(now / 1000)), BigInt(now)]);
  assert.ok(alice.participant.profile instanceof ParticipantProfile);
});

unitScenario("TestMuteSetting", async (t) => {
  await t.step("a pending track can be muted", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    await alice.announce({ cid: "mic", type: TrackType.AUDIO });
    const { sid } = alice.last("trackPublished").track!;
    await alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) });
    await alice.offer([{ mid: "1", kind: "audio", cid: "mic" }]);
    assert.deepEqual(alice.participant.tracks.map(({ info }) => info.muted), [true]);
  });
  await t.step("a track can be published muted", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    await alice.announce({ cid: "mic", type: TrackType.AUDIO, muted: true });
    assert.equal(alice.last("trackPublished").track!.muted, true);
  });
});

unitScenario("TestSubscriberAsPrimary", async () => {
  const world = new World();
  const client = (protocol: number) =>
    new ClientInfo({ sdk: ClientInfo_SDK.JS, version: "2.23.0", protocol });
  const primary = async (identity: string, changes: Parameters<World["open"]>[1]) =>
    (await world.open(identity, changes)).last("join").subscriberPrimary;
  assert.equal(await primary("four", { clientInfo: client(4) }), true);
  assert.equal(await primary("two", { clientInfo: client(2) }), false);
  const grant = { ...FULL_GRANT, canSubscribe: false };
  const late = await world.open("late", { grant });
  assert.equal(late.last("join").subscriberPrimary, false);
  const permission = late.participant.profile.permission.clone();
  permission.canSubscribe = true;
  await late.participant.setPermission(permission);
  assert.equal(late.participant.subscriberPrimary, false);
});

unitScenario("TestUnsequencedReliableDataBufferedWhileJoining", async (t) => {
  const packet = (text: string) =>
    new DataPacket({
      value: {
        case: "user",
        value: new UserPacket({ payload: new TextEncoder().encode(text) }),
      },
    }).toBinary();
  const textsTo = (world: World, connection: unknown) =>
    world.engine.sent.filter(({ connections }) => connections.includes(connection as never))
      .map(({ bytes }) => DataPacket.fromBinary(bytes).value.value as UserPacket)
      .map(({ payload }) => new TextDecoder().decode(payload));
  await t.step("reliable packets wait in order, lossy ones do not", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    const bob = await world.open("bob");
    await alice.sendData("_reliable", packet("1"));
    await alice.sendData("_lossy", packet("lossy"));
    await alice.sendData("_reliable", packet("2"));
    const connection = bob.participant.dataConnection;
    assert.deepEqual(textsTo(world, connection), []);
    await bob.connect();
    await alice.sendData("_reliable", packet("3"));
    assert.deepEqual(textsTo(world, connection), ["1", "2", "3"]);
  });
  await t.step("what waits is bounded in bytes and the rest counted", async () => {
    const world = new World();
    const alice = await world.joined("alice");
    const bob = await world.open("bob");
    for (let i = 0; i < 5; i++) await alice.sendData("_reliable", packet(`${i}`.repeat(30_000)));
    await bob.connect();
    assert.deepEqual(textsTo(world, bob.participant.dataConnection).map(([first]) => first), [
      "0",
      "1",
      "2",
    ]);
    assert.equal(world.counters.snapshot().data_waiting_overflow, 2);
  });
});

const safari = { browser: "Safari", browserVersion: "18.2" };
const firefox = { browser: "Firefox", os: "Linux" };

scenario("TestDisableCodecs", async (test) => {
  const alice = await test.join("alice", { clientInfo: safari });
  await alice.publish("video", { codecs: ["video/AV1", "video/VP8"], media: false });
  const video = alice.lastAnswer.split(/\r\n(?=m=)/).at(-1)!;
  assert.match(video, /VP8\/90000/);
  assert.doesNotMatch(video, /AV1/);
  const { disabledCodecs } = alice.join.clientConfiguration!;
  assert.deepEqual(disabledCodecs!.codecs.map(({ mime }) => mime), ["video/AV1"]);
});

scenario("TestDisablePublishCodec", async (test) => {
  const alice = await test.join("alice", { clientInfo: firefox });
  const announced = async (codec: string) => {
    const { codecs } = await alice.announce("video", codec, {
      simulcastCodecs: [new SimulcastCodec({ codec, cid: codec })],
    });
    return codecs.map(({ mimeType }) => mimeType);
  };
  assert.deepEqual(await announced("h264"), ["video/VP8"]);
  assert.deepEqual(await announced("vp8"), ["video/VP8"]);
  assert.ok(!alice.join.enabledPublishCodecs.some(({ mime }) => mime === "video/H264"));
});

unitScenario("TestPreferAudioCodecForRed", async (t) => {
  const cases = [
    { announce: {}, red: true },
    { announce: { disableRed: true }, red: false },
    {
      announce: { simulcastCodecs: [new SimulcastCodec({ codec: "opus", cid: "mic" })] },
      red: false,
    },
  ];
  for (const [index, { announce, red }] of cases.entries()) {
    await t.step(`case ${index}`, async () => {
      const world = new World();
      const alice = await world.joined("alice");
      const { AUDIO } = TrackType;
      await alice.announce({
        cid: "mic",
        type: AUDIO,
        source: TrackSource.MICROPHONE,
        ...announce,
      });
      const plain = clientOffer([{ mid: "1", kind: "audio", cid: "mic" }], "clientUfrag");
      const sdp = plain
        .replace(/^m=audio 9 UDP\/TLS\/RTP\/SAVPF 111/m, "$& 63")
        .replace(/^a=fmtp:111 .*$/m, "$&\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111");
      const value = new SessionDescription({ type: "offer", sdp, id: 1 });
      await alice.request({ case: "offer", value });
      const lines = sectionText(alice.last("answer").sdp, "1");
      assert.match(lines[0]!, red ? / 63 111$/ : / 111 63$/);
      assert.ok(lines.includes("a=rtcp-fb:111 nack"), "opus is retransmitted either way");
    });
  }
});

scenario("TestPreferMediaCodecForPublisher", async (test) => {
  const alice = await test.join("alice");
  const wishes = [
    { kind: "video", codecs: ["video/VP8", "video/H264"], wanted: "video/H264" },
    { kind: "video", codecs: ["video/VP8", "video/H264"], wanted: "video/H264" },
    { kind: "audio", codecs: ["audio/opus", "audio/PCMA"], wanted: "audio/PCMA" },
    { kind: "audio", codecs: ["audio/opus", "audio/PCMA"], wanted: "audio/PCMA" },
  ] as const;
  for (const [index, { kind, codecs, wanted }] of wishes.entries()) {
    const cid = `track${index}`;
    const announce = { simulcastCodecs: [new SimulcastCodec({ codec: wanted, cid })] };
    await alice.publish(kind, { cid, codecs, announce, media: false });
    const section = alice.lastAnswer.split(/\r\n(?=m=)/).at(-1)!;
    const first = /^m=\S+ \d+ \S+ (\d+)/.exec(section)![1];
    const name = new RegExp(`a=rtpmap:${first} (\\S+?)/`).exec(section)![1];
    assert.equal(`${kind}/${name}`, wanted);
  }
  // `publish` waits for the answer that has the offer's own id.
  assert.deepEqual(alice.signal.all("answer").map(({ id }) => id), [1, 2, 3, 4]);
});
