import assert from "node:assert/strict";
import {
  ClientInfo,
  ClientInfo_SDK,
  DisconnectReason,
  ParticipantInfo_Kind,
  RequestResponse_Reason as Reason,
  UpdateParticipantMetadata,
} from "@livekit/protocol";
import { FULL_GRANT, type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

async function update(
  client: ScriptedClient,
  change: ConstructorParameters<typeof UpdateParticipantMetadata>[0],
): Promise<void> {
  const value = new UpdateParticipantMetadata({ requestId: 7, ...change });
  await client.request({ case: "updateMetadata", value });
}

const SMALL = { maxParticipantNameLength: 5, maxMetadataSize: 10, maxAttributesSize: 10 };

Deno.test("handleRequest() refuses names, metadata and attributes over their limits, each in LiveKit's words", async () => {
  const world = new World(SMALL);
  const alice = await world.joined("alice");
  const refused: [ConstructorParameters<typeof UpdateParticipantMetadata>[0], string][] = [
    [{ name: "éééa" + "a" }, "exceeds name length limit"],
    [{ metadata: "01234567890" }, "exceeds metadata size limit"],
    [{ attributes: { key: "01234567" } }, "exceeds attributes size limit"],
  ];
  for (const [change, message] of refused) {
    await update(alice, change);
    const response = alice.last("requestResponse");
    assert.deepEqual([response.reason, response.message, response.requestId], [
      Reason.LIMIT_EXCEEDED,
      message,
      7,
    ]);
    assert.equal(response.request.case, "updateMetadata");
  }
  const { profile } = alice.participant;
  assert.deepEqual([profile.name, profile.metadata, profile.attributes], ["", "", {}]);
  await update(alice, { name: "Alice", metadata: "0123456789", attributes: { key: "0123456" } });
  assert.equal(alice.last("requestResponse").reason, Reason.OK);
});

Deno.test("handleRequest() bounds what attributes become, not only what is sent at once", async () => {
  const world = new World(SMALL);
  const alice = await world.joined("alice");
  await update(alice, { attributes: { a: "01234" } });
  await update(alice, { attributes: { b: "01234" } });
  assert.equal(alice.last("requestResponse").reason, Reason.LIMIT_EXCEEDED);
  assert.deepEqual(alice.participant.profile.attributes, { a: "01234" });
  await update(alice, { attributes: { a: "", b: "01234" } });
  assert.deepEqual(alice.participant.profile.attributes, { b: "01234" });
});

Deno.test("handleRequest() tells a client of protocol 14 and before only what went wrong", async () => {
  const world = new World();
  const old = await world.joined("old", {
    clientInfo: new ClientInfo({ sdk: ClientInfo_SDK.SWIFT, protocol: 14 }),
  });
  const rust = await world.joined("rust", {
    clientInfo: new ClientInfo({ sdk: ClientInfo_SDK.RUST, protocol: 9 }),
  });
  for (const client of [old, rust]) {
    await update(client, { name: "fine" });
    assert.deepEqual(client.all("requestResponse"), []);
    await update(client, { metadata: "x".repeat(64_001) });
  }
  assert.equal(old.all("requestResponse").length, 1);
  assert.deepEqual(rust.all("requestResponse"), [], "it would end its connection");
});

Deno.test("SignalService.admitSession() refuses tokens with oversized metadata or attributes, not names", () => {
  const world = new World(SMALL);
  const admission = (changes: Parameters<World["parameters"]>[1]) =>
    world.service.admitSession(world.parameters("alice", changes));
  assert.deepEqual(admission({ metadata: "01234567890" }), {
    ok: false,
    status: 500,
    body: "metadata size exceeds limits",
  });
  assert.equal(admission({ attributes: { key: "01234567" } }).ok, false);
  assert.equal(admission({ name: "a longer name", metadata: "0123456789" }).ok, true);
});

Deno.test("Participant that is hidden sees and receives everybody, is seen by nobody, and is told of itself", async () => {
  const world = new World();
  const bob = await world.joined("bob");
  const sid = await bob.publishCamera();
  const ghost = await world.joined("ghost", { grant: { ...FULL_GRANT, hidden: true } });
  const late = await world.joined("late");
  await update(ghost, { name: "Boo" });
  await world.pass(7_000, 500);
  const heardOf = (client: ScriptedClient) =>
    [
      ...client.last("join").otherParticipants,
      ...client.all("update").flatMap(({ participants }) => participants),
    ].map(({ identity }) => identity);
  assert.ok(!heardOf(bob).includes("ghost"));
  assert.ok(!heardOf(late).includes("ghost"));
  assert.deepEqual(late.last("join").otherParticipants.map(({ identity }) => identity), ["bob"]);
  assert.ok(heardOf(ghost).includes("late"));
  assert.equal(ghost.forwarded().length, 1);
  assert.ok(ghost.participant.subscriptions.isAccepted(sid));
  assert.equal(
    ghost.all("update").flatMap(({ participants }) => participants)
      .findLast(({ identity }) => identity === "ghost")!.name,
    "Boo",
  );
});

Deno.test("Room counts neither agents nor recorders, and says while one records", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await world.joined("agent", { kind: ParticipantInfo_Kind.AGENT });
  await world.joined("recorder", { grant: { ...FULL_GRANT, recorder: true, hidden: true } });
  await world.pass(6_000, 500);
  const room = alice.last("roomUpdate").room!;
  assert.deepEqual([room.numParticipants, room.activeRecording], [1, true]);
});

Deno.test("TokenRefresher sends a token at the join, every five minutes, and with each change, until the end", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const count = () => alice.all("refreshToken").length;
  assert.equal(count(), 1);
  await world.pass(299_000, 1_000);
  assert.equal(count(), 1);
  await world.pass(2_000, 1_000);
  assert.equal(count(), 2);
  await world.pass(300_000, 1_000);
  assert.equal(count(), 3);
  await update(alice, { name: "Alice" });
  assert.equal(count(), 4);
  await update(alice, { name: "Alice" });
  assert.equal(count(), 4, "nothing has changed");
  alice.participant.close(DisconnectReason.PARTICIPANT_REMOVED, "disconnect");
  const frames = alice.socket.frames.length;
  await world.pass(600_000, 10_000);
  assert.equal(alice.socket.frames.length, frames);
});
