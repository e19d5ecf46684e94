import assert from "node:assert/strict";
import { HandshakeOrder } from "../../../lib/transport/handshake_order.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

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
  for (let i = 0; i < 40; i++) order.push(fragment(0, 1));
  order.push(fragment(0, 300));
  assert.deepEqual(order.take()?.body, BODY, "many useless fragments do not block a message");
});
