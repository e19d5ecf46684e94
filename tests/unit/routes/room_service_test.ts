import assert from "node:assert/strict";
import { absentServices } from "../../../routes/absent_services.ts";
import { roomService } from "../../../routes/room_service.ts";
import type { AccessToken, VideoGrant } from "../../../lib/signalling/access_token.ts";
import { adminWorld, tokenWith } from "../../support/virtual/admin_world.ts";
import { type TwirpPost, twirpPost } from "../../support/virtual/twirp_world.ts";

/** The routes over a world in which alice is in the lobby. */
async function api(limits: Parameters<typeof adminWorld>[1] = {}) {
  const { world, admin } = adminWorld({}, limits);
  const alice = await world.joined("alice");
  const post = twirpPost(world, [roomService(admin), ...absentServices()]);
  const raw = async (...request: Parameters<TwirpPost>) => {
    const response = await post(...request);
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  const call = (method: string, body: unknown, token: AccessToken | undefined) =>
    raw(
      method.includes("/") ? `/twirp/livekit.${method}` : `/twirp/livekit.RoomService/${method}`,
      token,
      JSON.stringify(body),
    );
  return { world, admin, alice, call, raw };
}

const ADMIN: Partial<VideoGrant> = { roomAdmin: true, room: "lobby" };
const TRANSFER: Partial<VideoGrant> = { ...ADMIN, destinationRoom: "stage" };
const DENIED = { status: 401, body: { code: "unauthenticated", msg: "permissions denied" } };

/** Every method: a request that fits the lobby, and the grants it needs. */
const METHODS: Readonly<Record<string, readonly [Partial<VideoGrant>, Record<string, unknown>]>> = {
  CreateRoom: [{ roomCreate: true }, { name: "lobby" }],
  ListRooms: [{ roomList: true }, {}],
  DeleteRoom: [{ roomCreate: true }, { room: "lobby" }],
  ListParticipants: [ADMIN, { room: "lobby" }],
  GetParticipant: [ADMIN, { room: "lobby", identity: "alice" }],
  RemoveParticipant: [ADMIN, { room: "lobby", identity: "alice" }],
  MutePublishedTrack: [ADMIN, { room: "lobby", identity: "alice", trackSid: "TR_x", muted: true }],
  UpdateParticipant: [ADMIN, { room: "lobby", identity: "alice", name: "A" }],
  UpdateSubscriptions: [ADMIN, { room: "lobby", identity: "alice" }],
  SendData: [ADMIN, { room: "lobby", data: "aGk=" }],
  UpdateRoomMetadata: [ADMIN, { room: "lobby", metadata: "m" }],
  PerformRpc: [ADMIN, { room: "lobby", destinationIdentity: "alice", method: "x" }],
  MoveParticipant: [TRANSFER, { room: "lobby", identity: "alice", destinationRoom: "stage" }],
  ForwardParticipant: [TRANSFER, { room: "lobby", identity: "alice", destinationRoom: "stage" }],
};

Deno.test("roomService() has every method of the service and no other", async () => {
  const { admin } = await api();
  assert.deepEqual(
    Object.keys(roomService(admin).methods).sort(),
    Object.keys(METHODS).sort(),
  );
});

for (const [method, [grant, request]] of Object.entries(METHODS)) {
  Deno.test(`roomService() ${method} is denied with any of its grants missing, and changes nothing`, async () => {
    const { world, alice, call } = await api();
    const full = { roomCreate: true, roomList: true, roomRecord: true, roomJoin: true };
    const lacking: (AccessToken | undefined)[] = [undefined];
    for (const name of Object.keys(grant)) {
      const value = name === "room" ? "other" : name === "destinationRoom" ? "other" : false;
      const rest = "room" in grant ? { ...full, ...grant } : { ...full, ...TRANSFER };
      lacking.push(tokenWith({ ...rest, [name]: value }));
    }
    const { video: _, ...withoutVideo } = tokenWith({});
    lacking.push(withoutVideo);
    for (const token of lacking) {
      assert.deepEqual(await call(method, request, token), DENIED);
    }
    assert.equal(world.rooms.list().length, 1);
    assert.ok(alice.participant.active);
    assert.equal(alice.participant.profile.name, "");
  });

  Deno.test(`roomService() ${method} refuses malformed bodies`, async () => {
    const { raw } = await api();
    const path = `/twirp/livekit.RoomService/${method}`;
    for (
      const [type, kind] of [["application/json", "json"], ["application/protobuf", "protobuf"]]
    ) {
      const { status, body } = await raw(path, tokenWith(grant), "\x0a\xff\xff{", type!);
      assert.equal(status, 400);
      assert.deepEqual(body, {
        code: "malformed",
        msg: `the ${kind} request could not be decoded`,
      });
    }
  });
}

Deno.test("roomService() knows no room without a name, whatever a token names", async () => {
  const nameless: Partial<VideoGrant> = {
    roomAdmin: true,
    roomCreate: true,
    room: "",
    destinationRoom: "",
  };
  for (const [method, [grant, request]] of Object.entries(METHODS)) {
    if (!("room" in grant)) continue;
    const { world, call } = await api();
    assert.deepEqual(await call(method, { ...request, room: "" }, tokenWith(nameless)), DENIED);
    if ("destinationRoom" in grant) {
      const nowhere = { ...request, destinationRoom: "" };
      const token = tokenWith({ ...nameless, room: "lobby" });
      assert.deepEqual(await call(method, nowhere, token), DENIED);
    }
    assert.deepEqual(world.rooms.list().map(({ name }) => name), ["lobby"]);
  }
  const { world, call } = await api();
  const { status } = await call("CreateRoom", { name: "" }, tokenWith(nameless));
  assert.deepEqual([status, world.rooms.get("")], [400, undefined]);
});

Deno.test("roomService() carries out every method it is allowed to", async () => {
  for (const [method, [grant, request]] of Object.entries(METHODS)) {
    if (method === "PerformRpc") continue;
    const { call } = await api();
    const { status, body } = await call(method, request, tokenWith(grant));
    assert.deepEqual([method, status], [method, 200], JSON.stringify(body));
  }
});

Deno.test("roomService() answers for unknown rooms and identities", async () => {
  const nobody = { identity: "nobody", destinationIdentity: "nobody" };
  const nowhere = { room: "nowhere", destinationRoom: "stage" };
  const noRoom = { code: "not_found", msg: "twirp error unknown: requested room does not exist" };
  const noOne = { code: "not_found", msg: "twirp error unknown: participant does not exist" };
  const noAnswer = { code: "unavailable", msg: "twirp error unknown: no response from servers" };
  const expected: Record<string, { room?: unknown; identity?: unknown }> = {
    DeleteRoom: { room: noRoom },
    ListParticipants: { room: { participants: [] } },
    GetParticipant: { room: noOne, identity: noOne },
    RemoveParticipant: { room: noOne, identity: noOne },
    MutePublishedTrack: { room: noAnswer, identity: noAnswer },
    UpdateParticipant: { room: noOne, identity: noOne },
    UpdateSubscriptions: { room: noAnswer, identity: noAnswer },
    SendData: { room: noAnswer },
    UpdateRoomMetadata: { room: noRoom },
    PerformRpc: { room: noAnswer, identity: noAnswer },
    MoveParticipant: { room: noOne, identity: noOne },
    ForwardParticipant: { room: noOne, identity: noOne },
  };
  for (const [method, { room, identity }] of Object.entries(expected)) {
    const [grant, request] = METHODS[method]!;
    const { call, world } = await api();
    if (room !== undefined) {
      const token = tokenWith({ ...grant, room: "nowhere" });
      const { body } = await call(method, { ...request, ...nowhere }, token);
      assert.deepEqual(body, room, method);
    }
    if (identity !== undefined) {
      const { body } = await call(method, { ...request, ...nobody }, tokenWith(grant));
      assert.deepEqual(body, identity, method);
    }
    assert.equal(world.rooms.list().length, 1, method);
  }
});

Deno.test("roomService() checks sizes before grants where LiveKit does, and names the limit", async () => {
  const { call } = await api({
    maxMetadataSize: 10,
    maxAttributesSize: 10,
    maxParticipantNameLength: 10,
    maxRoomNameLength: 10,
  });
  const long = "x".repeat(11);
  const refusal = (argument: string) => ({
    status: 400,
    body: { code: "invalid_argument", msg: `${argument} 10`, meta: { argument } },
  });
  const nothing = tokenWith({});
  // Whose room it is shows only in the request, and then its sizes are looked at first.
  const elsewhere = tokenWith({ roomAdmin: true, room: "elsewhere" });
  const update = { room: "lobby", identity: "alice" };
  const metadata = refusal("metadata size exceeds limits");
  assert.deepEqual(
    await call("UpdateParticipant", { ...update, name: long }, elsewhere),
    refusal("name length exceeds limits"),
  );
  assert.deepEqual(
    await call("UpdateParticipant", { ...update, metadata: long }, elsewhere),
    metadata,
  );
  assert.deepEqual(
    await call("UpdateParticipant", { ...update, attributes: { [long]: "" } }, elsewhere),
    refusal("attribute size exceeds limits"),
  );
  assert.deepEqual(
    await call("UpdateRoomMetadata", { room: "lobby", metadata: long }, elsewhere),
    metadata,
  );
  for (const method of ["UpdateParticipant", "UpdateRoomMetadata"]) {
    assert.deepEqual(await call(method, { ...update, metadata: long }, nothing), DENIED, method);
  }
  const creator = tokenWith({ roomCreate: true });
  const create = { name: "new", metadata: long };
  assert.deepEqual(await call("CreateRoom", create, nothing), DENIED);
  assert.deepEqual(await call("CreateRoom", create, creator), metadata);
  assert.deepEqual(await call("CreateRoom", { name: long }, creator), {
    status: 400,
    body: {
      code: "invalid_argument",
      msg: "twirp error unknown: room name length exceeds limits: max length 10",
    },
  });
});

Deno.test("roomService() refuses what makes no sense in LiveKit's words", async () => {
  const { call } = await api();
  const said = async (method: string, request: unknown, grant: Partial<VideoGrant>) => {
    const { body } = await call(method, request, tokenWith(grant));
    return [body.code, body.msg];
  };
  assert.deepEqual(await said("SendData", { room: "lobby", nonce: "aGk=" }, ADMIN), [
    "invalid_argument",
    "nonce should be 16-bytes or not present, got: 2 bytes",
  ]);
  assert.deepEqual(await said("PerformRpc", { room: "lobby" }, ADMIN), [
    "invalid_argument",
    "twirp error unknown: destination identity is required",
  ]);
  assert.deepEqual(await said("CreateRoom", { name: "x", roomPreset: "y" }, { roomCreate: true }), [
    "invalid_argument",
    "twirp error unknown: unknown room configuration in create room request",
  ]);
  const same = { room: "lobby", identity: "alice", destinationRoom: "lobby" };
  const grant = { ...ADMIN, destinationRoom: "lobby" };
  for (const method of ["MoveParticipant", "ForwardParticipant"]) {
    assert.deepEqual(await said(method, same, grant), [
      "invalid_argument",
      "destination room cannot be the same as source room ",
    ]);
  }
});

Deno.test("absentServices() check grants first and then say what is not there", async () => {
  const { call } = await api();
  const why = {
    egress: "nothing is recorded here before recording.directory is set",
    sip: "there is no telephony here",
  };
  const missing = (what: "egress" | "sip") => ({
    status: 500,
    body: { code: "internal", msg: `twirp error unknown: ${what} not connected: ${why[what]}` },
  });
  const cases = [
    ["Egress/ListEgress", tokenWith({ roomRecord: true }), "egress"],
    ["Egress/StopEgress", tokenWith({ roomRecord: true }), "egress"],
    ["SIP/ListSIPInboundTrunk", tokenWith({}, { admin: true }), "sip"],
    ["SIP/CreateSIPParticipant", tokenWith({}, { call: true }), "sip"],
    ["SIP/TransferSIPParticipant", tokenWith(ADMIN, { call: true }), "sip"],
  ] as const;
  for (const [method, token, what] of cases) {
    assert.deepEqual(await call(method, { roomName: "lobby" }, token), missing(what), method);
    assert.deepEqual(await call(method, { roomName: "lobby" }, tokenWith({})), DENIED, method);
  }
  const transfer = { roomName: "another" };
  assert.deepEqual(
    await call("SIP/TransferSIPParticipant", transfer, tokenWith(ADMIN, { call: true })),
    DENIED,
  );
  assert.deepEqual(
    await call("Egress/StartRoomCompositeEgress", {}, tokenWith({ roomRecord: true })),
    {
      status: 503,
      body: {
        code: "unavailable",
        msg: `twirp error unknown: no response from servers: ${why.egress}`,
      },
    },
  );
});
