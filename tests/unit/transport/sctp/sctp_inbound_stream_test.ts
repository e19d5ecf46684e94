import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  type InboundChunk,
  InboundStream,
} from "../../../../lib/transport/sctp/sctp_inbound_stream.ts";

/** The chunks of `texts` as messages, cut into `size` letters, from TSN `tsn` on. */
function chunksOf(texts: readonly string[], size: number, unordered: boolean, tsn: number) {
  const chunks: InboundChunk[] = [];
  texts.forEach((text, streamSeqNum) => {
    const parts = text.match(new RegExp(`.{1,${size}}`, "g")) ?? [];
    parts.forEach((part, i) =>
      chunks.push({
        tsn: (tsn + chunks.length) >>> 0,
        flags: (i === 0 ? 2 : 0) | (i === parts.length - 1 ? 1 : 0) | (unordered ? 4 : 0),
        streamId: 1,
        streamSeqNum: unordered ? 0 : streamSeqNum,
        protocol: 51,
        userData: Buffer.from(part),
      })
    );
  });
  return chunks;
}

Deno.test("InboundStream gives each message once, and ordered ones in order, however chunks come", () => {
  const texts = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 12 });
  const near = fc.constantFrom(0, 5, 2 ** 32 - 3, 999_999_998);
  fc.assert(
    fc.property(
      texts,
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      near,
      fc.infiniteStream(fc.nat()),
      (messages, size, unordered, tsn, keys) => {
        const chunks = chunksOf(messages, size, unordered, tsn);
        const shuffled = chunks.map((chunk) => ({ chunk, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key);
        const stream = new InboundStream();
        const got: string[] = [];
        for (const { chunk } of shuffled) {
          stream.addChunk(chunk);
          for (const [, , bytes] of stream.popMessages()) got.push(bytes.toString());
        }
        if (unordered) assert.deepEqual(got.toSorted(), messages.toSorted());
        else assert.deepEqual(got, messages);
        assert.equal(stream.reassembly.length, 0);
      },
    ),
    { seed: 7, numRuns: 300 },
  );
});

Deno.test("InboundStream.pruneChunks() keeps what comes after the given number", () => {
  const stream = new InboundStream();
  const chunks = chunksOf(["abcdef", "ghijkl"], 2, false, 2 ** 32 - 2);
  for (const i of [1, 3, 4]) stream.addChunk(chunks[i]!);
  assert.equal(stream.pruneChunks(chunks[2]!.tsn), 2);
  stream.streamSequenceNumber = 1; // as FORWARD-TSN says
  stream.addChunk(chunks[5]!);
  assert.deepEqual(stream.popMessages().map(([, , bytes]) => bytes.toString()), ["ghijkl"]);
});

Deno.test("InboundStream.popMessages() looks at each chunk a few times only, however many begin a message that never ends", () => {
  const stream = new InboundStream();
  const count = 1_000;
  let looks = 0;
  for (const [i, chunk] of chunksOf(["ab".repeat(count)], 2, true, 7).entries()) {
    const begun = {
      ...chunk,
      get flags() {
        looks++;
        return 2 | 4;
      },
      tsn: 7 + i,
    };
    stream.addChunk(begun);
  }
  assert.deepEqual(stream.popMessages(), []);
  assert.equal(stream.reassembly.length, count);
  assert.ok(looks <= 5 * count, `${looks} looks`);
});
