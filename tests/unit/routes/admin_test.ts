import assert from "node:assert/strict";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { VideoGrant } from "../../../lib/signalling/access_token.ts";
import type { RoutesDrop } from "../../../routes/drop_reasons.ts";
import { adminRoutes, type RoomTokenRequest } from "../../../routes/admin.ts";
import type { AdminEntry } from "../../../routes/admin_session.ts";
import { tokenWith } from "../../support/virtual/admin_world.ts";
import { FakeSocket } from "../../support/virtual/scripted_client.ts";
import { testBodies } from "../../support/virtual/test_bodies.ts";

const ORIGIN = "https://sfu.example";
const OPERATOR = { roomAdmin: true, roomList: true };
const UPGRADE = { "Connection": "Upgrade", "Upgrade": "websocket" };

function world(
  entry: AdminEntry = "password",
  changes: { isFull?: boolean; mayTry?: boolean } = {},
) {
  const opened: FakeSocket[] = [];
  const asked: RoomTokenRequest[] = [];
  const tried: string[] = [];
  const counters = new DropCounters<RoutesDrop>();
  const routes = adminRoutes({
    bodies: testBodies(),
    session: {
      entry,
      counters,
      isHere: (address) => address === "127.0.0.1",
      mayTry: () => changes.mayTry ?? true,
      succeeded: (address) => void tried.push(`right from ${address}`),
      isPassword: (given) => given === "the right one",
      issue: () => Promise.resolve({ token: "a.b.c", expiresAtMs: 1 }),
    },
    roomToken: (_, wanted) => {
      asked.push(wanted);
      return Promise.resolve("d.e.f");
    },
    configuration: () => Promise.resolve({ version: "1", keys: [] }),
    streams: {
      isFull: changes.isFull ?? false,
      open: (socket) => opened.push(socket as FakeSocket),
    },
    upgrade: () => ({ response: new Response(null), socket: new FakeSocket() }),
  });
  const call = async (path: string, {
    grant,
    address = "192.0.2.7",
    ...init
  }: RequestInit & { grant?: Partial<VideoGrant>; address?: string } = {}): Promise<Response> => {
    const request = new Request(ORIGIN + path, init);
    const url = new URL(request.url);
    const route = routes(url.pathname);
    if (route === undefined) return new Response("nobody's", { status: 404 });
    const token = grant && tokenWith(grant);
    const exchange = { request, url, path: url.pathname, token, receivedAt: 0 };
    return await route({ ...exchange, socketAddress: address });
  };
  const post = (path: string, body: unknown, more: Parameters<typeof call>[1] = {}) =>
    call(path, { method: "POST", body: JSON.stringify(body), ...more });
  return { call, post, opened, asked, tried, counters };
}

Deno.test("/admin is a page, and its policy allows nothing that is not of this server", async () => {
  const { call } = world();
  const page = await call("/admin");
  assert.equal(page.status, 200);
  const policy = page.headers.get("Content-Security-Policy")!;
  assert.match(policy, /default-src 'none'.*script-src 'self'.*frame-ancestors 'none'/);
  assert.ok(!/unsafe|http|ws:|\*/.test(policy), policy);
  const text = await page.text();
  assert.ok(!/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc="\/admin\/assets\/)/.test(text));
  const sources = [...text.matchAll(/(?:src|href)="([^#"]+)"/g)].map(([, source]) => source!);
  assert.ok(sources.length > 3);
  for (const source of sources) {
    const file = await call(source);
    assert.equal(file.status, 200, source);
    assert.equal(file.headers.get("Content-Security-Policy"), policy);
    await file.body?.cancel();
  }
  for (const path of ["/admin/other", "/admin/assets/..%2fmain.ts", "/admin/assets/a/b/c.js"]) {
    assert.equal((await call(path)).status, 404, path);
  }
  assert.equal((await call("/administration")).status, 404);
});

Deno.test("only operators' tokens open the stream, the tokens of rooms and the configuration", async () => {
  const { call, post, opened, asked } = world();
  const attempts = (more: Parameters<typeof call>[1]) =>
    Promise.all([
      call("/admin/stream", { headers: UPGRADE, ...more }),
      post("/admin/api/token", { room: "lobby" }, more),
      call("/admin/api/configuration", more),
    ]);
  for (
    const [grant, status] of [
      [undefined, 401],
      [{}, 403],
      [{ roomAdmin: true }, 403],
      [{ roomList: true, roomCreate: true }, 403],
      [{ ...OPERATOR, room: "lobby" }, 403],
    ] as const
  ) {
    const answers = await attempts(grant === undefined ? {} : { grant });
    assert.deepEqual(answers.map((answer) => answer.status), [status, status, status]);
  }
  assert.deepEqual([opened, asked], [[], []]);
  const answers = await attempts({ grant: OPERATOR });
  assert.deepEqual(answers.map((answer) => answer.status), [200, 200, 200]);
  assert.equal(opened.length, 1);
  assert.deepEqual(asked, [{ room: "lobby", destinationRoom: "" }]);
  assert.deepEqual(await answers[1]!.json(), { token: "d.e.f" });
  for (const answer of answers.slice(1)) {
    assert.equal(answer.headers.get("Cache-Control"), "no-store");
  }
});

Deno.test("pages of others get nothing, whatever token they have", async () => {
  const { call, post, opened } = world();
  for (
    const headers of [
      { "Sec-Fetch-Site": "cross-site" },
      { "Sec-Fetch-Site": "same-site" },
      { "Origin": "https://evil.example" },
      { "Origin": "null" },
    ]
  ) {
    const more = { grant: OPERATOR, headers: { ...UPGRADE, ...headers } };
    assert.equal((await call("/admin/stream", more)).status, 403);
    assert.equal((await call("/admin/api/configuration", more)).status, 403);
    assert.equal((await post("/admin/api/token", { room: "r" }, more)).status, 403);
    assert.equal(
      (await post("/admin/api/session", { password: "the right one" }, more)).status,
      403,
    );
  }
  assert.deepEqual(opened, []);
  const own = { grant: OPERATOR, headers: { ...UPGRADE, "Origin": ORIGIN } };
  assert.equal((await call("/admin/stream", own)).status, 200);
});

Deno.test("a stream that is none, or one too many, is refused in words", async () => {
  const plain = await world().call("/admin/stream", { grant: OPERATOR });
  assert.deepEqual([plain.status, await plain.text()], [400, "a WebSocket is expected here"]);
  const full = world("password", { isFull: true });
  const refused = await full.call("/admin/stream", { grant: OPERATOR, headers: UPGRADE });
  assert.equal(refused.status, 503);
  assert.deepEqual(full.opened, []);
});

Deno.test("the password opens, and what is not the password is counted", async () => {
  const { post, call, tried, counters } = world();
  assert.deepEqual(await (await call("/admin/api/session")).json(), { entry: "password" });
  const wrong = await post("/admin/api/session", { password: "another" });
  assert.deepEqual([wrong.status, await wrong.text()], [401, "wrong password"]);
  for (const body of [null, 1, {}, { password: 1 }, []]) {
    assert.equal((await post("/admin/api/session", body)).status, 400, JSON.stringify(body));
  }
  const long = await post("/admin/api/session", { password: "p".repeat(5_000) });
  assert.equal(long.status, 413);
  const right = await post("/admin/api/session", { password: "the right one" });
  assert.deepEqual(await right.json(), { token: "a.b.c", expiresAtMs: 1 });
  assert.equal(right.headers.get("Cache-Control"), "no-store");
  assert.deepEqual(tried, ["right from 192.0.2.7"]);
  assert.deepEqual(counters.snapshot(), { admin_password_wrong: 1 });
  assert.equal((await call("/admin/api/session", { method: "PUT" })).status, 405);
});

Deno.test("who tries too often is not even read", async () => {
  const { post, counters } = world("password", { mayTry: false });
  const refused = await post("/admin/api/session", { password: "the right one" });
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers.get("Retry-After")) > 0);
  assert.deepEqual(counters.snapshot(), { admin_password_too_often: 1 });
});

Deno.test("without a password a token is needed, and in development this machine is enough", async () => {
  const byToken = world("token");
  assert.equal((await byToken.post("/admin/api/session", { password: "" })).status, 403);
  const open = world("open");
  assert.equal((await open.post("/admin/api/session", {})).status, 403, "from elsewhere");
  const here = await open.post("/admin/api/session", {}, { address: "127.0.0.1" });
  assert.equal((await here.json()).token, "a.b.c");
});

Deno.test("a token for a room names a room", async () => {
  const { post, asked, call } = world();
  for (const body of [null, {}, { room: 1 }, { room: "r", destinationRoom: 2 }]) {
    const answer = await post("/admin/api/token", body, { grant: OPERATOR });
    assert.equal(answer.status, 400, JSON.stringify(body));
  }
  assert.equal((await call("/admin/api/token", { grant: OPERATOR })).status, 405);
  await post("/admin/api/token", { room: "a", destinationRoom: "b" }, { grant: OPERATOR });
  assert.deepEqual(asked, [{ room: "a", destinationRoom: "b" }]);
});
