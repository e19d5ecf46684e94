import assert from "node:assert/strict";
import { type AnyMessage, type MessageType, proto3 } from "@bufbuild/protobuf";
import {
  AgentDispatch,
  ListRoomsRequest,
  ListRoomsResponse,
  MuteRoomTrackResponse,
  Room,
} from "@livekit/protocol";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import { type ApiTelemetry, NO_TELEMETRY } from "../../../lib/room/context/telemetry.ts";
import { permissionsDenied, TwirpError } from "../../../routes/twirp_error.ts";
import { writeLongTwirpJson, writeTwirpJson } from "../../../routes/twirp_json.ts";
import { twirpMethod, type TwirpReply, twirpRoutes } from "../../../routes/twirp.ts";
import { settle, VirtualPlatform } from "../../support/virtual/virtual_platform.ts";
import { testBodies } from "../../support/virtual/test_bodies.ts";

const LIST_ROOMS = "/twirp/livekit.RoomService/ListRooms";

/** A service of one method that answers with `reply`. */
function service(
  reply: (names: readonly string[]) => TwirpReply | Promise<TwirpReply>,
  maxBodyBytes = 1_000,
  telemetry: ApiTelemetry = NO_TELEMETRY,
) {
  const platform = new VirtualPlatform();
  const counters = new DropCounters();
  const access = { grant: () => undefined, carries: "names" } as const;
  const methods = { ListRooms: twirpMethod(ListRoomsRequest, access, ({ names }) => reply(names)) };
  const routes = twirpRoutes([{ name: "livekit.RoomService", methods }], {
    maxBodyBytes,
    bodies: testBodies(),
    clock: platform.clock,
    timers: platform.timers,
    log: silentLog,
    counters,
    telemetry,
  });
  const send = async (init: RequestInit, path = LIST_ROOMS) => {
    const request = new Request(`http://sfu.example${path}`, { method: "POST", ...init });
    const url = new URL(request.url);
    const exchange = { request, url, path, token: undefined, receivedAt: 0, socketAddress: "" };
    return await routes(path)!(exchange);
  };
  return { platform, counters, routes, send };
}

const json = (body: string, headers: Record<string, string> = {}): RequestInit => ({
  body,
  headers: { "Content-Type": "application/json", ...headers },
});

async function outcome(response: Response) {
  return [response.status, response.headers.get("Content-Type"), await response.text()];
}

Deno.test("twirpRoutes() answers protobuf with protobuf and JSON with JSON", async () => {
  const { send } = service((names) =>
    new ListRoomsResponse({ rooms: names.map((name) => new Room({ name })) })
  );
  const binary = await send({
    body: new Uint8Array(new ListRoomsRequest({ names: ["a", "b"] }).toBinary()),
    headers: { "Content-Type": "application/protobuf" },
  });
  assert.equal(binary.headers.get("Content-Type"), "application/protobuf");
  const decoded = ListRoomsResponse.fromBinary(new Uint8Array(await binary.arrayBuffer()));
  assert.deepEqual(decoded.rooms.map(({ name }) => name), ["a", "b"]);
  for (const contentType of ["application/json", "Application/JSON ; charset=utf-8"]) {
    const response = await send(json('{"names":["c"]}', { "Content-Type": contentType }));
    assert.equal(response.headers.get("Content-Type"), "application/json");
    const { rooms } = JSON.parse(await response.text());
    assert.equal(rooms[0].name, "c");
  }
});

Deno.test("twirpRoutes() lets others have the thread while it writes a long answer, and writes it all", async () => {
  const rooms = Array.from(
    { length: 200 },
    (_, i) => new Room({ sid: `RM_${i}`, name: `room "${i}"`, enabledCodecs: [{ mime: "x" }] }),
  );
  const reply = new ListRoomsResponse({ rooms });
  const { platform, send } = service(() => reply);
  // Whatever is written takes a millisecond.
  let spentUs = 0;
  platform.clock.nowUs = () => spentUs += 1_000;
  let response: Response | undefined;
  const sent = send(json("{}")).then((answered) => response = answered);
  let turns = 0;
  for (; response === undefined && turns < 1_000; turns++) {
    await settle();
    platform.advance(1);
  }
  await sent;
  assert.ok(turns >= 15 && turns < 100, `${turns} turns`);
  assert.equal(await response!.text(), writeTwirpJson(reply));
});

Deno.test("writeLongTwirpJson() writes what writeTwirpJson() does", async () => {
  const long = (message: AnyMessage) => writeLongTwirpJson(message, () => undefined);
  for (
    const message of [
      new ListRoomsResponse(),
      new ListRoomsResponse({ rooms: [new Room({ name: "ü" }), new Room()] }),
      new MuteRoomTrackResponse(),
      new Room({ enabledCodecs: [{ mime: "a" }], version: { unixMicro: 3n } }),
      new AgentDispatch({ attributes: { a: "b" }, state: { jobs: [{ id: "j" }] } }),
    ] as AnyMessage[]
  ) assert.equal(await long(message), writeTwirpJson(message));
});

Deno.test("twirpRoutes() tells of every call how it ended and how long it took", async () => {
  const calls: Parameters<ApiTelemetry["apiCall"]>[] = [];
  const { platform, send } = service(
    (names) => {
      platform.advance(12);
      return names.length === 0 ? new TwirpError("not_found", "none") : new ListRoomsResponse();
    },
    1_000,
    { apiCall: (...call) => calls.push(call) },
  );
  await send(json('{"names":["a"]}'));
  await send(json("{}"));
  await send(json("{}"), "/twirp/livekit.RoomService/__proto__");
  assert.deepEqual(calls, [
    ["livekit.RoomService", "ListRooms", 200, "", 12],
    ["livekit.RoomService", "ListRooms", 404, "not_found", 12],
    ["livekit.RoomService", "", 404, "bad_route", 0],
  ]);
});

Deno.test("twirpRoutes() knows what is no route", async () => {
  const { send, routes } = service(() => new ListRoomsResponse());
  const bad = (msg: string, route: string) => [
    404,
    "application/json",
    JSON.stringify({ code: "bad_route", msg, meta: { twirp_invalid_route: route } }),
  ];
  assert.deepEqual(
    await outcome(await send({ method: "GET" })),
    bad('unsupported method "GET" (only POST is allowed)', `GET ${LIST_ROOMS}`),
  );
  const unknown = "/twirp/livekit.RoomService/Nope";
  assert.deepEqual(
    await outcome(await send(json("{}"), unknown)),
    bad(`no handler for path "${unknown}"`, `POST ${unknown}`),
  );
  for (const name of ["", "constructor", "__proto__", "ListRooms/more"]) {
    const path = `/twirp/livekit.RoomService/${name}`;
    assert.equal((await send(json("{}"), path)).status, 404, name);
  }
  assert.deepEqual(
    await outcome(await send(json("{}", { "Content-Type": "text/plain" }))),
    bad('unexpected Content-Type: "text/plain"', `POST ${LIST_ROOMS}`),
  );
  for (const path of ["/twirp/livekit.Other/ListRooms", "/twirp", "/x/livekit.RoomService/y"]) {
    assert.equal(routes(path), undefined, path);
  }
});

Deno.test("twirpRoutes() refuses bodies it cannot decode, or that are too large", async () => {
  let called = 0;
  const { send } = service(() => {
    called++;
    return new ListRoomsResponse();
  });
  const malformed = (kind: string) => [
    400,
    "application/json",
    `{"code":"malformed","msg":"the ${kind} request could not be decoded"}`,
  ];
  for (const body of ["", "{", "[]", "5", "null", '"x"', '{"names":5}', '{"names":[{}]}']) {
    assert.deepEqual(await outcome(await send(json(body))), malformed("json"), body);
  }
  const invalidUtf8 = new Uint8Array([0x7b, 0xff, 0x7d]);
  const headers = { "Content-Type": "application/json" };
  assert.deepEqual(
    await outcome(await send({ body: invalidUtf8, headers })),
    malformed("json"),
  );
  assert.deepEqual(
    await outcome(
      await send({ body: "abc", headers: { "Content-Type": "application/protobuf" } }),
    ),
    malformed("protobuf"),
  );
  assert.equal((await send(json(`{"names":["${"x".repeat(1_000)}"]}`))).status, 413);
  assert.equal(called, 0);
  assert.equal((await send(json('{"unknown":{"a":[1]},"names":[]}'))).status, 200);
  assert.equal(called, 1);
});

Deno.test("twirpRoutes() words errors as Twirp does, whatever the request is in", async () => {
  const errors = {
    canceled: 408,
    invalid_argument: 400,
    not_found: 404,
    already_exists: 409,
    unauthenticated: 401,
    failed_precondition: 412,
    resource_exhausted: 429,
    unimplemented: 501,
    unavailable: 503,
    internal: 500,
  } as const;
  for (const [code, status] of Object.entries(errors)) {
    const error = new TwirpError(code as keyof typeof errors, "why", { argument: "x" });
    const { send } = service(() => error);
    const expected = [
      status,
      "application/json",
      `{"code":"${code}","msg":"why","meta":{"argument":"x"}}`,
    ];
    assert.deepEqual(await outcome(await send(json("{}"))), expected);
    const headers = { "Content-Type": "application/protobuf" };
    assert.deepEqual(await outcome(await send({ body: new Uint8Array(), headers })), expected);
  }
});

Deno.test("twirpRoutes() makes a bug of a method an internal error of one call", async () => {
  const { send, counters } = service(() => {
    throw new Error("secret detail");
  });
  assert.deepEqual(await outcome(await send(json("{}"))), [
    500,
    "application/json",
    '{"code":"internal","msg":"Internal service panic"}',
  ]);
  assert.equal(counters.get("twirp_internal_error"), 1);
});

Deno.test("twirpRoutes() gives up when the caller's time is over, and keeps no timer otherwise", async () => {
  const never = service(() => new Promise(() => {}));
  const waiting = never.send(json("{}", { "X-Twirp-Timeout-Ms": "250" }));
  await never.platform.advanceAsync(300);
  assert.deepEqual(await outcome(await waiting), [
    408,
    "application/json",
    '{"code":"deadline_exceeded","msg":"context deadline exceeded"}',
  ]);
  const quick = service(() => new ListRoomsResponse());
  for (const timeout of ["250", "99999999999999", "-1", "soon", ""]) {
    const response = await quick.send(json("{}", { "X-Twirp-Timeout-Ms": timeout }));
    assert.equal(response.status, 200, timeout);
  }
  assert.equal(quick.platform.pendingTimers, 0);
});

Deno.test("writeTwirpJson() writes names as in the .proto, and every field that is not set", () => {
  const room = new Room({ sid: "RM_1", creationTime: 5n, enabledCodecs: [{ mime: "video/VP8" }] });
  assert.deepEqual(JSON.parse(writeTwirpJson(room)), {
    sid: "RM_1",
    name: "",
    empty_timeout: 0,
    departure_timeout: 0,
    max_participants: 0,
    creation_time: "5",
    creation_time_ms: "0",
    turn_password: "",
    enabled_codecs: [{ mime: "video/VP8", fmtp_line: "" }],
    metadata: "",
    num_participants: 0,
    num_publishers: 0,
    active_recording: false,
    version: null,
  });
  assert.equal(writeTwirpJson(new ListRoomsResponse()), '{"rooms":[]}');
  assert.equal(writeTwirpJson(new MuteRoomTrackResponse()), '{"track":null}');
  const dispatch = JSON.parse(writeTwirpJson(new AgentDispatch({ state: { createdAt: 1n } })));
  assert.deepEqual(dispatch.state, { jobs: [], created_at: "1", deleted_at: "0" });
  assert.equal(dispatch.restart_policy, "JRP_ON_FAILURE");
  assert.deepEqual(dispatch.attributes, {});
});

Deno.test("writeTwirpJson() leaves out what is optional or an alternative", () => {
  const Inner = proto3.makeMessageType("test.Inner", [{ no: 1, name: "x", kind: "scalar", T: 5 }]);
  const Outer: MessageType<AnyMessage> = proto3.makeMessageType("test.Outer", () => [
    { no: 1, name: "plain_inner", kind: "message", T: Inner },
    { no: 2, name: "optional_inner", kind: "message", T: Inner, opt: true },
    { no: 3, name: "choice_a", kind: "message", T: Inner, oneof: "choice" },
    { no: 4, name: "by_key", kind: "map", K: 9, V: { kind: "message", T: Outer } },
  ]);
  const nested = new Outer({ byKey: { a: new Outer() } });
  const empty = { plain_inner: null, by_key: {} };
  assert.deepEqual(JSON.parse(writeTwirpJson(nested)), {
    plain_inner: null,
    by_key: { a: empty },
  });
});

Deno.test("twirpRoutes() asks for the grant before a byte of the body is read", async () => {
  let called = 0;
  const { platform, counters } = service(() => new ListRoomsResponse());
  const methods = {
    ListRooms: twirpMethod(
      ListRoomsRequest,
      { grant: (token) => token === undefined ? permissionsDenied() : undefined, carries: "names" },
      () => {
        called++;
        return new ListRoomsResponse();
      },
    ),
  };
  const bodies = testBodies();
  const { clock, timers } = platform;
  const telemetry = NO_TELEMETRY;
  const options = { maxBodyBytes: 0, bodies, clock, timers, log: silentLog, counters, telemetry };
  const routes = twirpRoutes([{ name: "livekit.RoomService", methods }], options);
  let pulled = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(1_000));
    },
  }, { highWaterMark: 0 });
  const headers = { "Content-Type": "application/protobuf" };
  const request = new Request(`http://sfu.example${LIST_ROOMS}`, { method: "POST", headers, body });
  const exchange = {
    url: new URL(request.url),
    path: LIST_ROOMS,
    receivedAt: 0,
    socketAddress: "",
  };
  const response = await routes(LIST_ROOMS)!({ ...exchange, request, token: undefined });
  assert.equal(response.status, 401);
  assert.deepEqual([pulled, called], [0, 0]);
});

Deno.test("twirpRoutes() takes no more of a request that names things than names need", async () => {
  const names = (bytes: number) => json(`{"names":["${"x".repeat(bytes)}"]}`);
  const methods = (carries: "names" | "content") => ({
    ListRooms: twirpMethod(
      ListRoomsRequest,
      { grant: () => undefined, carries },
      () => new ListRoomsResponse(),
    ),
  });
  const send = async (carries: "names" | "content", maxBodyBytes: number, init: RequestInit) => {
    const { platform: { clock, timers }, counters } = service(() => new ListRoomsResponse());
    const options = {
      maxBodyBytes,
      bodies: testBodies(),
      clock,
      timers,
      log: silentLog,
      counters,
      telemetry: NO_TELEMETRY,
    };
    const services = [{ name: "livekit.RoomService", methods: methods(carries) }];
    const request = new Request(`http://sfu.example${LIST_ROOMS}`, { method: "POST", ...init });
    const exchange = { url: new URL(request.url), path: LIST_ROOMS, receivedAt: 0 };
    const route = twirpRoutes(services, options)(LIST_ROOMS)!;
    const answer = await route({ ...exchange, request, token: undefined, socketAddress: "" });
    return answer.status;
  };
  for (const maxBodyBytes of [0, 10_000_000]) {
    assert.equal(await send("names", maxBodyBytes, names(200_000)), 200);
    assert.equal(await send("names", maxBodyBytes, names(300_000)), 413);
    assert.equal(await send("content", maxBodyBytes, names(300_000)), 200);
  }
  assert.equal(await send("names", 1_000, names(1_000)), 413);
});

Deno.test("twirpRoutes() decodes no request of more values than it would want to hold", async () => {
  let largest = 0;
  const { send } = service((names) => {
    largest = Math.max(largest, names.length);
    return new ListRoomsResponse();
  }, 1_000_000);
  const protobuf = (count: number): RequestInit => ({
    // Each an empty name: field 1, no bytes.
    body: new Uint8Array(count * 2).map((_, at) => at % 2 === 0 ? 0x0a : 0),
    headers: { "Content-Type": "application/protobuf" },
  });
  const listed = (count: number) => json(JSON.stringify({ names: new Array(count).fill("") }));
  for (
    const [fits, tooMany] of [[protobuf(32_768), protobuf(32_769)], [
      listed(15_000),
      listed(17_000),
    ]] as const
  ) {
    assert.equal((await send(fits)).status, 200);
    assert.equal((await send(tooMany)).status, 400);
  }
  assert.equal(largest, 32_768);
});
