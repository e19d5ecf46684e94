/**
 * Bad calls of the server API over real HTTP, each with the exact answer, while two bystanders are
 * in the room they are about: they go on receiving, and nothing of it reaches them. Needs no
 * browser.
 */
import assert from "node:assert/strict";
import { ROOM } from "../conformance/support.ts";
import { badInputTest, DENIED, JOIN, sign, twirp } from "../support/hostile/bad_input.ts";

const ADMIN = { roomAdmin: true, room: ROOM };
const TRANSFER = { ...ADMIN, destinationRoom: "stage" };
const CAROL = { room: ROOM, identity: "carol" };

/** Every method: the grants it needs, and a request that would harm the bystanders. */
const METHODS: Readonly<Record<string, readonly [Record<string, unknown>, object]>> = {
  "RoomService/CreateRoom": [{ roomCreate: true }, { name: ROOM, metadata: "m" }],
  "RoomService/ListRooms": [{ roomList: true }, {}],
  "RoomService/DeleteRoom": [{ roomCreate: true }, { room: ROOM }],
  "RoomService/ListParticipants": [ADMIN, { room: ROOM }],
  "RoomService/GetParticipant": [ADMIN, CAROL],
  "RoomService/RemoveParticipant": [ADMIN, CAROL],
  "RoomService/MutePublishedTrack": [ADMIN, { ...CAROL, muted: true }],
  "RoomService/UpdateParticipant": [ADMIN, { ...CAROL, metadata: "m" }],
  "RoomService/UpdateSubscriptions": [ADMIN, { room: ROOM, identity: "dave" }],
  "RoomService/SendData": [ADMIN, { room: ROOM, data: "aGk=" }],
  "RoomService/UpdateRoomMetadata": [ADMIN, { room: ROOM, metadata: "m" }],
  "RoomService/PerformRpc": [ADMIN, { room: ROOM, destinationIdentity: "carol", method: "x" }],
  "RoomService/MoveParticipant": [TRANSFER, { ...CAROL, destinationRoom: "stage" }],
  "RoomService/ForwardParticipant": [TRANSFER, { ...CAROL, destinationRoom: "stage" }],
  "AgentDispatchService/CreateDispatch": [ADMIN, { room: ROOM, agentName: "a" }],
  "AgentDispatchService/DeleteDispatch": [ADMIN, { room: ROOM, dispatchId: "AD_x" }],
  "AgentDispatchService/ListDispatch": [ADMIN, { room: ROOM }],
};

badInputTest("Twirp denies every method each of whose grants is missing", async (test) => {
  for (const [method, [grants, request]] of Object.entries(METHODS)) {
    const everything = { roomCreate: true, roomList: true, roomRecord: true, ...TRANSFER, ...JOIN };
    const tokens = ["", await sign({ video: undefined }), await sign({ video: {} })];
    for (const grant of Object.keys(grants)) {
      const { [grant]: _, ...rest } = everything as Record<string, unknown>;
      tokens.push(await sign({ video: rest }));
      if (typeof grants[grant] === "string") {
        tokens.push(await sign({ video: { ...everything, [grant]: "elsewhere" } }));
      }
    }
    for (const token of tokens) {
      assert.deepEqual(await twirp(test, method, token, request), DENIED, method);
    }
  }
});

badInputTest(
  "Twirp answers malformed bodies of every method with what they should have been",
  async (test) => {
    const malformed = (kind: string) => [
      400,
      { code: "malformed", msg: `the ${kind} request could not be decoded` },
    ];
    for (const [method, [video]] of Object.entries(METHODS)) {
      const token = await sign({ video });
      for (const body of ["", "{", "[]", '"x"', '{"room":{}', "\x00"]) {
        assert.deepEqual(await twirp(test, method, token, body), malformed("json"), method);
      }
      for (const body of [Uint8Array.of(0x0a, 0xff, 0xff), Uint8Array.of(0x0a, 5, 1)]) {
        const answer = await twirp(test, method, token, body, "application/protobuf");
        assert.deepEqual(answer, malformed("protobuf"), method);
      }
      const other = await twirp(test, method, token, "{}", "text/plain");
      const { code, msg } = other[1] as { code: string; msg: string };
      assert.deepEqual([other[0], code, msg], [
        404,
        "bad_route",
        'unexpected Content-Type: "text/plain"',
      ]);
    }
    const huge = "x".repeat(10 * 1024 * 1024 + 1);
    const answer = await twirp(test, "RoomService/SendData", await sign({ video: ADMIN }), huge);
    assert.deepEqual(answer, [413, "request body too large"]);
  },
);

badInputTest("Twirp answers for rooms and identities that are not there", async (test) => {
  const failure = (status: number, code: string, what: string) => [
    status,
    { code, msg: `twirp error unknown: ${what}` },
  ];
  const noRoom = failure(404, "not_found", "requested room does not exist");
  const noOne = failure(404, "not_found", "participant does not exist");
  const nobody = failure(503, "unavailable", "no response from servers");
  const expected: Readonly<Record<string, readonly [room: unknown, identity?: unknown]>> = {
    "RoomService/DeleteRoom": [noRoom],
    "RoomService/ListParticipants": [[200, { participants: [] }]],
    "RoomService/GetParticipant": [noOne, noOne],
    "RoomService/RemoveParticipant": [noOne, noOne],
    "RoomService/MutePublishedTrack": [nobody, nobody],
    "RoomService/UpdateParticipant": [noOne, noOne],
    "RoomService/UpdateSubscriptions": [nobody, nobody],
    "RoomService/SendData": [nobody],
    "RoomService/UpdateRoomMetadata": [noRoom],
    "RoomService/PerformRpc": [nobody, nobody],
    "RoomService/MoveParticipant": [noOne, noOne],
    "RoomService/ForwardParticipant": [noOne, noOne],
    "AgentDispatchService/ListDispatch": [nobody],
  };
  for (const [method, [room, identity]] of Object.entries(expected)) {
    const [video, request] = METHODS[method]!;
    const there = await sign({ video: { ...video, room: "nowhere" } });
    const nowhere = { ...request, room: "nowhere" };
    assert.deepEqual(await twirp(test, method, there, nowhere), room, method);
    if (identity === undefined) continue;
    const unknown = { ...request, identity: "nobody", destinationIdentity: "nobody" };
    assert.deepEqual(await twirp(test, method, await sign({ video }), unknown), identity, method);
  }
  assert.deepEqual([...test.server.rooms.list()].map(({ name }) => name), [ROOM]);
});

badInputTest("Twirp refuses metadata, attributes and names over their limits", async (test) => {
  const over = (bytes: number) => "x".repeat(bytes + 1);
  const rows: readonly (readonly [method: string, more: object, what: string, limit: number])[] = [
    ["RoomService/CreateRoom", { metadata: over(524_288) }, "metadata size", 524_288],
    ["RoomService/UpdateRoomMetadata", { metadata: over(524_288) }, "metadata size", 524_288],
    ["RoomService/UpdateParticipant", { metadata: over(524_288) }, "metadata size", 524_288],
    [
      "RoomService/UpdateParticipant",
      { attributes: { a: over(65_535) } },
      "attribute size",
      65_536,
    ],
    ["RoomService/UpdateParticipant", { name: over(256) }, "name length", 256],
    ["AgentDispatchService/CreateDispatch", { metadata: over(524_288) }, "metadata size", 524_288],
  ];
  for (const [method, more, what, limit] of rows) {
    const [video, request] = METHODS[method]!;
    const argument = `${what} exceeds limits`;
    assert.deepEqual(await twirp(test, method, await sign({ video }), { ...request, ...more }), [
      400,
      { code: "invalid_argument", msg: `${argument} ${limit}`, meta: { argument } },
    ], method);
  }
  const nonce = { room: ROOM, data: "aGk=", nonce: "aGk=" };
  assert.deepEqual(await twirp(test, "RoomService/SendData", await sign({ video: ADMIN }), nonce), [
    400,
    {
      code: "invalid_argument",
      msg: "nonce should be 16-bytes or not present, got: 2 bytes",
    },
  ]);
});
