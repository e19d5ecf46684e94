import assert from "node:assert/strict";
import { demoRoutes } from "../../../routes/demo.ts";
import type { DemoTokenRequest } from "../../../routes/demo_token.ts";
import { type AccessToken, verifyAccessToken } from "../../../lib/signalling/access_token.ts";
import { firstKeySigner } from "../../../lib/server/server_keys.ts";
import { testBodies } from "../../support/virtual/test_bodies.ts";

const ORIGIN = "http://sfu.example";

function world(givesTokens = true) {
  const asked: DemoTokenRequest[] = [];
  const tokens = {
    bodies: testBodies(),
    maxRoomNameLength: 20,
    issue: (request: DemoTokenRequest) => {
      asked.push(request);
      return Promise.resolve({ token: "a.b.c", identity: "ann-1", isHost: true });
    },
  };
  const isFull = (room: string) => room === "full";
  const routes = demoRoutes(givesTokens ? { tokens, isFull } : { isFull });
  const get = async (
    path: string,
    init: RequestInit = {},
    token?: AccessToken,
    origin = ORIGIN,
  ): Promise<Response> => {
    const request = new Request(origin + path, init);
    const url = new URL(request.url);
    const exchange = { request, url, path: url.pathname, token, receivedAt: 0 };
    const route = routes(url.pathname);
    if (route === undefined) return new Response("nobody's", { status: 404 });
    return await route({ ...exchange, socketAddress: "" });
  };
  const ask = (body: unknown, headers: Record<string, string> = {}, origin = ORIGIN) => {
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    return get("/demo/api/token", init, undefined, origin);
  };
  return { asked, get, ask };
}

Deno.test("/demo is a page for every room, and only known kinds of files stand beside it", async () => {
  const { get } = world();
  for (const path of ["/demo", "/demo/", "/demo/standup", "/demo/caf%C3%A9", "/demo/index.html"]) {
    const page = await get(path);
    assert.equal(page.status, 200, path);
    assert.match(await page.text(), /^<!doctype html>/i);
  }
  for (
    const path of [
      "/demo/../main.ts",
      "/demo/..%2fmain.ts",
      "/demo/.hidden",
      "/demo/%00",
      "/demo/%E0%A4%A",
      "/demo/a/b",
      "/demo/assets/",
      "/demo/assets/..%2f..%2fmain.ts",
      "/demo/assets/.hidden.js",
      "/demo/assets/a/b/c.js",
      "/demo/assets/missing.js",
      "/demo/assets/README",
      "/demo/assets/deno.json",
      "/demonstration",
    ]
  ) {
    assert.equal((await get(path)).status, 404, path);
  }
  assert.equal((await get("/demo", { method: "POST" })).status, 405);
  const head = await get("/demo", { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
});

Deno.test("files of the demo that a browser has are not sent again", async () => {
  const { get } = world();
  const path = "/demo/assets/livekit-client.js";
  const first = await get(path);
  const tag = first.headers.get("ETag")!;
  const bytes = await first.bytes();
  const again = await get(path, { headers: { "If-None-Match": `W/${tag}, "other"` } });
  assert.deepEqual([again.status, (await again.bytes()).length], [304, 0]);
  assert.equal(again.headers.get("ETag"), tag);
  const other = await get("/demo/assets/main.js", { headers: { "If-None-Match": tag } });
  assert.equal(other.status, 200);
  assert.ok(bytes.length > 100_000);
});

Deno.test("the page's policy allows no script and no style that is written into it", async () => {
  const page = await world().get("/demo/standup");
  const policy = page.headers.get("Content-Security-Policy") ?? "";
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.ok(!/unsafe/.test(policy), policy);
  const text = await page.text();
  assert.ok(!/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc="\/demo\/assets\/)/.test(text));
  const sources = [...text.matchAll(/(?:src|href)="([^#"]+)"/g)].map(([, source]) => source!);
  assert.ok(sources.length > 5);
  for (const source of sources) assert.equal((await world().get(source)).status, 200, source);
});

Deno.test("/demo/assets/livekit-client.js is the installed client SDK", async () => {
  const response = await world().get("/demo/assets/livekit-client.js");
  assert.equal(response.headers.get("Content-Type"), "text/javascript; charset=utf-8");
  assert.match(await response.text(), /LivekitClient/);
});

Deno.test("the page is told whether it gets tokens, and where it gets none nobody does", async () => {
  const giving = world();
  const told = async (response: Response) => await response.json();
  assert.deepEqual(await told(await giving.get("/demo/api/server")), {
    givesTokens: true,
    isFull: false,
  });
  const silent = world(false);
  assert.deepEqual(await told(await silent.get("/demo/api/server")), {
    givesTokens: false,
    isFull: false,
  });
  assert.equal((await silent.ask({ room: "r", name: "n" })).status, 404);
});

Deno.test("whoever has a token is told whether its room is full", async () => {
  const { get } = world();
  for (const [room, isFull] of [["full", true], ["wide", false]] as const) {
    const keys = new Map([["devkey", "secret"]]);
    const jwt = await firstKeySigner(keys)({ identity: "a", video: { room } }, 0, 60_000);
    const verified = await verifyAccessToken(jwt, keys, 0);
    assert.ok(verified.ok);
    const response = await get("/demo/api/server", {}, verified.token);
    assert.equal((await response.json()).isFull, isFull, room);
  }
});

Deno.test("a token is given for a room and a name", async () => {
  const { ask, asked } = world();
  const response = await ask({ room: " standup ", name: " Ann " });
  assert.deepEqual(await response.json(), { token: "a.b.c", identity: "ann-1", isHost: true });
  assert.equal(response.headers.get("Cache-Control"), "no-store");
  assert.deepEqual(asked, [{ room: "standup", name: "Ann" }]);
});

Deno.test("what names no room and no person gets no token", async () => {
  const { ask, asked, get } = world();
  for (
    const body of [
      null,
      "text",
      {},
      { room: "r" },
      { room: "", name: "n" },
      { room: "r", name: "  " },
      { room: 1, name: "n" },
      { room: "r".repeat(21), name: "n" },
      { room: "r", name: "n".repeat(65) },
    ]
  ) {
    assert.equal((await ask(body)).status, 400, JSON.stringify(body));
  }
  assert.equal((await ask({ room: "r", name: "n".repeat(5000) })).status, 413);
  assert.equal((await get("/demo/api/token")).status, 405);
  assert.deepEqual(asked, []);
});

Deno.test("pages of others get no token", async () => {
  const { ask, asked } = world();
  const body = { room: "r", name: "n" };
  for (
    const headers of [
      { "Sec-Fetch-Site": "cross-site", "Origin": ORIGIN },
      { "Sec-Fetch-Site": "same-site" },
      { "Origin": "https://evil.example" },
      { "Origin": "null" },
    ]
  ) {
    assert.equal((await ask(body, headers)).status, 403, JSON.stringify(headers));
  }
  assert.equal((await ask(body, { "Sec-Fetch-Site": "same-origin" })).status, 200);
  assert.equal(asked.length, 1);
});

Deno.test("a page whose name a stranger made lead here gets no token", async () => {
  const { ask } = world();
  const body = { room: "r", name: "n" };
  for (
    const [origin, status] of [
      ["http://evil.example:7880", 403],
      ["http://127.0.0.1.evil.example", 403],
      ["http://localhost.evil.example", 403],
      ["http://localhost:7880", 200],
      ["http://127.0.0.1:7880", 200],
      ["http://[::1]:7880", 200],
      ["http://workbench:7880", 200],
      ["http://workbench.local:7880", 200],
      ["https://sfu.example", 200],
    ] as const
  ) {
    assert.equal((await ask(body, { "Origin": origin }, origin)).status, status, origin);
  }
});
