import assert from "node:assert/strict";
import {
  DataBlob,
  DataBlobKey,
  DataTrackFrameEncoding,
  ForwardParticipantRequest,
  GetDataBlobRequest,
  LeaveRequest,
  MoveParticipantRequest,
  ParticipantPermission,
  PublishDataTrackRequest,
  RequestResponse_Reason as Reason,
  StoreDataBlobRequest,
  SubscriptionPermission,
  SyncState,
  TrackPermission,
  UnpublishDataTrackRequest,
  UpdateDataSubscription,
  UpdateDataSubscription_Update as Update,
} from "@livekit/protocol";
import { DEFAULT_DATA_OPTIONS } from "../../lib/room/context/data_options.ts";
import { adminWorld } from "../support/virtual/admin_world.ts";
import { FULL_GRANT, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

type Fields = ConstructorParameters<typeof PublishDataTrackRequest>[0];

async function request(client: ScriptedClient, fields: Fields): Promise<void> {
  const value = new PublishDataTrackRequest({ pubHandle: 1, name: "joints", ...fields });
  await client.request({ case: "publishDataTrackRequest", value });
}

/** Publishes a track; returns its sid. */
async function publish(client: ScriptedClient, fields: Fields = {}): Promise<string> {
  await request(client, fields);
  return client.last("publishDataTrackResponse").info!.sid;
}

/** The media plane's routes for `client`'s tracks: handle → receivers' handles by connection. */
function routes(client: ScriptedClient): Record<number, Record<string, number>> {
  const connection = client.participant.publisher.id;
  const command = client.world.engine.of("set_data_track_routes")
    .findLast((candidate) => candidate.connection === connection);
  return Object.fromEntries((command?.routes ?? []).map(({ handle, receivers }) => [
    handle,
    Object.fromEntries(receivers.map((receiver) => [receiver.connection, receiver.handle])),
  ]));
}

const inbox = (client: ScriptedClient): string => client.participant.dataConnection!;
const AUTO = { autoSubscribeDataTrack: true };

Deno.test("who publishes a data track alone is counted as a publisher, as everybody is told soon", async () => {
  const world = new World();
  const [alice, bob] = [await world.joined("alice"), await world.joined("bob")];
  await world.pass(6_000, 500);
  const counts = () => [alice, bob].map((one) => one.last("roomUpdate").room!.numPublishers);
  assert.deepEqual(counts(), [0, 0]);
  await publish(alice);
  await world.pass(6_000, 500);
  assert.deepEqual(counts(), [1, 1]);
  const told = bob.all("roomUpdate").length;
  await publish(alice, { pubHandle: 2, name: "second" });
  await world.pass(6_000, 500);
  assert.equal(bob.all("roomUpdate").length, told, "another one changes no count");
});

Deno.test("who may publish no media any more is counted again with its next data track", async () => {
  const world = new World();
  const [alice, bob] = [await world.joined("alice"), await world.joined("bob")];
  await publish(alice);
  await world.pass(6_000, 500);
  const permission = { ...alice.participant.profile.permission, canPublish: false };
  await alice.participant.setPermission(new ParticipantPermission(permission));
  // Whatever comes next tells the count.
  await world.joined("carol");
  await world.pass(6_000, 500);
  const count = () => bob.last("roomUpdate").room!.numPublishers;
  assert.equal(count(), 0);
  await publish(alice, { pubHandle: 2, name: "second" });
  await world.pass(6_000, 500);
  assert.equal(count(), 1);
});

Deno.test("a data track is announced to everybody, with a sid, and makes its owner a publisher", async () => {
  const world = new World();
  const [alice, bob] = [await world.joined("alice"), await world.joined("bob")];
  const sid = await publish(alice, { name: "joints", pubHandle: 9 });
  assert.match(sid, /^DTR_\w{12}$/);
  const info = bob.all("update").flatMap(({ participants }) => participants)
    .findLast(({ identity }) => identity === "alice")!;
  assert.deepEqual(info.dataTracks.map(({ sid, name, pubHandle }) => [sid, name, pubHandle]), [
    [sid, "joints", 9],
  ]);
  assert.equal(info.isPublisher, true);
  const late = await world.open("late");
  assert.equal(late.last("join").otherParticipants[0]!.dataTracks[0]!.sid, sid);
});

Deno.test("a data track goes to those who ask for it, under a handle of their own", async () => {
  const world = new World();
  const [alice, bob] = [await world.joined("alice"), await world.joined("bob")];
  const carol = await world.joined("carol");
  const sid = await publish(alice, { pubHandle: 7 });
  assert.deepEqual(routes(alice), { 7: {} }, "nobody wants it yet");
  await bob.subscribeData(sid);
  const handle = bob.dataHandles()[sid]!;
  assert.ok(handle > 0 && handle <= 256);
  assert.deepEqual(routes(alice), { 7: { [inbox(bob)]: handle } });
  assert.deepEqual(carol.dataHandles(), {});
  await carol.subscribeData(sid);
  assert.deepEqual(Object.keys(routes(alice)[7]!), [inbox(bob), inbox(carol)]);
  await bob.subscribeData(sid, false);
  assert.deepEqual(bob.dataHandles(), {});
  assert.deepEqual(Object.keys(routes(alice)[7]!), [inbox(carol)]);
});

Deno.test("with auto-subscription data tracks come by themselves, to late joiners once ACTIVE", async () => {
  const world = new World();
  const bob = await world.joined("bob", AUTO);
  const alice = await world.joined("alice");
  const sids = [await publish(alice), await publish(alice, { pubHandle: 2, name: "other" })];
  assert.deepEqual(Object.keys(bob.dataHandles()).sort(), sids.toSorted());
  const late = await world.open("late", AUTO);
  assert.deepEqual(late.dataHandles(), {});
  await late.connect();
  assert.deepEqual(Object.keys(late.dataHandles()).sort(), sids.toSorted());
  const handles = Object.values(late.dataHandles());
  assert.notEqual(handles[0], handles[1]);
  assert.deepEqual(alice.dataHandles(), {}, "never one's own");
});

Deno.test("who wants the same data tracks has them by the same handles, so that packets are the same", async () => {
  const world = new World();
  const publisher = await world.joined("publisher");
  const readers: ScriptedClient[] = [];
  for (const name of ["one", "two", "three"]) readers.push(await world.joined(name));
  for (let n = 1; n <= 4; n++) {
    const sid = await publish(publisher, { pubHandle: n, name: `track-${n}` });
    for (const reader of readers) await reader.subscribeData(sid);
  }
  const [first, ...others] = readers.map((one) => one.dataHandles());
  assert.equal(Object.keys(first!).length, 4);
  for (const other of others) assert.deepEqual(other, first);
});

Deno.test("unpublishing a data track ends it for everybody", async () => {
  const world = new World();
  const bob = await world.joined("bob", AUTO);
  const alice = await world.joined("alice");
  const sid = await publish(alice, { pubHandle: 3 });
  const unpublish = async (pubHandle: number) => {
    const value = new UnpublishDataTrackRequest({ pubHandle });
    await alice.request({ case: "unpublishDataTrackRequest", value });
  };
  await unpublish(4);
  const { reason, request: about } = alice.last("requestResponse");
  assert.deepEqual([reason, about.case], [Reason.NOT_FOUND, "unpublishDataTrack"]);
  assert.deepEqual(Object.keys(bob.dataHandles()), [sid]);
  await unpublish(3);
  assert.equal(alice.last("unpublishDataTrackResponse").info!.sid, sid);
  assert.deepEqual(bob.dataHandles(), {});
  assert.deepEqual(routes(alice), {});
  const again = await publish(alice, { pubHandle: 3 });
  assert.notEqual(again, sid);
  assert.deepEqual(Object.keys(bob.dataHandles()), [again]);
});

Deno.test("a publisher that leaves takes its data tracks along, a subscriber its routes", async () => {
  const world = new World();
  const [bob, carol] = [await world.joined("bob", AUTO), await world.joined("carol", AUTO)];
  const alice = await world.joined("alice");
  await publish(alice, { pubHandle: 1 });
  const [toBob, toCarol] = [inbox(bob), inbox(carol)];
  assert.deepEqual(Object.keys(routes(alice)[1]!), [toBob, toCarol]);
  await carol.request({ case: "leave", value: new LeaveRequest() });
  assert.deepEqual(Object.keys(routes(alice)[1]!), [toBob]);
  const connection = alice.participant.publisher.id;
  await alice.request({ case: "leave", value: new LeaveRequest() });
  assert.deepEqual(bob.dataHandles(), {});
  const last = world.engine.of("set_data_track_routes").at(-1)!;
  assert.deepEqual([last.connection, last.routes], [connection, []]);
});

Deno.test("requests to publish data tracks are refused with LiveKit's reasons", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await publish(alice);
  const custom = (value: string) =>
    new DataTrackFrameEncoding({ value: { case: "custom", value } });
  const cases: [Fields, Reason][] = [
    [{ pubHandle: 0, name: "x" }, Reason.INVALID_HANDLE],
    [{ pubHandle: 65_536, name: "x" }, Reason.INVALID_HANDLE],
    [{ pubHandle: 2, name: "" }, Reason.INVALID_NAME],
    [{ pubHandle: 2, name: "n".repeat(257) }, Reason.INVALID_NAME],
    [{ pubHandle: 2, name: "x", frameEncoding: custom("") }, Reason.INVALID_REQUEST],
    [{ pubHandle: 2, name: "x", frameEncoding: custom("e".repeat(33)) }, Reason.INVALID_REQUEST],
    [{ pubHandle: 1, name: "x" }, Reason.DUPLICATE_HANDLE],
    [{ pubHandle: 2, name: "joints" }, Reason.DUPLICATE_NAME],
  ];
  for (const [fields, reason] of cases) {
    await request(alice, fields);
    const response = alice.last("requestResponse");
    assert.deepEqual([response.reason, response.request.case], [reason, "publishDataTrack"]);
  }
  assert.equal(alice.all("publishDataTrackResponse").length, 1);
  assert.deepEqual(alice.participant.info().dataTracks.map((track) => track.sid), [sid]);
  const frameEncoding = custom("e".repeat(32));
  await publish(alice, { pubHandle: 65_535, name: "n".repeat(256), frameEncoding });
  assert.equal(
    alice.last("publishDataTrackResponse").info!.frameEncoding!.value.value,
    "e".repeat(32),
  );
});

Deno.test("data tracks need the permission to publish data, and end with it", async () => {
  const world = new World();
  const bob = await world.joined("bob", AUTO);
  const mute = await world.joined("mute", { grant: { ...FULL_GRANT, canPublishData: false } });
  await request(mute, {});
  assert.equal(mute.last("requestResponse").reason, Reason.NOT_ALLOWED);
  const alice = await world.joined("alice");
  await publish(alice);
  await alice.participant.setPermission(new ParticipantPermission({ canSubscribe: true }));
  await world.settle();
  assert.deepEqual(bob.dataHandles(), {});
  assert.deepEqual(alice.participant.info().dataTracks, []);
  assert.deepEqual(routes(alice), {});
});

Deno.test("data tracks can be switched off", async () => {
  const world = new World({ data: { ...DEFAULT_DATA_OPTIONS, dataTracks: false } });
  const alice = await world.joined("alice");
  await request(alice, {});
  assert.equal(alice.last("requestResponse").reason, Reason.NOT_ALLOWED);
  const [opened] = world.engine.of("open_connection");
  assert.equal(opened!.dataPolicy!.dataTracks, false);
});

Deno.test("a subscriber without permission gets data tracks when it has it", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await publish(alice);
  const grant = { ...FULL_GRANT, canSubscribe: false };
  const bob = await world.joined("bob", { ...AUTO, grant });
  assert.deepEqual(bob.dataHandles(), {});
  const permission = (canSubscribe: boolean) => new ParticipantPermission({ canSubscribe });
  await bob.participant.setPermission(permission(true));
  await world.settle();
  assert.deepEqual(Object.keys(bob.dataHandles()), [sid]);
  await bob.participant.setPermission(permission(false));
  await world.settle();
  assert.deepEqual(bob.dataHandles(), {});
  assert.deepEqual(routes(alice), { 1: {} });
});

Deno.test("a publisher's rule takes data tracks away and gives them back, and says so", async () => {
  const world = new World();
  const [bob, carol] = [await world.joined("bob", AUTO), await world.joined("carol", AUTO)];
  const eye = await world.joined("eye", { ...AUTO, grant: { ...FULL_GRANT, recorder: true } });
  const alice = await world.joined("alice");
  const sid = await publish(alice);
  const rule = async (names: readonly string[]) => {
    const trackPermissions = names.map((participantIdentity) =>
      new TrackPermission({ participantIdentity, allTracks: true })
    );
    const value = new SubscriptionPermission({ trackPermissions });
    await alice.request({ case: "subscriptionPermission", value });
  };
  const verdicts = (client: ScriptedClient) =>
    client.all("subscriptionPermissionUpdate").map(({ trackSid, allowed }) => [trackSid, allowed]);
  await rule(["carol"]);
  assert.deepEqual(bob.dataHandles(), {});
  assert.deepEqual([Object.keys(carol.dataHandles()), Object.keys(eye.dataHandles())], [[sid], [
    sid,
  ]]);
  assert.deepEqual(verdicts(bob), [[sid, true], [sid, false]]);
  assert.deepEqual(verdicts(carol), [[sid, true]]);
  await rule(["bob"]);
  assert.deepEqual(Object.keys(bob.dataHandles()), [sid]);
  assert.deepEqual(Object.keys(routes(alice)[1]!), [inbox(bob), inbox(eye)]);
});

Deno.test("a resuming client whose data track is unknown joins anew, else its wishes are taken", async () => {
  const world = new World();
  const [alice, bob] = [await world.joined("alice"), await world.joined("bob")];
  const sid = await publish(alice);
  const known = alice.last("publishDataTrackResponse");
  const dataSubscription = new UpdateDataSubscription({
    updates: [new Update({ trackSid: sid, subscribe: true })],
  });
  await bob.request({ case: "syncState", value: new SyncState({ dataSubscription }) });
  assert.deepEqual(Object.keys(bob.dataHandles()), [sid]);
  const value = new SyncState({ publishDataTracks: [known] });
  await alice.request({ case: "syncState", value });
  assert.equal(alice.closeCode, undefined);
  await bob.request({ case: "syncState", value });
  assert.equal(bob.closeCode, 1000);
});

Deno.test("a participant that is moved takes its data tracks along and gets those of the other room", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice", AUTO);
  const bob = await world.joined("bob", AUTO);
  const stage = { ...AUTO, roomName: "stage", grant: { ...FULL_GRANT, room: "stage" } };
  const carol = await world.joined("carol", stage);
  const alices = await publish(alice, { pubHandle: 5 });
  const bobs = await publish(bob);
  const carols = await publish(carol, { pubHandle: 6 });
  assert.deepEqual([Object.keys(alice.dataHandles()), Object.keys(bob.dataHandles())], [[bobs], [
    alices,
  ]]);
  const move = new MoveParticipantRequest({
    room: "lobby",
    identity: "alice",
    destinationRoom: "stage",
  });
  const toAlice = inbox(alice);
  assert.equal(await admin.moveParticipant(move), undefined);
  await world.settle();
  assert.deepEqual(bob.dataHandles(), {});
  assert.deepEqual(routes(bob), { 1: {} });
  assert.deepEqual([Object.keys(alice.dataHandles()), Object.keys(carol.dataHandles())], [
    [carols],
    [alices],
  ]);
  assert.deepEqual(routes(carol), { 6: { [toAlice]: alice.dataHandles()[carols] } });
  const connection = world.rooms.get("stage")!.session("alice")!.publisher.id;
  const last = world.engine.of("set_data_track_routes")
    .findLast((command) => command.connection === connection)!;
  assert.deepEqual(last.routes, [{
    handle: 5,
    receivers: [{ connection: inbox(carol), handle: carol.dataHandles()[alices] }],
    track: `UD_test.${alices}`,
  }]);
});

Deno.test("a participant that is hidden takes its data tracks away until it shows itself", async () => {
  const world = new World();
  const bob = await world.joined("bob", AUTO);
  const alice = await world.joined("alice");
  const sid = await publish(alice);
  const hide = async (hidden: boolean) => {
    const { permission } = alice.participant.profile;
    await alice.participant.setPermission(new ParticipantPermission({ ...permission, hidden }));
    await world.settle();
  };
  await hide(true);
  assert.deepEqual(bob.dataHandles(), {});
  await hide(false);
  assert.deepEqual(Object.keys(bob.dataHandles()), [sid]);
});

/** Alice publishes in the lobby and is forwarded to the stage, where carol and dan are. */
async function forwardedWorld() {
  const { world, admin } = adminWorld();
  const STAGE = { roomName: "stage", grant: { ...FULL_GRANT, room: "stage" } };
  const alice = await world.joined("alice");
  const bob = await world.joined("bob", AUTO);
  const carol = await world.joined("carol", { ...STAGE, ...AUTO });
  const dan = await world.joined("dan", STAGE);
  const forward = async () => {
    const request = { room: "lobby", identity: "alice", destinationRoom: "stage" };
    assert.equal(await admin.forwardParticipant(new ForwardParticipantRequest(request)), undefined);
    await world.settle();
    return world.rooms.get("stage")!.byIdentity("alice")!;
  };
  return { world, admin, alice, bob, carol, dan, forward };
}

/** What `client` was last told that `identity` publishes. */
function shown(client: ScriptedClient, identity: string): string[] {
  const infos = client.all("update").flatMap(({ participants }) => participants);
  return infos.findLast((info) => info.identity === identity)!.dataTracks.map(({ sid }) => sid);
}

Deno.test("a forwarded participant's data tracks go to both rooms", async () => {
  const { alice, bob, carol, dan, forward } = await forwardedWorld();
  const before = await publish(alice, { pubHandle: 3, name: "before" });
  const copy = await forward();
  assert.deepEqual(shown(carol, "alice"), [before]);
  const after = await publish(alice, { pubHandle: 4, name: "after" });
  assert.deepEqual(shown(carol, "alice"), [before, after]);
  const expected = () => ({
    3: { [inbox(bob)]: bob.dataHandles()[before], [inbox(carol)]: carol.dataHandles()[before] },
    4: { [inbox(bob)]: bob.dataHandles()[after], [inbox(carol)]: carol.dataHandles()[after] },
  });
  assert.deepEqual(routes(alice), expected());
  const { subHandles } = carol.last("dataTrackSubscriberHandles");
  const named = Object.values(subHandles).map(({ publisherSid }) => publisherSid);
  assert.deepEqual(named, [copy.sid, copy.sid], "as the participant is known there");

  await dan.subscribeData(after);
  assert.equal(routes(alice)[4]![inbox(dan)], dan.dataHandles()[after]);
  await dan.subscribeData(after, false);
  assert.deepEqual(routes(alice), expected());

  const value = new UnpublishDataTrackRequest({ pubHandle: 3 });
  await alice.request({ case: "unpublishDataTrackRequest", value });
  assert.deepEqual(shown(carol, "alice"), [after]);
  assert.deepEqual(Object.keys(carol.dataHandles()), [after]);
  assert.deepEqual(Object.keys(routes(alice)), ["4"]);
});

Deno.test("a forwarded participant's data tracks end in the second room with the copy, and there alone", async () => {
  const { world, alice, bob, carol, forward } = await forwardedWorld();
  const sid = await publish(alice, { pubHandle: 3 });
  const copy = await forward();
  assert.equal(Object.keys(routes(alice)[3]!).length, 2);
  copy.close(4, "disconnect");
  await world.settle();
  assert.deepEqual(carol.dataHandles(), {});
  assert.deepEqual(routes(alice), { 3: { [inbox(bob)]: bob.dataHandles()[sid] } });
  await forward();
  assert.ok(carol.dataHandles()[sid] !== undefined);
  const { participant } = alice;
  participant.close(1, "disconnect");
  await world.settle();
  assert.deepEqual(carol.dataHandles(), {});
  const last = world.engine.of("set_data_track_routes").at(-1)!;
  assert.deepEqual([last.connection, last.routes], [participant.publisher.id, []]);
});

Deno.test("a publisher's rule holds in the room it is forwarded to, for tracks of both sorts", async () => {
  const { world, alice, carol, dan, forward } = await forwardedWorld();
  const data = await publish(alice, { pubHandle: 3 });
  const camera = await alice.publishCamera();
  const allow = async (...identities: string[]) => {
    const value = new SubscriptionPermission({
      trackPermissions: identities.map((participantIdentity) =>
        new TrackPermission({ participantIdentity, allTracks: true })
      ),
    });
    await alice.request({ case: "subscriptionPermission", value });
    await world.pass(500);
  };
  await allow("carol");
  await forward();
  await dan.subscribeData(data);
  await world.pass(500);
  assert.ok(carol.dataHandles()[data] !== undefined);
  assert.deepEqual([carol.forwarded().length, dan.forwarded().length], [1, 0]);
  assert.deepEqual(dan.dataHandles(), {});
  await allow("dan");
  assert.deepEqual([carol.forwarded().length, dan.forwarded().length], [0, 1]);
  assert.deepEqual(carol.dataHandles(), {});
  assert.ok(dan.dataHandles()[data] !== undefined);
  const refused = carol.all("subscriptionPermissionUpdate").filter(({ allowed }) => !allowed);
  assert.deepEqual(refused.map(({ trackSid }) => trackSid).sort(), [data, camera].sort());
});

Deno.test("a forwarded participant's blobs can be fetched in the second room", async () => {
  const { world, admin } = adminWorld({ data: { ...DEFAULT_DATA_OPTIONS, dataBlobs: true } });
  const alice = await world.joined("alice");
  const grant = { ...FULL_GRANT, room: "stage" };
  const carol = await world.joined("carol", { roomName: "stage", grant });
  const key = new DataBlobKey({ key: { case: "generic", value: "map" } });
  const blob = new DataBlob({ key, contents: new Uint8Array([1, 2]) });
  await alice.request({ case: "storeDataBlobRequest", value: new StoreDataBlobRequest({ blob }) });
  const request = { room: "lobby", identity: "alice", destinationRoom: "stage" };
  await admin.forwardParticipant(new ForwardParticipantRequest(request));
  const value = new GetDataBlobRequest({ participantIdentity: "alice", key });
  await carol.request({ case: "getDataBlobRequest", value });
  assert.deepEqual(carol.last("getDataBlobResponse").blob, blob);
});
