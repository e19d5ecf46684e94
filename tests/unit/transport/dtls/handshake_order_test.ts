import assert from "node:assert/strict";
import { HandshakeOrder } from "../../../../lib/transport/dtls/handshake_order.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const BODY = Uint8Array.from({ length: 300 }, (_, i) => i & 0xff);

function fragment(offset: number, length: number, messageSeq = 0) {
  return {
    type: 1,
    length: BODY.length,
    messageSeq,
    offset,
    bytes: BODY.subarray(offset, offset + length),
  };
}

Deno.test("HandshakeOrder puts fragments together in any order, doubled or overlapping", () => {
  const random = new SeededRandom(3);
  for (let run = 0; run < 200; run++) {
    const order = new HandshakeOrder();
    const pieces = [[0, 120], [100, 100], [200, 100], [0, 50], [250, 50]]
      .map((piece) => ({ piece, key: random.uint32() }))
      .sort((a, b) => a.key - b.key);
    for (const { piece: [offset, length] } of pieces) order.push(fragment(offset!, length!));
    assert.deepEqual(order.take()?.body, BODY);
    assert.equal(order.take(), undefined, "given out once");
    assert.equal(order.push(fragment(0, 300)), false, "old by now");
  }
});

Deno.test("HandshakeOrder waits for the middle and for the message before", () => {
  const order = new HandshakeOrder();
  order.push(fragment(0, 300, 1));
  order.push(fragment(0, 100));
  order.push(fragment(200, 100));
  assert.equal(order.take(), undefined);
  order.push(fragment(100, 100));
  assert.deepEqual([order.take()?.messageSeq, order.take()?.messageSeq], [0, 1]);
});

Deno.test("HandshakeOrder bounds what it keeps", () => {
  const order = new HandshakeOrder();
  assert.equal(order.push({ ...fragment(0, 10), length: 16_385 }), false, "too large");
  assert.equal(order.push(fragment(0, 300, 8)), false, "too far ahead");
  assert.equal(order.push(fragment(0, 10, 7)), true);
  assert.equal(order.push({ ...fragment(0, 10, 7), type: 2 }), false, "another type");
  assert.equal(order.push({ ...fragment(0, 10, 7), length: 20 }), false, "another length");
  for (let i = 0; i < 40; i++) order.push(fragment(i, 1));
  order.push(fragment(0, 300));
  assert.deepEqual(order.take()?.body, BODY, "many useless fragments do not block a message");
});

/** Bytes of the fragments that a second push of them finds still there. */
function keptOf(order: HandshakeOrder, length: number, seqs: readonly number[]): number {
  let kept = 0;
  for (const seq of seqs) if (order.peek(seq) !== undefined) kept += length;
  return kept;
}

Deno.test("HandshakeOrder keeps 32 KiB in all, of what is next rather than of what comes later", () => {
  const order = new HandshakeOrder();
  const large = new Uint8Array(16_000);
  const message = (messageSeq: number) => ({
    type: 1,
    length: large.length,
    messageSeq,
    offset: 0,
    bytes: large,
  });
  const seqs = [7, 6, 5, 4, 3, 2, 1, 0];
  for (const seq of seqs) assert.equal(order.push(message(seq)), true);
  assert.equal(keptOf(order, large.length, seqs), 32_000);
  assert.deepEqual([order.take()?.messageSeq, order.take()?.messageSeq], [0, 1]);
  assert.equal(order.push(message(2)), true, "there is room again");
  assert.equal(order.take()?.messageSeq, 2);
});

Deno.test("HandshakeOrder keeps a fragment once, however often it comes", () => {
  const order = new HandshakeOrder();
  for (let i = 0; i < 1000; i++) assert.equal(order.push(fragment(0, 100)), true);
  assert.equal(order.push(fragment(0, 300)), true, "a longer one is news");
  assert.deepEqual(order.take()?.body, BODY);
});
