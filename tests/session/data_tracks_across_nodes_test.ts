/** Data tracks of participants that several nodes serve: who has them, and which nodes take them. */
import assert from "node:assert/strict";
import {
  ForwardParticipantRequest,
  LeaveRequest,
  ParticipantPermission,
  PublishDataTrackRequest,
  SubscriptionPermission,
  TrackPermission,
  UnpublishDataTrackRequest,
} from "@livekit/protocol";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";
import { FULL_GRANT, type ScriptedClient } from "../support/virtual/scripted_client.ts";

const AUTO = { autoSubscribeDataTrack: true };

async function publish(client: ScriptedClient, pubHandle: number): Promise<string> {
  const value = new PublishDataTrackRequest({ pubHandle, name: `track ${pubHandle}` });
  await client.request({ case: "publishDataTrackRequest", value });
  return client.last("publishDataTrackResponse").info!.sid;
}

function leave(client: ScriptedClient): Promise<void> {
  return client.request({ case: "leave", value: new LeaveRequest() });
}

/** Who has a track of another node, as a node's media plane knows: connection → handle. */
function receivers(cluster: ClusterWorld, node: string, track: string): Record<string, number> {
  const command = cluster.node(node).world.engine.of("set_remote_data_track")
    .findLast((command) => command.track === track);
  return Object.fromEntries(
    (command?.receivers ?? []).map(({ connection, handle }) => [connection, handle]),
  );
}

const inbox = (client: ScriptedClient): string => client.participant.dataConnection!;

async function twoNodes(options = {}) {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann", AUTO);
  const bob = await cluster.join("b", "bob", options);
  await cluster.pass(200);
  return { cluster, ann, bob };
}

Deno.test("people at other nodes are told of a publisher more who publishes data tracks alone", async () => {
  const { cluster, ann, bob } = await twoNodes();
  await cluster.pass(6_000);
  assert.equal(bob.last("roomUpdate").room!.numPublishers, 0);
  await publish(ann, 7);
  await cluster.pass(6_000);
  assert.equal(bob.last("roomUpdate").room!.numPublishers, 1);
});

Deno.test("a node takes a data track of another one while somebody there has it", async () => {
  const { cluster, ann, bob } = await twoNodes();
  const sid = await publish(ann, 7);
  const other = await publish(ann, 8);
  await cluster.pass(500);
  const [track, otherTrack] = [`UD_a.${sid}`, `UD_a.${other}`];
  const { engine } = cluster.node("b").world;
  assert.deepEqual(engine.of("set_remote_data_track"), [], "nobody has it");
  await bob.subscribeData(sid);
  await cluster.pass(100);
  assert.deepEqual(receivers(cluster, "b", track), { [inbox(bob)]: bob.dataHandles()[sid] });
  assert.deepEqual(receivers(cluster, "b", otherTrack), {});
  assert.equal(engine.of("set_remote_data_track").at(-1)!.handle, 7, "its publisher's");
  const eve = await cluster.join("b", "eve", AUTO);
  await cluster.pass(200);
  assert.deepEqual(Object.keys(eve.dataHandles()).toSorted(), [sid, other].toSorted());
  assert.deepEqual(Object.keys(receivers(cluster, "b", track)), [inbox(bob), inbox(eve)]);
  assert.deepEqual(Object.keys(receivers(cluster, "b", otherTrack)), [inbox(eve)]);
  await bob.subscribeData(sid, false);
  await leave(eve);
  await cluster.pass(500);
  assert.deepEqual(receivers(cluster, "b", track), {});
  assert.deepEqual(receivers(cluster, "b", otherTrack), {});
});

Deno.test("the publisher's node knows a data track by the name that others ask for", async () => {
  const { cluster, ann, bob } = await twoNodes(AUTO);
  const sid = await publish(ann, 7);
  await cluster.pass(500);
  const routes = () => cluster.node("a").world.engine.of("set_data_track_routes").at(-1)?.routes;
  assert.deepEqual(routes(), [{ handle: 7, receivers: [], track: `UD_a.${sid}` }]);
  assert.ok(inbox(bob) in receivers(cluster, "b", `UD_a.${sid}`));
});

Deno.test("a data track that is added, renewed links and news leave the others as they are", async () => {
  const { cluster, ann, bob } = await twoNodes();
  const sid = await publish(ann, 7);
  await cluster.pass(200);
  await bob.subscribeData(sid);
  await cluster.pass(100);
  const before = bob.dataHandles();
  const second = await publish(ann, 8);
  await cluster.pass(200);
  assert.deepEqual(bob.dataHandles(), before, "it was not asked for anew");
  await bob.subscribeData(second);
  cluster.links.network.partition("ND_a", "ND_b");
  await cluster.pass(3_000);
  cluster.links.network.healAll();
  await cluster.pass(5_000);
  assert.deepEqual(Object.keys(bob.dataHandles()).toSorted(), [sid, second].toSorted());
  assert.deepEqual(bob.dataHandles()[sid], before[sid]);
  assert.deepEqual(receivers(cluster, "b", `UD_a.${sid}`), { [inbox(bob)]: before[sid] });
});

Deno.test("a data track that ends, or is withdrawn from somebody, is not taken for them any more", async () => {
  const { cluster, ann, bob } = await twoNodes(AUTO);
  const sid = await publish(ann, 7);
  await cluster.pass(300);
  const track = `UD_a.${sid}`;
  const has = () => Object.keys(receivers(cluster, "b", track)).length > 0;
  assert.ok(has());
  const rule = async (changes: ConstructorParameters<typeof SubscriptionPermission>[0]) => {
    const value = new SubscriptionPermission(changes);
    await ann.request({ case: "subscriptionPermission", value });
    await cluster.pass(300);
  };
  await rule({
    allParticipants: false,
    trackPermissions: [new TrackPermission({ participantIdentity: "eve", allTracks: true })],
  });
  assert.equal(has(), false, "not allowed");
  assert.equal(bob.last("subscriptionPermissionUpdate").allowed, false);
  await rule({ allParticipants: true });
  assert.ok(has());
  const permit = async (client: ScriptedClient, changes: Partial<ParticipantPermission>) => {
    const { permission } = client.participant.profile;
    await client.participant.setPermission(
      new ParticipantPermission({ ...permission, ...changes }),
    );
    await cluster.pass(300);
  };
  await permit(bob, { canSubscribe: false });
  assert.equal(has(), false, "bob may not subscribe");
  await permit(bob, { canSubscribe: true });
  assert.ok(has());
  await permit(ann, { hidden: true });
  assert.equal(has(), false, "ann is hidden");
  await permit(ann, { hidden: false });
  await bob.subscribeData(sid);
  await cluster.pass(100);
  assert.ok(has());
  const value = new UnpublishDataTrackRequest({ pubHandle: 7 });
  await ann.request({ case: "unpublishDataTrackRequest", value });
  await cluster.pass(300);
  assert.equal(has(), false, "unpublished");
  assert.deepEqual(bob.dataHandles(), {});
  const again = `UD_a.${await publish(ann, 7)}`;
  await cluster.pass(300);
  assert.ok(Object.keys(receivers(cluster, "b", again)).length > 0);
  await permit(ann, { canPublishData: false });
  assert.deepEqual(receivers(cluster, "b", again), {}, "ann may not send data");
});

Deno.test("data tracks of a node that is gone, or of a member that left, are taken no more", async () => {
  const { cluster, ann, bob } = await twoNodes(AUTO);
  const sid = await publish(ann, 7);
  const cid = await cluster.join("a", "cid");
  const other = await publish(cid, 7);
  await cluster.pass(300);
  assert.deepEqual(Object.keys(bob.dataHandles()).toSorted(), [sid, other].toSorted());
  await leave(cid);
  await cluster.pass(500);
  assert.deepEqual(receivers(cluster, "b", `UD_a.${other}`), {});
  assert.ok(inbox(bob) in receivers(cluster, "b", `UD_a.${sid}`));
  cluster.kill("a");
  await cluster.pass(15_000);
  assert.deepEqual(receivers(cluster, "b", `UD_a.${sid}`), {});
  assert.deepEqual(bob.dataHandles(), {});
});

Deno.test("a data track that is forwarded to another room is taken once for both", async () => {
  const { cluster, ann, bob } = await twoNodes(AUTO);
  const stage = { ...AUTO, roomName: "stage", grant: { ...FULL_GRANT, room: "stage" } };
  const eve = await cluster.join("b", "eve", stage);
  await cluster.join("a", "cid", { ...stage, autoSubscribeDataTrack: false });
  const sid = await publish(ann, 7);
  await cluster.pass(300);
  const { admin } = cluster.node("a");
  const request = new ForwardParticipantRequest({
    room: "lobby",
    identity: "ann",
    destinationRoom: "stage",
  });
  assert.equal(await admin.forwardParticipant(request), undefined);
  await cluster.pass(500);
  assert.deepEqual(receivers(cluster, "b", `UD_a.${sid}`), {
    [inbox(bob)]: bob.dataHandles()[sid],
    [inbox(eve)]: eve.dataHandles()[sid],
  });
  await leave(bob);
  await cluster.pass(500);
  assert.deepEqual(Object.keys(receivers(cluster, "b", `UD_a.${sid}`)), [inbox(eve)]);
});
