/**
 * Media goes only where the client answered: paths are proven, kept and left by checks of our own.
 * Clients that move: `moved_paths_test.ts`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { RemoteAddress } from "../../../../lib/transport/datagrams/datagrams.ts";
import { MAX_PATHS } from "../../../../lib/transport/ice/ice_lite.ts";
import { LOST_AFTER_MS } from "../../../../lib/transport/ice/ice_silence.ts";
import { CONSENT_MS } from "../../../../lib/transport/ice/path_checks.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { CLIENT, ClientWorld, HOME, homeWorld, MOBILE, PING_MS, VICTIM } from "./client_world.ts";
import { answer, check, credentials, udp } from "./ice_world.ts";

Deno.test("IceLiteAgent asks a full agent as RFC 8445 has it, with a new transaction each time", () => {
  const world = new ClientWorld();
  world.ping(HOME);
  const [first] = world.checksTo(HOME);
  assert.equal(first!.username, "client:abcd");
  assert.equal(first!.isControlled, true);
  assert.equal(first!.nominates, false);
  assert.equal(first!.transactionId.length, 12);
  world.datagrams.arrive(answer(first!.transactionId, CLIENT), HOME);
  world.advance(world.ours.agent, 5_000);
  world.ping(HOME);
  const [second] = world.checksTo(HOME);
  assert.notDeepEqual(second!.transactionId, first!.transactionId);
});

Deno.test("IceLiteAgent tells how long answers took by the path in use, unless it asked twice", () => {
  const world = new ClientWorld();
  const { agent, roundTrips } = world.ours;
  const answeredAfter = (ms: number, from: RemoteAddress) => {
    world.ping(from);
    const [asked] = world.checksTo(from);
    world.platform.advance(ms);
    world.datagrams.arrive(answer(asked!.transactionId, CLIENT), from);
  };
  answeredAfter(80, HOME);
  assert.deepEqual(roundTrips, [80]);
  world.advance(agent, 5_000);
  world.ping(HOME);
  const [asked] = world.checksTo(HOME);
  world.platform.advance(600);
  world.ping(HOME);
  assert.equal(world.checksTo(HOME).length, 1, "asked again");
  world.platform.advance(20);
  world.datagrams.arrive(answer(asked!.transactionId, CLIENT), HOME);
  assert.deepEqual(roundTrips, [80], "which of the two was answered cannot be told");
  world.advance(agent, 5_000);
  answeredAfter(90, HOME);
  assert.deepEqual(roundTrips, [80, 90]);
  answeredAfter(30, MOBILE);
  assert.deepEqual(roundTrips, [80, 90], "another path says nothing of the one in use");
});

Deno.test("IceLiteAgent has no path for media before the client answered, or shook hands", () => {
  const world = new ClientWorld();
  world.ping(HOME, { useCandidate: true });
  assert.equal(world.ours.agent.selectedPath?.remote.port, HOME.port);
  assert.equal(world.media, undefined);
  world.answerAt(HOME);
  assert.equal(world.media, HOME.port);
  const other = new ClientWorld();
  other.ping(HOME, { useCandidate: true });
  other.ours.agent.provePath(other.ours.agent.selectedPath!, other.now);
  assert.equal(other.media, HOME.port);
});

Deno.test("IceLiteAgent stays where it is proven, however often a check is copied elsewhere", () => {
  const world = homeWorld();
  const copied = check(world.ours.local, { useCandidate: true, priority: 0xffff_ffff });
  for (let i = 0; i < 200; i++) {
    world.advance(world.ours.agent, 50);
    world.datagrams.arrive(copied, VICTIM);
    world.ping(VICTIM, { useCandidate: true, priority: 0xffff_ffff });
    if (i % 20 === 0) world.ping(HOME);
    world.answerAt(HOME);
    assert.equal(world.media, HOME.port);
  }
  assert.deepEqual(world.ours.events, ["selected udp 198.51.100.7:50001"]);
});

Deno.test("IceLiteAgent sends an address that never answers little more than came from there", () => {
  const world = homeWorld();
  let came = 0;
  for (let i = 0; i < 100; i++) {
    came += world.ping(VICTIM, { useCandidate: i % 2 === 0 }).length;
    world.advance(world.ours.agent, 250);
    world.live(HOME, 1);
  }
  assert.ok(world.bytesTo(VICTIM) <= 2 * came + 300, `${world.bytesTo(VICTIM)} for ${came}`);
  const once = homeWorld();
  once.ping(VICTIM, { useCandidate: true, priority: 0xffff_ffff });
  once.live(HOME, 20_000);
  // The answer, a check, and two repetitions.
  assert.equal(once.datagrams.sent.filter(({ remote }) => remote.port === VICTIM.port).length, 4);
});

Deno.test("IceLiteAgent takes no answer that anybody else could give", () => {
  const world = homeWorld();
  world.ping(MOBILE, { useCandidate: true, priority: 0xffff_ffff });
  const [asked] = world.checksTo(MOBILE);
  const right = answer(asked!.transactionId, CLIENT);
  // From another address, even one that is proven.
  world.datagrams.arrive(right, HOME);
  world.datagrams.arrive(right, VICTIM);
  assert.equal(world.drops.get("stun_answer_from_elsewhere"), 2);
  // Signed with another password, ours included, or by nobody, as a STUN server would.
  world.datagrams.arrive(answer(asked!.transactionId, credentials("guess")), MOBILE);
  world.datagrams.arrive(answer(asked!.transactionId, world.ours.local), MOBILE);
  world.datagrams.arrive(right.slice(0, 20 + 12), MOBILE);
  // With a guessed transaction, of which the first bytes are right.
  const guessed = Buffer.from(asked!.transactionId);
  guessed[11]! ^= 1;
  world.datagrams.arrive(answer(guessed, CLIENT), MOBILE);
  assert.equal(world.media, HOME.port);
  world.datagrams.arrive(right, MOBILE);
  assert.equal(world.media, MOBILE.port);
  // Once.
  world.datagrams.arrive(right, MOBILE);
  assert.equal(world.drops.get("stun_unknown_transaction"), 2);
});

Deno.test("IceLiteAgent takes no answer with a bit or an end that is not the client's", () => {
  const world = homeWorld();
  world.ping(MOBILE, { useCandidate: true, priority: 0xffff_ffff });
  const [asked] = world.checksTo(MOBILE);
  const right = answer(asked!.transactionId, CLIENT);
  // What comes behind the integrity, the fingerprint, is not covered by it (RFC 8489 §14.5).
  const covered = right.length - 8;
  for (let bit = 0; bit < 8 * covered; bit++) {
    const wrong = right.slice();
    wrong[bit >> 3]! ^= 0x80 >> (bit & 7);
    world.datagrams.arrive(wrong, MOBILE);
    assert.equal(world.media, HOME.port, `bit ${bit}`);
  }
  for (let length = 0; length < right.length; length++) {
    world.datagrams.arrive(right.slice(0, length), MOBILE);
  }
  assert.equal(world.media, HOME.port);
  world.datagrams.arrive(right, MOBILE);
  assert.equal(world.media, MOBILE.port);
});

Deno.test("IceLiteAgent moves with a client within one answer, and sends where it was until then", () => {
  const world = homeWorld();
  world.advance(world.ours.agent, 10_000);
  world.ping(MOBILE, { useCandidate: true });
  assert.equal(world.media, HOME.port);
  world.answerAt(MOBILE);
  // The path is proven, but of no higher priority: Chromium insists with its next check.
  world.ping(MOBILE, { useCandidate: true });
  assert.equal(world.media, MOBILE.port);
});

Deno.test("IceLiteAgent asks again by itself when its check is lost", () => {
  const world = homeWorld();
  world.ping(MOBILE, { useCandidate: true, priority: 0xffff_ffff });
  assert.equal(world.checksTo(MOBILE).length, 1);
  world.advance(world.ours.agent, 100);
  assert.equal(world.answerAt(MOBILE), true);
  assert.equal(world.media, MOBILE.port);
});

Deno.test("IceLiteAgent forgets a nomination that the client took back", () => {
  const world = homeWorld();
  world.ping(MOBILE, { useCandidate: true, priority: 0xffff_ffff });
  world.ping(HOME, { useCandidate: true });
  world.answerAt(MOBILE);
  assert.equal(world.media, HOME.port);
});

Deno.test("IceLiteAgent stops media when the client does not answer any more, though checks come", () => {
  const world = homeWorld();
  const copied = check(world.ours.local, { useCandidate: true });
  const start = world.now;
  let stoppedAt: number | undefined;
  while (world.now - start < CONSENT_MS + LOST_AFTER_MS + 10_000) {
    world.advance(world.ours.agent, 500);
    world.datagrams.arrive(copied, HOME);
    if (world.media === undefined) stoppedAt ??= world.now;
  }
  assert.ok(stoppedAt! - start <= CONSENT_MS + 500, `after ${stoppedAt! - start} ms`);
  assert.equal(world.drops.get("ice_consent_lost"), 1);
  // Copies are no sign of life either.
  assert.deepEqual(world.ours.events.slice(1), ["interrupted", "lost"]);
  // The client itself comes back with an answer.
  world.answerAt(HOME);
  world.ping(HOME);
  world.answerAt(HOME);
  assert.equal(world.media, HOME.port);
  assert.equal(world.ours.events.at(-1), "resumed");
});

Deno.test("IceLiteAgent keeps a client that answers for as long as it does", () => {
  const world = homeWorld();
  world.live(HOME, 300_000);
  assert.equal(world.media, HOME.port);
  assert.deepEqual(world.ours.events, ["selected udp 198.51.100.7:50001"]);
  // One check for about two of the client's.
  const asked = world.datagrams.sent.filter(({ bytes }) => bytes[0] === 0).length;
  assert.ok(asked >= 50 && asked <= 75, String(asked));
});

Deno.test("IceLiteAgent keeps a client that sends media and neither asks nor answers (FFmpeg)", () => {
  const world = homeWorld();
  const { agent, events } = world.ours;
  const path = agent.selectedPath!;
  for (let at = 0; at < 300_000; at += 20) {
    world.advance(agent, 20);
    agent.mediaCame(path, world.now, true);
  }
  assert.equal(agent.mediaPath, path);
  assert.deepEqual(events, ["selected udp 198.51.100.7:50001"]);
  world.advance(agent, LOST_AFTER_MS);
  assert.deepEqual(events.slice(1), ["interrupted", "lost"]);
  agent.mediaCame(path, world.now, true);
  assert.equal(events.at(-1), "resumed");
  world.advance(agent, CONSENT_MS);
  assert.equal(agent.mediaPath, undefined);
  // Once it is over, media proves nothing any more: a path begins with an answer.
  agent.mediaCame(path, world.now, true);
  assert.equal(agent.mediaPath, undefined);
});

Deno.test("IceLiteAgent keeps a client that answers but asks nothing itself", () => {
  const world = homeWorld();
  for (let at = 0; at < 300_000; at += 500) {
    world.advance(world.ours.agent, 500);
    world.answerAt(HOME);
  }
  assert.equal(world.media, HOME.port);
  assert.equal(world.ours.agent.pathCount, 1);
  assert.deepEqual(world.ours.events, ["selected udp 198.51.100.7:50001"]);
  // It is asked for the last time before its consent ends.
  const before = world.bytesTo(HOME);
  world.advance(world.ours.agent, 10 * CONSENT_MS);
  assert.equal(world.media, undefined);
  const unanswered = world.checksTo(HOME).length;
  assert.ok(unanswered >= 5 && unanswered <= 7, `${unanswered} checks`);
  assert.ok(world.bytesTo(HOME) - before < 1_000);
  assert.equal(world.ours.events.at(-1), "failed");
});

Deno.test("IceLiteAgent asks only when asked, where a client does so every 2.5 s", () => {
  const world = homeWorld();
  let asked = 0;
  for (let at = 0; at < 60_000; at += PING_MS) {
    world.advance(world.ours.agent, PING_MS - 100);
    assert.equal(world.checksTo(HOME).length, 0, "no turn is taken for a check alone");
    world.ping(HOME);
    const checks = world.checksTo(HOME);
    asked += checks.length;
    world.advance(world.ours.agent, 100);
    for (const { transactionId } of checks) {
      world.datagrams.arrive(answer(transactionId, CLIENT), HOME);
    }
    assert.equal(world.media, HOME.port);
  }
  // RFC 7675 §5.1: once in 4 to 6 s.
  assert.ok(asked >= 10 && asked <= 15, `${asked} checks in a minute`);
});

for (const [everyMs, rttMs] of [[2_000, 40], [2_000, 400], [3_900, 300], [30_000, 0]] as const) {
  Deno.test(`IceLiteAgent asks by itself once in 4 to 6 s, where a client does so every ${everyMs} ms and answers after ${rttMs}`, () => {
    const world = homeWorld();
    const { agent } = world.ours;
    const times = [world.now];
    let pingAt = world.now + everyMs;
    const answers: { readonly at: number; readonly bytes: Uint8Array }[] = [];
    const end = world.now + 120_000;
    while (world.now < end) {
      world.advance(agent, 10);
      if (world.now >= pingAt) {
        pingAt += everyMs;
        world.ping(HOME);
      }
      for (const { transactionId } of world.checksTo(HOME)) {
        times.push(world.now);
        answers.push({ at: world.now + rttMs, bytes: answer(transactionId, CLIENT) });
      }
      while (answers.length > 0 && answers[0]!.at <= world.now) {
        world.datagrams.arrive(answers.shift()!.bytes, HOME);
      }
      assert.equal(world.media, HOME.port);
    }
    const gaps = times.slice(1).map((at, i) => at - times[i]!);
    // What is left is for timers that are late.
    assert.ok(gaps.every((ms) => ms >= 4_000 && ms <= 5_900), gaps.join());
    assert.ok(new Set(gaps).size > gaps.length / 3, `not in step with others: ${gaps.join()}`);
  });
}

/**
 * A client lives at HOME for so long while nothing is sent.
 *
 * @param answers Whether it answers, told which check it is.
 * @returns When it was asked.
 */
function resting(
  world: ClientWorld,
  { everyMs, ms, answers }: { everyMs: number; ms: number; answers: (count: number) => boolean },
): number[] {
  world.isSending = false;
  const times: number[] = [];
  const end = world.now + ms;
  let pingAt = world.now + everyMs;
  while (world.now < end) {
    world.advance(world.ours.agent, 10);
    if (world.now >= pingAt) {
      pingAt += everyMs;
      world.ping(HOME);
    }
    for (const { transactionId } of world.checksTo(HOME)) {
      times.push(world.now);
      if (!answers(times.length)) continue;
      world.platform.advance(40);
      world.datagrams.arrive(answer(transactionId, CLIENT), HOME);
    }
  }
  return times;
}

for (const everyMs of [2_000, 2_500, 7_000]) {
  Deno.test(`IceLiteAgent asks once in about 14 s while nothing is sent, where a client does so every ${everyMs} ms`, () => {
    const world = homeWorld();
    const begin = world.now;
    const times = resting(world, { everyMs, ms: 300_000, answers: () => true });
    const gaps = times.map((at, i) => at - (times[i - 1] ?? begin));
    // RFC 7675 §5.1: between 0.8 and 1.2 times the period.
    assert.ok(gaps.every((ms) => ms >= 11_200 && ms <= 16_800), gaps.join());
    assert.equal(world.media, HOME.port);
    assert.deepEqual(world.ours.events, ["selected udp 198.51.100.7:50001"]);
  });
}

Deno.test("IceLiteAgent asks at once when something is sent again, if that is due", () => {
  const world = homeWorld();
  assert.deepEqual(resting(world, { everyMs: PING_MS, ms: 10_010, answers: () => true }), []);
  void world.ours.agent.mediaPath;
  world.ping(HOME);
  assert.equal(world.checksTo(HOME).length, 1);
});

Deno.test("IceLiteAgent goes on asking at the usual pace where one check was lost, sent or not", () => {
  const world = homeWorld();
  const begin = world.now;
  const times = resting(world, { everyMs: PING_MS, ms: 40_000, answers: (count) => count === 4 });
  assert.ok(times[0]! - begin >= 11_200, "the first is not hurried");
  const gaps = times.slice(1, 4).map((at, i) => at - times[i]!);
  assert.ok(gaps.every((ms) => ms <= 5_900), gaps.join());
  assert.ok(times[3]! - begin < CONSENT_MS);
  assert.equal(world.drops.get("ice_consent_lost"), 0);
  assert.equal(world.media, HOME.port);
});

Deno.test("IceLiteAgent ends consent after 30 s whether something was sent or not", () => {
  const world = homeWorld();
  const begin = world.now;
  const times = resting(world, { everyMs: PING_MS, ms: CONSENT_MS - 100, answers: () => false });
  assert.equal(world.media, HOME.port);
  assert.ok(times.length >= 4, `asked ${times.map((at) => at - begin).join()}`);
  resting(world, { everyMs: PING_MS, ms: 200, answers: () => false });
  assert.equal(world.media, undefined);
});

Deno.test("IceLiteAgent asks a client that stops asking before it counts as silent, sent or not", () => {
  const world = homeWorld();
  resting(world, { everyMs: PING_MS, ms: 20_000, answers: () => true });
  resting(world, { everyMs: Infinity, ms: 120_000, answers: () => true });
  assert.equal(world.media, HOME.port);
  assert.deepEqual(world.ours.events, ["selected udp 198.51.100.7:50001"]);
});

Deno.test("IceLiteAgent goes by handshakes and requests with a client that answers nothing", () => {
  const world = new ClientWorld();
  world.ping(HOME, { useCandidate: true });
  world.ours.agent.provePath(world.ours.agent.selectedPath!, world.now);
  for (let i = 0; i < 60; i++) {
    world.advance(world.ours.agent, PING_MS);
    world.ping(HOME);
    assert.equal(world.media, HOME.port);
  }
  // But it is not followed to where it proved nothing.
  world.ping(VICTIM, { useCandidate: true, priority: 0xffff_ffff });
  world.ping(VICTIM, { useCandidate: true, priority: 0xffff_ffff });
  assert.equal(world.media, HOME.port);
});

Deno.test("IceLiteAgent takes the proven path when the one in use ends", () => {
  const world = homeWorld();
  world.ping(MOBILE);
  world.answerAt(MOBILE);
  world.advance(world.ours.agent, 1_000);
  world.ping(VICTIM);
  world.ours.agent.pathClosed(world.ours.agent.selectedPath!);
  assert.equal(world.media, MOBILE.port);
});

Deno.test("IceLiteAgent asks when the description comes after the client's checks", () => {
  const world = new ClientWorld({ told: false });
  world.ping(HOME, { useCandidate: true });
  assert.deepEqual(world.checksTo(HOME), []);
  world.ours.agent.setRemote(CLIENT, world.now);
  assert.equal(world.answerAt(HOME), true);
  assert.equal(world.media, HOME.port);
});

Deno.test("IceLiteAgent takes an authenticated error for an answer: whoever signs it has heard us", () => {
  const world = new ClientWorld();
  world.ping(HOME, { useCandidate: true });
  const [asked] = world.checksTo(HOME);
  world.datagrams.arrive(answer(asked!.transactionId, CLIENT, true), HOME);
  assert.equal(world.media, HOME.port);
});

Deno.test("IceLiteAgent.close() and evicted paths leave no check open", () => {
  const world = homeWorld();
  for (let port = 1; port <= 3 * MAX_PATHS; port++) world.ping(udp("203.0.113.1", port));
  assert.equal(world.ours.agent.pathCount, MAX_PATHS);
  assert.ok(world.directory.openChecks <= MAX_PATHS);
  world.ours.agent.close();
  assert.equal(world.directory.openChecks, 0);
});

Deno.test("IceLiteAgent sends media only to addresses that answered, whatever comes in which order", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new SeededRandom(seed);
    const world = new ClientWorld();
    const places = [HOME, MOBILE, VICTIM, udp("203.0.113.77", 7)];
    const answered = new Map<number, number>();
    for (let step = 0; step < 60; step++) {
      const place = places[random.uint32() % places.length]!;
      const bits = random.uint32();
      if (bits % 4 === 0) {
        // Nobody ever answers at the victim's.
        if (place !== VICTIM && world.answerAt(place)) answered.set(place.port, world.now);
      } else if (bits % 4 === 1) world.advance(world.ours.agent, random.uint32() % 8_000);
      else if (bits % 16 === 2) {
        // Who is where media goes keeps consent by sending (as FFmpeg does).
        if (world.media === place.port) answered.set(place.port, world.now);
        world.mediaFrom(place, { isNewest: bits % 32 === 2 });
      } else world.ping(place, { useCandidate: bits % 8 < 6, priority: random.uint32() >>> 1 });
      const { media } = world;
      if (media === undefined) continue;
      const last = answered.get(media);
      assert.ok(last !== undefined && world.now - last < CONSENT_MS, `seed ${seed}, step ${step}`);
    }
  }
});
