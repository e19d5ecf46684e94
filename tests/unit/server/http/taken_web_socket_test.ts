import assert from "node:assert/strict";
import {
  type LibrarySocket,
  type TakenConnection,
  TakenWebSocket,
} from "../../../../lib/server/http/taken_web_socket.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const OPEN = 1;
const CLOSING = 2;

/** A frame as RFC 6455 §5.2 has it, unmasked. */
interface Frame {
  readonly first: number;
  readonly content: Uint8Array;
}

function readFrames(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at]!;
    let length = bytes[at + 1]!;
    assert.ok(length < 128, "a server does not mask");
    at += 2;
    if (length === 126) {
      length = view.getUint16(at);
      at += 2;
    } else if (length === 127) {
      length = Number(view.getBigUint64(at));
      at += 8;
    }
    frames.push({ first, content: bytes.slice(at, at + length) });
    at += length;
  }
  return frames;
}

class FakeLibrarySocket {
  binaryType = "nodebuffer";
  readyState = OPEN;
  bufferedAmount = 7;
  readonly calls: string[] = [];
  readonly listeners = new Map<string, (...args: never[]) => void>();
  constructor(readonly connection: FakeConnection) {}
  on(event: string, listener: (...args: never[]) => void): void {
    this.listeners.set(event, listener);
  }
  close(code?: number, reason?: string): void {
    this.connection.events.push(`close ${code} ${reason}`);
    this.readyState = CLOSING;
  }
  ping(): void {}
  terminate(): void {}
}

class FakeConnection {
  writable = true;
  destroyed = false;
  readonly events: string[] = [];
  readonly written: Uint8Array[] = [];
  corked = 0;
  write(bytes: Uint8Array): boolean {
    this.written.push(bytes.slice());
    this.events.push("write");
    return true;
  }
  cork(): void {
    this.corked++;
  }
  uncork(): void {
    this.corked--;
  }
  get frames(): Frame[] {
    const whole = new Uint8Array(this.written.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.written) {
      whole.set(part, at);
      at += part.length;
    }
    return readFrames(whole);
  }
}

function make(deflation?: ConstructorParameters<typeof TakenWebSocket>[2]) {
  const connection = new FakeConnection();
  const library = new FakeLibrarySocket(connection);
  const socket = new TakenWebSocket(
    library as unknown as LibrarySocket,
    connection as unknown as TakenConnection,
    deflation,
  );
  return { connection, library, socket };
}

/** All that a turn leads to. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("TakenWebSocket writes frames of every length as a reader of RFC 6455 reads them", async () => {
  const random = new SeededRandom(6455);
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]) {
    const { connection, socket } = make();
    const message = random.bytes(length);
    socket.send(message as Uint8Array<ArrayBuffer>);
    await turn();
    assert.deepEqual(connection.frames, [{ first: 0x82, content: message }]);
    assert.equal(connection.corked, 0);
  }
});

Deno.test("TakenWebSocket gives a turn's messages to the connection in one piece, in order", async () => {
  const { connection, socket } = make();
  const texts = ["one", "zwei", "三"];
  socket.send(texts[0]!);
  await Promise.resolve().then(() => socket.send(texts[1]!)).then(() => socket.send(texts[2]!));
  assert.equal(connection.written.length, 0);
  assert.ok(socket.bufferedAmount > 7, "what is gathered is not sent yet");
  await turn();
  assert.equal(connection.written.length, 1);
  assert.equal(socket.bufferedAmount, 7);
  const read = connection.frames.map(({ first, content }) => [
    first,
    new TextDecoder().decode(content),
  ]);
  assert.deepEqual(read, texts.map((text) => [0x81, text]));
  socket.send("four");
  await turn();
  assert.equal(connection.written.length, 2);
});

Deno.test("TakenWebSocket does not let a turn gather more than 64 KiB", async () => {
  const { connection, socket } = make();
  for (let i = 0; i < 100; i++) {
    socket.send(new Uint8Array(10_000).fill(i));
    assert.ok(socket.bufferedAmount <= 7 + 64 * 1024);
  }
  await turn();
  const { frames } = connection;
  assert.equal(frames.length, 100);
  frames.forEach(({ content }, i) => assert.equal(content[9_999], i));
});

Deno.test("TakenWebSocket says everything before it closes, and nothing after", async () => {
  const { connection, socket } = make();
  socket.send("goodbye");
  socket.close(1001, "because");
  assert.deepEqual(connection.events, ["write", "close 1001 because"]);
  socket.send("more");
  await turn();
  assert.equal(connection.frames.length, 1);
});

Deno.test("TakenWebSocket gives nothing to a connection that has ended meanwhile", async () => {
  for (const end of [{ writable: false }, { destroyed: true }]) {
    const { connection, socket } = make();
    socket.send("late");
    Object.assign(connection, end);
    await turn();
    assert.equal(connection.written.length, 0);
  }
});

Deno.test("TakenWebSocket.leaveWithTurn() holds the connection until the turn's messages are there", async () => {
  const { connection, socket } = make();
  socket.leaveWithTurn();
  socket.send("first");
  assert.equal(connection.corked, 1);
  await turn();
  assert.equal(connection.corked, 0);
  assert.equal(connection.written.length, 1);
});

Deno.test("TakenWebSocket shortens long messages alone, and says so in the frame", async () => {
  const { connection, socket } = make({
    thresholdBytes: 10,
    deflate: (bytes) => bytes.slice(0, 3),
  });
  socket.send(new Uint8Array(9).fill(1));
  socket.send(new Uint8Array(10).fill(2));
  await turn();
  assert.deepEqual(connection.frames.map(({ first, content }) => [first, content.length]), [
    [0x82, 9],
    [0xc2, 3],
  ]);
});

Deno.test("TakenWebSocket tells texts from bytes, and the code of an end", () => {
  const { library, socket } = make();
  const heard: unknown[] = [];
  socket.onmessage = ({ data }) => heard.push(data);
  socket.onclose = ({ code }) => heard.push(code);
  const tell = (event: string, ...args: unknown[]) =>
    library.listeners.get(event)!(...args as never[]);
  const bytes = new ArrayBuffer(2);
  tell("message", new TextEncoder().encode("text"), false);
  tell("message", bytes, true);
  tell("close", 1006, new Uint8Array());
  assert.deepEqual(heard, ["text", bytes, 1006]);
});

Deno.test("TakenWebSocket writes nothing behind the answer to a close", async () => {
  const { connection, library, socket } = make();
  socket.send("late");
  // The other side closes in the same turn, which `ws` answers by itself.
  library.readyState = CLOSING;
  await turn();
  assert.equal(connection.written.length, 0);
  assert.equal(socket.bufferedAmount, 7);
});
