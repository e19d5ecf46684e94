/** When WebSockets are asked for a sign of life, and when they end without one. */
import assert from "node:assert/strict";
import { type LivingSocket, SocketLives } from "../../../../lib/server/http/socket_lives.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const IDLE_S = 20;

class FakeSocket implements LivingSocket {
  pings = 0;
  terminatedAt: number | undefined;
  readonly #listeners = new Map<string, () => void>();

  constructor(readonly platform: VirtualPlatform, readonly answers: boolean) {}

  on(event: "pong" | "message" | "close", listener: () => void): void {
    this.#listeners.set(event, listener);
  }

  ping(): void {
    this.pings++;
    if (this.answers) this.tell("pong");
  }

  terminate(): void {
    this.terminatedAt = this.platform.clock.now();
    this.tell("close");
  }

  tell(event: "pong" | "message" | "close"): void {
    this.#listeners.get(event)!();
  }
}

function world(answers = false) {
  const platform = new VirtualPlatform();
  const lives = new SocketLives(IDLE_S, platform.timers);
  const socket = new FakeSocket(platform, answers);
  return { platform, lives, socket };
}

Deno.test("SocketLives does not ask a peer that says something by itself", () => {
  const { platform, lives, socket } = world();
  lives.watch(socket);
  for (let i = 0; i < 30; i++) {
    platform.advance(5_000);
    socket.tell("message");
  }
  assert.equal(socket.pings, 0);
  assert.equal(socket.terminatedAt, undefined);
});

Deno.test("SocketLives asks a peer that says nothing, which lives while it answers", () => {
  const { platform, lives, socket } = world(true);
  lives.watch(socket);
  platform.advance(10 * IDLE_S * 1_000);
  assert.ok(socket.pings >= 10, `${socket.pings} pings`);
  assert.equal(socket.terminatedAt, undefined);
});

Deno.test("SocketLives ends a peer after two thirds of the idle time and before all of it is over", () => {
  for (let lastAt = 0; lastAt < 2 * IDLE_S * 1_000; lastAt += 700) {
    const { platform, lives, socket } = world();
    lives.watch(new FakeSocket(platform, true));
    lives.watch(socket);
    platform.advance(lastAt % (IDLE_S * 300));
    socket.tell("message");
    const from = platform.clock.now();
    platform.advance(2 * IDLE_S * 1_000);
    const silentMs = socket.terminatedAt! - from;
    assert.equal(socket.pings, 1);
    assert.ok(silentMs >= IDLE_S * 660 && silentMs <= IDLE_S * 1_000, `${silentMs} ms`);
  }
});

Deno.test("SocketLives has one timer for all, and none when they are gone", () => {
  const { platform, lives } = world();
  const sockets = Array.from({ length: 50 }, () => new FakeSocket(platform, true));
  for (const socket of sockets) lives.watch(socket);
  assert.equal(platform.pendingTimers, 1);
  platform.advance(3 * IDLE_S * 1_000);
  assert.equal(platform.pendingTimers, 1);
  for (const socket of sockets) socket.tell("close");
  assert.equal(platform.pendingTimers, 0);
  lives.watch(new FakeSocket(platform, true));
  assert.equal(platform.pendingTimers, 1);
});
