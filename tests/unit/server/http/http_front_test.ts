/** The process's own listener over loopback. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import {
  type HttpConnectionLimits,
  httpConnectionLimits,
  HttpConnections,
} from "../../../../lib/server/http/http_connections.ts";
import { openHttpFront } from "../../../../lib/server/http/http_front.ts";
import { SocketLives } from "../../../../lib/server/http/socket_lives.ts";
import { upgradeWebSocket } from "../../../../lib/server/http/web_socket_upgrade.ts";
import { asItComes, keptAnswer } from "../../../../routes/http_exchange.ts";
import type { HttpHandler } from "../../../../routes/http_handler.ts";
import { until } from "../../../support/wire/until.ts";

const HOST = "127.0.0.1";
const text = new TextDecoder();

/** A listener on a free port, and the table of its connections. */
async function open(handler: HttpHandler, limits: Partial<HttpConnectionLimits> = {}) {
  const connections = new HttpConnections<Socket>({ ...httpConnectionLimits(4_096), ...limits });
  const counters = new DropCounters();
  const platform = denoPlatform(silentLog);
  const options = { hostname: HOST, port: 0, handler, connections, counters, platform };
  const front = await openHttpFront(options);
  return { front, connections, counters, url: `http://${HOST}:${front.port}` };
}

/** Sends `request` as it stands and reads until the other side ends. */
async function raw(port: number, request: string): Promise<string> {
  using connection = await Deno.connect({ hostname: HOST, port });
  await connection.write(new TextEncoder().encode(request));
  return text.decode(await new Response(connection.readable).bytes().catch(() => new Uint8Array()));
}

/** So many lines of a header. */
function lines(count: number): string {
  return Array.from({ length: count }, (_, at) => `X-${at}: \r\n`).join("");
}

const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const hello: HttpHandler = () => Promise.resolve(new Response("hello"));

Deno.test("openHttpFront() brings requests and answers whole, and says who asks", async () => {
  const { front, url } = await open(async (request, info) => {
    const { method, url, headers } = request;
    const body = await request.text();
    const answer = {
      method,
      url,
      header: headers.get("x-it"),
      body,
      from: info?.remoteAddr?.hostname,
    };
    const response = Response.json(answer, { status: 207, headers: { "ETag": "tag" } });
    response.headers.append("Link", "<a>");
    response.headers.append("Link", "<b>");
    return response;
  });
  const body = "x".repeat(300_000);
  const response = await fetch(`${url}//a/b?c=%20`, {
    method: "PATCH",
    body,
    headers: { "X-It": "is" },
  });
  assert.deepEqual([response.status, response.headers.get("ETag")], [207, "tag"]);
  assert.equal(response.headers.get("Link"), "<a>, <b>");
  assert.deepEqual(await response.json(), {
    method: "PATCH",
    url: `${url}//a/b?c=%20`,
    header: "is",
    body,
    from: HOST,
  });
  await front.shutdown();
});

Deno.test("openHttpFront() answers HEAD and 204 without a body, and keeps the connection", async () => {
  const { front, connections } = await open(({ method }) =>
    Promise.resolve(method === "PUT" ? new Response(null, { status: 204 }) : new Response("hello"))
  );
  const request = (method: string, more = "") => `${method} / HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
  const said = await raw(
    front.port,
    request("HEAD") + request("PUT") + request("GET", "Connection: close\r\n"),
  );
  const statuses = [...said.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  assert.deepEqual(statuses, ["200", "204", "200"]);
  assert.equal(said.match(/hello/g)?.length, 1);
  await until("the connection's end", () => connections.size === 0);
  await front.shutdown();
});

Deno.test("openHttpFront() refuses what is no HTTP, and lives on", async () => {
  const { front, url, counters } = await open(hello);
  const rows = [
    ["nonsense\r\n\r\n", 400],
    ["GET http://elsewhere/ HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n", 400],
    ["POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
    ["OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nHost: x\r\nContent-Length: z\r\n\r\n", 400],
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(70_000)}\r\n\r\n`, 431],
    // Each one more is compared with all before: a thousand take a second.
    [`GET / HTTP/1.1\r\nHost: x\r\n${lines(128)}\r\n`, 431],
    [`GET / HTTP/1.1\r\nHost: x\r\n${UPGRADE}${lines(1_000)}\r\n`, 431],
  ] as const;
  for (const [request, status] of rows) {
    assert.match(await raw(front.port, request), new RegExp(`^HTTP/1\\.1 ${status} `), request);
  }
  assert.ok(counters.get("http_malformed") >= 3);
  const most = `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines(126)}\r\n`;
  assert.match(await raw(front.port, most), /^HTTP\/1\.1 200 /);
  const join = await fetch(`${url}/rtc?join_request=${"x".repeat(60_000)}`);
  assert.equal(await join.text(), "hello", "a join request in the address has room");
  await front.shutdown();
});

Deno.test("openHttpFront() takes some requests of a connection ahead of answers, and ends who sends more", async () => {
  const asked: ReturnType<typeof Promise.withResolvers<Response>>[] = [];
  const { front, counters, connections } = await open(() => {
    asked.push(Promise.withResolvers());
    return asked.at(-1)!.promise;
  });
  const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  const patient = raw(
    front.port,
    get.repeat(15) + get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
  );
  await until("all to be asked", () => asked.length === 16);
  for (const { resolve } of asked) resolve(new Response("hello"));
  assert.equal((await patient).match(/hello/g)?.length, 16);
  asked.length = 0;
  // Whoever is never answered: one connection had a thousand requests kept, and more with each read.
  assert.equal(await raw(front.port, get.repeat(20_000)), "");
  assert.ok(asked.length <= 16, `${asked.length} requests at once`);
  assert.equal(counters.get("http_too_many_requests_ahead"), 1);
  for (const { resolve } of asked) resolve(new Response("too late"));
  await until("its end", () => connections.size === 0);
  await front.shutdown();
});

Deno.test("openHttpFront() reads no body that the handler does not, and ends its connection", async () => {
  const { front, connections } = await open(() =>
    Promise.resolve(new Response("no", { status: 401 }))
  );
  const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n";
  const said = await raw(front.port, `${post}\r\nsome`);
  assert.match(said, /^HTTP\/1\.1 401 /);
  assert.match(said, /\r\nconnection: close\r\n/i);
  assert.doesNotMatch(
    await raw(front.port, `${post}Expect: 100-continue\r\n\r\n`),
    /100 Continue/i,
  );
  await until("the connections' end", () => connections.size === 0);
  await front.shutdown();
});

Deno.test("openHttpFront() asks for an announced body once it is wanted", async () => {
  const { front } = await open(async (request) => new Response(await request.text()));
  using connection = await Deno.connect({ hostname: HOST, port: front.port });
  const send = (part: string) => connection.write(new TextEncoder().encode(part));
  await send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  const buffer = new Uint8Array(4_096);
  assert.match(
    text.decode(buffer.subarray(0, await connection.read(buffer) ?? 0)),
    / 100 Continue/,
  );
  await send("body");
  let said = "";
  while (!said.endsWith("body")) {
    said += text.decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
  }
  assert.match(said, / 200 /);
  connection.close();
  await front.shutdown();
});

Deno.test("openHttpFront() makes a sender that goes away an end of its body", async () => {
  const ended = Promise.withResolvers<string>();
  const { front } = await open(async (request) => {
    ended.resolve(await request.text().then(() => "whole", (error) => error.name));
    return new Response();
  });
  const connection = await Deno.connect({ hostname: HOST, port: front.port });
  const part = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf";
  await connection.write(new TextEncoder().encode(part));
  connection.close();
  assert.equal(await ended.promise, "TypeError");
  await front.shutdown();
});

/** All that comes until the other side ends. */
async function readAll(connection: Deno.TcpConn): Promise<Uint8Array> {
  const all: number[] = [];
  const buffer = new Uint8Array(1_024);
  for (;;) {
    const length = await connection.read(buffer).catch(() => null);
    if (length === null) break;
    all.push(...buffer.subarray(0, length));
  }
  connection.close();
  return Uint8Array.from(all);
}

const { timers } = denoPlatform(silentLog);
const RULES = { lives: new SocketLives(20, timers), maxMessageBytes: 1_000_000 };

/** A raw WebSocket client's end, after its handshake. */
async function openRaw(port: number): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: HOST, port });
  const request = "GET /yes HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  await connection.write(new TextEncoder().encode(request));
  const answer = new Uint8Array(1_024);
  const length = await connection.read(answer);
  assert.match(new TextDecoder().decode(answer.subarray(0, length!)), /^HTTP\/1\.1 101 /);
  return connection;
}

Deno.test({
  name: "upgradeWebSocket() cuts a message off that grows beyond what may be, however it comes",
  sanitizeResources: false,
  sanitizeOps: false,
  fn: async () => {
    let received = 0;
    const { front, connections } = await open((request) => {
      const { socket, response } = upgradeWebSocket(request, RULES);
      socket.onmessage = () => void received++;
      return Promise.resolve(response);
    }, { connections: 8, headerMs: 3_000, idleMs: 3_000 });
    for (const whole of [true, false]) {
      const connection = await openRaw(front.port);
      // One frame of 60 MB that never ends, or fragments of 100 kB of a message that never ends.
      const size = whole ? 60_000_000 : 100_000;
      const header = new Uint8Array(14);
      header.set([whole ? 0x82 : 0x02, 0xff]);
      new DataView(header.buffer).setBigUint64(2, BigInt(size));
      const payload = new Uint8Array(100_000);
      const told = readAll(connection);
      try {
        for (let at = 0; at < 600; at++) {
          if (!whole || at === 0) await connection.write(header);
          if (!whole) header[0] = 0x00; // a continuation
          await connection.write(payload);
        }
      } catch {
        // It need not be read to its end.
      }
      // Close frame, status 1009 (RFC 6455 §7.4.1), long before the message could have ended.
      assert.deepEqual([...(await told).subarray(0, 4)], [0x88, 2, 1_009 >> 8, 1_009 & 0xff]);
    }
    assert.equal(received, 0);
    await until("both to be gone", () => connections.size === 0);
    await front.shutdown();
  },
});

Deno.test({
  name: "upgradeWebSocket() ends a peer that shows no life",
  sanitizeResources: false,
  sanitizeOps: false,
  fn: async () => {
    const lives = new SocketLives(0.2, timers);
    const { front, connections } = await open((request) => {
      const { response } = upgradeWebSocket(request, { ...RULES, lives });
      return Promise.resolve(response);
    }, { connections: 8, headerMs: 3_000, idleMs: 3_000 });
    const silent = await openRaw(front.port);
    await until("the silent one to be gone", () => connections.size === 0);
    silent.close();
    await front.shutdown();
  },
});

Deno.test({
  name: "openHttpFront() carries WebSockets, which are ended by nobody but themselves",
  // The runtime's client closes its resources a moment after its close event.
  sanitizeResources: false,
  sanitizeOps: false,
  fn: async () => {
    const { front, connections } = await open((request) => {
      if (request.headers.get("Upgrade") === null) return Promise.resolve(new Response("hello"));
      if (request.url.endsWith("/no")) {
        return Promise.resolve(new Response("permissions denied", { status: 401 }));
      }
      const { socket, response } = upgradeWebSocket(request, RULES);
      socket.onmessage = ({ data }) => socket.send(data);
      return Promise.resolve(response);
    }, { connections: 3, headerMs: 300, idleMs: 300 });
    const refused = await raw(
      front.port,
      "GET /no HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert.match(refused, /^HTTP\/1\.1 401 [^]*\r\n\r\npermissions denied$/);
    const echo = async (socket: WebSocket, message: string) => {
      const heard = new Promise((resolve) => socket.onmessage = ({ data }) => resolve(data));
      socket.send(message);
      assert.equal(await heard, message);
    };
    const socket = new WebSocket(`ws://${HOST}:${front.port}/yes`);
    await new Promise((resolve) => socket.onopen = resolve);
    await echo(socket, "one");
    for (let at = 0; at < 10; at++) await (await fetch(`http://${HOST}:${front.port}/`)).text();
    const strangers = await Promise.all(
      Array.from({ length: 10 }, () => Deno.connect({ hostname: HOST, port: front.port })),
    );
    await until("all places to be taken", () => connections.size === 3);
    await echo(socket, "two");
    await until("the strangers' end", () => connections.size === 1);
    await echo(socket, "y".repeat(100_000));
    for (const stranger of strangers) stranger.close();
    let isDown = false;
    const down = front.shutdown().then(() => isDown = true);
    await echo(socket, "three");
    assert.equal(isDown, false, "it waits for the WebSocket");
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    await Promise.all([closed, down]);
    assert.equal(connections.size, 0);
  },
});

Deno.test("openHttpFront() rejects with what the system says against the place", async () => {
  using other = Deno.listen({ hostname: HOST, port: 0 });
  const { port } = other.addr as Deno.NetAddr;
  const options = {
    hostname: HOST,
    port,
    handler: hello,
    connections: new HttpConnections<Socket>(httpConnectionLimits(4_096)),
    counters: new DropCounters(),
    platform: denoPlatform(silentLog),
  };
  await assert.rejects(openHttpFront(options), { code: "EADDRINUSE" });
});

Deno.test("openHttpFront() sends an answer as it comes, and tells its source that the client has left", async () => {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let isLeft = false;
  const { front, url } = await open(() =>
    Promise.resolve(asItComes(
      new Response(
        new ReadableStream<Uint8Array<ArrayBuffer>>({
          start: (given) => void (controller = given),
          cancel: () => void (isLeft = true),
        }),
        { headers: { "Content-Type": "application/x-it" } },
      ),
    ))
  );
  const response = await fetch(url);
  assert.equal(response.headers.get("Content-Type"), "application/x-it");
  const reader = response.body!.getReader();
  for (const part of ["first", "second"]) {
    controller.enqueue(new TextEncoder().encode(part));
    assert.equal(text.decode((await reader.read()).value), part);
  }
  await reader.cancel();
  await until("it is told", () => isLeft);

  const whole = await fetch(url);
  controller.enqueue(new TextEncoder().encode("all"));
  controller.close();
  assert.equal(await whole.text(), "all");
  await front.shutdown();
});

Deno.test("openHttpFront() does not wait for ever for a client that reads nothing of what comes", async () => {
  let isLeft = false;
  const { front, connections } = await open(() =>
    Promise.resolve(asItComes(
      new Response(
        new ReadableStream<Uint8Array<ArrayBuffer>>({
          pull: (controller) => controller.enqueue(new Uint8Array(100_000)),
          cancel: () => void (isLeft = true),
        }),
      ),
    )), { answerMs: 200 });
  const stuck = await Deno.connect({ hostname: HOST, port: front.port });
  await stuck.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  await until("it is ended", () => isLeft);
  await until("its place is free", () => connections.size === 0);
  stuck.close();
  await front.shutdown();
});

Deno.test("openHttpFront() keeps a bounded part of what nobody takes, and who reads is answered whole", async () => {
  const page = new Uint8Array(600_000).fill(65);
  const most = 20_000_000;
  const { front, connections, counters, url } = await open(
    () => Promise.resolve(new Response(page)),
    { unsentBytesOfAddress: most },
  );
  const unread: Deno.Conn[] = [];
  let largest = 0;
  for (let i = 0; i < 8; i++) {
    const connection = await Deno.connect({ hostname: HOST, port: front.port });
    await connection.write(
      new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(16)),
    );
    unread.push(connection);
    assert.equal((await (await fetch(url)).bytes()).length, page.length);
    largest = Math.max(largest, connections.unsentBytes);
  }
  assert.ok(largest > page.length && largest <= most, `${largest} bytes`);
  assert.ok(counters.get("http_answer_not_taken") > 0);
  for (const connection of unread) connection.close();
  await until("their end", () => connections.unsentBytes === 0);
  await front.shutdown();
});

Deno.test("openHttpFront() answers a hundred behind one address who are slow to take the same page", async () => {
  const page = new Uint8Array(600_000).map((_, at) => at % 251);
  const most = 32_000_000;
  const { front, connections, counters } = await open(
    () => Promise.resolve(keptAnswer(page, { headers: { "Connection": "close" } })),
    { unsentBytesOfAddress: most, connectionsOfAddress: 200 },
  );
  const slow = await Promise.all(Array.from({ length: 100 }, async () => {
    const connection = await Deno.connect({ hostname: HOST, port: front.port });
    await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    return connection;
  }));
  const first = slow.pop()!;
  assert.equal(await bodyBytes(first), page.length);
  assert.ok(connections.unsentBytes <= 100 * 16_384, `${connections.unsentBytes} bytes`);
  for (const connection of slow) assert.equal(await bodyBytes(connection), page.length);
  assert.equal(counters.get("http_answer_not_taken"), 0);
  await until("their end", () => connections.unsentBytes === 0);
  await front.shutdown();
});

/** What is left of an answer, its header not counted. */
async function bodyBytes(connection: Deno.Conn): Promise<number> {
  const answer = await new Response(connection.readable).bytes();
  const header = text.decode(answer.subarray(0, 4_096)).indexOf("\r\n\r\n") + 4;
  return answer.length - header;
}

Deno.test("openHttpFront() reads nothing of what would come for a client that left before", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<string>();
  let reads = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      controller.enqueue(new Uint8Array(1_000));
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (++reads < 300) return;
      controller.close();
      cancelled.resolve("read to its end");
    },
    cancel: () => cancelled.resolve("cancelled"),
  });
  const { front, connections } = await open(async () => {
    asked.resolve();
    await answer.promise;
    return asItComes(new Response(body));
  });
  const client = await Deno.connect({ hostname: HOST, port: front.port });
  await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  await asked.promise;
  client.close();
  await until("the end of the connection", () => connections.size === 0);
  answer.resolve();
  assert.equal(await cancelled.promise, "cancelled");
  await front.shutdown();
});
