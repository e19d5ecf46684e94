/** The operators' part of a composed server, by its HTTP handler. */
import assert from "node:assert/strict";
import type { EngineReady, MediaEngine } from "../../../lib/engine/messages/media_messages.ts";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";
import { createServer } from "../../../lib/server/whole_server.ts";
import { signAccessToken, verifyAccessToken } from "../../../lib/signalling/access_token.ts";
import { isOperator } from "../../../routes/admin.ts";
import { FAKE_ENGINE_READY } from "../../support/virtual/fake_engine.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

const KEY = { apiKey: "devkey", secret: "secret" };
const KEYS = new Map([[KEY.apiKey, KEY.secret]]);
const PASSWORD = "correct horse battery";
const ORIGIN = "https://sfu.example";

/** Nothing is carried here. */
const ENGINE: MediaEngine = {
  onEvent: () => {},
  start: (): Promise<EngineReady> => Promise.resolve(FAKE_ENGINE_READY),
  send: () => {},
  addressesOf: () => [],
  close: () => Promise.resolve(),
};

function world(raw: Record<string, unknown>) {
  const platform = new VirtualPlatform();
  const config = parseConfig({ keys: { [KEY.apiKey]: KEY.secret }, ...raw });
  const parts = { createEngine: () => ({ ...ENGINE }), networkInterfaces: () => [] };
  const server = createServer(config, platform, parts);
  const ask = async (
    path: string,
    { token = "", body, address = "192.0.2.7" }: {
      readonly token?: string;
      readonly body?: unknown;
      readonly address?: string;
    } = {},
  ): Promise<Response> => {
    const headers = new Headers({ "Content-Type": "application/json" });
    if (token !== "") headers.set("Authorization", `Bearer ${token}`);
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const remoteAddr = { transport: "tcp", hostname: address };
    return await server.handler(new Request(ORIGIN + path, { headers, ...init }), { remoteAddr });
  };
  const verified = async (jwt: string) => {
    const outcome = await verifyAccessToken(jwt, KEYS, platform.clock.wallMs());
    assert.ok(outcome.ok);
    return outcome.token;
  };
  const signIn = async (password: string, address?: string) => {
    const more = address === undefined ? {} : { address };
    const response = await ask("/admin/api/session", { body: { password }, ...more });
    return { status: response.status, body: await response.text() };
  };
  return { platform, server, ask, verified, signIn };
}

Deno.test("there is nothing for operators unless the configuration says so", async () => {
  for (const raw of [{}, { development: true, admin: { enabled: false } }]) {
    const { ask, server } = world(raw);
    for (
      const path of ["/admin", "/admin/stream", "/admin/api/session", "/admin/assets/icon.svg"]
    ) {
      const response = await ask(path);
      assert.equal(response.status, 404, path);
      await response.body?.cancel();
    }
    await server.close();
  }
});

Deno.test("a password gives an operator's token for a day's work", async () => {
  const { signIn, verified, platform, server } = world({ admin: { password: PASSWORD } });
  assert.deepEqual(await signIn("wrong"), { status: 401, body: "wrong password" });
  assert.deepEqual(await signIn(""), { status: 401, body: "wrong password" });
  const { status, body } = await signIn(PASSWORD);
  assert.equal(status, 200);
  const { token, expiresAtMs } = JSON.parse(body);
  const known = await verified(token);
  assert.ok(isOperator(known));
  assert.equal(known.video?.roomJoin, false);
  assert.equal(expiresAtMs - platform.clock.wallMs(), 12 * 3_600_000);
  assert.equal(known.expiresAt, expiresAtMs);
  assert.equal(server.counters.snapshot().admin_password_wrong, 2);
  await server.close();
});

Deno.test("a guesser is slowed down, and others are not", async () => {
  const { signIn, platform, server } = world({ admin: { password: PASSWORD } });
  const statuses = [];
  for (let times = 0; times < 8; times++) statuses.push((await signIn("guess")).status);
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
  assert.equal((await signIn(PASSWORD)).status, 429, "also whoever knows it by now");
  assert.equal((await signIn(PASSWORD, "198.51.100.1")).status, 200);
  platform.advance(15_000);
  assert.equal((await signIn(PASSWORD)).status, 200);
  await server.close();
});

Deno.test("a token for a room has the rights of the operator's, and a minute", async () => {
  const { ask, verified, platform, server } = world({ admin: { enabled: true } });
  const operator = async (video: Parameters<typeof signAccessToken>[1]["video"], forMs: number) =>
    await signAccessToken(KEY, { identity: "eve", video: video! }, platform.clock.wallMs(), forMs);
  const limited = await operator({ roomAdmin: true, roomList: true }, 3_600_000);
  const body = { room: "lobby", destinationRoom: "stage" };
  const { token } = await (await ask("/admin/api/token", { token: limited, body })).json();
  const { video, identity, expiresAt } = await verified(token);
  assert.deepEqual([identity, video?.room, video?.destinationRoom], ["eve", "lobby", "stage"]);
  assert.deepEqual([video?.roomAdmin, video?.roomCreate, video?.roomRecord, video?.roomJoin], [
    true,
    false,
    false,
    false,
  ]);
  assert.equal(expiresAt - platform.clock.wallMs(), 60_000);
  const whole = { roomAdmin: true, roomList: true, roomCreate: true, roomRecord: true };
  const short = await operator(whole, 10_000);
  const other = await (await ask("/admin/api/token", { token: short, body: { room: "r" } })).json();
  const known = await verified(other.token);
  assert.deepEqual([known.video?.roomCreate, known.video?.roomRecord], [true, true]);
  assert.equal(known.expiresAt - platform.clock.wallMs(), 10_000, "no longer than what it is for");
  const list = await ask("/twirp/livekit.RoomService/ListRooms", { token: other.token, body: {} });
  assert.equal(list.status, 200);
  const removal = { room: "other", identity: "ann" };
  const path = "/twirp/livekit.RoomService/RemoveParticipant";
  assert.equal((await ask(path, { token: other.token, body: removal })).status, 401);
  await server.close();
});

Deno.test("in development this machine is let in, and no other", async () => {
  const { ask, server } = world({ development: true });
  const enter = (address: string) => ask("/admin/api/session", { body: {}, address });
  for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) {
    assert.equal((await enter(address)).status, 200, address);
  }
  for (const address of ["192.0.2.7", "127.evil.example", "", "2001:db8::1"]) {
    assert.equal((await enter(address)).status, 403, address);
  }
  await server.close();
});

Deno.test("the configuration is shown without its secrets, and with what has an effect", async () => {
  const { ask, server, signIn } = world({
    admin: { password: PASSWORD },
    redis: { password: "redis-secret" },
    signal_relay: { connect_attempts: 9 },
  });
  const { token } = JSON.parse((await signIn(PASSWORD)).body);
  const text = await (await ask("/admin/api/configuration", { token })).text();
  for (const secret of [PASSWORD, "redis-secret", '"secret"']) {
    assert.ok(!text.includes(secret), secret);
  }
  const { keys } = JSON.parse(text);
  const of = (path: string) => keys.find((key: { path: string }) => key.path === path);
  assert.deepEqual(of("admin.password"), {
    path: "admin.password",
    value: "<secret>",
    isDefault: false,
    hasEffect: true,
  });
  assert.equal(of("signal_relay.connect_attempts").hasEffect, false);
  await server.close();
});

Deno.test("the page is told whether recordings can be watched", async () => {
  const told = async (recording: Record<string, unknown>) => {
    const { ask, server, signIn } = world({ admin: { password: PASSWORD }, recording });
    const { token } = JSON.parse((await signIn(PASSWORD)).body);
    const { hasReplay } = await (await ask("/admin/api/configuration", { token })).json();
    await server.close();
    return hasReplay;
  };
  const directory = Deno.makeTempDirSync();
  assert.equal(await told({ directory, replay: true }), true);
  assert.equal(await told({ directory }), false);
  assert.equal(await told({ replay: true }), false);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("a stream needs a token that browsers give as a subprotocol", async () => {
  const { server, platform } = world({ admin: { enabled: true } });
  const attempt = async (protocols: string) => {
    const headers = {
      "Connection": "Upgrade",
      "Upgrade": "websocket",
      "Sec-WebSocket-Protocol": protocols,
    };
    return await server.handler(new Request(`${ORIGIN}/admin/stream`, { headers }));
  };
  const sign = (video: object, forMs = 60_000) =>
    signAccessToken(KEY, { identity: "", video }, platform.clock.wallMs(), forMs);
  assert.equal((await attempt("roomwire.admin")).status, 401);
  assert.equal((await attempt("roomwire.admin, bearer.a.b.c")).status, 401);
  const joins = await sign({ roomJoin: true, room: "lobby" });
  assert.equal((await attempt(`roomwire.admin, bearer.${joins}`)).status, 403);
  const late = await sign({ roomAdmin: true, roomList: true }, -120_000);
  assert.equal((await attempt(`roomwire.admin, bearer.${late}`)).status, 401);
  await server.close();
});
