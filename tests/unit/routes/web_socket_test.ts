import assert from "node:assert/strict";
import { adaptWebSocket, type RawWebSocket } from "../../../routes/web_socket.ts";

/** A socket without a network that records what is done to it. */
class FakeSocket implements RawWebSocket {
  binaryType = "blob";
  readyState = 1;
  bufferedAmount = 7;
  onmessage: RawWebSocket["onmessage"] = null;
  onclose: RawWebSocket["onclose"] = null;
  onerror: RawWebSocket["onerror"] = null;
  onopen: RawWebSocket["onopen"] = null;
  readonly sent: (Uint8Array | string)[] = [];
  readonly closes: [number | undefined, string | undefined][] = [];
  fails = false;

  send(data: Uint8Array | string): void {
    if (this.fails) throw new Error("closed");
    this.sent.push(data);
  }

  close(code?: number, reason?: string): void {
    if (this.fails) throw new Error("closed");
    this.closes.push([code, reason]);
  }

  receive(data: unknown): void {
    this.onmessage?.(new MessageEvent("message", { data }));
  }

  vanish(): void {
    this.onclose?.(new CloseEvent("close", { code: 1006 }));
  }
}

function adapted(limit = 10) {
  const raw = new FakeSocket();
  const socket = adaptWebSocket(raw, limit);
  const received: (Uint8Array | string)[] = [];
  return { raw, socket, received };
}

Deno.test("adaptWebSocket() asks for array buffers and hands over whole messages", () => {
  const { raw, socket, received } = adapted();
  socket.onMessage = (data) => received.push(data);
  assert.equal(raw.binaryType, "arraybuffer");
  raw.receive(new Uint8Array([1, 2]).buffer);
  raw.receive("text");
  assert.deepEqual(received, [new Uint8Array([1, 2]), "text"]);
  assert.equal(socket.bufferedAmount, 7);
});

Deno.test("adaptWebSocket() keeps what comes before the session listens, in order", () => {
  const { raw, socket, received } = adapted();
  raw.receive("a");
  raw.receive("b");
  socket.onMessage = (data) => received.push(data);
  raw.receive("c");
  assert.deepEqual(received, ["a", "b", "c"]);
});

Deno.test("adaptWebSocket() keeps what is sent before the socket is open", () => {
  const { raw, socket } = adapted();
  raw.readyState = 0;
  socket.send("a");
  socket.send("b");
  assert.deepEqual(raw.sent, []);
  assert.equal(socket.bufferedAmount, 9, "what waits for the socket to open is unread as well");
  raw.readyState = 1;
  raw.onopen?.(new Event("open"));
  assert.deepEqual(raw.sent, ["a", "b"]);
});

Deno.test("adaptWebSocket() closes a socket that is still opening as soon as it is open, after what was sent", () => {
  const { raw, socket } = adapted();
  raw.readyState = 0;
  socket.send("farewell");
  socket.close(1000, "refused");
  assert.deepEqual(raw.closes, [], "the runtime would forget it");
  raw.readyState = 1;
  raw.onopen?.(new Event("open"));
  assert.deepEqual(raw.sent, ["farewell"]);
  assert.deepEqual(raw.closes, [[1000, "refused"]]);
});

Deno.test("adaptWebSocket() closes with 1009 at a message over the limit and reads no further", () => {
  const { raw, socket, received } = adapted(10);
  socket.onMessage = (data) => received.push(data);
  raw.receive(new Uint8Array(10).buffer);
  raw.receive("éééééé");
  raw.receive("later");
  assert.equal(received.length, 1);
  assert.deepEqual(raw.closes.map(([code]) => code), [1009]);
});

Deno.test("adaptWebSocket() measures text in UTF-8 bytes", () => {
  const { raw, socket, received } = adapted(10);
  socket.onMessage = (data) => received.push(data);
  raw.receive("ééééé");
  assert.deepEqual(received, ["ééééé"]);
});

Deno.test("adaptWebSocket() reports a close once, also one from before anybody listened", () => {
  const { raw, socket } = adapted();
  raw.vanish();
  let closes = 0;
  socket.onClose = () => closes++;
  raw.vanish();
  assert.equal(closes, 1);
});

Deno.test("adaptWebSocket() never throws after the socket has gone", () => {
  const { raw, socket } = adapted();
  raw.fails = true;
  socket.send("x");
  socket.close(1000, "");
  socket.close(1000, "");
  raw.vanish();
  socket.send("y");
  assert.deepEqual(raw.sent, []);
});

Deno.test("adaptWebSocket() cuts a reason to what a close frame can carry", () => {
  const { raw, socket } = adapted();
  socket.close(1008, "é".repeat(200));
  const reason = raw.closes[0]?.[1] ?? "";
  assert.ok(new TextEncoder().encode(reason).length <= 123);
  assert.ok(reason.startsWith("éé"));
});

Deno.test("adaptWebSocket() bounds what a client can send before the session listens", () => {
  const { raw } = adapted();
  for (let i = 0; i < 100; i++) raw.receive("x");
  assert.equal(raw.closes.length, 1);
  const large = adapted(0);
  for (let i = 0; i < 2; i++) large.raw.receive("x".repeat(200_000));
  assert.equal(large.raw.closes.length, 1);
  large.socket.onMessage = (data) => large.received.push(data);
  assert.deepEqual(large.received, []);
});
