/** What the tokens and rights of one room must not give away. */
import assert from "node:assert/strict";
import {
  MoveParticipantRequest,
  ParticipantInfo_Kind as Kind,
  ParticipantPermission,
  RequestResponse_Reason as Reason,
  RoomConfiguration,
  RoomParticipantIdentity,
  TrackSource,
  TrackType,
  UpdateParticipantRequest,
} from "@livekit/protocol";
import { signAccessToken, verifyAccessToken } from "../../lib/signalling/access_token.ts";
import { readJoinParameters } from "../../lib/signalling/join_parameters.ts";
import { adminWorld, failed, succeeded } from "../support/virtual/admin_world.ts";
import { cameraRequest, FULL_GRANT, type World } from "../support/virtual/scripted_client.ts";

const KEY = { apiKey: "devkey", secret: "secret" };

const may = (permission: Partial<ParticipantPermission>) =>
  new UpdateParticipantRequest({
    room: "lobby",
    identity: "alice",
    permission: new ParticipantPermission({ canSubscribe: true, canPublish: true, ...permission }),
  });

/** Join parameters as `/rtc` reads them from a token that the world signed last. */
async function joinWithLastToken(world: World, query = "") {
  const nowMs = world.platform.clock.wallMs();
  const jwt = await signAccessToken(KEY, world.signed.at(-1)!, nowMs, 600_000);
  const verified = await verifyAccessToken(jwt, new Map([[KEY.apiKey, KEY.secret]]), nowMs);
  assert.ok(verified.ok);
  const limits = { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 };
  const { token } = verified;
  const request = { query: new URLSearchParams(query), token, userAgent: "", address: "" };
  const read = readJoinParameters(request, limits, false, (join) => world.service.admit(join));
  return { token, read };
}

Deno.test("UpdateParticipant cannot make an agent or a recorder, and then changes nothing", async () => {
  for (const right of ["agent", "recorder"] as const) {
    const { world, admin } = adminWorld();
    const alice = await world.joined("alice");
    const before = alice.participant.profile.permission.clone();
    const request = may({ [right]: true, hidden: true });
    request.name = "Eve";
    const outcome = await admin.updateParticipant(request);
    assert.deepEqual(failed(outcome), [
      "permission_denied",
      `"${right}" is granted by access tokens alone`,
    ]);
    assert.deepEqual(alice.participant.profile.permission, before);
    assert.equal(alice.participant.profile.name, "");
  }
});

Deno.test("UpdateParticipant leaves an agent one, and may take the right away", async () => {
  const { world, admin } = adminWorld();
  await world.joined("alice", { grant: { ...FULL_GRANT, agent: true, recorder: true } });
  const kept = succeeded(await admin.updateParticipant(may({ agent: true, recorder: true })));
  assert.deepEqual([kept.permission!.agent, kept.permission!.recorder], [true, true]);
  const taken = succeeded(await admin.updateParticipant(may({})));
  assert.deepEqual([taken.permission!.agent, taken.permission!.recorder], [false, false]);
  assert.equal(failed(await admin.updateParticipant(may({ agent: true })))[0], "permission_denied");
});

Deno.test("a refreshed token has no worker rights, and still makes the agent one", async () => {
  const { world } = adminWorld();
  const grants = [{ ...FULL_GRANT, agent: true }, FULL_GRANT];
  for (const [at, grant] of grants.entries()) {
    const kind = at === 0 ? Kind.STANDARD : Kind.AGENT;
    const { participant } = await world.joined("alice", { grant, kind });
    assert.deepEqual([participant.agent, participant.info().permission!.agent], [true, true]);
    const { token, read } = await joinWithLastToken(world);
    assert.deepEqual([token.video!.agent, token.kind], [false, Kind.AGENT]);
    assert.ok(read.ok);
    const again = await world.joined("alice", read.join);
    assert.deepEqual([again.participant.agent, again.participant.profile.isDependent], [
      true,
      true,
    ]);
  }
});

Deno.test("rights over a room, and what it is made with, do not move to another one", async () => {
  const { world, admin } = adminWorld();
  await world.joined("alice", {
    grant: { ...FULL_GRANT, roomAdmin: true, destinationRoom: "vault" },
    roomConfig: new RoomConfiguration({ metadata: "lobby's" }),
    roomPreset: "lobby's",
  });
  const atHome = world.signed.at(-1)!;
  assert.deepEqual([atHome.video!.roomAdmin, atHome.video!.destinationRoom, atHome.roomPreset], [
    true,
    "vault",
    "lobby's",
  ]);
  const request = { room: "lobby", identity: "alice", destinationRoom: "vault" };
  assert.equal(await admin.moveParticipant(new MoveParticipantRequest(request)), undefined);
  await world.settle();
  for (const claims of world.signed.slice(-2)) {
    const { video, roomConfig, roomPreset } = claims;
    assert.deepEqual(
      [video!.room, video!.roomJoin, video!.roomAdmin, video!.destinationRoom],
      ["vault", true, false, ""],
    );
    assert.deepEqual([roomConfig, roomPreset], [undefined, undefined]);
  }
});

Deno.test("a removed participant's publish-only sessions end, and none of their tokens opens again", async () => {
  const { world, admin } = adminWorld();
  await world.joined("alice");
  await world.joined("alice#screen", { publish: "screen", tokenIdentity: "alice" });
  const own = await joinWithLastToken(world);
  assert.ok(own.read.ok);
  assert.deepEqual([own.read.join.identity, own.read.join.tokenIdentity], [
    "alice#screen",
    "alice",
  ]);
  const repeated = await joinWithLastToken(world, "publish=screen");
  assert.ok(repeated.read.ok);
  assert.equal(repeated.read.join.identity, "alice#screen");
  await world.joined("alice#2");
  const request = new RoomParticipantIdentity({ room: "lobby", identity: "alice" });
  assert.equal(await admin.removeParticipant(request), undefined);
  await world.settle();
  const left = [...world.rooms.get("lobby")!.participants()].map(({ identity }) => identity);
  assert.deepEqual(left, ["alice#2"], "a name of its own that happens to look like it stays");
  for (const query of ["", "publish=screen", "publish=other"]) {
    const nowMs = world.platform.clock.wallMs();
    const jwt = await signAccessToken(KEY, world.signed.at(-2)!, nowMs, 600_000);
    const verified = await verifyAccessToken(jwt, new Map([[KEY.apiKey, KEY.secret]]), nowMs);
    assert.ok(verified.ok && verified.token.publishOf === "alice");
    const { token } = verified;
    const request = { query: new URLSearchParams(query), token, userAgent: "", address: "" };
    const limits = { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 };
    const read = readJoinParameters(request, limits, false, (join) => world.service.admit(join));
    assert.deepEqual(read.ok ? read.join.identity : read.status, 401, query);
  }
});

Deno.test("removing a publish-only session leaves its user in the room", async () => {
  const { world, admin } = adminWorld();
  const alice = await world.joined("alice");
  await world.joined("alice#screen", { publish: "screen", tokenIdentity: "alice" });
  const request = new RoomParticipantIdentity({ room: "lobby", identity: "alice#screen" });
  assert.equal(await admin.removeParticipant(request), undefined);
  await world.settle();
  assert.ok(alice.participant.active);
  const admitted = (identity: string) =>
    world.service.admit(world.parameters(identity, { tokenIdentity: "alice" })).ok;
  assert.deepEqual([admitted("alice"), admitted("alice#screen"), admitted("alice#screen#x")], [
    true,
    false,
    false,
  ]);
});

Deno.test("who leaves right before being removed is kept out, also when the room is gone", async () => {
  for (const outlives of [true, false]) {
    const { world, admin } = adminWorld();
    const alice = await world.joined("alice");
    if (outlives) await world.joined("bob");
    alice.socket.onClose();
    alice.participant.close(1, "none");
    await world.pass(60_000, 1_000);
    assert.equal(world.rooms.get("lobby") !== undefined, outlives);
    const remove = async () =>
      await admin.removeParticipant(
        new RoomParticipantIdentity({ room: "lobby", identity: "alice" }),
      );
    assert.equal(await remove(), undefined);
    assert.equal(world.service.admit(world.parameters("alice")).ok, false);
    assert.deepEqual(failed(await remove())[0], "not_found");
    const other = new RoomParticipantIdentity({ room: "lobby", identity: "nobody" });
    assert.deepEqual(failed(await admin.removeParticipant(other))[0], "not_found");
    assert.equal(world.service.admit(world.parameters("nobody")).ok, true);
  }
});

Deno.test("a list of sources lets no picture pass as a microphone", async () => {
  const { world } = adminWorld();
  const grant = { ...FULL_GRANT, canPublishSources: [TrackSource.MICROPHONE] };
  const alice = await world.joined("alice", { grant });
  await alice.announce({ ...cameraRequest("cam"), source: TrackSource.MICROPHONE });
  assert.equal(alice.last("requestResponse").reason, Reason.NOT_ALLOWED);
  assert.equal(alice.all("trackPublished").length, 0);
  await alice.announce({ cid: "mic", type: TrackType.AUDIO, source: TrackSource.MICROPHONE });
  assert.equal(alice.all("trackPublished").length, 1);
});

Deno.test("a hidden publisher's sid reaches nobody, by no message and no description", async () => {
  const { world } = adminWorld();
  const bob = await world.joined("bob");
  const ghost = await world.joined("ghost", { grant: { ...FULL_GRANT, hidden: true } });
  await ghost.publishMicrophone();
  const late = await world.joined("late");
  ghost.participant.host.simulateSpeaker(ghost.participant, 1);
  await world.pass(10_000, 500);
  const { sid } = ghost.participant;
  for (const { received } of [bob, late]) {
    const said = JSON.stringify(received, (_, v) => typeof v === "bigint" ? `${v}` : v);
    assert.ok(!said.includes(sid));
  }
  assert.deepEqual([bob.forwarded(), late.forwarded()], [[], []]);
  await ghost.participant.setPermission(
    new ParticipantPermission({
      canPublish: true,
      canSubscribe: true,
    }),
  );
  await world.pass(1_000);
  assert.deepEqual([bob.forwarded().length, late.forwarded().length], [1, 1]);
});
