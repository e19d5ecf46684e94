/** PROXY headers and TLS in front of HTTP, over loopback. */
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
import { type HttpFrontOptions, openHttpFront } from "../../../../lib/server/http/http_front.ts";
import { SocketLives } from "../../../../lib/server/http/socket_lives.ts";
import { upgradeWebSocket } from "../../../../lib/server/http/web_socket_upgrade.ts";
import type { Certificate } from "../../../../lib/transport/tcp/certificate.ts";
import { parseIpNetwork } from "../../../../lib/wire/ip_network.ts";
import { TestAuthority, type TestCertificate } from "../../../support/process/certificates.ts";
import { mustIgnore } from "../../../support/process/e2e_requirements.ts";
import { scaledPlatform } from "../../../support/virtual/scaled_platform.ts";
import { until } from "../../../support/wire/until.ts";

const HOST = "127.0.0.1";
const LOOPBACK = [parseIpNetwork("127.0.0.0/8")!];
const utf8 = new TextEncoder();
const V1 = "PROXY TCP4 203.0.113.7 192.0.2.1 54321 443\r\n";
const GET = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/** Version 2: the same, IPv6, with something behind the addresses. */
const V2 = Uint8Array.from([
  ...[0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x21, 0, 43],
  ...[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
  ...[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ...[0xd4, 0x31, 1, 0xbb, 3, 0, 4, 1, 2, 3, 4],
]);

class Renewable {
  readonly #watchers = new Set<(certificate: Certificate) => void>();
  constructor(public current: Certificate) {}
  watch(renewed: (certificate: Certificate) => void) {
    this.#watchers.add(renewed);
    return () => void this.#watchers.delete(renewed);
  }
  renew(certificate: Certificate) {
    this.current = certificate;
    for (const renewed of this.#watchers) renewed(certificate);
  }
}

async function open(
  options: Partial<HttpFrontOptions>,
  limits: Partial<HttpConnectionLimits> = {},
) {
  const connections = new HttpConnections<Socket>({ ...httpConnectionLimits(4_096), ...limits });
  const counters = new DropCounters();
  const platform = options.platform ?? denoPlatform(silentLog);
  const lives = new SocketLives(20, platform.timers);
  const front = await openHttpFront({
    hostname: HOST,
    port: 0,
    connections,
    counters,
    platform,
    handler: (request, info) => {
      if (request.headers.get("Upgrade") === null) {
        return Promise.resolve(
          Response.json({ url: request.url, from: info?.remoteAddr?.hostname }),
        );
      }
      const { socket, response } = upgradeWebSocket(request, { lives, maxMessageBytes: 1_000 });
      socket.onmessage = ({ data }) => socket.send(data);
      return Promise.resolve(response);
    },
    ...options,
  });
  return { front, connections, counters };
}

/** Sends `parts` one by one and reads until the other side ends. */
async function raw(port: number, ...parts: readonly (string | Uint8Array)[]): Promise<string> {
  using connection = await Deno.connect({ hostname: HOST, port });
  connection.setNoDelay(true);
  for (const part of parts) {
    await connection.write(typeof part === "string" ? utf8.encode(part) : part);
  }
  const bytes = await new Response(connection.readable).bytes().catch(() => new Uint8Array());
  return new TextDecoder().decode(bytes);
}

Deno.test("openHttpFront() takes a configured proxy's word on whom a connection is from", async () => {
  const { front, counters } = await open({ proxies: LOOPBACK });
  const { port } = front;
  assert.match(await raw(port, V1 + GET), /"from":"203\.0\.113\.7"/);
  assert.match(await raw(port, V2, GET), /"from":"2001:db8::7"/);
  assert.match(await raw(port, ...V1, ...GET), /"from":"203\.0\.113\.7"/);
  assert.match(await raw(port, "PROXY UNKNOWN\r\n", GET), /"from":"127\.0\.0\.1"/);
  assert.equal(counters.get("proxy_header_malformed"), 0);
  // Whoever is to begin with a header and does not is not heard.
  assert.equal(await raw(port, GET), "");
  assert.equal(await raw(port, V1.replace("TCP4", "TCP6") + GET), "");
  assert.equal(counters.get("proxy_header_malformed"), 2);
  await front.shutdown();
});

Deno.test("openHttpFront() reads what follows a proxy's header in order", async () => {
  const dialled: Deno.Conn[] = [];
  const written: Promise<unknown>[] = [];
  // The rest is there before anybody has seen the half of a request that was read with the header.
  const connections = new class extends HttpConnections<Socket> {
    override enter(...arrival: Parameters<HttpConnections<Socket>["enter"]>) {
      for (const connection of dialled) written.push(connection.write(utf8.encode(GET.slice(9))));
      return super.enter(...arrival);
    }
  }(httpConnectionLimits(4_096));
  const { front, counters } = await open({ proxies: LOOPBACK, connections });
  const connection = await Deno.connect({ hostname: HOST, port: front.port });
  dialled.push(connection);
  await connection.write(utf8.encode(V1 + GET.slice(0, 9)));
  const answer = await new Response(connection.readable).text();
  assert.match(answer, /"from":"203\.0\.113\.7"/);
  assert.equal(written.length, 1);
  await Promise.all(written);
  assert.deepEqual(counters.snapshot(), {});
  await front.shutdown();
});

Deno.test("openHttpFront() takes nobody else's", async () => {
  for (const proxies of [undefined, [parseIpNetwork("10.0.0.0/8")!]]) {
    const { front, counters } = await open(proxies === undefined ? {} : { proxies });
    for (const header of [V1, V2]) {
      assert.match(await raw(front.port, header, GET), /^HTTP\/1\.1 400 /);
    }
    assert.equal(counters.get("http_proxy_header_ignored"), 2);
    assert.match(await raw(front.port, GET), /"from":"127\.0\.0\.1"/);
    await front.shutdown();
  }
});

Deno.test("openHttpFront() limits connections by the address that a proxy names", async () => {
  const { front, connections, counters } = await open({ proxies: LOOPBACK }, {
    connectionsOfAddress: 2,
  });
  const connect = async (address: string) => {
    const connection = await Deno.connect({ hostname: HOST, port: front.port });
    await connection.write(utf8.encode(`PROXY TCP4 ${address} 192.0.2.1 1 443\r\n`));
    return connection;
  };
  const first = await Promise.all(["203.0.113.7", "203.0.113.7", "203.0.113.8"].map(connect));
  await until("all of them", () => connections.size === 3);
  assert.equal(counters.get("http_connection_gave_way"), 0);
  first.push(await connect("203.0.113.7"));
  await until(
    "one of that address to give way",
    () => counters.get("http_connection_gave_way") === 1,
  );
  assert.equal(connections.size, 3);
  for (const connection of first) connection.close();
  await front.shutdown();
});

Deno.test("openHttpFront() does not limit those by address who forward the requests of many", async () => {
  const { front, counters } = await open({ forwarders: LOOPBACK }, { connectionsOfAddress: 1 });
  const several = await Promise.all(
    [1, 2, 3].map(() => Deno.connect({ hostname: HOST, port: front.port })),
  );
  assert.match(await raw(front.port, GET), /"from"/);
  assert.equal(counters.get("http_connection_gave_way"), 0);
  for (const connection of several) connection.close();
  await front.shutdown();
});

Deno.test("openHttpFront() waits for a proxy's header neither for ever nor without end", async () => {
  const platform = scaledPlatform(20, silentLog);
  const { front, counters } = await open({ proxies: LOOPBACK, platform });
  assert.equal(await raw(front.port, "PROXY TCP4 203."), "");
  await until("its time to be over", () => counters.get("proxy_header_timeout") === 1);
  assert.equal(await raw(front.port, `PROXY TCP4 ${"1".repeat(100)}`), "");
  assert.equal(counters.get("proxy_header_malformed"), 1);
  const slow = await Deno.connect({ hostname: HOST, port: front.port });
  // A byte now and then does not prolong it.
  const drip = (async () => {
    for (const byte of utf8.encode("PROXY TCP4 203.0.113.7 192.0.2.1 ".repeat(3))) {
      await slow.write(Uint8Array.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })().catch(() => {});
  await until("its time to be over, too", () => counters.get("proxy_header_timeout") === 2);
  await drip;
  slow.close();
  await front.shutdown();
});

Deno.test("openHttpFront() lets go of a proxy that only looks whether somebody listens", async () => {
  // Its own look at itself is one, where proxies are on this machine.
  const platform = scaledPlatform(20, silentLog);
  const { front, counters } = await open({ proxies: LOOPBACK, platform });
  const looking = await Deno.connect({ hostname: HOST, port: front.port });
  await looking.closeWrite();
  assert.equal(await looking.read(new Uint8Array(1)).catch(() => null), null);
  looking.close();
  const startedAt = platform.clock.now();
  await until("three such looks", () => platform.clock.now() - startedAt > 20_000);
  assert.deepEqual(counters.snapshot(), {});
  await front.shutdown();
});

Deno.test("openHttpFront() that shuts down does not wait for a header", async () => {
  const { front } = await open({ proxies: LOOPBACK });
  const silent = await Deno.connect({ hostname: HOST, port: front.port });
  await silent.write(utf8.encode("PROXY"));
  await front.shutdown();
  assert.equal(await silent.read(new Uint8Array(1)).catch(() => null), null);
  silent.close();
});

const ignore = mustIgnore(["openssl"]);

function tlsTest(name: string, fn: (authority: TestAuthority) => Promise<void>): void {
  Deno.test({
    name,
    ignore,
    // The runtime's clients close their resources a moment after their end.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await using authority = await TestAuthority.make();
      await fn(authority);
    },
  });
}

async function get(authority: TestAuthority, port: number): Promise<string> {
  using client = Deno.createHttpClient({ caCerts: [authority.cert], poolMaxIdlePerHost: 0 });
  return await (await fetch(`https://localhost:${port}/a`, { client })).text();
}

/** A connection of TLS, and which certificate is shown on it. */
async function shake({ cert }: TestAuthority, port: number, before?: string) {
  const { connect } = await import("node:tls");
  const { connect: dial } = await import("node:net");
  const socket = dial(port, HOST);
  if (before !== undefined) socket.write(before);
  const secure = connect({ socket, ca: cert, servername: "localhost" });
  await new Promise<void>((resolve, reject) => {
    secure.once("secureConnect", () => resolve());
    secure.once("error", reject);
  });
  return { secure, name: secure.getPeerCertificate().subject.CN };
}

/** Answers on one connection, one after the other. */
async function onOneConnection(socket: Socket): Promise<number> {
  let said = "";
  let isEnded = false;
  socket.on("data", (bytes: Uint8Array) => said += new TextDecoder().decode(bytes));
  socket.on("close", () => isEnded = true);
  const answers = () => said.match(/HTTP\/1\.1 200/g)?.length ?? 0;
  for (let at = 1; at <= 3; at++) {
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await until("an answer", () => answers() === at || isEnded);
    // It would be ended in the turns behind its answer.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  socket.destroy();
  return answers();
}

Deno.test("openHttpFront() keeps a connection behind an answer", async () => {
  const { front } = await open({});
  const { connect } = await import("node:net");
  assert.equal(await onOneConnection(connect(front.port, HOST)), 3);
  await front.shutdown();
});

tlsTest("openHttpFront() keeps a connection of TLS behind an answer", async (authority) => {
  const certificate = new Renewable(await authority.issue("one"));
  const { front } = await open({ certificate });
  assert.equal(await onOneConnection((await shake(authority, front.port)).secure), 3);
  await front.shutdown();
});

tlsTest("openHttpFront() speaks HTTP and WebSocket over TLS", async (authority) => {
  const certificate = new Renewable(await authority.issue("one"));
  const { front, connections, counters } = await open({ certificate });
  const said = await get(authority, front.port);
  assert.deepEqual(JSON.parse(said), { url: `https://localhost:${front.port}/a`, from: HOST });
  using client = Deno.createHttpClient({ caCerts: [authority.cert] });
  const socket = new WebSocket(`wss://localhost:${front.port}/`, { client });
  await new Promise((resolve) => socket.onopen = resolve);
  const heard = new Promise((resolve) => socket.onmessage = ({ data }) => resolve(data));
  socket.send("x".repeat(1_000));
  assert.equal(await heard, "x".repeat(1_000));
  // HTTP in the clear is no handshake.
  assert.doesNotMatch(await raw(front.port, GET), /HTTP/);
  assert.equal(counters.get("tls_handshake_failed"), 1);
  await until("the others' end", () => connections.size === 1);
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.close();
  await closed;
  await front.shutdown();
  assert.equal(connections.size, 0);
});

tlsTest(
  "openHttpFront() shows a renewed certificate to newcomers, and keeps who is there",
  async (authority) => {
    const certificate = new Renewable(await authority.issue("one"));
    const { front } = await open({ certificate });
    const before = await shake(authority, front.port);
    assert.equal(before.name, "one");
    certificate.renew(await authority.issue("two") as TestCertificate);
    const after = await shake(authority, front.port);
    assert.equal(after.name, "two");
    for (const { secure } of [before, after]) {
      const answered = new Promise((resolve) =>
        secure.once("data", (bytes) => resolve(`${bytes}`))
      );
      secure.write(GET);
      assert.match(String(await answered), /^HTTP\/1\.1 200 /);
      secure.destroy();
    }
    await front.shutdown();
  },
);

tlsTest("openHttpFront() reads a proxy's header in front of TLS", async (authority) => {
  const certificate = new Renewable(await authority.issue("one"));
  const { front, counters } = await open({ certificate, proxies: LOOPBACK });
  const { secure } = await shake(authority, front.port, V1);
  const answered = new Promise((resolve) => secure.once("data", (bytes) => resolve(`${bytes}`)));
  secure.write(GET);
  assert.match(String(await answered), /"from":"203\.0\.113\.7"/);
  secure.destroy();
  await assert.rejects(shake(authority, front.port));
  assert.equal(counters.get("proxy_header_malformed"), 1);
  await front.shutdown();
});

tlsTest("openHttpFront() gives handshakes no more time than headers", async (authority) => {
  const certificate = new Renewable(await authority.issue("one"));
  const { front, connections, counters } = await open({ certificate }, { headerMs: 300 });
  const half = await Deno.connect({ hostname: HOST, port: front.port });
  await half.write(Uint8Array.of(0x16, 3, 1, 2, 0, 1));
  await until("it to be there", () => connections.size === 1);
  await until("its time to be over", () => counters.get("http_connection_timed_out") === 1);
  assert.equal(connections.size, 0);
  half.close();
  await front.shutdown();
});
