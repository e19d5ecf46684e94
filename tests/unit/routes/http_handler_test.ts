import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { type Log, silentLog } from "../../../lib/base/platform.ts";
import type { Admission, JoinParameters } from "../../../lib/signalling/join_parameters.ts";
import type { SignalSocket } from "../../../lib/signalling/signal_socket.ts";
import { createHttpHandler, type HttpHandler } from "../../../routes/http_handler.ts";
import { routeTable } from "../../../routes/route_table.ts";
import type { WhepRouteOptions } from "../../../routes/whep.ts";
import type { WhipRouteOptions } from "../../../routes/whip.ts";
import { testBodies } from "../../support/virtual/test_bodies.ts";

const NOW = 1_800_000_000_000;
const NO_SOCKET = {} as SignalSocket;
/** See whip_test.ts. */
const WHIP = {} as WhipRouteOptions["whip"];
const WHEP = {} as WhepRouteOptions["whep"];

interface World {
  readonly handler: HttpHandler;
  readonly opened: JoinParameters[];
  readonly forgone: JoinParameters[];
  readonly counters: DropCounters;
  admission: Admission;
  placement: Admission;
  sessionAdmission: Admission;
  ageMs: number;
  upgradeFails: boolean;
}

function world(log: Log = silentLog): World {
  const opened: JoinParameters[] = [];
  const forgone: JoinParameters[] = [];
  const counters = new DropCounters();
  const routes = routeTable({
    twirp: () => undefined,
    whip: {
      whip: WHIP,
      limits: { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 },
      bodies: testBodies(),
    },
    whep: {
      whep: WHEP,
      limits: { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 },
      bodies: testBodies(),
    },
    agent: {
      agents: { openWorker: () => {} },
      upgrade: () => ({ response: new Response("upgraded"), socket: NO_SOCKET }),
    },
    heartbeat: { last: () => ({ ageMs: state.ageMs, wallMs: NOW }) },
    rtc: {
      signals: {
        admit: () => state.admission,
        confirm: () => Promise.resolve(state.placement),
        place: (join) => Promise.resolve(state.placement.ok ? { ok: true, join } : state.placement),
        admitHere: () => ({ ok: true }),
        admitSession: () => state.sessionAdmission,
        open: (join) => opened.push(join),
        isHere: () => false,
        forgo: (join) => forgone.push(join),
      },
      limits: { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 },
      upgrade: () => {
        if (state.upgradeFails) throw new Error("no upgrade today");
        return { response: new Response("upgraded"), socket: NO_SOCKET };
      },
    },
  });
  const handler = createHttpHandler({
    routes,
    keys: new Map([["devkey", "secret"]]),
    maxBodyBytes: 100,
    clock: { now: () => 0, nowUs: () => 0, wallMs: () => NOW },
    log,
    counters,
  });
  const state: World = {
    handler,
    opened,
    forgone,
    counters,
    admission: { ok: true },
    placement: { ok: true },
    sessionAdmission: { ok: true },
    ageMs: 0,
    upgradeFails: false,
  };
  return state;
}

function token(video: Record<string, unknown> = { roomJoin: true, room: "r" }): Promise<string> {
  return new SignJWT({ iss: "devkey", sub: "ann", exp: NOW / 1000 + 60, video })
    .setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode("secret"));
}

function get(
  { handler }: World,
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<Response> {
  return handler(new Request(`http://sfu.example${path}`, { method, headers }));
}

const UPGRADE = { "Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket" };

async function statusAndBody(response: Response): Promise<[number, string]> {
  return [response.status, await response.text()];
}

Deno.test("GET / answers OK while the heart beats and 406 when it has stopped", async () => {
  const w = world();
  assert.deepEqual(await statusAndBody(await get(w, "/")), [200, "OK"]);
  w.ageMs = 3999;
  assert.equal((await get(w, "/")).status, 200);
  w.ageMs = 4000;
  const [status, body] = await statusAndBody(await get(w, "/"));
  assert.equal(status, 406);
  assert.equal(body, "Not Ready\nNode Updated At 2027-01-15T08:00:00.000Z");
});

Deno.test("an unknown path answers 404, in words that no client takes for a missing room", async () => {
  const w = world();
  for (const path of ["/nope", "/rtc/", "/rtc/v1/", "/rtc/v2", "/rtc/validate/x", "/debug"]) {
    const [status, body] = await statusAndBody(await get(w, path, UPGRADE));
    assert.equal(status, 404, path);
    assert.ok(!body.includes("requested room does not exist"), "this text would stop a fallback");
  }
});

Deno.test("/rtc without an upgrade answers 404 with an empty body, whatever the token", async () => {
  const w = world();
  const authorization = { "Authorization": `Bearer ${await token()}` };
  assert.deepEqual(await statusAndBody(await get(w, "/rtc", authorization)), [404, ""]);
  const half = { ...authorization, "Upgrade": "websocket" };
  assert.deepEqual(await statusAndBody(await get(w, "/rtc", half)), [404, ""]);
});

Deno.test("/rtc and /rtc/validate refuse a missing token or grant in LiveKit's words", async () => {
  const w = world();
  const expected = [401, "no permissions to access the room"];
  assert.deepEqual(await statusAndBody(await get(w, "/rtc/validate")), expected);
  assert.deepEqual(await statusAndBody(await get(w, "/rtc", UPGRADE)), expected);
  const noJoin = await token({ room: "r" });
  assert.deepEqual(
    await statusAndBody(await get(w, `/rtc/validate?access_token=${noJoin}`)),
    [401, "permissions denied"],
  );
});

Deno.test("/rtc/validate says success to a good token from the header or the query", async () => {
  const w = world();
  const jwt = await token();
  const byHeader = await get(w, "/rtc/validate", { "Authorization": `Bearer ${jwt}` });
  assert.deepEqual(await statusAndBody(byHeader), [200, "success"]);
  const byQuery = await get(w, `/rtc/validate?access_token=${jwt}`);
  assert.deepEqual(await statusAndBody(byQuery), [200, "success"]);
  assert.equal(w.opened.length, 0);
});

Deno.test("authentication: the header wins, must start with Bearer, and is checked on every path", async () => {
  const w = world();
  const jwt = await token();
  const wrong = { "Authorization": `Basic ${jwt}` };
  const mustStart = [401, "invalid authorization header. Must start with Bearer "];
  assert.deepEqual(
    await statusAndBody(await get(w, `/rtc/validate?access_token=${jwt}`, wrong)),
    mustStart,
  );
  assert.deepEqual(await statusAndBody(await get(w, "/", wrong)), mustStart);
  assert.deepEqual(
    await statusAndBody(await get(w, "/rtc/validate", { "Authorization": "Bearer nonsense" })),
    [401, "invalid authorization token"],
  );
  assert.deepEqual(
    await statusAndBody(await get(w, "/rtc/validate?access_token=a.b.c")),
    [401, "invalid authorization token"],
  );
});

Deno.test("/rtc opens a session after the upgrade, also for a path with two slashes", async () => {
  const w = world();
  for (const path of ["/rtc", "//rtc"]) {
    const response = await get(w, `${path}?access_token=${await token()}&protocol=16`, UPGRADE);
    assert.equal(await response.text(), "upgraded");
  }
  assert.deepEqual(w.opened.map((join) => join.identity), ["ann", "ann"]);
  assert.equal(w.opened[0]?.clientInfo.protocol, 16);
});

Deno.test("only one leading slash is dropped", async () => {
  assert.equal((await get(world(), "///")).status, 404);
});

Deno.test("/rtc/v1 without an upgrade answers 404 with an empty body, whatever the token", async () => {
  const authorization = { "Authorization": `Bearer ${await token()}` };
  assert.deepEqual(await statusAndBody(await get(world(), "/rtc/v1", authorization)), [404, ""]);
});

Deno.test("/rtc/v1 demands a join request, once the token is in order", async () => {
  const w = world();
  const jwt = await token();
  const missing = [400, "join_request is required"];
  for (const path of ["/rtc/v1/validate", "/rtc/v1"]) {
    const headers = path === "/rtc/v1" ? UPGRADE : {};
    assert.deepEqual(
      await statusAndBody(await get(w, `${path}?access_token=${jwt}`, headers)),
      missing,
    );
    assert.deepEqual(
      await statusAndBody(await get(w, path, headers)),
      [401, "no permissions to access the room"],
    );
  }
  assert.equal(w.opened.length, 0);
});

Deno.test("a join request opens a session on one connection, on /rtc/v1 and on /rtc", async () => {
  const w = world();
  const query = `access_token=${await token()}&join_request=EgA=`;
  for (const path of ["/rtc/v1", "/rtc"]) {
    assert.deepEqual(await statusAndBody(await get(w, `${path}/validate?${query}`)), [
      200,
      "success",
    ]);
    assert.equal(await (await get(w, `${path}?${query}`, UPGRADE)).text(), "upgraded");
  }
  assert.deepEqual(w.opened.map((join) => join.singlePeerConnection), [true, true]);
  assert.equal((await get(w, `/rtc?access_token=${await token()}`, UPGRADE)).status, 200);
  assert.equal(w.opened[2]?.singlePeerConnection, false);
});

Deno.test("a missing room is refused on both paths, a full one only at the upgrade", async () => {
  const w = world();
  const query = `access_token=${await token()}`;
  w.sessionAdmission = { ok: false, status: 500, body: "room has exceeded its max participants" };
  assert.equal((await get(w, `/rtc/validate?${query}`)).status, 200);
  assert.deepEqual(
    await statusAndBody(await get(w, `/rtc?${query}`, UPGRADE)),
    [500, "room has exceeded its max participants"],
  );
  w.admission = { ok: false, status: 404, body: "requested room does not exist" };
  const missing = [404, "requested room does not exist"];
  assert.deepEqual(await statusAndBody(await get(w, `/rtc/validate?${query}`)), missing);
  assert.deepEqual(await statusAndBody(await get(w, `/rtc?${query}`, UPGRADE)), missing);
  // These very words tell a client that it need not try an older version.
  const v1 = `${query}&join_request=EgA=`;
  assert.deepEqual(await statusAndBody(await get(w, `/rtc/v1/validate?${v1}`)), missing);
  assert.deepEqual(await statusAndBody(await get(w, `/rtc/v1?${v1}`, UPGRADE)), missing);
  assert.equal(w.opened.length, 0);
});

Deno.test("CORS: every origin is echoed, also on errors, and credentials are never allowed", async () => {
  const w = world();
  for (const path of ["/", "/nope", "/rtc"]) {
    const { headers } = await get(w, path, { "Origin": "https://app.example" });
    assert.equal(headers.get("Access-Control-Allow-Origin"), "https://app.example", path);
    assert.equal(headers.get("Access-Control-Expose-Headers"), "*");
    assert.match(headers.get("Vary") ?? "", /Origin/);
    assert.equal(headers.get("Access-Control-Allow-Credentials"), null);
  }
  assert.equal((await get(w, "/")).headers.get("Access-Control-Allow-Origin"), null);
});

Deno.test("CORS: /rtc/validate and /rtc/v1/validate allow * even when the token is refused", async () => {
  const w = world();
  for (const path of ["/rtc/validate", "/rtc/v1/validate"]) {
    for (const query of ["", "?access_token=a.b.c"]) {
      for (const headers of [{}, { "Origin": "https://app.example" }]) {
        const response = await get(w, path + query, headers as Record<string, string>);
        assert.equal(response.headers.get("Access-Control-Allow-Origin"), "*");
      }
    }
  }
});

Deno.test("CORS: a preflight is answered for a day without asking for a token", async () => {
  const w = world();
  const preflight = await get(w, "/rtc/validate", {
    "Origin": "https://app.example",
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization,x-own",
    "Authorization": "broken",
  }, "OPTIONS");
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("Access-Control-Allow-Origin"), "https://app.example");
  assert.equal(preflight.headers.get("Access-Control-Allow-Methods"), "GET");
  assert.equal(preflight.headers.get("Access-Control-Allow-Headers"), "authorization,x-own");
  assert.equal(preflight.headers.get("Access-Control-Max-Age"), "86400");
  const put = await get(w, "/", {
    "Origin": "https://app.example",
    "Access-Control-Request-Method": "PUT",
  }, "OPTIONS");
  assert.equal(put.headers.get("Access-Control-Allow-Methods"), null);
});

Deno.test("a body declared over the limit is refused with 413 before the token is looked at", async () => {
  const w = world();
  const headers = { "Content-Length": "101", "Authorization": "broken" };
  const response = await get(w, "/", headers, "POST");
  assert.deepEqual(await statusAndBody(response), [413, "request body too large"]);
  assert.equal((await get(w, "/", { "Content-Length": "100" }, "POST")).status, 200);
});

Deno.test("a throw inside a route is one logged and counted 500 with CORS headers", async () => {
  const logged: string[] = [];
  const log: Log = { ...silentLog, error: (message) => logged.push(message) };
  const w = world(log);
  w.upgradeFails = true;
  const headers = { ...UPGRADE, "Origin": "https://app.example" };
  const response = await get(w, `/rtc?access_token=${await token()}`, headers);
  assert.equal(response.status, 500);
  assert.equal(response.headers.get("Access-Control-Allow-Origin"), "https://app.example");
  assert.ok(!(await response.text()).includes("no upgrade today"));
  assert.deepEqual(logged, ["HTTP request failed"]);
  assert.equal(w.counters.get("http_internal_error"), 1);
  assert.deepEqual(w.forgone.map(({ identity }) => identity), ["ann"], "its place is free again");
});

Deno.test("where the demo is not served, nothing of it is", async () => {
  for (const path of ["/demo", "/demo/standup", "/demo/assets/main.js", "/demo/api/server"]) {
    assert.equal((await get(world(), path)).status, 404, path);
  }
});

Deno.test("a newcomer that is served elsewhere starts no session here", async () => {
  const w = world();
  w.placement = { ok: false, status: 503, body: "room is served by another node" };
  const answer = await get(w, `/rtc?access_token=${await token()}`, UPGRADE);
  assert.deepEqual(await statusAndBody(answer), [503, "room is served by another node"]);
  assert.equal(answer.headers.get("Retry-After"), null);
  assert.deepEqual(w.opened, []);
});

Deno.test("a newcomer whose room nobody knows of for now is told to ask again", async () => {
  const w = world();
  w.placement = { ok: false, status: 503, body: "cannot be asked", retryAfterS: 2 };
  const answer = await get(w, `/rtc?access_token=${await token()}`, UPGRADE);
  assert.equal(answer.headers.get("Retry-After"), "2");
  assert.deepEqual(await statusAndBody(answer), [503, "cannot be asked"]);
});
