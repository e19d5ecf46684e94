import assert from "node:assert/strict";
import {
  AdminFailure,
  participantNotFound,
  roomNotFound,
} from "../../../lib/admin/admin_failure.ts";
import type { CaptureRequest } from "../../../lib/admin/packet_captures.ts";
import type { VideoGrant } from "../../../lib/signalling/access_token.ts";
import { isToComeInParts } from "../../../routes/http_exchange.ts";
import type { OtherNodes } from "../../../routes/carrying.ts";
import { operationsRoutes } from "../../../routes/operations.ts";
import { tokenWith } from "../../support/virtual/admin_world.ts";

const OPERATOR = { roomAdmin: true, roomList: true };

type Serving = Awaited<ReturnType<OtherNodes["serving"]>>;

/** @param elsewhere What becomes of a request that is carried; absent: the node is alone. */
function world(elsewhere?: Serving) {
  const asked: CaptureRequest[] = [];
  const carried: unknown[] = [];
  const serving: OtherNodes["serving"] = ({ method, target, headers }, room, identity) => {
    carried.push({ method, target, headers, room, identity });
    return Promise.resolve(elsewhere!);
  };
  const routes = operationsRoutes({
    report: () => Promise.resolve({ version: "1" }),
    clock: { wallMs: () => 1_000 },
    ...(elsewhere === undefined ? {} : { carrying: { nodes: { serving } } }),
    captures: {
      start: (request) => {
        asked.push(request);
        if (request.room === "nowhere") return new AdminFailure("not_found", "no such room");
        if (request.room === "roomless") return roomNotFound();
        if (request.room === "empty") return participantNotFound();
        if (request.room === "off") return new AdminFailure("failed_precondition", "off");
        return new ReadableStream();
      },
    },
  });
  const call = async (
    path: string,
    grant?: Partial<VideoGrant>,
    method = "GET",
    isCarried = false,
  ) => {
    const headers = { Authorization: "Bearer x", Cookie: "y" };
    const request = new Request(`https://sfu.example${path}`, { method, headers });
    const url = new URL(request.url);
    const token = grant && tokenWith(grant);
    const exchange = { request, url, path: url.pathname, token, receivedAt: 0, socketAddress: "" };
    return await routes.get(url.pathname)!({ ...exchange, isCarried });
  };
  return { call, asked, carried };
}

Deno.test("only operators get reports and packets", async () => {
  const { call, asked } = world();
  const others: (Partial<VideoGrant> | undefined)[] = [
    undefined,
    { roomJoin: true, room: "standup" },
    { roomAdmin: true },
    { roomList: true },
    { roomCreate: true, roomList: true, roomRecord: true },
    { ...OPERATOR, room: "standup" },
  ];
  for (const grant of others) {
    assert.equal((await call("/operations/report", grant)).status, 401);
    assert.equal((await call("/operations/capture?room=a&identity=b", grant, "POST")).status, 401);
  }
  assert.deepEqual(asked, []);
  const report = await call("/operations/report", OPERATOR);
  assert.deepEqual(await report.json(), { version: "1" });
  assert.equal(report.headers.get("Cache-Control"), "no-store");
});

Deno.test("/operations/capture takes whole seconds and bytes, begins by POST alone, and comes in parts", async () => {
  const { call, asked } = world();
  assert.equal((await call("/operations/capture?room=a&identity=b", OPERATOR)).status, 405);
  assert.equal((await call("/operations/report", OPERATOR, "POST")).status, 405);
  for (
    const wrong of ["seconds=0", "seconds=-1", "seconds=1.5", "bytes=x", "bytes=1e9", "seconds="]
  ) {
    const path = `/operations/capture?room=a&identity=b&${wrong}`;
    assert.equal((await call(path, OPERATOR, "POST")).status, 400, wrong);
  }
  assert.deepEqual(asked, []);
  const path = "/operations/capture?room=a&identity=b%20c&seconds=30&bytes=4096";
  const response = await call(path, OPERATOR, "POST");
  assert.deepEqual(asked, [{ room: "a", identity: "b c", ms: 30_000, bytes: 4_096 }]);
  assert.equal(response.headers.get("Content-Type"), "application/x-pcapng");
  assert.ok(isToComeInParts(response));
  const refused = await call("/operations/capture?room=nowhere&identity=b", OPERATOR, "POST");
  assert.equal(refused.status, 404);
  assert.ok(!isToComeInParts(refused));
});

const NOWHERE = "/operations/capture?room=nowhere&identity=b&seconds=3";

Deno.test("/operations/capture asks the node that serves a participant whom this one does not", async () => {
  const answer = { status: 429, headers: [["content-type", "application/json"]] as const };
  const body = new TextEncoder().encode('{"code":"resource_exhausted"}');
  const { call, carried } = world({ kind: "answered", response: { ...answer, body } });
  const response = await call(NOWHERE, OPERATOR, "POST");
  assert.equal(response.status, 429);
  assert.equal(response.headers.get("Content-Type"), "application/json");
  assert.deepEqual(await response.json(), { code: "resource_exhausted" });
  assert.ok(!isToComeInParts(response));
  const headers = [["Authorization", "Bearer x"]];
  assert.deepEqual(carried, [
    { method: "POST", target: NOWHERE, headers, room: "nowhere", identity: "b" },
  ]);
  assert.equal((await call(NOWHERE, { roomJoin: true, room: "nowhere" }, "POST")).status, 401);
  assert.equal((await call(`${NOWHERE}&bytes=x`, OPERATOR, "POST")).status, 400);
  assert.equal((await call(NOWHERE.replace("nowhere", "off"), OPERATOR, "POST")).status, 412);
  assert.equal((await call(NOWHERE.replace("nowhere", "here"), OPERATOR, "POST")).status, 200);
  assert.equal((await call(NOWHERE, OPERATOR, "POST", true)).status, 404, "not carried on");
  assert.equal(carried.length, 1, "nobody else is asked for these");
});

Deno.test("/operations/capture says in the words of any node who or what is not there", async () => {
  const told = async (elsewhere: Serving | undefined, path = NOWHERE) => {
    const response = await world(elsewhere).call(path, OPERATOR, "POST");
    return [response.status, await response.json()];
  };
  // What a node says of its own rooms.
  const alone = (room: string) => told(undefined, NOWHERE.replace("nowhere", room));
  assert.deepEqual(await told("no_room"), await alone("roomless"));
  assert.deepEqual(await told("no_participant"), await alone("empty"));
  const [status, { msg }] = await told("unreachable");
  assert.equal(status, 503);
  assert.match(msg, /no response from servers$/);
});

Deno.test("/operations/capture gives another node's file as it comes, and leaves it when it is left", async () => {
  const pieces = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  let left = 0;
  const body = {
    read: () => Promise.resolve(pieces.shift() ?? "end" as const),
    cancel: () => void left++,
  };
  const head = { status: 200, headers: [["content-type", "application/x-pcapng"]] as const };
  const { call } = world({ kind: "streamed", head, body });
  const response = await call(NOWHERE, OPERATOR, "POST");
  assert.ok(isToComeInParts(response));
  assert.equal(response.headers.get("Content-Type"), "application/x-pcapng");
  assert.deepEqual(new Uint8Array(await response.arrayBuffer()), Uint8Array.of(1, 2, 3));
  assert.equal(left, 0);
  const never = { ...body, read: () => new Promise<never>(() => {}) };
  const other = await world({ kind: "streamed", head, body: never }).call(
    NOWHERE,
    OPERATOR,
    "POST",
  );
  const reader = other.body!.getReader();
  void reader.read();
  await reader.cancel();
  assert.equal(left, 1);
});
