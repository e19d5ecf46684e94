import assert from "node:assert/strict";
import { SfuError } from "../../../../lib/base/errors.ts";
import { runTop, type TopRequest } from "../../../../lib/server/top/top_command.ts";
import type { Terminal } from "../../../../lib/server/top/terminal.ts";
import type { StreamSocket } from "../../../../lib/server/top/top_stream.ts";
import { verifyAccessToken } from "../../../../lib/signalling/access_token.ts";
import { isOperator } from "../../../../routes/admin.ts";
import { settle, VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const STATE = { atMs: 0, self: "ND_a", nodes: {}, rooms: {}, roomCount: 0 };
const KEYS = { LIVEKIT_API_KEY: "key", LIVEKIT_API_SECRET: "secret" };

/** The server's end of a stream. */
class Socket implements StreamSocket {
  onopen: StreamSocket["onopen"] = null;
  onmessage: StreamSocket["onmessage"] = null;
  onclose: StreamSocket["onclose"] = null;
  onerror: StreamSocket["onerror"] = null;
  readonly questions: unknown[] = [];
  isClosed = false;

  constructor(readonly url: string, readonly protocols: readonly string[]) {}

  send(text: string): void {
    this.questions.push(JSON.parse(text));
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.onclose?.(new CloseEvent("close"));
  }

  open(): void {
    this.onopen?.(new Event("open"));
  }

  say(message: unknown): void {
    this.onmessage?.(new MessageEvent("message", { data: JSON.stringify(message) }));
  }

  snapshot(more: object = {}): void {
    this.say({ type: "snapshot", state: { ...STATE, ...more } });
  }
}

/** A terminal that keeps the last screen. */
class Screen implements Terminal {
  lines: readonly string[] = [];
  isGivenBack = false;
  onInput: Terminal["onInput"] = () => {};
  onResize: Terminal["onResize"] = () => {};
  onEnd: Terminal["onEnd"] = () => {};

  size() {
    return { columns: 80, rows: 10 };
  }

  draw(lines: readonly string[]): void {
    this.lines = lines;
  }

  [Symbol.dispose](): void {
    this.isGivenBack = true;
  }
}

function world(
  request: Partial<TopRequest> = {},
  { env = KEYS, isTerminal = false, answer }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly isTerminal?: boolean;
    readonly answer?: () => Response;
  } = {},
) {
  const platform = new VirtualPlatform();
  const sockets: Socket[] = [];
  const written: string[] = [];
  const screen = new Screen();
  const running = runTop({ dev: false, json: false, ...request }, {
    platform,
    env: (name) => env[name],
    write: (text) => written.push(text),
    ...(isTerminal ? { openTerminal: () => screen } : {}),
    openSocket: (url, protocols) => {
      const socket = new Socket(url, protocols);
      sockets.push(socket);
      return socket;
    },
    fetch: () =>
      answer === undefined ? Promise.reject(new TypeError("away")) : Promise.resolve(answer()),
  });
  running.catch(() => {});
  const passed = async (ms = 0) => {
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => queueMicrotask(() => resolve(0)));
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
    await platform.advanceAsync(ms, 100);
    await settle();
  };
  return { platform, sockets, written, screen, running, passed };
}

async function failure(running: Promise<void>): Promise<string> {
  return await running.then(() => assert.fail("it went well"), (error) => {
    assert.ok(error instanceof SfuError, String(error));
    return error.message;
  });
}

Deno.test("to a pipe it is said once, with rates", async () => {
  const { sockets: [socket], sockets, passed, written, running } = await started({ json: true });
  assert.equal(socket!.url, "ws://localhost:7880/admin/stream");
  socket!.open();
  assert.deepEqual(socket!.questions, [{}]);
  socket!.snapshot();
  await passed(500);
  assert.deepEqual(written, [], "the first state has no rates");
  socket!.say({ type: "change", patch: { roomCount: 3 } });
  await running;
  assert.equal(JSON.parse(written.join("")).roomCount, 3);
  assert.equal(socket!.isClosed, true);
  assert.equal(sockets.length, 1);
});

/** As {@linkcode world}, once it has connected. */
async function started(...options: Parameters<typeof world>) {
  const made = world(...options);
  await made.passed();
  return made;
}

Deno.test("the token is an operator's, signed with the key, and in no address", async () => {
  const { sockets: [socket], running } = await started({ room: "a b", url: "wss://a.example/sub" });
  assert.equal(socket!.url, "wss://a.example/sub/admin/stream");
  const [name, bearer] = socket!.protocols;
  assert.equal(name, "roomwire.admin");
  const jwt = bearer!.replace(/^bearer\./, "");
  const nowMs = new VirtualPlatform().clock.wallMs();
  const verified = await verifyAccessToken(jwt, new Map([["key", "secret"]]), nowMs);
  assert.ok(verified.ok && isOperator(verified.token));
  assert.equal(verified.token.video?.roomCreate, false);
  socket!.open();
  assert.deepEqual(socket!.questions, [{ room: "a b" }]);
  socket!.snapshot();
  socket!.say({ type: "change", patch: {} });
  await running;
});

Deno.test("flags come before the environment, and development has keys of its own", async () => {
  const given = await started({ url: "b.example:7880", token: "a.b.c" }, {
    env: { ...KEYS, LIVEKIT_URL: "wss://c.example" },
  });
  assert.equal(given.sockets[0]!.url, "ws://b.example:7880/admin/stream");
  assert.equal(given.sockets[0]!.protocols[1], "bearer.a.b.c");
  const dev = await started({ dev: true }, { env: { LIVEKIT_URL: "wss://c.example" } });
  assert.equal(dev.sockets[0]!.url, "ws://localhost:7880/admin/stream");
  const env = await started({}, { env: { ...KEYS, LIVEKIT_URL: "wss://c.example" } });
  assert.equal(env.sockets[0]!.url, "wss://c.example/admin/stream");
  for (const { passed, running } of [given, dev, env]) {
    await passed(10_100);
    assert.match(await failure(running), /does not answer in time/);
  }
});

Deno.test("what is missing or wrong is said before anything is asked", async () => {
  assert.match(await failure(world({}, { env: {} }).running), /--api-key and --api-secret/);
  assert.match(await failure(world({ url: "ftp://a" }).running), /--url: expected/);
  assert.match(await failure(world({ url: "http://" }).running), /--url: expected/);
  assert.match(
    await failure(world({ sort: "age?" }).running),
    /--sort: expected one of room, people/,
  );
});

Deno.test("a refusal is told in words", async () => {
  for (
    const [answer, words] of [
      [() => new Response("invalid API key", { status: 401 }), /refuses \(401\): invalid API key/],
      [() => new Response("\x1b]0;a\x07\x9bm", { status: 403 }), /\(403\): [^\p{Cc}]*$/u],
      [() => new Response("", { status: 404 }), /admin\.enabled/],
      [undefined, /the server does not answer/],
    ] as const
  ) {
    const made = await started({}, answer === undefined ? {} : { answer });
    made.sockets[0]!.close();
    await made.passed();
    assert.match(await failure(made.running), words);
  }
});

Deno.test("a terminal is drawn on with each change, and given back", async () => {
  const { sockets: [socket], screen, running, passed } = await started({}, { isTerminal: true });
  assert.match(screen.lines.join("\n"), /Waiting…/);
  socket!.open();
  socket!.snapshot({ roomCount: 7 });
  assert.match(screen.lines.join("\n"), /rooms 7/);
  socket!.say({ type: "change", patch: { roomCount: 8 } });
  assert.match(screen.lines.join("\n"), /rooms 8/);
  screen.onInput("/ab");
  assert.deepEqual(socket!.questions, [{}, { findRoom: "a" }, { findRoom: "ab" }]);
  screen.onInput("\u001b");
  await passed();
  assert.equal(screen.isGivenBack, false);
  screen.onInput("q");
  await running;
  assert.deepEqual([screen.isGivenBack, socket!.isClosed], [true, true]);
});

Deno.test("a stream that ends is made anew, and what was shown stays", async () => {
  const { sockets, screen, running, passed } = await started({}, { isTerminal: true });
  sockets[0]!.open();
  sockets[0]!.snapshot({ roomCount: 7 });
  sockets[0]!.close();
  await passed();
  assert.match(screen.lines.join("\n"), /reconnecting/);
  assert.match(screen.lines.join("\n"), /rooms 7/);
  await passed(600);
  assert.equal(sockets.length, 2);
  sockets[1]!.open();
  sockets[1]!.snapshot({ roomCount: 9 });
  assert.match(screen.lines.join("\n"), /rooms 9/);
  await passed(21_000);
  assert.equal(sockets[1]!.isClosed, true, "silent for too long");
  screen.onEnd();
  await running;
});

Deno.test("what is no state is not shown, whoever says it", async () => {
  const { sockets: [socket], screen, running } = await started({}, { isTerminal: true });
  socket!.open();
  for (const state of [null, 1, [], {}, { nodes: null, rooms: {} }, { ...STATE, atMs: "now" }]) {
    socket!.say({ type: "snapshot", state });
    assert.match(screen.lines.join("\n"), /Waiting…/);
  }
  socket!.onmessage?.(new MessageEvent("message", { data: "{" }));
  screen.onInput("q");
  await running;
});
