import assert from "node:assert/strict";
import { Ping, SignalRequest, SignalResponse } from "@livekit/protocol";
import { World } from "../support/virtual/scripted_client.ts";

Deno.test("SignalSession answers ping and ping_req at once with the server's clock", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  await alice.request({ case: "ping", value: 5n });
  await alice.request({ case: "pingReq", value: new Ping({ timestamp: 77n, rtt: 3n }) });
  const wall = BigInt(world.platform.clock.wallMs());
  assert.equal(alice.last("pong"), wall);
  assert.deepEqual(
    [alice.last("pongResp").lastPingTimestamp, alice.last("pongResp").timestamp],
    [77n, wall],
  );
});

Deno.test("SignalSession answers in the encoding of the client's newest frame, binary at first", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const { frames } = alice.socket;
  assert.ok(frames.every((frame) => typeof frame !== "string"));
  alice.socket.onMessage('{"ping":"1","aFieldOfTheFuture":{}}');
  const text = frames.at(-1);
  assert.ok(typeof text === "string");
  assert.equal(SignalResponse.fromJsonString(text).message.case, "pong");
  await alice.request({ case: "ping", value: 1n });
  assert.notEqual(typeof frames.at(-1), "string");
});

const hostile: readonly (readonly [string, Uint8Array | string, number])[] = [
  ["a truncated message", new Uint8Array([0x0a, 0x7f, 0x01]), 1007],
  ["random bytes", Uint8Array.from({ length: 64 }, (_, i) => 255 - i * 3 % 256), 1007],
  ["text that is no JSON", "{", 1007],
  ["JSON of the wrong shape", '{"offer":7}', 1007],
  ["a frame over 2 MiB", new Uint8Array(2 * 1024 * 1024 + 1), 1009],
  ["a text over 2 MiB in UTF-8", `"${"€".repeat(1024 * 1024)}"`, 1009],
];

for (const [what, frame, code] of hostile) {
  Deno.test(`SignalSession ends one socket with ${code} on ${what}, and nothing else`, async () => {
    const world = new World();
    const alice = await world.joined("alice");
    const bob = await world.joined("bob");
    alice.socket.onMessage(frame);
    await world.settle();
    assert.equal(alice.closeCode, code);
    assert.equal(bob.closeCode, undefined);
    // Media is up, so the session itself lives on and may be resumed.
    assert.ok(world.rooms.get("lobby")!.byIdentity("alice"));
    const before = alice.socket.frames.length;
    await alice.request({ case: "ping", value: 1n });
    assert.equal(alice.socket.frames.length, before);
  });
}

Deno.test("SignalSession ignores a request it does not know, and an empty one", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  alice.socket.onMessage(new Uint8Array([0xfa, 0x07, 0x00]));
  alice.socket.onMessage(new Uint8Array());
  alice.socket.onMessage("{}");
  await world.settle();
  assert.equal(alice.closeCode, undefined);
});

Deno.test("SignalSession ends a client that floods it, or does not read", async () => {
  const world = new World();
  const flooding = await world.joined("flooding");
  const deaf = await world.joined("deaf");
  const frame = new SignalRequest({
    message: { case: "subscription", value: { trackSids: ["TR_x"] } as never },
  }).toBinary();
  for (let i = 0; i < 2_000; i++) flooding.socket.onMessage(frame);
  assert.equal(flooding.closeCode, 1008);
  deaf.socket.bufferedAmount = 64 * 1024 * 1024;
  deaf.socket.onMessage(new SignalRequest({ message: { case: "ping", value: 1n } }).toBinary());
  assert.equal(deaf.closeCode, 1008);
  await world.settle();
});

Deno.test("SignalSession turns an exception into the end of that participant alone", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  alice.participant.subscriptions.update = () => {
    throw new Error("a bug");
  };
  alice.socket.onMessage('{"subscription":{"trackSids":["TR_x"]}}');
  await world.settle();
  assert.equal(world.rooms.get("lobby")!.byIdentity("alice"), undefined);
  assert.equal(alice.closeCode, 1000);
  assert.equal(world.counters.get("participant_bug"), 1);
  await bob.request({ case: "ping", value: 1n });
  assert.ok(bob.last("pong"));
});

Deno.test("EngineRouter.dispatch() turns an owner's exception into the end of that participant alone", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const bob = await world.joined("bob");
  await alice.openPublisher();
  const connection = alice.participant.publisher.id;
  alice.participant.dataEvent = () => {
    throw new Error("a bug");
  };
  const event = { type: "data_progress", connection, sequence: 1, streams: [] } as const;
  world.engine.emit(event);
  assert.equal(alice.closeCode, 1000);
  assert.equal(bob.closeCode, undefined);
  // Events of what is gone mean nothing.
  world.engine.emit(event);
  await world.settle();
});
