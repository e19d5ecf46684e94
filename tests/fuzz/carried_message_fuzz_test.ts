/** What nodes say about carried requests, with bytes of strangers. */
import assert from "node:assert/strict";
import {
  type CarriedHead,
  type CarriedMessage,
  readCarried,
  writeCarried,
} from "../../lib/cluster/carry/carried_message.ts";
import { packMessage } from "../../lib/wire/message_pack.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const MESSAGES: readonly CarriedMessage[] = [
  {
    kind: "request",
    request: {
      method: "POST",
      target: "/rtc?access_token=x",
      headers: [["Authorization", "Bearer x"], ["User-Agent", ""]],
      body: Uint8Array.of(1, 2, 3),
      socketAddress: "2001:db8::1",
    },
  },
  {
    kind: "response",
    response: { status: 503, headers: [["link", "<a>"], ["link", "<b>"]], body: new Uint8Array() },
  },
  { kind: "opened" },
  { kind: "frame", data: Uint8Array.of(0, 255) },
  { kind: "frame", data: '{"é":1}' },
  { kind: "close", code: 1009, reason: "message too large" },
  { kind: "streamed", head: { status: 200, headers: [["content-type", "application/x-pcapng"]] } },
  { kind: "want", bytes: 131_072 },
];

function bytesOf(message: CarriedMessage): Uint8Array {
  return Uint8Array.from(writeCarried(message).flatMap((part) => [...part]));
}

Deno.test("readCarried() reads what writeCarried() wrote", () => {
  for (const message of MESSAGES) assert.deepEqual(readCarried(bytesOf(message)), message);
});

Deno.test("readCarried() refuses what no request or answer can be", () => {
  const request = (...values: Parameters<typeof packMessage>[0][]) =>
    readCarried(Uint8Array.of(1, ...packMessage(values)));
  const none = new Uint8Array();
  assert.ok(request("GET", "/rtc", [], none, ""));
  for (
    const bad of [
      ["get", "/rtc", [], none, ""],
      ["GET", "rtc", [], none, ""],
      ["GET", "http://elsewhere/", [], none, ""],
      ["GET", "/rtc", [["A b", "x"]], none, ""],
      ["GET", "/rtc", [["A", "x\r\nB: y"]], none, ""],
      ["GET", "/rtc", Array(65).fill(["A", "x"]), none, ""],
      ["GET", "/rtc", {}, none, ""],
      ["GET", "/rtc", [], "text", ""],
      ["GET", "/rtc", [], none, 7],
      [],
    ]
  ) assert.equal(request(...bad), undefined, JSON.stringify(bad).slice(0, 60));
  for (const status of [101, 199, 600, 200.5, -1]) {
    assert.equal(readCarried(Uint8Array.of(2, ...packMessage([status, [], none]))), undefined);
    assert.equal(readCarried(Uint8Array.of(7, ...packMessage([status, []]))), undefined);
  }
  for (const code of [0, 999, 5000, 1000.5]) {
    assert.equal(readCarried(Uint8Array.of(6, ...packMessage([code, ""]))), undefined);
  }
  for (const bytes of [0, -1, 0.5, 2 ** 60, "1", null]) {
    assert.equal(readCarried(Uint8Array.of(8, ...packMessage([bytes]))), undefined);
  }
  assert.equal(readCarried(Uint8Array.of(7, ...packMessage([200, [["A b", "x"]]]))), undefined);
  assert.equal(readCarried(Uint8Array.of(8)), undefined);
});

Deno.test("readCarried() tells what newer nodes say from what makes no sense", () => {
  assert.equal(readCarried(new Uint8Array()), undefined);
  for (const kind of [0, 9, 40, 255]) assert.equal(readCarried(Uint8Array.of(kind, 1)), "unknown");
  const { request } = MESSAGES[0] as Extract<CarriedMessage, { readonly kind: "request" }>;
  const { method, target, headers, body, socketAddress } = request;
  const values = [method, target, headers, body, socketAddress, { of: "the future" }, 7];
  const longer = readCarried(Uint8Array.of(1, ...packMessage(values)));
  assert.deepEqual(longer, MESSAGES[0]);
});

/** Throws for what none can be made of. */
function makeResponse({ status, headers }: CarriedHead): void {
  new Response(null, { status });
  new Headers(headers.map(([name, value]) => [name, value]));
}

Deno.test("readCarried() is total", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new SeededRandom(seed);
    for (let i = 0; i < 100; i++) {
      const bytes = i % 2 === 0
        ? random.bytes(random.uint32() % 200)
        : bytesOf(MESSAGES[random.uint32() % MESSAGES.length]!);
      for (let flips = random.uint32() % 4; flips > 0 && bytes.length > 0; flips--) {
        bytes[random.uint32() % bytes.length] = random.uint32() % 256;
      }
      const read = readCarried(bytes.subarray(0, random.uint32() % (bytes.length + 1)));
      if (read === "unknown") continue;
      if (read?.kind === "response") makeResponse(read.response);
      if (read?.kind === "streamed") makeResponse(read.head);
    }
  }
});
