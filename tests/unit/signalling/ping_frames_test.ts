/** Pings by hand say what the protobuf library says, or nothing. */
import assert from "node:assert/strict";
import { Ping, Pong, SignalRequest, SignalResponse } from "@livekit/protocol";
import { type ReadPing, readPing, writePong } from "../../../lib/signalling/ping_frames.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const NOW = 1_790_000_000_000;
const LIMIT = 2n ** 49n;
const TIMES = [0, 1, 127, 128, NOW, Number(LIMIT) - 1];

/** As the library has what was read by hand. */
function requestOf({ kind, timestamp, rtt }: ReadPing): SignalRequest {
  const message = kind === "ping"
    ? { case: kind, value: BigInt(timestamp) }
    : { case: kind, value: new Ping({ timestamp: BigInt(timestamp), rtt: BigInt(rtt) }) };
  return new SignalRequest({ message });
}

Deno.test("readPing() reads both pings, whatever is zero in them", () => {
  for (const timestamp of TIMES) {
    for (const rtt of [0, 1, 300]) {
      for (
        const ping of [{ kind: "ping", timestamp, rtt: 0 }, { kind: "pingReq", timestamp, rtt }]
      ) {
        assert.deepEqual(readPing(requestOf(ping as ReadPing).toBinary()), ping);
      }
    }
  }
});

Deno.test("readPing() leaves what else there is to the library", () => {
  for (const value of [-1n, LIMIT, 2n ** 63n - 1n]) {
    const ping = new SignalRequest({ message: { case: "ping", value } });
    assert.equal(readPing(ping.toBinary()), undefined);
    for (const fields of [{ timestamp: value }, { rtt: value }]) {
      const request = new SignalRequest({ message: { case: "pingReq", value: new Ping(fields) } });
      assert.equal(readPing(request.toBinary()), undefined);
    }
  }
  const ping = requestOf({ kind: "ping", timestamp: NOW, rtt: 0 }).toBinary();
  assert.equal(readPing(ping.subarray(0, ping.length - 1)), undefined);
  assert.equal(readPing(Uint8Array.of(...ping, ...ping)), undefined);
  const mute = new SignalRequest({ message: { case: "mute", value: {} } });
  assert.equal(readPing(mute.toBinary()), undefined);
  assert.equal(readPing(new Uint8Array(0)), undefined);
});

Deno.test("readPing() agrees with the library on a hundred thousand broken pings", () => {
  const random = new SeededRandom(11);
  const whole = ([
    { kind: "ping", timestamp: NOW, rtt: 0 },
    { kind: "pingReq", timestamp: NOW, rtt: 20 },
  ] as const).map((ping) => requestOf(ping).toBinary());
  let count = 0;
  for (let i = 0; i < 100_000; i++) {
    const frame = whole[i % 2]!.slice(0, 1 + random.uint32() % 24);
    for (let change = random.uint32() % 4; change > 0; change--) {
      frame[random.uint32() % frame.length] = random.uint32() & 0xff;
    }
    const ping = readPing(frame);
    if (ping === undefined) continue;
    count++;
    const expected = SignalRequest.fromBinary(frame, { readUnknownFields: false });
    assert.deepEqual(requestOf(ping), expected);
  }
  assert.ok(count > 10_000, `${count} read`);
});

Deno.test("writePong() writes what the library writes", () => {
  for (const timestamp of TIMES) {
    for (const now of TIMES) {
      const pong = new SignalResponse({ message: { case: "pong", value: BigInt(now) } });
      assert.deepEqual(writePong({ kind: "ping", timestamp, rtt: 0 }, now), pong.toBinary());
      const value = new Pong({ lastPingTimestamp: BigInt(timestamp), timestamp: BigInt(now) });
      const answer = new SignalResponse({ message: { case: "pongResp", value } });
      assert.deepEqual(writePong({ kind: "pingReq", timestamp, rtt: 7 }, now), answer.toBinary());
    }
  }
});
