import assert from "node:assert/strict";
import {
  AddTrackRequest,
  ClientInfo,
  ClientInfo_SDK,
  DataPacket,
  SessionDescription,
  SubscriptionError,
  TrackSource,
  TrackType,
  UserPacket,
} from "@livekit/protocol";
import { cameraRequest, FakeSocket, World } from "../support/virtual/scripted_client.ts";
import { LAYOUT, SingleClient } from "../support/virtual/single_client.ts";
import { singleOffer } from "../support/virtual/single_offer.ts";

const microphone = new AddTrackRequest({
  cid: "mic",
  type: TrackType.AUDIO,
  source: TrackSource.MICROPHONE,
});

Deno.test("a single connection is the primary one and the only one that is opened", async () => {
  const world = new World();
  const ann = await SingleClient.join(world, "ann");
  assert.equal(ann.client.last("join").subscriberPrimary, false);
  assert.equal(ann.client.participant.active, true);
  const { publisher, subscriber } = ann.client.participant;
  assert.equal(publisher.id, subscriber.id);
  assert.deepEqual(world.engine.openConnections(), [publisher.id]);
  assert.equal(world.engine.of("open_connection")[0]!.dataChannels, "accept");
  assert.equal(ann.client.participant.dataConnection, publisher.id);
  assert.deepEqual(ann.client.all("offer"), []);
});

Deno.test("a join request's tracks and offer are handled right after the join response, in order", async () => {
  const world = new World();
  const publisherOffer = new SessionDescription({
    type: "offer",
    sdp: singleOffer([...LAYOUT, { mid: "7", kind: "audio", direction: "sendonly", cid: "mic" }]),
    id: 9,
  });
  const bob = await world.joined("bob");
  const ann = await SingleClient.open(world, "ann", {
    addTrackRequests: [microphone, new AddTrackRequest(cameraRequest("cam"))],
    publisherOffer,
  });
  const order = ann.client.cases.filter((name) =>
    name === "join" || name === "trackPublished" || name === "answer"
  );
  assert.deepEqual(order, ["join", "trackPublished", "trackPublished", "answer"]);
  assert.deepEqual(ann.client.all("trackPublished").map(({ cid }) => cid), ["mic", "cam"]);
  assert.equal(ann.client.last("answer").id, 9);
  await world.pass(300);
  assert.deepEqual(bob.forwarded().length, 1);
});

Deno.test("Go, which reads before its own offer is set, gets the answer a moment after the join response", async () => {
  const world = new World();
  const publisherOffer = new SessionDescription({
    type: "offer",
    sdp: singleOffer(LAYOUT),
    id: 1,
  });
  const clientInfo = new ClientInfo({ sdk: ClientInfo_SDK.GO, version: "2.19.0", protocol: 17 });
  const [ann, back, gone] = [
    await SingleClient.open(world, "ann", { publisherOffer, clientInfo }),
    await SingleClient.open(world, "back", { publisherOffer, clientInfo }),
    await SingleClient.open(world, "gone", { publisherOffer, clientInfo }),
  ];
  const { id } = gone.client.participant.publisher;
  gone.client.socket.onClose(1006);
  back.client.socket = new FakeSocket();
  world.service.open({ ...back.client.join, reconnect: true }, back.client.socket);
  await world.settle();
  assert.deepEqual(ann.client.cases.filter((name) => name === "join" || name === "answer"), [
    "join",
  ]);
  await world.pass(100);
  assert.equal(ann.client.last("answer").id, 1);
  assert.equal(back.client.last("answer").id, 1, "on the socket that it has by then");
  const described = world.engine.of("set_receive").map(({ connection }) => connection);
  assert.ok(described.includes(ann.client.participant.publisher.id) && !described.includes(id));
  await ann.connect();
  assert.ok(ann.client.participant.profile.isActive);
});

Deno.test("a joiner gets existing tracks in the answer to its own first offer", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await alice.publishCamera();
  const ann = await SingleClient.open(world, "ann", {
    publisherOffer: new SessionDescription({ type: "offer", sdp: singleOffer(LAYOUT), id: 1 }),
  });
  assert.deepEqual(ann.tracks, { "4": sid });
  await world.pass(2_000);
  assert.deepEqual(ann.client.all("mediaSectionsRequirement"), [], "nothing was missing");
  assert.equal(ann.client.forwarded().length, 1);
  assert.ok(
    ann.client.last("answer").sdp.includes(`a=msid:${alice.participant.sid}|${sid} ${sid}`),
  );
});

Deno.test("a joiner that makes no offer is asked for one, with sections for what there is", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.publishCamera();
  const ann = await SingleClient.open(world, "ann");
  await world.pass(900);
  assert.deepEqual(ann.client.all("mediaSectionsRequirement"), []);
  await world.pass(200);
  const { numAudios, numVideos } = ann.client.last("mediaSectionsRequirement");
  assert.deepEqual([numAudios, numVideos], [0, 1]);
});

Deno.test("a track published later is asked for with a bare requirement, then sent", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const ann = await SingleClient.join(world, "ann");
  const sid = await alice.publishCamera();
  await world.pass(200);
  const requirements = ann.client.all("mediaSectionsRequirement");
  assert.deepEqual(requirements.map((r) => [r.numAudios, r.numVideos]), [[0, 0]]);
  await ann.follow();
  assert.deepEqual(ann.tracks, { "4": sid });
  assert.deepEqual(world.doubled(ann.client), []);
  assert.equal(ann.client.forwarded()[0]!.section.mid, "4");
});

Deno.test("tracks beyond the free sections are asked for by number, right after the answer", async () => {
  const world = new World();
  const alice = await SingleClient.join(world, "alice");
  for (let i = 0; i < 5; i++) await alice.publish(`cam${i}`);
  await world.pass(100);
  const ann = await SingleClient.open(world, "ann", {
    publisherOffer: new SessionDescription({ type: "offer", sdp: singleOffer(LAYOUT), id: 1 }),
  });
  const answerOrRequirement = ann.client.cases.filter((name) =>
    name === "answer" || name === "mediaSectionsRequirement"
  );
  assert.deepEqual(answerOrRequirement, ["answer", "mediaSectionsRequirement"]);
  const { numAudios, numVideos } = ann.client.last("mediaSectionsRequirement");
  assert.deepEqual([numAudios, numVideos], [0, 2]);
  await ann.follow();
  assert.equal(Object.keys(ann.tracks).length, 5);
  assert.equal(ann.client.forwarded().length, 5);
  assert.equal(ann.client.all("mediaSectionsRequirement").length, 1);
});

Deno.test("publishing and receiving share the connection and its description", async () => {
  const world = new World();
  const [alice, ann] = [
    await SingleClient.join(world, "alice"),
    await SingleClient.join(world, "ann"),
  ];
  const fromAlice = await alice.publish("a");
  const fromAnn = await ann.publish("b");
  await alice.follow();
  await ann.follow();
  assert.deepEqual([Object.values(alice.tracks), Object.values(ann.tracks)], [
    [fromAnn],
    [fromAlice],
  ]);
  const { sdp } = ann.client.last("answer");
  assert.match(sdp, /a=mid:7\r\n(?:[^m].*\r\n)*?a=recvonly/);
  assert.match(sdp, /a=mid:4\r\n(?:[^m].*\r\n)*?a=sendonly/);
});

Deno.test("fifty rounds of publishing and of subscribing leave the description as it was", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const ann = await SingleClient.join(world, "ann");
  const seen = new Set<string>();
  for (let i = 0; i < 25; i++) {
    const sid = await alice.publishCamera(`cam${i}`);
    await ann.follow();
    assert.deepEqual(ann.tracks, { "4": sid });
    seen.add(sid);
    await alice.offer([{ mid: "1", kind: "video", cid: `cam${i}`, direction: "inactive" }]);
    await ann.follow();
    assert.deepEqual(ann.tracks, {});
  }
  assert.equal(seen.size, 25);
  const sid = await alice.publishCamera("last");
  for (let i = 0; i < 25; i++) {
    for (const subscribe of [false, true]) {
      await ann.client.subscribe([sid], subscribe);
      await ann.follow();
      assert.deepEqual(Object.values(ann.tracks), subscribe ? [sid] : []);
    }
  }
  assert.equal(ann.sections.length, LAYOUT.length);
  const ssrcs = world.engine.of("add_down_track").map(({ section }) => section.ssrc);
  assert.equal(new Set(ssrcs).size, ssrcs.length, "an SSRC was used twice");
});

Deno.test("a client that lacks a codec is told so, and gets the next track", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const ann = await SingleClient.join(world, "ann");
  await alice.announce({ cid: "h", type: TrackType.VIDEO });
  const value = new SessionDescription({
    type: "offer",
    id: 50,
    sdp: singleOffer([{ mid: "1", kind: "video", direction: "sendonly", cid: "h" }])
      .replaceAll("VP8/90000", "AV1/90000").replaceAll("H264/90000", "x/90000")
      .replaceAll("VP9/90000", "y/90000"),
  });
  await alice.request({ case: "offer", value });
  await ann.follow();
  const { err, trackSid } = ann.client.last("subscriptionResponse");
  assert.equal(err, SubscriptionError.SE_CODEC_UNSUPPORTED);
  assert.equal(trackSid, alice.last("trackPublished").track!.sid);
  const bob = await world.joined("bob");
  const sid = await bob.publishCamera();
  await ann.follow();
  assert.deepEqual(Object.values(ann.tracks), [sid]);
  assert.equal(ann.client.all("subscriptionResponse").length, 1);
});

Deno.test("an ICE restart in the client's offer keeps what is forwarded", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const ann = await SingleClient.join(world, "ann");
  const sid = await alice.publishCamera();
  await ann.follow();
  const before = world.engine.of("add_down_track").length;
  await ann.offer("otherUfrag");
  const restart = world.engine.of("restart_ice");
  assert.deepEqual(restart.map(({ connection }) => connection), [
    ann.client.participant.publisher.id,
  ]);
  assert.ok(ann.client.last("answer").sdp.includes(`a=ice-ufrag:${restart[0]!.local.ufrag}`));
  assert.deepEqual(Object.values(ann.tracks), [sid]);
  assert.equal(world.engine.of("add_down_track").length, before);
});

Deno.test("a resumed client is asked again for what it may not have heard", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const ann = await SingleClient.join(world, "ann");
  const sid = await alice.publishCamera();
  await world.pass(300);
  assert.equal(ann.client.all("mediaSectionsRequirement").length, 1);
  const back = new SingleClient(
    await world.open("ann", { singlePeerConnection: true, reconnect: true }),
  );
  await back.follow();
  assert.equal(back.client.all("mediaSectionsRequirement").length, 1);
  assert.deepEqual(Object.values(back.tracks), [sid]);
});

Deno.test("an answer on a single connection is counted and changes nothing", async () => {
  const world = new World();
  const ann = await SingleClient.join(world, "ann");
  const value = new SessionDescription({ type: "answer", sdp: "v=0", id: 1 });
  await ann.client.request({ case: "answer", value });
  assert.equal(ann.client.participant.active, true);
  assert.equal(world.counters.get("single_connection_answer"), 1);
});

Deno.test("data reaches a single connection on the channels its client opened", async () => {
  const world = new World();
  const ann = await SingleClient.join(world, "ann");
  const bob = await world.joined("bob");
  const packet = new DataPacket({
    value: { case: "user", value: new UserPacket({ payload: Uint8Array.of(1) }) },
  });
  await bob.sendData("_reliable", packet.toBinary());
  const sent = world.engine.sent.at(-1)!;
  assert.deepEqual(sent.connections, [ann.client.participant.publisher.id]);
});

Deno.test("a participant that may not subscribe is asked for nothing", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const { grant } = alice.join;
  const ann = await SingleClient.join(world, "ann", { grant: { ...grant, canSubscribe: false } });
  await alice.publishCamera();
  await world.pass(1_000);
  assert.deepEqual(ann.client.all("mediaSectionsRequirement"), []);
});

Deno.test("a hundred publishers fit into one client's offer", async () => {
  const world = new World();
  const publishers = 100;
  for (let i = 0; i < publishers; i++) {
    const publisher = await world.joined(`p${i}`, { autoSubscribe: false });
    await publisher.publishCamera();
  }
  await world.pass(100);
  const ann = await SingleClient.join(world, "ann");
  await ann.follow();
  assert.equal(Object.keys(ann.tracks).length, publishers);
  assert.equal(ann.client.participant.active, true);
  assert.equal(ann.sections.length, publishers + 3, "its three audio sections stay idle");
});

Deno.test("a stream is opened late for Firefox on a single connection, which must have the answer first", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.publishCamera("cam");
  const openAfter = async (browser: string, isSingle: boolean) => {
    const clientInfo = new ClientInfo({ sdk: ClientInfo_SDK.JS, protocol: 16, browser });
    const before = world.engine.of("add_down_track").length;
    if (isSingle) await (await SingleClient.join(world, browser, { clientInfo })).follow();
    else await world.joined(`${browser} with two`, { clientInfo });
    await world.settle();
    const added = world.engine.of("add_down_track").slice(before);
    assert.equal(added.length, 1);
    return added[0]!.section.openAfterMs;
  };
  assert.equal(await openAfter("Firefox", true), 2_000);
  assert.equal(await openAfter("Chrome", true), undefined);
  assert.equal(await openAfter("Firefox", false), undefined);
});
