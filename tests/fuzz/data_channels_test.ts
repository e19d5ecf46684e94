import assert from "node:assert/strict";
import { readDcep } from "../../lib/transport/sctp/data_channel_messages.ts";
import { readSctpPacket } from "../../lib/transport/sctp/sctp_packets.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { settle } from "../support/virtual/virtual_platform.ts";
import { within } from "../unit/transport/dtls/dtls_peer.ts";
import { sctpPacket, SctpPair } from "../unit/transport/sctp/sctp_peer.ts";

const CHUNK_TYPES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192, 99, 200];
/** ABORT and the SHUTDOWN family: these end an association, as they should. */
const ENDING = new Set([6, 7, 8, 14]);

/** A packet of random chunks, with lengths that are mostly right, and a right checksum. */
function randomPacket(random: SeededRandom, tag: number, types: readonly number[]): Uint8Array {
  const body: number[] = [];
  for (let n = random.below(4); n >= 0; n--) {
    const length = 4 + random.below(random.chance(0.1) ? 400 : 40);
    const claimed = random.chance(0.8) ? length : random.below(600);
    const chunk = [
      types[random.below(types.length)]!,
      random.below(8),
      claimed >> 8,
      claimed & 255,
      ...random.bytes(length - 4).map((byte) => random.chance(0.5) ? byte & 3 : byte),
    ];
    while (chunk.length % 4 !== 0) chunk.push(0);
    body.push(...chunk);
  }
  return sctpPacket(tag, body);
}

Deno.test("readSctpPacket() and readDcep() take any bytes without a throw, and stay within them", () => {
  const random = new SeededRandom(21);
  let opens = 0;
  for (let i = 0; i < 20_000; i++) {
    const bytes = random.chance(0.5)
      ? random.bytes(random.below(100))
      : randomPacket(random, random.uint32(), CHUNK_TYPES);
    const packet = readSctpPacket(bytes);
    if (typeof packet !== "string") {
      for (const chunk of packet.chunks) {
        assert.ok(chunk.length >= 4 && chunk.at + chunk.length <= packet.bytes.length);
      }
      assert.equal(typeof readSctpPacket(packet.bytes), "object", "what is passed on is sound");
    }
    const dcep = bytes.slice();
    if (dcep.length > 0) dcep[0] = 2 + random.below(2);
    // Lengths as they are in real messages, now and then.
    if (dcep.length > 12 && random.chance(0.5)) dcep.set([0, random.below(100), 0, 0], 8);
    const message = readDcep(dcep);
    assert.ok(message !== undefined || dcep[0] !== 2, "an acknowledgement is one byte");
    if (message?.type !== "open") continue;
    opens++;
    // Each character stands for a byte at least, behind the twelve of the head.
    assert.ok(message.label.length <= Math.min(256, dcep.length - 12));
  }
  assert.ok(opens > 1_000, `${opens} read`);
});

Deno.test("DataChannels survives random packets of its own association without a stray rejection", async () => {
  const rejections: unknown[] = [];
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    rejections.push(event.reason);
  };
  addEventListener("unhandledrejection", onRejection);
  try {
    for (let seed = 1; seed <= 12; seed++) {
      const random = new SeededRandom(seed);
      // Half of the runs get no chunk that may end the association, and it must still be up after
      // them.
      const peaceful = seed % 2 === 0;
      const types = CHUNK_TYPES.filter((type) => !peaceful || !ENDING.has(type));
      const pair = new SctpPair({ role: "create" });
      try {
        const channel = pair.open("chat", 0);
        await within("the channel", pair.until(() => channel.readyState === "open"));
        const tag = new DataView(pair.toServer.at(-1)!.buffer).getUint32(4);
        for (let i = 0; i < 1500; i++) {
          pair.channels.receive(randomPacket(random, random.chance(0.9) ? tag : 0, types));
          if (i % 100 === 0) await settle();
        }
        await settle();
        if (peaceful) assert.deepEqual(pair.failed, [], `seed ${seed}`);
        assert.equal(pair.drops.get("sctp_inbox_full"), 0);
      } finally {
        await pair.close();
      }
    }
    await settle();
  } finally {
    removeEventListener("unhandledrejection", onRejection);
  }
  assert.deepEqual(rejections, []);
});
