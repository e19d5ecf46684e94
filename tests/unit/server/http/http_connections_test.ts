import assert from "node:assert/strict";
import {
  httpConnectionLimits,
  HttpConnections,
} from "../../../../lib/server/http/http_connections.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const LIMITS = {
  connections: 6,
  waiting: 5,
  connectionsOfAddress: 3,
  headerMs: 10,
  idleMs: 100,
  answerMs: 50,
  unsentBytes: 100,
  unsentBytesOfAddress: 60,
};
const MINE = "198.51.100.1";

/** Connections by number, each from an address of its own unless told otherwise. */
function world() {
  const connections = new HttpConnections<number>(LIMITS);
  let next = 1;
  const enter = (now: number, address = `192.0.2.${next}`) => {
    const number = next++;
    return { number, ...connections.enter(number, address, now) };
  };
  return { connections, enter };
}

Deno.test("HttpConnections lets a newcomer take the place of whoever waits longest", () => {
  const { connections, enter } = world();
  assert.deepEqual(enter(1), { number: 1, admitted: true });
  connections.requested(1, 1);
  for (let now = 2; now <= 6; now++) assert.deepEqual(enter(now), { number: now, admitted: true });
  assert.equal(enter(8).evicted, 2, "1 has a request under way");
  connections.rests(1, 9);
  assert.equal(enter(10).evicted, 3, "who has sent a request goes after those who have not");
  for (const number of [4, 5, 6, 7, 8]) connections.requested(number, 11);
  assert.equal(enter(12).evicted, 1);
  assert.equal(connections.size, 6);
});

Deno.test("HttpConnections lets fewer wait than there are places", () => {
  const { connections, enter } = world();
  for (let now = 1; now <= 5; now++) enter(now);
  assert.deepEqual([enter(6).evicted, connections.size], [1, 5]);
});

Deno.test("HttpConnections ends no request and no WebSocket for a newcomer", () => {
  const { connections, enter } = world();
  for (let number = 1; number <= 6; number++) {
    enter(number);
    connections.requested(number, 10);
    if (number % 3 === 1) connections.answered(number, 11);
    if (number % 3 === 2) connections.upgraded(number, 11);
  }
  assert.deepEqual(enter(12), { number: 7, admitted: false });
  connections.leave(1);
  assert.equal(enter(13).admitted, true);
});

Deno.test("HttpConnections makes one network pay for itself", () => {
  const { connections, enter } = world();
  const other = enter(1);
  const [first, second] = [enter(2, MINE), enter(3, MINE)];
  enter(4, MINE);
  assert.equal(enter(5, MINE).evicted, first.number, "and not the other, who waits longer");
  connections.requested(second.number, 6);
  connections.upgraded(second.number, 7);
  assert.equal(enter(8, MINE).evicted, undefined, "a WebSocket has left room for another");
  const busy = world();
  for (let number = 1; number <= 3; number++) {
    busy.enter(number, MINE);
    busy.connections.requested(number, 4);
  }
  assert.equal(busy.enter(5, MINE).admitted, false);
  assert.equal(busy.enter(6).admitted, true);
  assert.ok(other.admitted);
});

Deno.test("HttpConnections counts an IPv6 /64, and an IPv4 address in either form, as one", () => {
  for (
    const [a, b, expected] of [
      ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", false],
      ["2001:db8:1:2::1", "2001:db8:1:3::1", true],
      ["::ffff:192.0.2.7", "192.0.2.7", false],
      ["192.0.2.7", "192.0.2.8", true],
      ["", "", false],
    ] as const
  ) {
    const { connections, enter } = world();
    for (let number = 1; number <= 3; number++) {
      enter(number, a);
      connections.requested(number, number);
    }
    assert.equal(enter(4, b).admitted, expected, `${a} and ${b}`);
  }
});

Deno.test("HttpConnections gives headers, pauses and answers their time, and requests all of theirs", () => {
  const { connections, enter } = world();
  const [fresh, slow, idle, answering, busy] = [0, 5, 5, 5, 5].map((now) => enter(now).number);
  for (const number of [idle!, answering!, busy!]) connections.requested(number, 6);
  connections.answered(idle!, 7);
  connections.rests(idle!, 8);
  connections.answered(answering!, 8);
  assert.deepEqual(connections.expire(9), []);
  assert.deepEqual(connections.expire(10), [fresh]);
  assert.deepEqual(connections.expire(57), [slow]);
  assert.deepEqual(connections.expire(58), [answering]);
  assert.deepEqual(connections.expire(107), []);
  assert.deepEqual(connections.expire(108), [idle]);
  assert.deepEqual(connections.expire(1e9), []);
  assert.equal(connections.size, 1);
});

Deno.test("HttpConnections gives a second request the time of a pause, and another answer its own", () => {
  const { connections, enter } = world();
  const { number } = enter(0);
  for (let round = 0; round < 5; round++) {
    const now = round * 100;
    connections.requested(number, now + 5);
    connections.answered(number, now + 50);
    connections.rests(number, now + 60);
    assert.deepEqual(connections.expire(now + 100), []);
  }
  assert.deepEqual(connections.expire(460 + LIMITS.idleMs), [number]);
});

Deno.test("HttpConnections dismisses those who wait, and no others", () => {
  const { connections, enter } = world();
  for (let number = 1; number <= 4; number++) enter(number);
  connections.requested(2, 5);
  connections.requested(3, 5);
  connections.answered(3, 6);
  connections.rests(3, 7);
  assert.deepEqual(connections.dismissWaiting(), [1, 4, 3]);
  assert.equal(connections.size, 1);
});

Deno.test("HttpConnections stays within its limits, whatever comes and goes", () => {
  const random = new SeededRandom(16);
  const { connections, enter } = world();
  const known = new Set<number>();
  for (let now = 0; now < 20_000; now++) {
    const pick = () => [...known][random.uint32() % Math.max(1, known.size)] ?? 0;
    switch (random.uint32() % 7) {
      case 0:
      case 1: {
        const { number, admitted, evicted } = enter(now, `192.0.2.${random.uint32() % 4}`);
        if (admitted) known.add(number);
        if (evicted !== undefined) assert.ok(known.delete(evicted), "who gives way was there");
        break;
      }
      case 2:
        connections.requested(pick(), now);
        break;
      case 3:
        connections.answered(pick(), now);
        break;
      case 4:
        connections.rests(pick(), now);
        break;
      case 5: {
        const number = pick();
        connections.leave(number);
        connections.leave(number);
        known.delete(number);
        break;
      }
      default:
        for (const number of connections.expire(now)) assert.ok(known.delete(number));
    }
    assert.equal(connections.size, known.size);
    assert.ok(known.size <= LIMITS.connections);
  }
});

Deno.test("HttpConnections ends those of an address that take nothing, where too much waits for it", () => {
  const { connections, enter } = world();
  for (let i = 0; i < 3; i++) enter(1, MINE);
  assert.deepEqual(connections.sends(1, 25), []);
  assert.deepEqual(connections.sends(2, 25), []);
  connections.sends(1, 10);
  connections.sent(1, 25);
  assert.deepEqual(connections.sends(3, 26), [2], "1 has taken something since");
  assert.equal(connections.unsentBytes, 36);
  connections.leave(1);
  assert.deepEqual(connections.sends(3, 40), [3], "it has taken none of the first");
  assert.deepEqual([connections.unsentBytes, connections.size], [0, 0]);
});

Deno.test("HttpConnections sends an answer that is larger than all may be together, but one", () => {
  const { connections, enter } = world();
  for (let i = 0; i < 3; i++) enter(1);
  connections.sends(1, 50);
  assert.deepEqual(connections.sends(2, 500), [1]);
  assert.deepEqual(connections.sends(3, 500), [2]);
  connections.sent(3, 500);
  assert.equal(connections.unsentBytes, 0);
});

Deno.test("HttpConnections sends a forwarder's clients as much as all may have together", () => {
  const { connections } = world();
  for (const number of [1, 2, 3, 4]) connections.enter(number, MINE, 1, true);
  for (const number of [1, 2, 3]) assert.deepEqual(connections.sends(number, 30), []);
  assert.deepEqual(connections.sends(4, 30), [1]);
});

Deno.test("httpConnectionLimits() stay well below the descriptors there are", () => {
  for (const descriptors of [256, 1_024, 4_096, 20_000, 1_048_576]) {
    const { connections, connectionsOfAddress, waiting } = httpConnectionLimits(descriptors);
    assert.ok(connections <= Math.max(32, descriptors / 2), `${descriptors}`);
    assert.ok(connectionsOfAddress < connections && waiting <= connections);
  }
  assert.equal(httpConnectionLimits(1_048_576).connections, 50_000);
});

Deno.test("HttpConnections ends none of a forwarder's for what its neighbours do not take", () => {
  const { connections } = world();
  connections.enter(1, MINE, 0, true);
  connections.enter(2, MINE, 0);
  assert.deepEqual(connections.sends(1, 59), []);
  assert.deepEqual(connections.sends(2, 20), []);
  connections.sent(1, 59);
  connections.sent(2, 20);
  assert.equal(connections.unsentBytes, 0);
});
