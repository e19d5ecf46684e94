/** LiveKit's integration tests of signalling limits. */
import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { SignalRequest, SignalResponse } from "@livekit/protocol";
import WebSocket from "ws";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { httpConnectionLimits, HttpConnections } from "../../lib/server/http/http_connections.ts";
import { openHttpFront } from "../../lib/server/http/http_front.ts";
import { joinUrl } from "../support/process/join_url.ts";
import { SignalClient } from "../support/wire/signal_client.ts";
import { until } from "../support/wire/until.ts";
import { scenario, type TestServer, unitScenario } from "./support.ts";
import { adaptWebSocket, type RawWebSocket } from "../../routes/web_socket.ts";

const LIMIT = 4096;
const TOO_BIG = 1009;

scenario("TestSignalMessageSizeLimit", async (test) => {
  const alice = await test.join("alice");
  alice.signal.sendFrame(new Uint8Array(LIMIT + 1));
  assert.equal((await alice.signal.ended()).code, TOO_BIG);
}, { config: { limit: { signal_message_size_limit: LIMIT } } });

scenario("TestSignalMessageSizeLimitDisabled", async (test) => {
  const url = joinUrl(test.url, await test.token("alice"), { flavour: test.flavour });
  const signal = await SignalClient.open(url);
  signal.sendFrame(new Uint8Array(3 * 1024 * 1024).fill(0xff));
  await signal.message("join");
  // The frame is no request, so the server may end the socket, but not for its size.
  signal.send({ case: "ping", value: 1n });
  await until("an answer or the end", () => signal.closed ?? signal.all("pong")[0]);
  assert.notEqual(signal.closed?.code, TOO_BIG);
  await signal.close();
}, { config: { limit: { signal_message_size_limit: 0 } } });

/** A client that compresses, at a listener as the program has it: the runtime's own does not. */
async function compressed(test: TestServer, metadata: number) {
  const platform = denoPlatform(test.log);
  const front = await openHttpFront({
    hostname: "127.0.0.1",
    port: 0,
    handler: test.server.handler,
    connections: new HttpConnections<Socket>(httpConnectionLimits(4_096)),
    counters: test.server.counters,
    platform,
  });
  const url = joinUrl(`ws://127.0.0.1:${front.port}`, await test.token("compressed"), {
    flavour: test.flavour,
  });
  const Client = WebSocket as unknown as new (url: string) => EventEmitter & {
    readonly extensions: string;
    send(data: Uint8Array): void;
    close(): void;
  };
  const socket = new Client(url);
  let code: number | undefined;
  let isTold = false;
  socket.on("close", (value: number) => code = value);
  socket.on("message", () => isTold = true);
  await new Promise((resolve) => socket.once("open", resolve));
  assert.equal(socket.extensions, "permessage-deflate");
  const value = { metadata: "a".repeat(metadata), name: "", requestId: 1, attributes: {} };
  const message = { case: "updateMetadata", value } as const;
  socket.send(new SignalRequest({ message: message as never }).toBinary());
  return { front, socket, code: () => code, isTold: () => isTold };
}

scenario("TestSignalMessageSizeLimitDecompressed", async (test) => {
  const { front, code } = await compressed(test, 512 * 1024);
  // Closed by the server, and not for what was sent.
  assert.notEqual(await until("the end", code), TOO_BIG);
  assert.equal(test.server.counters.get("socket_inflates_too_much"), 1);
  await front.shutdown();
}, { config: { limit: { signal_message_size_limit: 64 * 1024 } } });

scenario("TestSignalMessageSizeLimitDecompressedDisabled", async (test) => {
  const { front, socket, code, isTold } = await compressed(test, 1024 * 1024);
  await until("the join response", isTold);
  // Whatever is wrong with it, a ping behind it is answered.
  socket.send(new SignalRequest({ message: { case: "ping", value: 1n } }).toBinary());
  const pong = () =>
    new Promise<boolean>((resolve) =>
      socket.on("message", (data: Uint8Array) => {
        const { message } = SignalResponse.fromBinary(new Uint8Array(data));
        if (message.case === "pong") resolve(true);
      })
    );
  await pong();
  assert.equal(code(), undefined);
  socket.close();
  await until("the end", code);
  await front.shutdown();
}, { config: { limit: { signal_message_size_limit: 0 } } });

unitScenario("TestWSSignalConnectionMessageSizeLimit", () => {
  const limited = adapted(LIMIT);
  limited.raw.onmessage!(message(LIMIT));
  assert.deepEqual([limited.received.length, limited.raw.closes], [1, []]);
  limited.raw.onmessage!(message(LIMIT + 1));
  assert.deepEqual([limited.received.length, limited.raw.closes], [1, [TOO_BIG]]);
  const unlimited = adapted(0);
  unlimited.raw.onmessage!(message(LIMIT + 1));
  assert.deepEqual([unlimited.received.length, unlimited.raw.closes], [1, []]);
});

class FakeRawSocket implements RawWebSocket {
  binaryType = "";
  readyState = 1;
  bufferedAmount = 0;
  onmessage: RawWebSocket["onmessage"] = null;
  onclose: RawWebSocket["onclose"] = null;
  onerror: RawWebSocket["onerror"] = null;
  onopen: RawWebSocket["onopen"] = null;
  readonly closes: (number | undefined)[] = [];
  send(): void {}
  close(code?: number): void {
    this.closes.push(code);
  }
}

function adapted(limit: number) {
  const raw = new FakeRawSocket();
  const socket = adaptWebSocket(raw, limit);
  const received: unknown[] = [];
  socket.onMessage = (data) => received.push(data);
  return { raw, received };
}

function message(bytes: number): MessageEvent {
  return new MessageEvent("message", { data: new ArrayBuffer(bytes) });
}
