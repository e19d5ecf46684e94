/** What is sent is what the library would have written. */
import assert from "node:assert/strict";
import {
  ClientInfo,
  DataPacket,
  type JoinResponse,
  MetricsBatch,
  ParticipantInfo,
  Room,
  RoomConfiguration,
  SignalRequest,
  SignalResponse,
  WebhookEvent,
} from "@livekit/protocol";
import { protobufBytes, protobufMember } from "../../../lib/wire/protobuf_writer.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

type AnyType = typeof SignalResponse;
type AnyMessage = SignalResponse;
type Field = ReturnType<AnyType["fields"]["list"]>[number];

const TEXTS = [
  "",
  "a",
  "lobby",
  "Zoë 🦊",
  "\ud800",
  "x".repeat(127),
  "y".repeat(128),
  "z".repeat(20_000),
];
const MAX_DEPTH = 4;

/** Messages with every kind of value at random, drawn from a seed. */
class Messages {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  make(type: AnyType, depth = 0): AnyMessage {
    const message = new type();
    const values = message as unknown as Record<string, unknown>;
    for (const field of type.fields.byMember()) {
      if (this.#below(3) === 0) continue;
      if (field.kind !== "oneof") {
        const value = this.#field(field as Field, depth);
        if (value !== undefined) values[field.localName] = value;
        continue;
      }
      const chosen = field.fields[this.#below(field.fields.length)]!;
      const value = this.#one(chosen as Field, depth);
      if (value !== undefined) values[field.localName] = { case: chosen.localName, value };
    }
    return message;
  }

  #below(limit: number): number {
    return this.#random.uint32() % limit;
  }

  #field(field: Field, depth: number): unknown {
    if (field.kind === "map") {
      const value = () =>
        field.V.kind === "message"
          ? this.make(field.V.T as unknown as AnyType, depth + 1)
          : this.#scalar(field.V.kind === "enum" ? 5 : field.V.T);
      const keys = Array.from(
        { length: this.#below(4) },
        (_, i) => field.K === 9 ? `k${i}é` : `${i}`,
      );
      return Object.fromEntries(keys.map((key) => [key, value()]));
    }
    if (!field.repeated) return this.#one(field, depth);
    const items = Array.from({ length: this.#below(4) }, () => this.#one(field, depth));
    return items.filter((item) => item !== undefined);
  }

  #one(field: Field, depth: number): unknown {
    switch (field.kind) {
      case "message":
        return depth < MAX_DEPTH ? this.make(field.T as unknown as AnyType, depth + 1) : undefined;
      case "enum":
        return field.T.values[this.#below(field.T.values.length)]!.no;
      case "scalar":
        return this.#scalar(field.T);
    }
  }

  /** @param type As `descriptor.proto` numbers them. */
  #scalar(type: number): unknown {
    const u32 = [0, 1, 127, 128, 16_384, 0xffff_ffff, this.#random.uint32()][this.#below(7)]!;
    const wide = BigInt(u32) * BigInt([0, 1, 2 ** 31][this.#below(3)]!);
    switch (type) {
      case 1:
        return [0, -1.5, Math.PI, u32][this.#below(4)];
      case 2:
        return Math.fround([0, -1.5, Math.PI][this.#below(3)]!);
      case 3:
      case 16:
      case 18:
        return this.#below(2) === 0 ? wide : -wide;
      case 4:
      case 6:
        return wide;
      case 5:
      case 15:
      case 17:
        return u32 | 0;
      case 7:
      case 13:
        return u32;
      case 8:
        return this.#below(2) === 0;
      case 9:
        return TEXTS[this.#below(TEXTS.length)];
      case 12:
        return new Uint8Array(this.#below(300)).fill(this.#below(256));
    }
  }
}

Deno.test("protobufBytes() and toBinary() write the same bytes, whatever a message says", () => {
  const types = [
    SignalResponse,
    SignalRequest,
    ParticipantInfo,
    Room,
    RoomConfiguration,
    DataPacket,
    WebhookEvent,
    ClientInfo,
    MetricsBatch,
  ] as unknown as AnyType[];
  let written = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const messages = new Messages(seed);
    for (const type of types) {
      const message = messages.make(type);
      const expected = message.toBinary();
      assert.deepEqual(protobufBytes(message), expected, `${type.typeName}, seed ${seed}`);
      written += expected.length;
    }
  }
  assert.ok(written > 1_000_000, `${written} bytes are hardly anything`);
});

Deno.test("protobufMember() writes one member, of whatever kind, and none that there is not", () => {
  const messages = new Messages(7);
  for (let i = 0; i < 300; i++) {
    const { message } = messages.make(SignalResponse);
    if (message.case === undefined) continue;
    const bytes = protobufMember(SignalResponse, message.case, message.value);
    assert.deepEqual(bytes, new SignalResponse({ message }).toBinary(), message.case);
  }
  assert.throws(() => protobufMember(SignalResponse, "farewell", "x"), TypeError);
});

Deno.test("protobufBytes() keeps fields that this version does not know", () => {
  const later = new Uint8Array([...new Room({ name: "lobby" }).toBinary(), 0xfa, 0x3f, 0x01, 0x07]);
  const message = new SignalResponse({
    message: { case: "join", value: { room: Room.fromBinary(later) } as JoinResponse },
  });
  assert.deepEqual(protobufBytes(message), message.toBinary());
});

Deno.test("protobufBytes() refuses a number that is none of 32 bits, and goes on with the next", () => {
  for (const numParticipants of [-1, 2 ** 32, 1.5, NaN]) {
    assert.throws(() => protobufBytes(new Room({ sid: "RM_x", numParticipants })), TypeError);
  }
  const room = new Room({ name: "lobby" });
  assert.deepEqual(protobufBytes(room), room.toBinary());
});
