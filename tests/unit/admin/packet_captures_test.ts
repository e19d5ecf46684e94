import assert from "node:assert/strict";
import { AdminFailure } from "../../../lib/admin/admin_failure.ts";
import { type CaptureRules, PacketCaptures } from "../../../lib/admin/packet_captures.ts";
import type { ConnectionId, NodeId } from "../../../lib/base/ids.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import type { MediaCommand } from "../../../lib/engine/messages/media_messages.ts";
import { EngineRouter } from "../../../lib/room/context/engine_router.ts";
import { CAPTURED_HEAD_BYTES, writeCapturedHead } from "../../../lib/wire/captured_packets.ts";
import { readPcapng } from "../../support/media/pcapng_reader.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

const PUBLISHER = "CN_p" as ConnectionId;
const SUBSCRIBER = "CN_s" as ConnectionId;

function world(
  rules: CaptureRules | undefined = { maxMs: 60_000, maxBytes: 1_000_000 },
  single = false,
) {
  const platform = new VirtualPlatform();
  const commands: MediaCommand[] = [];
  const engine = {
    send: (command: MediaCommand) => void commands.push(command),
    addressesOf: () => [],
  };
  const router = new EngineRouter(engine, silentLog, "ND_a" as NodeId);
  const ann = {
    sid: "PA_1",
    publisher: { id: PUBLISHER },
    subscriber: { id: single ? PUBLISHER : SUBSCRIBER },
  };
  const others = Array.from({ length: 4 }, (_, at) => {
    const id = `CN_${at}`;
    return [`other${at}`, { sid: `PA_other${at}`, publisher: { id }, subscriber: { id } }] as const;
  });
  const sessions = new Map<string, object>([["ann", ann], ...others]);
  const room = { name: "standup", session: (identity: string) => sessions.get(identity) };
  const captures = new PacketCaptures({
    rooms: { get: (name) => (name === "standup" ? room : undefined) as never },
    router,
    platform,
    rules,
    application: "Roomwire",
  });
  const start = (more = {}) => captures.start({ room: "standup", identity: "ann", ...more });
  return { platform, commands, router, captures, start };
}

/** Packets of so many bytes each. */
function packets(count: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count * (CAPTURED_HEAD_BYTES + length));
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) {
    const at = i * (CAPTURED_HEAD_BYTES + length);
    writeCapturedHead(view, bytes, at, length, length, false, false, 1e15 + i);
  }
  return bytes;
}

function failure(outcome: unknown): string {
  assert.ok(outcome instanceof AdminFailure);
  return outcome.code;
}

async function read(file: unknown) {
  return readPcapng(new Uint8Array(await new Response(file as BodyInit).arrayBuffer()));
}

Deno.test("nobody is captured unless an operator allows it, nor who is not there", () => {
  const off = world();
  const never = new PacketCaptures({
    rooms: { get: () => assert.fail("not even looked for") },
    router: off.router,
    platform: off.platform,
    rules: undefined,
    application: "",
  });
  assert.equal(failure(never.start({ room: "standup", identity: "ann" })), "failed_precondition");
  const { captures, commands } = world();
  assert.equal(failure(captures.start({ room: "lobby", identity: "ann" })), "not_found");
  assert.equal(failure(captures.start({ room: "standup", identity: "bob" })), "not_found");
  assert.deepEqual(commands, []);
});

Deno.test("a capture asks for no more than is allowed, of each connection its part", () => {
  const { start, commands } = world();
  start({ ms: 1e9, bytes: 1e12 });
  const part = { type: "capture_packets", limits: { maxBytes: 500_000, maxMs: 60_000 } };
  assert.deepEqual(commands, [
    { ...part, connection: PUBLISHER },
    { ...part, connection: SUBSCRIBER },
  ]);
  const single = world(undefined, true);
  single.start({ ms: 5_000, bytes: 1_000 });
  const whole = { type: "capture_packets", connection: PUBLISHER };
  assert.deepEqual(single.commands, [{ ...whole, limits: { maxBytes: 1_000, maxMs: 5_000 } }]);
});

Deno.test("a capture ends with its connections, when it is left, and when nobody ends it", async () => {
  const { start, router, commands, platform } = world();
  const ended = start();
  for (const connection of [PUBLISHER, SUBSCRIBER]) {
    router.dispatch({ type: "capture_ended", connection, reason: "closed" });
  }
  assert.equal((await read(ended)).datagrams.length, 2);
  const stops = () => commands.filter((command) => !("limits" in command)).length;
  assert.equal(stops(), 0);

  const left = start() as ReadableStream;
  await left.cancel();
  assert.equal(stops(), 2);
  for (const connection of [PUBLISHER, SUBSCRIBER]) {
    router.dispatch({ type: "capture_ended", connection, reason: "stopped" });
  }

  // As if its worker were lost.
  const lost = start();
  platform.advance(63_000);
  assert.deepEqual((await read(lost)).datagrams, []);
});

Deno.test("four captures run at a time, and one that has ended makes room", async () => {
  const { start } = world();
  const files = Array.from(
    { length: 4 },
    (_, at) => start({ identity: `other${at}` }) as ReadableStream,
  );
  assert.equal(failure(start()), "resource_exhausted");
  await files[0]!.cancel();
  assert.ok(start() instanceof ReadableStream);
});

Deno.test("nobody is captured twice at a time, and what one leaves behind ends no other", async () => {
  const { start, router, commands, platform } = world();
  const first = start() as ReadableStream;
  assert.equal(failure(start()), "failed_precondition");
  await first.cancel();
  // What a worker told before it heard of that would be taken for the next one's.
  assert.equal(failure(start()), "failed_precondition");
  router.dispatch({ type: "captured", connection: PUBLISHER, packets: packets(1, 10) });
  for (const connection of [PUBLISHER, SUBSCRIBER]) {
    router.dispatch({ type: "capture_ended", connection, reason: "stopped" });
  }
  const second = start();
  assert.ok(second instanceof ReadableStream);
  commands.length = 0;
  platform.advance(10_000);
  assert.deepEqual(commands, []);
  router.dispatch({ type: "captured", connection: PUBLISHER, packets: packets(3, 10) });
  for (const connection of [PUBLISHER, SUBSCRIBER]) {
    router.dispatch({ type: "capture_ended", connection, reason: "closed" });
  }
  assert.equal((await read(second)).datagrams.length, 3 + 2);

  const third = start() as ReadableStream;
  await third.cancel();
  // As if its worker were lost.
  platform.advance(3_000);
  assert.ok(start() instanceof ReadableStream);
});

Deno.test("whoever reads a capture too slowly loses packets of it, and is told how many", async () => {
  const { start, router } = world();
  const file = start() as ReadableStream<Uint8Array>;
  const reader = file.getReader();
  await reader.read();
  for (let i = 0; i < 100; i++) {
    router.dispatch({ type: "captured", connection: PUBLISHER, packets: packets(100, 1_000) });
  }
  let held = 0;
  // 10 MB came, of which 4 MiB may wait.
  for (; held < 4_000_000;) held += (await reader.read()).value!.length;
  router.dispatch({ type: "captured", connection: PUBLISHER, packets: packets(1, 10) });
  router.dispatch({ type: "capture_ended", connection: PUBLISHER, reason: "closed" });
  router.dispatch({ type: "capture_ended", connection: SUBSCRIBER, reason: "closed" });
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    held += value.length;
    rest += new TextDecoder("latin1").decode(value);
  }
  assert.ok(held < 5_000_000, `${held} bytes were kept`);
  const missed = Number(/\{"missed":(\d+)\}/.exec(rest)![1]);
  assert.ok(missed > 5_000 && missed < 10_000, `${missed}`);
});
