import assert from "node:assert/strict";
import { DataPacket, DataStream_Header, UserPacket } from "@livekit/protocol";
import type { DataKind } from "../../../lib/base/media_vocabulary.ts";
import { DATA_VALUE, DataPacketReader, userPacketOf } from "../../../lib/wire/data_packet.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";
import {
  type NaiveSender,
  randomDataPacket,
  stampNaively,
} from "../../support/wire/naive_data_stamp.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const stampOf = ({ sid, identity }: NaiveSender) => ({ sid: utf8(sid), identity: utf8(identity) });
const ROUNDS = 5_000;

function senders(random: SeededRandom): NaiveSender {
  const agent = random.chance(0.5);
  const hidden = random.chance(0.2);
  return { sid: hidden ? "" : "PA_sender", identity: hidden ? "" : "agent", agent };
}

/** Stamps as the data plane does. */
function stamp(reader: DataPacketReader, kind: DataKind, sender: NaiveSender): Uint8Array {
  const from = stampOf(sender);
  const isText = reader.value === DATA_VALUE.chatMessage ||
    reader.value === DATA_VALUE.streamHeader && reader.stream().type === "text";
  const speaks = sender.agent && isText && reader.claimsAnother(from.identity);
  return reader.stamp(kind, from, speaks);
}

Deno.test("DataPacketReader.stamp() writes what decoding, changing and encoding would", () => {
  const random = new SeededRandom(11);
  const reader = new DataPacketReader();
  for (let round = 0; round < ROUNDS; round++) {
    const packet = randomDataPacket(random);
    const bytes = packet.toBinary();
    const kind = random.chance(0.5) ? "reliable" : "lossy";
    const sender = senders(random);
    assert.ok(reader.read(bytes));
    const { sequence, value } = packet;
    assert.equal(reader.sequence, sequence);
    assert.equal(reader.value === DATA_VALUE.none, value.case === undefined);
    if (value.case === undefined) continue;
    const before = bytes.slice();
    const stamped = stamp(reader, kind, sender);
    assert.deepEqual(bytes, before, "what was read is untouched");
    const expected = stampNaively(DataPacket.fromBinary(bytes), kind, sender);
    assert.ok(DataPacket.fromBinary(stamped).equals(expected), `round ${round}`);
    // Of a text that an agent speaks for another, the mark is added behind what was said of it.
    const extra = sender.agent ? 4 : 0;
    assert.ok(stamped.length <= expected.toBinary().length + extra, "nothing stands there twice");
    assert.deepEqual(reader.destinationIdentities(), expected.destinationIdentities);
  }
});

Deno.test("DataPacketReader reads what a user packet is for, and its payload and nonce", () => {
  const payload = Uint8Array.of(1, 2, 3);
  const nonce = new Uint8Array(16).fill(7);
  const value = new UserPacket({ payload, nonce, destinationSids: ["PA_1", "PA_2"] });
  const reader = new DataPacketReader();
  assert.ok(reader.read(new DataPacket({ value: { case: "user", value } }).toBinary()));
  assert.deepEqual(reader.destinationSids(), ["PA_1", "PA_2"]);
  assert.ok(reader.hasDestinations);
  assert.deepEqual([...reader.payload()!], [...payload]);
  assert.deepEqual([...reader.nonce()], [...nonce]);
  const more = new DataPacket({ value: { case: "user", value: new UserPacket() } });
  assert.ok(reader.read(more.toBinary()));
  assert.deepEqual([reader.hasDestinations, reader.nonce().length], [false, 0], "nothing stays");
});

Deno.test("DataPacketReader keeps what it does not know, and takes the last of what stands there twice", () => {
  const value = new UserPacket({ payload: Uint8Array.of(9) });
  const plain = new DataPacket({ sequence: 1, value: { case: "user", value } }).toBinary();
  // Field 99 is unknown; another sequence; another user packet, whose parts join the first one's.
  const unknown = [0x9a, 0x06, 2, 0xaa, 0xbb];
  const later = new DataPacket({ value: { case: "user", value: new UserPacket({ topic: "t" }) } });
  const bytes = new Uint8Array([...plain, ...unknown, 0x80, 0x01, 5, ...later.toBinary()]);
  const reader = new DataPacketReader();
  assert.ok(reader.read(bytes));
  assert.equal(reader.sequence, 5);
  const sender = { sid: "PA_s", identity: "s", agent: false };
  const stamped = stamp(reader, "reliable", sender);
  const expected = stampNaively(DataPacket.fromBinary(bytes), "reliable", sender);
  assert.ok(DataPacket.fromBinary(stamped).equals(expected));
  const user = expected.value.value as UserPacket;
  assert.deepEqual([user.topic, [...user.payload]], ["t", [9]]);
  assert.ok(stamped.toHex().includes(Uint8Array.from(unknown).toHex()));
});

Deno.test("DataPacketReader.read() looks at no more than so many fields", () => {
  const reader = new DataPacketReader();
  const empty = (count: number) => new Uint8Array(2 * count).map((_, at) => at % 2 ? 0 : 0x9a);
  const tooMany = Uint8Array.from(
    { length: 3 * 20_000 },
    (_, at) => [0x9a, 0x06, 0][at % 3]!,
  );
  assert.equal(reader.read(tooMany), false);
  assert.equal(reader.read(empty(0)), true);
  const value = new UserPacket({ destinationSids: Array(9_000).fill("") });
  const inner = new DataPacket({ value: { case: "user", value } }).toBinary();
  assert.equal(reader.read(inner), false);
});

Deno.test("userPacketOf() wraps a bare message as a user packet from its sender", () => {
  for (const [sid, identity] of [["PA_1", "alice"], ["", ""]] as const) {
    const payload = utf8("raw");
    const from = { sid: utf8(sid), identity: utf8(identity) };
    const packet = DataPacket.fromBinary(userPacketOf(payload, from));
    const user = new UserPacket({ payload, participantSid: sid, participantIdentity: identity });
    const expected = new DataPacket({
      participantSid: sid,
      participantIdentity: identity,
      value: { case: "user", value: user },
    });
    assert.ok(packet.equals(expected));
  }
});

Deno.test("DataPacketReader.stream() tells the beginning of a MIME type as long as a packet", () => {
  const value = new DataStream_Header({ mimeType: `text/${"x".repeat(60_000)}` });
  const reader = new DataPacketReader();
  assert.ok(reader.read(new DataPacket({ value: { case: "streamHeader", value } }).toBinary()));
  const { mimeType } = reader.stream();
  assert.match(mimeType, /^text\/x+$/);
  assert.ok(mimeType.length < 1_000, `${mimeType.length} letters`);
});

Deno.test("DataPacketReader.destinationCount is how many identities a packet names", () => {
  const reader = new DataPacketReader();
  const value = new UserPacket({ destinationIdentities: ["a", "b"] });
  reader.read(new DataPacket({ value: { case: "user", value } }).toBinary());
  assert.equal(reader.destinationCount, 2);
  const destinationIdentities = ["a", "b", "c"];
  reader.read(new DataPacket({ destinationIdentities }).toBinary());
  assert.equal(reader.destinationCount, 3);
});
