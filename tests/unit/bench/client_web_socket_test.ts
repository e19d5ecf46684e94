import assert from "node:assert/strict";
import type { ClientStream } from "../../../bench/load/client_sockets.ts";
import { ClientWebSocket } from "../../../bench/load/client_web_socket.ts";

const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
const URL_TO_JOIN = new URL("ws://127.0.0.1:7880/rtc/v1?join_request=abc");
const text = (words: string) => new TextEncoder().encode(words);

/** A connection whose other end is the test. */
class Wire implements ClientStream {
  onBytes: ClientStream["onBytes"] = () => {};
  onEnd: ClientStream["onEnd"] = () => {};
  readonly sent: Uint8Array[] = [];
  isClosed = false;

  send(bytes: Uint8Array): void {
    this.sent.push(bytes.slice());
  }

  close(): void {
    this.isClosed = true;
  }
}

/** A server's frame: RFC 6455 §5.2, unmasked. */
function frame(first: number, content: Uint8Array): Uint8Array {
  const { length } = content;
  const head = length < 126
    ? [first, length]
    : length < 65_536
    ? [first, 126, length >> 8, length & 0xff]
    : [
      first,
      127,
      0,
      0,
      0,
      0,
      length >>> 24,
      (length >> 16) & 0xff,
      (length >> 8) & 0xff,
      length & 0xff,
    ];
  return Uint8Array.of(...head, ...content);
}

/** What a client's frame holds, unmasked. */
function unmasked(bytes: Uint8Array): { first: number; content: Uint8Array } {
  assert.ok((bytes[1]! & 0x80) !== 0, "a client masks");
  const short = bytes[1]! & 0x7f;
  const maskAt = short < 126 ? 2 : 4;
  const length = short < 126 ? short : (bytes[2]! << 8) | bytes[3]!;
  const mask = bytes.subarray(maskAt, maskAt + 4);
  const content = bytes.slice(maskAt + 4).map((byte, i) => byte ^ mask[i & 3]!);
  assert.equal(content.length, length);
  return { first: bytes[0]!, content };
}

async function opened(): Promise<{ wire: Wire; socket: ClientWebSocket; heard: Uint8Array[] }> {
  const wire = new Wire();
  const socket = new ClientWebSocket(wire);
  const heard: Uint8Array[] = [];
  socket.onMessage = (message) => heard.push(message.slice());
  const upgraded = socket.upgrade(URL_TO_JOIN);
  wire.onBytes(text(SWITCHED));
  await upgraded;
  return { wire, socket, heard };
}

Deno.test("A client's WebSocket asks as RFC 6455 says", async () => {
  const { wire } = await opened();
  const [line, ...headers] = new TextDecoder().decode(wire.sent[0]).split("\r\n");
  assert.equal(line, "GET /rtc/v1?join_request=abc HTTP/1.1");
  assert.deepEqual(headers.slice(-2), ["", ""]);
  const named = new Map(
    headers.slice(0, -2).map((header) => header.split(": ") as [string, string]),
  );
  assert.equal(named.get("Host"), "127.0.0.1:7880");
  assert.equal(named.get("Upgrade"), "websocket");
  assert.equal(named.get("Connection"), "Upgrade");
  assert.equal(named.get("Sec-WebSocket-Version"), "13");
  assert.equal(Uint8Array.fromBase64(named.get("Sec-WebSocket-Key")!).length, 16);
});

Deno.test("A refusal is told in the server's words", async () => {
  const wire = new Wire();
  const socket = new ClientWebSocket(wire);
  const upgraded = socket.upgrade(URL_TO_JOIN);
  wire.onBytes(text("HTTP/1.1 401 Unauthorized\r\n\r\nno"));
  await assert.rejects(upgraded, /401 Unauthorized/);
  assert.ok(wire.isClosed);
});

Deno.test("Messages of every length are heard, however they are cut", async () => {
  const messages = [0, 1, 125, 126, 65_535, 65_536].map((length) => new Uint8Array(length).fill(7));
  const all = messages.flatMap((message) => [...frame(0x82, message)]);
  for (const cut of [1, 2, 3, 5, 300, all.length - 1]) {
    const { wire, heard } = await opened();
    wire.onBytes(Uint8Array.from(all.slice(0, cut)));
    wire.onBytes(Uint8Array.from(all.slice(cut, cut + 9)));
    wire.onBytes(Uint8Array.from(all.slice(cut + 9)));
    assert.deepEqual(heard, messages);
  }
});

Deno.test("What comes along with the server's agreement is heard", async () => {
  const wire = new Wire();
  const socket = new ClientWebSocket(wire);
  const heard: Uint8Array[] = [];
  socket.onMessage = (message) => heard.push(message.slice());
  const upgraded = socket.upgrade(URL_TO_JOIN);
  wire.onBytes(text(SWITCHED.slice(0, 20)));
  assert.deepEqual(heard, []);
  wire.onBytes(Uint8Array.of(...text(SWITCHED.slice(20)), ...frame(0x82, text("welcome"))));
  await upgraded;
  assert.deepEqual(heard, [text("welcome")]);
});

Deno.test("A client masks what it says, answers pings, and says goodbye once", async () => {
  const { wire, socket } = await opened();
  for (const length of [3, 125, 126, 2_000]) {
    const said = new Uint8Array(length).map((_, i) => i);
    socket.send(said);
    assert.deepEqual(unmasked(wire.sent.at(-1)!), { first: 0x82, content: said });
  }
  wire.onBytes(frame(0x89, text("there?")));
  assert.deepEqual(unmasked(wire.sent.at(-1)!), { first: 0x8a, content: text("there?") });
  const closed = socket.close();
  assert.deepEqual(unmasked(wire.sent.at(-1)!), { first: 0x88, content: Uint8Array.of(3, 232) });
  wire.onBytes(frame(0x88, Uint8Array.of(3, 232)));
  await closed;
  assert.ok(wire.isClosed && socket.isEnded);
  const { length } = wire.sent;
  socket.send(text("more"));
  await socket.close();
  assert.equal(wire.sent.length, length);
});

Deno.test("A connection that ends ends the WebSocket", async () => {
  const { wire, socket } = await opened();
  wire.onEnd();
  await socket.ended;
  assert.ok(socket.isEnded);
});
