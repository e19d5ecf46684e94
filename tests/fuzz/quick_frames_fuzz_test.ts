import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { Receiver } from "ws";
import {
  type ReadConnection,
  readQuickly,
  takeMessages,
} from "../../lib/server/http/quick_frames.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const LONGEST = 300;
const FINAL = 0x80;
const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** A client's frame (RFC 6455 §5.2). */
function frame(
  random: SeededRandom,
  first: number,
  content: Uint8Array,
  isMasked = true,
): number[] {
  const { length } = content;
  const masked = isMasked ? 0x80 : 0;
  // Now and then longer than it had to be, which readers have to bear.
  const isLong = length > 125 || random.chance(0.05);
  const head = isLong ? [masked | 126, length >> 8, length & 0xff] : [masked | length];
  const mask = isMasked ? [...random.bytes(4)] : [];
  const sent = [...content].map((byte, i) => isMasked ? byte ^ mask[i % 4]! : byte);
  return [first, ...head, ...mask, ...sent];
}

/** Mostly what clients send, and all that they could. */
function anyFrame(random: SeededRandom): number[] {
  const length = random.chance(0.1) ? random.below(400) : random.below(140);
  const content = random.bytes(length);
  if (random.chance(0.9)) return frame(random, FINAL | BINARY, content);
  const kinds = [
    () => frame(random, FINAL | TEXT, content.map((byte) => byte & 0x7f)),
    () => frame(random, BINARY, content),
    () => frame(random, FINAL | CONTINUATION, content),
    () => frame(random, FINAL | PING, content.subarray(0, 125)),
    () => frame(random, FINAL | PONG, content.subarray(0, 125)),
    () => frame(random, FINAL | CLOSE, Uint8Array.of(3, 232)),
    () => frame(random, FINAL | BINARY, content, false),
    () => frame(random, 0xc2, content),
    () => [FINAL | BINARY, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, ...random.bytes(5)],
    () => [...random.bytes(1 + random.below(20))],
  ];
  return kinds[random.below(kinds.length)]!();
}

/** What the library makes of what comes. */
function library(said: string[]): (chunk: Uint8Array) => void {
  const receiver = new Receiver({ isServer: true, binaryType: "arraybuffer", maxPayload: LONGEST });
  const note = (kind: string) => (data: ArrayBuffer | Uint8Array) =>
    said.push(`${kind} ${new Uint8Array(data).toHex()}`);
  receiver.on(
    "message",
    (data: ArrayBuffer | Uint8Array, isBinary: boolean) => note(isBinary ? "binary" : "text")(data),
  );
  receiver.on("ping", note("ping"));
  receiver.on("pong", note("pong"));
  receiver.on("conclude", (code: number) => said.push(`close ${code}`));
  let isBroken = false;
  receiver.on("error", () => {
    isBroken = true;
    said.push("error");
  });
  return (chunk) => {
    if (!isBroken) receiver.write(Buffer.from(chunk));
  };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}

Deno.test("readQuickly() reads what the library would, however it is cut", async () => {
  const random = new SeededRandom(20_261_129);
  for (let round = 0; round < 600; round++) {
    const frames = Array.from({ length: 1 + random.below(12) }, () => anyFrame(random));
    const stream = Uint8Array.from(frames.flat());
    const cuts: Uint8Array[] = [];
    for (let at = 0; at < stream.length;) {
      const end = random.chance(0.5) ? at + 1 + random.below(200) : stream.length;
      cuts.push(stream.slice(at, end));
      at = end;
    }
    const expected: string[] = [];
    const alone = library(expected);
    for (const cut of cuts) alone(cut);
    await settled();
    const said: string[] = [];
    const connection = new EventEmitter();
    const theirs = library(said);
    connection.on("data", theirs);
    readQuickly(
      connection as unknown as ReadConnection,
      [theirs],
      LONGEST,
      (message) => said.push(`binary ${message.toHex()}`),
    );
    for (const cut of cuts) connection.emit("data", cut.slice());
    await settled();
    assert.deepEqual(said, expected, `round ${round}`);
    assert.ok(connection.listenerCount("data") === 1);
  }
});

Deno.test("takeMessages() leaves noise where it is, whatever it is", () => {
  const random = new SeededRandom(7);
  for (let round = 0; round < 20_000; round++) {
    const noise = random.bytes(random.below(60));
    if (random.chance(0.7) && noise.length > 1) {
      noise[0] = FINAL | BINARY;
      noise[1] = 0x80 | random.below(128);
    }
    const before = noise.slice();
    let bytes = 0;
    const rest = takeMessages(noise, LONGEST, (message) => bytes += message.length);
    assert.ok(rest <= noise.length && bytes <= rest);
    assert.deepEqual(noise, before);
  }
});
