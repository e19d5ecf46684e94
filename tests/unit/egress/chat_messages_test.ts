/** A recorded room's chat out of packets, whole, cut, broken and hostile. */
import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";
import { ChatMessage, DataPacket, UserPacket } from "@livekit/protocol";
import { ChatMessages, MOST_STREAMS, MOST_TEXT_BYTES } from "../../../lib/egress/chat_messages.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";
import { heapInUse } from "../../support/process/heap_growth.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
type Value = DataPacket["value"];

class Chat {
  readonly messages = new ChatMessages();
  now = 0;

  take(value: unknown, from = "ann") {
    this.now += 1_000;
    const packet = new DataPacket({ participantIdentity: from, value: value as Value });
    return this.messages.take(DataPacket.fromBinary(packet.toBinary()), this.now);
  }

  header(streamId: string, more: Record<string, unknown> = {}, text: object = {}) {
    const contentHeader = { case: "textHeader", value: text };
    return this.take({
      case: "streamHeader",
      value: { streamId, topic: "lk.chat", contentHeader, ...more },
    });
  }

  chunk(streamId: string, content: Uint8Array, from = "ann") {
    return this.take({ case: "streamChunk", value: { streamId, content } }, from);
  }

  trailer(streamId: string, reason = "") {
    return this.take({ case: "streamTrailer", value: { streamId, reason } });
  }
}

Deno.test("ChatMessages joins a text stream, cut within a letter, and knows edits", () => {
  const chat = new Chat();
  assert.equal(chat.header("s1"), undefined);
  const [a, b] = [bytes("Grüße").subarray(0, 3), bytes("Grüße").subarray(3)];
  chat.chunk("s1", a);
  chat.chunk("s1", bytes("of somebody else"), "bob");
  chat.chunk("s1", b);
  const plain = { isCut: false, edits: false, isDeleted: false };
  assert.deepEqual(chat.trailer("s1"), { id: "s1", text: "Grüße", ...plain });
  assert.equal(chat.trailer("s1"), undefined, "it has ended");
  chat.header("s1", {}, { operationType: 1 });
  chat.chunk("s1", bytes("Gruß"));
  assert.deepEqual(chat.trailer("s1"), { id: "s1", text: "Gruß", ...plain, edits: true });
  chat.header("s2");
  assert.equal(chat.trailer("s2", "aborted"), undefined);
});

Deno.test("ChatMessages reads what stands in the header, compressed as browsers do", () => {
  const chat = new Chat();
  const inlineContent = deflateRawSync(bytes("short and compressed"));
  assert.equal(
    chat.header("s", { inlineContent, compression: 1 })?.text,
    "short and compressed",
  );
  assert.equal(chat.header("s", { inlineContent: bytes("plain") })?.text, "plain");
  const bomb = deflateRawSync(new Uint8Array(16 * 1024 * 1024));
  assert.equal(chat.header("s", { inlineContent: bomb, compression: 1 }), undefined);
  assert.equal(chat.header("s", { inlineContent: bytes("no deflate"), compression: 1 }), undefined);
  assert.equal(chat.messages.dropped, 2);
});

Deno.test("ChatMessages keeps what older clients send, once", () => {
  const chat = new Chat();
  const user = (json: unknown, topic = "lk-chat-topic") =>
    chat.take({
      case: "user",
      value: new UserPacket({ topic, payload: bytes(JSON.stringify(json)) }),
    });
  assert.equal(user({ id: "1", message: "hi" })?.text, "hi");
  assert.equal(user({ id: "1", message: "hi", ignoreLegacy: true }), undefined);
  assert.equal(user({ message: "hi" }, "game"), undefined);
  for (const json of [null, 1, "text", [], { message: 1 }]) assert.equal(user(json), undefined);
  const value = new ChatMessage({ id: "7", message: "new", editTimestamp: 1n });
  assert.equal(chat.take({ case: "chatMessage", value })?.edits, true);
});

Deno.test("ChatMessages cuts what is long, and holds no more streams than it may", () => {
  const chat = new Chat();
  chat.header("long");
  for (let i = 0; i < 40; i++) chat.chunk("long", new Uint8Array(1_000).fill(97));
  const long = chat.trailer("long")!;
  assert.deepEqual([long.text.length, long.isCut], [MOST_TEXT_BYTES, true]);
  for (let i = 0; i <= MOST_STREAMS; i++) chat.header(`s${i}`);
  assert.equal(chat.messages.dropped, 1);
  assert.equal(chat.trailer("s0"), undefined, "the oldest has made room");
  assert.equal(chat.trailer("s1")?.text, "");
});

Deno.test("ChatMessages keeps no more of a text that comes letter by letter", () => {
  const chat = new Chat();
  for (let i = 0; i < MOST_STREAMS; i++) chat.header(`s${i}`);
  const packets = Array.from({ length: MOST_STREAMS }, (_, i) => {
    const value = { case: "streamChunk", value: { streamId: `s${i}`, content: bytes("a") } };
    return new DataPacket({ participantIdentity: "ann", value: value as Value });
  });
  const { heapUsed, external } = Deno.memoryUsage();
  for (let n = 0; n < 3_000; n++) {
    for (const packet of packets) chat.messages.take(packet, chat.now);
  }
  const now = Deno.memoryUsage();
  const more = now.heapUsed - heapUsed + now.external - external;
  assert.ok(more < 40_000_000, `${more} bytes more for 768,000 of text`);
  assert.equal(chat.trailer("s9")?.text, "a".repeat(3_000));
});

Deno.test("ChatMessages keeps little of streams that have begun, whatever their headers hold", () => {
  const chat = new Chat();
  const attributes = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`k${n}`, ""]));
  const contentHeader = { case: "textHeader", value: {} };
  const value = { streamId: "s", topic: "lk.chat", contentHeader, attributes };
  const header = new DataPacket({ value: { case: "streamHeader", value } as Value }).toBinary();
  const before = heapInUse();
  for (let i = 0; i < MOST_STREAMS; i++) {
    // Two packets in a row are one with the fields of both.
    const from = new DataPacket({ participantIdentity: `writer-${i}` }).toBinary();
    chat.messages.take(DataPacket.fromBinary(Uint8Array.of(...from, ...header)), chat.now);
  }
  const more = heapInUse() - before;
  assert.ok(more < 2_000_000, `${more} bytes more`);
  const long = "x".repeat(50_000);
  chat.header(long);
  assert.equal(chat.trailer(long), undefined);
  assert.equal(chat.messages.dropped, 1);
});

Deno.test("ChatMessages bears whatever a client sends", () => {
  const random = new SeededRandom(11);
  const chat = new Chat();
  const pick = (count: number) => random.uint32() % count;
  for (let i = 0; i < 20_000; i++) {
    const id = `s${pick(5)}`;
    const content = random.bytes(pick(60));
    const kind = pick(5);
    if (kind === 0) {
      chat.header(id, {
        ...(pick(2) === 0 ? { inlineContent: content } : {}),
        compression: pick(3),
        ...(pick(8) === 0 ? { contentHeader: { case: undefined } } : {}),
      }, { operationType: pick(6) });
    } else if (kind === 1) chat.chunk(id, content);
    else if (kind === 2) chat.trailer(id);
    else {
      const topic = pick(2) === 0 ? "lk-chat-topic" : "lk.chat";
      const message = chat.take({
        case: "user",
        value: new UserPacket({ topic, payload: content }),
      });
      assert.ok(message === undefined || typeof message.text === "string");
    }
  }
});
