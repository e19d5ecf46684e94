/** Compressed messages between `ws` as a client and the process's own listener, over loopback. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { constants, deflateRawSync } from "node:zlib";
import WebSocket from "ws";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import {
  httpConnectionLimits,
  HttpConnections,
} from "../../../../lib/server/http/http_connections.ts";
import { openHttpFront } from "../../../../lib/server/http/http_front.ts";
import { compressOneByOne } from "../../../../lib/server/http/message_compression.ts";
import { SocketLives } from "../../../../lib/server/http/socket_lives.ts";
import { upgradeWebSocket } from "../../../../lib/server/http/web_socket_upgrade.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { until } from "../../../support/wire/until.ts";

const HOST = "127.0.0.1";
const LIMIT = 1_000_000;

/** As much of a client of `ws` as is used here. */
interface Client {
  readonly extensions: string;
  readonly _socket: Socket;
  on(event: string, listener: (...args: never[]) => void): void;
  send(data: Uint8Array | string): void;
  terminate(): void;
}
const ClientSocket = WebSocket as unknown as new (url: string, options: object) => Client;

/** A listener that sends back what comes. */
async function open(maxMessageBytes = LIMIT) {
  const platform = denoPlatform(silentLog);
  const counters = new DropCounters();
  const lives = new SocketLives(20, platform.timers);
  const rules = { lives, maxMessageBytes, compression: { clock: platform.clock, counters } };
  const received: unknown[] = [];
  const front = await openHttpFront({
    hostname: HOST,
    port: 0,
    connections: new HttpConnections<Socket>(httpConnectionLimits(4_096)),
    counters,
    platform,
    handler: (request) => {
      const { socket, response } = upgradeWebSocket(request, rules);
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => {
        received.push(data);
        socket.send(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
      };
      return Promise.resolve(response);
    },
  });
  return { front, counters, received };
}

/** An open client, with what it has received and how it ended. */
async function connect(port: number, perMessageDeflate: boolean | object = true) {
  const client = new ClientSocket(`ws://${HOST}:${port}/`, { perMessageDeflate });
  const received: Uint8Array[] = [];
  let code: number | undefined;
  client.on("message", (data: Uint8Array) => received.push(new Uint8Array(data)));
  client.on("close", (value: number) => code = value);
  client.on("error", () => {});
  await new Promise<void>((resolve) => client.on("open", () => resolve()));
  return { client, received, code: () => code };
}

function compressionTest(name: string, fn: () => Promise<void>): void {
  // The client closes its resources a moment after its close event.
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
}

compressionTest("Messages are compressed both ways where the client offers it", async () => {
  const { front, received: atServer } = await open();
  const text = `${"participant ".repeat(2_000)}é`;
  const bytes = new TextEncoder().encode(text);
  const offers: readonly (readonly [offer: boolean | object, extension: string])[] = [
    [true, "permessage-deflate"],
    [{ serverMaxWindowBits: 9, clientMaxWindowBits: 9 }, "permessage-deflate"],
    [{ serverNoContextTakeover: true, clientNoContextTakeover: true }, "permessage-deflate"],
    [false, ""],
  ];
  for (const [offer, extension] of offers) {
    const { client, received } = await connect(front.port, offer);
    assert.equal(client.extensions, extension);
    const before = client._socket.bytesRead;
    const sent = [bytes, "short", text, new Uint8Array(), bytes, bytes.slice(0, 3)];
    for (const message of sent) client.send(message);
    await until("all of them", () => received.length === sent.length);
    sent.forEach((message, at) => {
      const wanted = typeof message === "string" ? new TextEncoder().encode(message) : message;
      assert.deepEqual(received[at], wanted);
    });
    const read = client._socket.bytesRead - before;
    assert.equal(read < bytes.length, extension !== "", `${read}`);
    client.terminate();
  }
  assert.equal(atServer.length, 4 * 6);
  await front.shutdown();
});

compressionTest("Messages that cannot be compressed come whole, too, cut as they are", async () => {
  const { front } = await open();
  const random = new SeededRandom(5);
  const { client, received } = await connect(front.port);
  const fragmenting = client as unknown as {
    send(data: Uint8Array, options: { readonly fin: boolean }): void;
  };
  for (let round = 0; round < 60; round++) {
    const message = random.bytes(random.below(9_000))
      .map((byte) => random.chance(0.5) ? byte : byte & 3);
    const cuts = [
      0,
      ...Array.from({ length: random.below(4) }, () => random.below(message.length)),
    ];
    const ends = [...cuts.sort((a, b) => a - b).slice(1), message.length];
    ends.forEach((end, at) =>
      fragmenting.send(message.slice(cuts[at], end), { fin: at === ends.length - 1 })
    );
    await until("it to be back", () => received.length === round + 1);
    assert.deepEqual(received[round], message);
  }
  client.terminate();
  await front.shutdown();
});

/** A whole masked message with the bit of compression set. */
function frame(payload: Uint8Array): Uint8Array {
  const header = [0xc2, 0xff, 0, 0, 0, 0, ...[24, 16, 8, 0].map((bits) => payload.length >> bits)];
  // A mask of zeros changes nothing.
  return Uint8Array.from([...header.map((byte) => byte & 255), 0, 0, 0, 0, ...payload]);
}

const zeros = (bytes: number) =>
  deflateRawSync(new Uint8Array(bytes), { level: 9, finishFlush: constants.Z_SYNC_FLUSH });

compressionTest("A bomb is refused while it is inflated, and counted", async () => {
  const { front, counters, received } = await open();
  const { client, code } = await connect(front.port);
  const bomb = zeros(100_000_000);
  assert.ok(bomb.length < 100_000);
  const before = Deno.memoryUsage().rss;
  client._socket.write(frame(bomb));
  await until("its end", () => code() !== undefined);
  // Not 1009, which is about what was sent.
  assert.equal(code(), 1008);
  assert.ok(Deno.memoryUsage().rss - before < 50_000_000);
  assert.equal(counters.get("socket_inflates_too_much"), 1);
  assert.deepEqual(received, []);
  await front.shutdown();
});

compressionTest("Messages that are within the limit one by one are bounded together", async () => {
  const { front, counters, received } = await open();
  const { client, code } = await connect(front.port);
  const large = frame(zeros(LIMIT));
  for (let at = 0; at < 20; at++) client._socket.write(large);
  await until("its end", () => code() !== undefined);
  assert.equal(code(), 1008);
  assert.equal(counters.get("socket_inflates_too_often"), 1);
  assert.ok(received.length >= 2 && received.length <= 4, `${received.length}`);
  await front.shutdown();
});

compressionTest("What cannot be inflated ends its connection alone", async () => {
  const { front, counters } = await open();
  const other = await connect(front.port);
  const random = new SeededRandom(6);
  let ended = 0;
  for (let round = 0; round < 40; round++) {
    const { client, code } = await connect(front.port);
    client._socket.write(frame(Uint8Array.of(7, ...random.bytes(random.below(200)))));
    await until("its end", () => code() !== undefined);
    if (code() === 1007) ended++;
  }
  assert.equal(ended, 40);
  assert.equal(counters.get("socket_inflate_failed"), 40);
  other.client.send("x".repeat(2_000));
  await until("an answer", () => other.received.length === 1);
  other.client.terminate();
  await front.shutdown();
});

Deno.test("compressOneByOne() deflates once what goes to many", () => {
  const { clock } = denoPlatform(silentLog);
  const made: Uint8Array[] = [];
  const bytes = new TextEncoder().encode("participant ".repeat(500)).slice();
  for (const params of [{}, {}, { server_max_window_bits: 9 }]) {
    const agreed = { params, decompress: () => {} };
    const rules = { maxMessageBytes: LIMIT, clock, counters: new DropCounters(), close() {} };
    made.push(compressOneByOne(agreed, rules).deflate(bytes));
  }
  assert.equal(made[0], made[1]);
  assert.notEqual(made[0], made[2], "a smaller window has a form of its own");
});
