import assert from "node:assert/strict";
import { TurnSplitter } from "../../lib/wire/turn_framing.ts";
import { parseTurn } from "../../lib/wire/turn_message.ts";
import { mutations } from "../support/hostile/hostile_bytes.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import {
  ATTR,
  message,
  OWN_ADDRESS,
  OWN_PORT,
  TurnWorld,
  word,
  xored,
} from "../support/virtual/turn_world.ts";

const ROUNDS = 4_000;

Deno.test("parseTurn() and TurnServer survive anything, and answer strangers little", () => {
  const random = new SeededRandom(77);
  const world = new TurnWorld();
  const client = world.client();
  client.allocate();
  const peer = [ATTR.peer, xored(OWN_ADDRESS, OWN_PORT)] as const;
  const seeds = [
    client.request(0x0003, [[ATTR.transport, word(17 << 24)]]),
    client.request(0x0008, [peer, peer]),
    client.request(0x0009, [[ATTR.channel, word(0x4001 << 16)], peer]),
    message(0x0016, client.transaction(), [peer, [ATTR.data, random.bytes(100)]]),
    Uint8Array.from([0x40, 1, 0, 20, ...random.bytes(20)]),
  ];
  let answered = 0;
  for (const seed of seeds) {
    for (const bytes of mutations(seed, random, ROUNDS)) {
      const parsed = parseTurn(bytes, bytes.length);
      assert.ok(parsed === undefined || parsed.peers.length <= 16);
      const before = client.received.length;
      client.give(bytes);
      const answers = client.received.splice(before);
      assert.ok(answers.length <= 1);
      answered += answers.length;
      for (const { length } of answers) assert.ok(length <= 256);
    }
  }
  assert.ok(answered > 0);
  assert.ok(world.server.size <= 1);
});

Deno.test("TurnSplitter hands out the same messages however a stream is cut, and bounds them", () => {
  const random = new SeededRandom(78);
  for (let round = 0; round < 300; round++) {
    const sent: Uint8Array[] = [];
    const stream: number[] = [];
    for (let i = random.below(12); i >= 0; i--) {
      const size = random.below(200);
      const isChannel = random.chance(0.5);
      const bytes = isChannel
        ? Uint8Array.from([0x40, random.below(256), size >> 8, size, ...random.bytes(size)])
        : message(0x0016, new Uint8Array(12), [[ATTR.data, random.bytes(size)]]);
      sent.push(bytes);
      stream.push(...bytes, ...new Array((4 - bytes.length % 4) % 4).fill(0));
    }
    const got: Uint8Array[] = [];
    const splitter = new TurnSplitter(2048);
    for (let at = 0; at < stream.length;) {
      const chunk = Uint8Array.from(stream.slice(at, at + 1 + random.below(90)));
      at += chunk.length;
      assert.ok(splitter.push(chunk, chunk.length, (bytes, length) => {
        got.push(bytes.slice(0, length));
      }));
    }
    assert.deepEqual(got, sent);
  }
  for (let round = 0; round < ROUNDS; round++) {
    const splitter = new TurnSplitter(2048);
    const chunk = random.bytes(random.below(4_000));
    splitter.push(chunk, chunk.length, (_, length) => assert.ok(length <= 2048));
  }
});
