/**
 * A client whose packets come from elsewhere all of a sudden is followed at once, whatever of it
 * comes first; what is late, or a copy, moves nothing.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Buffer } from "node:buffer";
import type { RemoteAddress } from "../../../../lib/transport/datagrams/datagrams.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { SILENT_MS } from "../../../../lib/transport/ice/moved_clients.ts";
import { CONSENT_MS } from "../../../../lib/transport/ice/path_checks.ts";
import {
  CLIENT,
  type ClientWorld,
  HOME,
  homeWorld,
  MOBILE,
  PING_MS,
  VICTIM,
} from "./client_world.ts";
import { answer, check, credentials, packets, udp } from "./ice_world.ts";

Deno.test("IceLiteAgent follows media from an unknown address once the client answers there", () => {
  const world = homeWorld();
  world.mediaFrom(MOBILE);
  assert.equal(world.media, HOME.port, "nobody has answered there");
  world.mediaFrom(MOBILE);
  assert.equal(world.checksTo(MOBILE).length, 1, "what is known is asked no more");
  world.advance(world.ours.agent, 100);
  assert.equal(world.answerAt(MOBILE), true, "asked again, as the first may be lost");
  assert.equal(world.media, MOBILE.port);
});

Deno.test("IceLiteAgent follows it though a check is read later that left before, and goes back if asked to", () => {
  const world = homeWorld();
  world.mediaFrom(MOBILE);
  // Checks and media come by different sockets.
  world.ping(HOME, { useCandidate: true });
  world.answerAt(MOBILE);
  assert.equal(world.media, MOBILE.port);
  for (let i = 0; i < 2; i++) {
    world.advance(world.ours.agent, PING_MS);
    world.ping(HOME, { useCandidate: true });
    world.answerAt(HOME);
  }
  assert.equal(world.media, HOME.port, "two checks are no late ones");
});

Deno.test("IceLiteAgent follows it no more once the client goes on nominating where it was", () => {
  const world = homeWorld();
  world.mediaFrom(MOBILE);
  for (const waitMs of [100, 200]) {
    world.advance(world.ours.agent, waitMs);
    world.checksTo(MOBILE);
  }
  for (let i = 0; i < 4; i++) {
    world.advance(world.ours.agent, PING_MS);
    world.ping(HOME, { useCandidate: true });
    world.answerAt(HOME);
  }
  world.ping(MOBILE, { priority: 1 });
  assert.equal(world.answerAt(MOBILE), true, "it is asked as any other path");
  assert.equal(world.media, HOME.port, "a check that nominates nothing moves nothing");
});

Deno.test("IceLiteAgent lets media from somewhere else undo no nomination that waits for its proof", () => {
  const world = homeWorld();
  world.live(HOME, 2 * PING_MS);
  world.ping(MOBILE, { useCandidate: true });
  world.advance(world.ours.agent, 480);
  world.ping(MOBILE, { useCandidate: true });
  world.mediaFrom(VICTIM);
  assert.equal(world.answerAt(MOBILE), true);
  assert.equal(world.media, MOBILE.port);
});

Deno.test("IceLiteAgent follows media where a nomination leads nowhere", () => {
  const world = homeWorld();
  world.live(HOME, 2 * PING_MS);
  for (let claim = 0; claim < 2; claim++) world.ping(VICTIM, { useCandidate: true });
  world.advance(world.ours.agent, 3_000);
  world.mediaFrom(MOBILE);
  assert.equal(world.answerAt(MOBILE), true);
  assert.equal(world.media, MOBILE.port);
});

/** A client at HOME that sends all the time, and sent last 20 ms ago. */
function talkingWorld(): ClientWorld {
  const world = homeWorld();
  world.talk(HOME, 2_000);
  return world;
}

/** Until media goes to a client that has moved to MOBILE and goes on talking there, ms. */
function untilFollowed(world: ClientWorld): number {
  return world.talk(MOBILE, 10_000, () => world.media === MOBILE.port);
}

/** Silence that says where a client is not, and the next packet. */
const AT_ONCE_MS = SILENT_MS + 20;

function assertFollowedAtOnce(world: ClientWorld): void {
  const ms = untilFollowed(world);
  assert.ok(ms <= AT_ONCE_MS, `after ${ms} ms`);
}

for (
  const [who, useCandidate] of [
    ["nominates, as libwebrtc's do", true],
    ["nominates nothing, as Firefox's and pion's do", false],
  ] as const
) {
  Deno.test(`IceLiteAgent follows a client at once of which a check comes first from elsewhere, that ${who}`, () => {
    const world = talkingWorld();
    world.ping(MOBILE, { useCandidate });
    assertFollowedAtOnce(world);
  });
}

Deno.test("IceLiteAgent follows a client at once whose answer to the first checks is lost", () => {
  const world = talkingWorld();
  world.ping(MOBILE, { useCandidate: true });
  world.advance(world.ours.agent, SILENT_MS);
  assert.equal(world.checksTo(MOBILE).length, 1);
  world.mediaFrom(MOBILE);
  assert.equal(world.checksTo(MOBILE).length, 1, "asked again when it sends from there");
  assert.equal(world.media, HOME.port, "nobody has answered there");
  world.advance(world.ours.agent, 100);
  world.answerAt(MOBILE);
  assert.equal(world.media, MOBILE.port);
});

Deno.test("IceLiteAgent follows a client at once though a check is read late between its own from elsewhere", () => {
  const world = talkingWorld();
  world.advance(world.ours.agent, SILENT_MS);
  world.mediaFrom(MOBILE);
  world.ping(MOBILE, { useCandidate: true });
  world.ping(HOME, { useCandidate: true });
  assertFollowedAtOnce(world);
});

for (const priority of [1_853_824_767, 1_853_824_766, 1_853_824_768]) {
  Deno.test(`IceLiteAgent goes back for no checks that waited where the client was, of priority ${priority}`, () => {
    const world = talkingWorld();
    for (let claim = 0; claim < 2; claim++) world.ping(MOBILE, { useCandidate: true });
    world.answerAt(MOBILE);
    world.ping(MOBILE, { useCandidate: true });
    untilFollowed(world);
    for (let late = 0; late < 20; late++) {
      world.talk(MOBILE, 60);
      world.ping(HOME, { useCandidate: true, priority });
      assert.equal(world.media, MOBILE.port, `check ${late}`);
    }
  });
}

Deno.test("IceLiteAgent goes back for no media that waited where the client was", () => {
  const world = talkingWorld();
  world.ping(MOBILE, { useCandidate: true });
  untilFollowed(world);
  world.advance(world.ours.agent, SILENT_MS);
  for (let late = 0; late < 20; late++) world.mediaFrom(HOME, { isNewest: false });
  assert.equal(world.media, MOBILE.port);
});

Deno.test("IceLiteAgent follows a client at once though media drains from a queue of where it was", () => {
  const world = talkingWorld();
  world.ping(MOBILE);
  const ms = world.talk(MOBILE, 5_000, () => {
    world.mediaFrom(HOME, { isNewest: false });
    return world.media === MOBILE.port;
  });
  assert.ok(ms <= AT_ONCE_MS, `after ${ms} ms`);
});

Deno.test("IceLiteAgent takes late media for no sign of life", () => {
  const world = talkingWorld();
  const { agent, events } = world.ours;
  const { heardAt } = agent;
  for (let at = 0; at < CONSENT_MS; at += 500) {
    world.mediaFrom(HOME, { isNewest: false });
    assert.equal(agent.heardAt, heardAt);
    world.advance(agent, 500);
  }
  assert.equal(world.media, undefined);
  assert.deepEqual(events.slice(1), ["interrupted", "lost"]);
});

Deno.test("IceLiteAgent stays with a client that sends and answers nothing, whose media comes out of order", () => {
  const world = talkingWorld();
  for (let at = 0; at < 10 * CONSENT_MS; at += 1_000) {
    world.mediaFrom(HOME);
    for (let late = 0; late < 3; late++) world.mediaFrom(HOME, { isNewest: false });
    world.advance(world.ours.agent, 1_000);
    assert.equal(world.media, HOME.port);
  }
  assert.equal(world.ours.events.length, 1);
});

Deno.test("IceLiteAgent follows a client back at once that really goes there", () => {
  const world = talkingWorld();
  world.ping(MOBILE, { useCandidate: true });
  untilFollowed(world);
  world.talk(MOBILE, 500);
  const ms = world.talk(HOME, 10_000, () => world.media === HOME.port);
  assert.ok(ms <= AT_ONCE_MS, `after ${ms} ms`);
});

Deno.test("IceLiteAgent follows a client that nominates where it was, and sends nothing any more", () => {
  const world = talkingWorld();
  world.ping(MOBILE, { useCandidate: true });
  untilFollowed(world);
  world.advance(world.ours.agent, PING_MS);
  for (let claim = 0; claim < 2; claim++) world.ping(HOME, { useCandidate: true });
  assert.equal(world.media, HOME.port);
});

Deno.test("IceLiteAgent stays with a client whose packets come by two paths", () => {
  const world = talkingWorld();
  world.ping(MOBILE);
  world.answerAt(MOBILE);
  for (let i = 0; i < 500; i++) {
    world.mediaFrom(i % 4 === 0 ? HOME : MOBILE);
    world.advance(world.ours.agent, 20);
  }
  assert.deepEqual(world.ours.events, ["selected udp 198.51.100.7:50001"]);
});

Deno.test("IceLiteAgent goes back to no path of before a restart for media that still comes there", () => {
  const world = talkingWorld();
  const { agent } = world.ours;
  const again = credentials("again");
  agent.restart(again, world.now);
  world.datagrams.arrive(check(again, { useCandidate: true }), MOBILE);
  world.answerAt(MOBILE);
  world.datagrams.arrive(check(again, { useCandidate: true }), MOBILE);
  assert.equal(world.media, MOBILE.port);
  world.advance(agent, 2 * SILENT_MS);
  world.talk(HOME, 1_000);
  assert.equal(world.media, MOBILE.port);
});

Deno.test("IceLiteAgent sends nothing to who says again what a client says, however fast", () => {
  const world = talkingWorld();
  const copied = check(world.ours.local, { useCandidate: true, priority: 0xffff_ffff });
  const before = world.bytesTo(VICTIM);
  let came = 0;
  // The client is silent, and its packets come from elsewhere, all of them: but nobody answers.
  for (let i = 0; i < 100; i++) {
    world.advance(world.ours.agent, 50);
    if (i % 20 === 0) {
      world.datagrams.arrive(copied, VICTIM);
      came += copied.length;
    }
    world.mediaFrom(VICTIM);
    assert.equal(world.media, HOME.port);
  }
  const sent = world.bytesTo(VICTIM) - before;
  assert.ok(sent <= 2 * came + 500, `${sent} bytes for checks of ${came}`);
});

Deno.test("IceLiteAgent follows a client that has moved, though its old checks are said again without end", () => {
  const world = talkingWorld();
  const copied = check(world.ours.local, { useCandidate: true });
  world.ping(MOBILE, { useCandidate: true });
  const ms = world.talk(MOBILE, 5_000, () => {
    world.datagrams.arrive(copied, HOME);
    return world.media === MOBILE.port;
  });
  assert.ok(ms <= AT_ONCE_MS, `after ${ms} ms`);
  for (let i = 0; i < 50; i++) {
    world.datagrams.arrive(copied, HOME);
    world.talk(MOBILE, 20);
    assert.equal(world.media, MOBILE.port);
  }
});

Deno.test("IceLiteAgent follows a client that has moved within a second, though another nomination waits for its proof", () => {
  const world = talkingWorld();
  for (let claim = 0; claim < 2; claim++) world.ping(VICTIM, { useCandidate: true });
  world.ping(MOBILE, { useCandidate: true });
  const ms = world.talk(MOBILE, 10_000, () => {
    world.ping(VICTIM, { useCandidate: true });
    return world.media === MOBILE.port;
  });
  assert.ok(ms <= 1_020, `after ${ms} ms`);
});

Deno.test("IceLiteAgent is moved by no check without integrity, nor by media that opens nothing", () => {
  const world = talkingWorld();
  const { agent, local } = world.ours;
  for (const pwd of [CLIENT.pwd, "a password that was guessed"]) {
    world.datagrams.arrive(check(local, { useCandidate: true, pwd }), MOBILE);
  }
  const right = check(local, { useCandidate: true });
  // What comes behind the integrity, the fingerprint, is not covered by it (RFC 8489 §14.5).
  for (let bit = 0; bit < 8 * (right.length - 8); bit++) {
    const wrong = right.slice();
    wrong[bit >> 3]! ^= 0x80 >> (bit & 7);
    world.datagrams.arrive(wrong, MOBILE);
  }
  world.advance(agent, 2 * SILENT_MS);
  world.datagrams.arrive(packets.rtp(1), MOBILE);
  assert.equal(agent.pathCount, 1);
  assert.equal(world.bytesTo(MOBILE), 0);
  assert.equal(world.media, HOME.port);
});

Deno.test("IceLiteAgent follows within a second who sends and answers somewhere, whatever came before", () => {
  const places = [HOME, MOBILE, VICTIM, udp("203.0.113.77", 7)];
  let longest = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const world = homeWorld();
    for (let step = 0; step < 30; step++) {
      const place = places[random.uint32() % places.length]!;
      const bits = random.uint32();
      if (bits % 4 === 0 && place !== VICTIM) world.answerAt(place);
      else if (bits % 4 === 1) world.advance(world.ours.agent, random.uint32() % 800);
      else if (bits % 4 === 2) world.mediaFrom(place, { isNewest: bits % 8 === 2 });
      else world.ping(place, { useCandidate: bits % 16 !== 3, priority: random.uint32() >>> 1 });
    }
    const place = [HOME, MOBILE][seed % 2]!;
    const ms = world.talk(place, 5_000, () => world.media === place.port);
    longest = Math.max(longest, ms);
  }
  assert.ok(longest <= 1_000 + AT_ONCE_MS, `after ${longest} ms`);
});

/** The client asks from `remote` and answers there, every 2 s, and sends no media. */
function keepAlive(world: ClientWorld, remote: RemoteAddress, ms: number, isOver = () => false) {
  for (let at = 0; at < ms; at += 50) {
    if (at % 2_000 === 0) world.ping(remote);
    world.answerAt(remote);
    if (isOver()) return at;
    world.advance(world.ours.agent, 50);
  }
  return ms;
}

Deno.test("IceLiteAgent follows a client that sends no media, and whose checks nominate nothing, when its old path is dead", () => {
  for (let seed = 0; seed < 50; seed++) {
    const world = homeWorld();
    keepAlive(world, HOME, 20_000 + 97 * seed);
    const ms = keepAlive(world, MOBILE, 40_000, () => world.media === MOBILE.port);
    assert.ok(ms <= 3_000, `after ${ms} ms`);
    keepAlive(world, MOBILE, 60_000);
    assert.equal(world.ours.events.length, 2);
  }
});

Deno.test("IceLiteAgent follows such a client though an old check of its is said again where it was", () => {
  const world = homeWorld();
  keepAlive(world, HOME, 20_000);
  const copied = world.ping(HOME);
  world.answerAt(HOME);
  let turns = 0;
  const sayAgain = () => {
    if (++turns % 20 === 0) world.datagrams.arrive(copied, HOME);
    return false;
  };
  const ms = keepAlive(world, MOBILE, 40_000, () => sayAgain() || world.media === MOBILE.port);
  assert.ok(ms <= 3_000, `after ${ms} ms`);
  keepAlive(world, MOBILE, 20_000, sayAgain);
  assert.equal(world.ours.events.length, 2);
});

Deno.test("IceLiteAgent leaves a silent path for none that answered once, until it answers again", () => {
  const world = homeWorld();
  const copied = world.ping(MOBILE);
  world.answerAt(MOBILE);
  keepAlive(world, HOME, 5_000);
  for (let at = 0; at < 12_000; at += 500) {
    world.datagrams.arrive(copied, MOBILE);
    world.advance(world.ours.agent, 500);
    assert.equal(world.media, HOME.port, `after ${at} ms`);
  }
  const ms = keepAlive(world, MOBILE, 10_000, () => world.media === MOBILE.port);
  assert.ok(ms <= 3_000, `after ${ms} ms`);
});

Deno.test("IceLiteAgent leaves a silent path for another although checks are lost there", () => {
  const world = homeWorld();
  world.ping(MOBILE);
  world.answerAt(MOBILE);
  keepAlive(world, HOME, 5_000);
  world.ping(MOBILE);
  for (const waitMs of [600, 500]) {
    world.advance(world.ours.agent, waitMs);
    assert.equal(world.checksTo(MOBILE).length, 1, "asked, in vain");
  }
  world.advance(world.ours.agent, 500);
  assert.equal(world.answerAt(MOBILE), true);
  world.advance(world.ours.agent, 1_000);
  assert.equal(world.media, MOBILE.port);
});

Deno.test("IceLiteAgent leaves no path before its client had time to answer, however late a timer is", () => {
  for (const lateMs of [600, 1_100, 2_600, 20_000]) {
    for (let asked = 0; asked < 3; asked++) {
      const world = homeWorld();
      const { agent } = world.ours;
      world.advance(agent, PING_MS);
      world.ping(MOBILE);
      world.answerAt(MOBILE);
      world.advance(agent, 500 * asked);
      world.platform.advance(lateMs);
      while (agent.nextWakeAt() <= world.now) agent.tick(world.now);
      assert.equal(world.media, HOME.port);
      world.advance(agent, 400);
      assert.equal(world.answerAt(HOME), true, "asked");
      world.advance(agent, 5_000);
      assert.equal(world.media, HOME.port, `${lateMs} ms late after ask ${asked}`);
    }
  }
});

Deno.test("IceLiteAgent stays where a client answers that keeps other paths alive", () => {
  for (const answersAfterMs of [0, 400, 1_500]) {
    const world = homeWorld();
    const { agent } = world.ours;
    const waiting: { readonly at: number; readonly id: Buffer }[] = [];
    for (let at = 0; at < 120_000; at += 50) {
      if (at % 2_500 === 0) world.ping(MOBILE);
      world.answerAt(MOBILE);
      for (const { transactionId } of world.checksTo(HOME)) {
        waiting.push({ at: world.now + answersAfterMs, id: transactionId });
      }
      while (waiting.length > 0 && waiting[0]!.at <= world.now) {
        world.datagrams.arrive(answer(waiting.shift()!.id, CLIENT), HOME);
      }
      world.advance(agent, 50);
    }
    assert.deepEqual(world.ours.events, ["selected udp 198.51.100.7:50001"]);
  }
});

Deno.test("IceLiteAgent leaves no path, however silent, for one that nobody answers by", () => {
  const world = homeWorld();
  for (let at = 0; at < 20_000; at += 500) {
    world.ping(VICTIM);
    world.advance(world.ours.agent, 500);
    assert.equal(world.media, HOME.port);
  }
});
