import assert from "node:assert/strict";
import {
  errorAnswer,
  LOCAL,
  mappedAnswer,
  QueryWorld,
  SERVERS,
} from "../../../support/virtual/query_world.ts";

const [FIRST, SECOND] = SERVERS;
const PUBLIC = "203.0.113.7";

Deno.test("AddressQuery asks one server, and the next beside it when that is silent", () => {
  const world = new QueryWorld();
  world.advance(10_000);
  const times = (hostname: string) =>
    world.sent.filter(({ to }) => to.hostname === hostname).map(({ at }) => at);
  assert.deepEqual(times(FIRST.hostname), [0, 500, 1_500, 3_500]);
  assert.deepEqual(times(SECOND.hostname), [500, 1_000, 2_000, 4_000]);
  assert.equal(world.outcome, "nothing");
  assert.equal(world.query.nextWakeAt, Infinity);
});

Deno.test("AddressQuery repeats a request with the transaction it began with", () => {
  const world = new QueryWorld();
  world.advance(400);
  const [first] = world.sent;
  world.advance(1_200);
  const again = world.sent.filter(({ to }) => to.hostname === FIRST.hostname);
  assert.equal(again.length, 3);
  for (const { bytes } of again) assert.deepEqual(bytes, first!.bytes);
  assert.deepEqual([...first!.bytes.subarray(0, 8)], [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
});

Deno.test("AddressQuery believes what comes back to the socket that it sent from beside", () => {
  const world = new QueryWorld();
  assert.ok(world.give(mappedAnswer(world.last(FIRST), PUBLIC, 7882), FIRST));
  const proofs = world.sent.filter(({ isBeside }) => isBeside);
  assert.deepEqual(proofs.map(({ to }) => to), [
    { transport: "udp", hostname: PUBLIC, port: LOCAL.port },
  ]);
  assert.equal(world.outcome, undefined);
  assert.ok(world.give(proofs[0]!.bytes, { hostname: PUBLIC, port: 40_000 }));
  assert.deepEqual(world.outcome, { address: PUBLIC, port: 7882, isProven: true });
});

Deno.test("AddressQuery tells an address that did not prove itself as such", () => {
  const world = new QueryWorld();
  world.advance(100);
  world.give(mappedAnswer(world.last(FIRST), PUBLIC, 50_123), FIRST);
  world.advance(10_000);
  assert.deepEqual(world.sent.filter(({ isBeside }) => isBeside).map(({ at }) => at), [
    100,
    350,
    850,
  ]);
  // To the port that is to be open, whatever the NAT made of it on the way out.
  assert.ok(world.sent.every(({ to, isBeside }) => !isBeside || to.port === LOCAL.port));
  assert.deepEqual(world.outcome, { address: PUBLIC, port: 50_123, isProven: false });
});

Deno.test("AddressQuery needs no proof of the socket's own address, nor where none is asked for", () => {
  const open = new QueryWorld();
  open.give(mappedAnswer(open.last(FIRST), LOCAL.hostname, 7882), FIRST);
  assert.deepEqual(open.outcome, { address: LOCAL.hostname, port: 7882, isProven: true });
  const trusting = new QueryWorld({ validates: false });
  trusting.give(mappedAnswer(trusting.last(FIRST), PUBLIC, 7882), FIRST);
  assert.deepEqual(trusting.outcome, { address: PUBLIC, port: 7882, isProven: false });
});

Deno.test("AddressQuery asks over IPv6", () => {
  const local = { hostname: "2001:db8::5", port: 7882 };
  const server = { hostname: "2001:db8:1::1", port: 3478 };
  const world = new QueryWorld({ local, servers: [server] });
  // The same address, written in another way.
  const from = { hostname: "2001:0db8:0001:0:0:0:0:0001", port: 3478 };
  world.give(mappedAnswer(world.last(server), "2001:db8::5", 7882), from);
  assert.deepEqual(world.outcome, { address: "2001:db8::5", port: 7882, isProven: true });
});

Deno.test("AddressQuery counts an answer from elsewhere and goes on waiting for the right one", () => {
  const world = new QueryWorld();
  const answer = mappedAnswer(world.last(FIRST), "203.0.113.66", 7882);
  for (const from of [SECOND, { ...FIRST, port: 3479 }, { hostname: "nobody", port: 3478 }]) {
    assert.ok(world.give(answer, from));
  }
  assert.equal(world.drops.get("external_address_from_elsewhere"), 3);
  assert.equal(world.outcome, undefined);
  world.give(mappedAnswer(world.last(FIRST), PUBLIC, 7882), FIRST);
  world.advance(5_000);
  assert.equal((world.outcome as { address?: string } | undefined)?.address, PUBLIC);
});

Deno.test("AddressQuery leaves alone what is of no transaction of its own", () => {
  const world = new QueryWorld();
  const other = mappedAnswer(world.last(FIRST), PUBLIC, 7882);
  other[19]! ^= 1;
  assert.equal(world.give(other, FIRST), false);
  assert.equal(world.give(new Uint8Array(0), FIRST), false);
  assert.equal(world.outcome, undefined);
  // The second server has not been asked yet, so that nobody can have seen its transaction.
  assert.equal(world.sent.length, 1);
});

Deno.test("AddressQuery gives up on a server whose answer is of no use, and asks the next", () => {
  const useless = [
    ["10.1.2.3", 7882],
    ["172.16.0.1", 7882],
    ["192.168.1.6", 7882],
    ["100.64.0.1", 7882],
    ["127.0.0.1", 7882],
    ["169.254.1.1", 7882],
    ["0.0.0.0", 7882],
    ["224.0.0.1", 7882],
    ["255.255.255.255", 7882],
    ["2001:db8::5", 7882],
    [PUBLIC, 0],
  ] as const;
  for (const [hostname, port] of useless) {
    const world = new QueryWorld();
    world.give(mappedAnswer(world.last(FIRST), hostname, port), FIRST);
    assert.equal(world.drops.get("external_address_unusable"), 1, hostname);
    world.advance(4_500);
    assert.equal(world.outcome, undefined);
    assert.equal(world.sent.filter(({ to }) => to.hostname === FIRST.hostname).length, 1);
    world.give(mappedAnswer(world.last(SECOND), PUBLIC, 7882), SECOND);
    world.advance(5_000);
    assert.equal((world.outcome as { address?: string } | undefined)?.address, PUBLIC);
  }
});

Deno.test("AddressQuery ends at once when every server has refused", () => {
  const world = new QueryWorld();
  world.give(errorAnswer(world.last(FIRST), 420), FIRST);
  world.advance(500);
  world.give(errorAnswer(world.last(SECOND), 500), SECOND);
  assert.equal(world.outcome, "nothing");
  assert.equal(world.drops.get("external_address_refused"), 2);
  assert.equal(new QueryWorld({ servers: [] }).outcome, "nothing");
});

Deno.test("AddressQuery takes no answer for a proof, and no proof of another query", () => {
  const world = new QueryWorld();
  const answer = mappedAnswer(world.last(FIRST), PUBLIC, 7882);
  world.give(answer, FIRST);
  assert.equal(world.give(answer, FIRST), false);
  const proof = world.sent.at(-1)!.bytes.slice();
  proof[12]! ^= 1;
  assert.equal(world.give(proof, { hostname: PUBLIC, port: 1 }), false);
  assert.equal(world.outcome, undefined);
});
