/** Pings by hand say what the protobuf library says, or nothing. */
import assert from "node:assert/strict";
import { Ping, Pong, SignalRequest, SignalResponse } from "@livekit/protocol";
import { readPing, writePong, writePongAnswer } from "../../../lib/signalling/ping_frames.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const NOW = 1_790_000_000_000n;
const LIMIT = 2n ** 49n;

Deno.test("readPing() reads both pings, whatever is zero in them", () => {
  for (const time of [0n, 1n, 127n, 128n, NOW, LIMIT - 1n]) {
    const ping = new SignalRequest({ message: { case: "ping", value: time } });
    assert.deepEqual(readPing(ping.toBinary()), ping);
    for (const rtt of [0n, 1n, 300n]) {
      const value = new Ping({ timestamp: time, rtt });
      const request = new SignalRequest({ message: { case: "pingReq", value } });
      assert.deepEqual(readPing(request.toBinary()), request);
    }
  }
});

Deno.test("readPing() leaves what else there is to the library", () => {
  for (const value of [-1n, LIMIT, 2n ** 63n - 1n]) {
    const ping = new SignalRequest({ message: { case: "ping", value } });
    assert.equal(readPing(ping.toBinary()), undefined);
  }
  const ping = new SignalRequest({ message: { case: "ping", value: NOW } }).toBinary();
  assert.equal(readPing(ping.subarray(0, ping.length - 1)), undefined);
  assert.equal(readPing(Uint8Array.of(...ping, ...ping)), undefined);
  const mute = new SignalRequest({ message: { case: "mute", value: {} } });
  assert.equal(readPing(mute.toBinary()), undefined);
  assert.equal(readPing(new Uint8Array(0)), undefined);
});

Deno.test("readPing() agrees with the library on a hundred thousand broken pings", () => {
  const random = new SeededRandom(11);
  const whole = [
    new SignalRequest({ message: { case: "ping", value: NOW } }),
    new SignalRequest({ message: { case: "pingReq", value: { timestamp: NOW, rtt: 20n } } }),
  ].map((request) => request.toBinary());
  let read = 0;
  for (let i = 0; i < 100_000; i++) {
    const frame = whole[i % 2]!.slice(0, 1 + random.uint32() % 24);
    for (let change = random.uint32() % 4; change > 0; change--) {
      frame[random.uint32() % frame.length] = random.uint32() & 0xff;
    }
    const ping = readPing(frame);
    if (ping === undefined) continue;
    read++;
    assert.deepEqual(ping, SignalRequest.fromBinary(frame, { readUnknownFields: false }));
  }
  assert.ok(read > 10_000, `${read} read`);
});

Deno.test("writePong() and writePongAnswer() write what the library writes", () => {
  const times = [0n, 1n, 127n, 128n, NOW, LIMIT - 1n];
  for (const timestamp of times) {
    const pong = { case: "pong", value: timestamp } as const;
    const expected = new SignalResponse({ message: pong }).toBinary();
    assert.deepEqual(writePong(timestamp), expected);
    for (const lastPingTimestamp of times) {
      const value = new Pong({ lastPingTimestamp, timestamp });
      const message = { case: "pongResp", value } as const;
      assert.deepEqual(writePongAnswer(value), new SignalResponse({ message }).toBinary());
    }
  }
  for (const time of [-1n, LIMIT]) {
    assert.equal(writePong(time), undefined);
    assert.equal(writePongAnswer(new Pong({ timestamp: time })), undefined);
    assert.equal(writePongAnswer(new Pong({ lastPingTimestamp: time })), undefined);
  }
});
