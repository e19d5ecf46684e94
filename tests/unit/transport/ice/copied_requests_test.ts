/**
 * A request of a client's can be said again by whoever has seen it, from its own address or another
 * one, over UDP or a connection of their own: copies keep nothing alive, and neither move nor hold
 * back who is there.
 *
 * @module
 */
import assert from "node:assert/strict";
import { MAX_PATHS } from "../../../../lib/transport/ice/ice_lite.ts";
import { INTERRUPTED_AFTER_MS, LOST_AFTER_MS } from "../../../../lib/transport/ice/ice_silence.ts";
import { SILENT_MS } from "../../../../lib/transport/ice/moved_clients.ts";
import { CONSENT_MS } from "../../../../lib/transport/ice/path_checks.ts";
import { CLIENT, ClientWorld, HOME, homeWorld, MOBILE, PING_MS, VICTIM } from "./client_world.ts";
import { answer, check, credentials, MemoryStreamPath, readCheck, udp } from "./ice_world.ts";

const THIRD = udp("203.0.113.200", 41_000);
/** Above what clients give the pairs that they use here. */
const HIGH_PRIORITY = 0x7fff_ffff;

/** A client at HOME that has sent nothing but requests and answers for a while. */
function quietWorld(): ClientWorld {
  const world = homeWorld();
  world.live(HOME, 8 * PING_MS);
  return world;
}

/**
 * Time passes in steps of 50 ms, before each of which `step` does something.
 *
 * @returns When `isOver` was true, ms from now; `ms` if it never was.
 */
function pass(world: ClientWorld, ms: number, step: (at: number) => void, isOver = () => false) {
  for (let at = 0; at < ms; at += 50) {
    step(at);
    if (isOver()) return at;
    world.advance(world.ours.agent, 50);
  }
  return ms;
}

/** As {@linkcode ClientWorld.ping}, over a connection. */
function pingOver(
  world: ClientWorld,
  path: MemoryStreamPath,
  options: Parameters<typeof check>[1] = {},
): Uint8Array {
  const bytes = check(world.ours.local, options);
  world.directory.receiveStun(bytes, bytes.length, path, world.now);
  return bytes;
}

/** The client answers what was asked over a connection. @returns Whether there was anything. */
function answerOver(world: ClientWorld, path: MemoryStreamPath): boolean {
  const checks = path.sent.splice(0).filter((bytes) => bytes[0] === 0);
  for (const bytes of checks) {
    const said = answer(readCheck(bytes, CLIENT)!.transactionId, CLIENT);
    world.directory.receiveStun(said, said.length, path, world.now);
  }
  return checks.length > 0;
}

const stream = () =>
  new MemoryStreamPath({ transport: "tcp", hostname: "192.0.2.66", port: 6_000 });

for (const [where, from] of [["its own address", HOME], ["another", VICTIM]] as const) {
  Deno.test(`A client that is gone counts as lost when its consent is over, though a request comes again from ${where}`, () => {
    const world = quietWorld();
    const copied = world.ping(HOME);
    world.answerAt(HOME);
    const since = world.now;
    const { events } = world.ours;
    const copy = (at: number) => {
      if (at % 500 === 0) world.datagrams.arrive(copied, from);
    };
    pass(world, CONSENT_MS + 100, copy, () => events.includes("interrupted"));
    assert.ok(events.includes("interrupted"), `not within ${world.now - since} ms`);
    pass(world, CONSENT_MS, copy, () => events.includes("lost"));
    const lostAfterMs = world.now - since;
    assert.ok(
      lostAfterMs <= CONSENT_MS + LOST_AFTER_MS - INTERRUPTED_AFTER_MS + 100,
      `after ${lostAfterMs} ms`,
    );
    pass(world, since + CONSENT_MS - world.now, copy);
    assert.equal(world.media, undefined);
  });
}

Deno.test("A client that answers nothing for less than its consent, but asks, is neither interrupted nor left", () => {
  const world = quietWorld();
  for (let at = 0; at < CONSENT_MS - PING_MS; at += PING_MS) {
    world.advance(world.ours.agent, PING_MS);
    world.ping(HOME);
    assert.equal(world.media, HOME.port);
  }
  world.answerAt(HOME);
  world.live(HOME, CONSENT_MS);
  assert.equal(world.ours.events.length, 1);
});

Deno.test("Copies at the old address keep nobody from being looked for elsewhere", () => {
  const world = homeWorld();
  world.talk(HOME, 1_000);
  const copied = check(world.ours.local);
  const { agent } = world.ours;
  pass(world, 2 * SILENT_MS, () => world.datagrams.arrive(copied, HOME));
  assert.ok(world.now - agent.heardAt >= SILENT_MS);
});

Deno.test("Copies at a path that the client has left keep no other one from being followed", () => {
  const world = quietWorld();
  const copied = world.ping(MOBILE);
  world.answerAt(MOBILE);
  world.live(HOME, PING_MS);
  const ms = pass(world, CONSENT_MS, (at) => {
    world.datagrams.arrive(copied, MOBILE);
    if (at % 2_000 === 0) world.ping(THIRD);
    world.answerAt(THIRD);
  }, () => world.media === THIRD.port);
  assert.ok(ms <= 6_000, `after ${ms} ms`);
});

Deno.test("Copies of a nomination from ever other addresses hold back nobody whose media comes from elsewhere", () => {
  const world = homeWorld();
  world.talk(HOME, 1_000);
  const copied = check(world.ours.local, { useCandidate: true, priority: HIGH_PRIORITY });
  world.ping(MOBILE);
  let turn = 0;
  const ms = world.talk(MOBILE, 10_000, () => {
    if (turn++ % 10 === 0) world.datagrams.arrive(copied, turn % 20 < 10 ? VICTIM : THIRD);
    return world.media === MOBILE.port;
  });
  assert.ok(ms <= 1_200, `after ${ms} ms`);
});

Deno.test("Copies from many addresses take no path from the client that it has answered by", () => {
  const world = quietWorld();
  world.ping(MOBILE);
  world.answerAt(MOBILE);
  const copied = check(world.ours.local, { useCandidate: true });
  for (let port = 1; port <= 3 * MAX_PATHS; port++) {
    world.advance(world.ours.agent, 10);
    world.datagrams.arrive(copied, udp(VICTIM.hostname, port));
  }
  assert.equal(world.ours.agent.pathCount, MAX_PATHS);
  world.ours.agent.pathClosed(world.ours.agent.selectedPath!);
  assert.equal(world.media, MOBILE.port);
});

Deno.test("Copies keep an address from another client for no longer than the first one does", () => {
  const world = quietWorld();
  const copied = check(world.ours.local);
  const other = world.agent("efgh");
  const theirs = credentials("other");
  other.agent.setRemote(theirs, world.now);
  const ms = pass(world, CONSENT_MS, (at) => {
    if (at % 500 === 0) world.datagrams.arrive(copied, MOBILE);
    if (at % 500 === 250) {
      const { sent } = world.datagrams;
      const begin = sent.length;
      world.datagrams.arrive(check(other.local, { remoteUfrag: theirs.ufrag }), MOBILE);
      for (const { bytes } of sent.slice(begin)) {
        const asked = bytes[0] === 0 ? readCheck(bytes, theirs) : undefined;
        if (asked) world.datagrams.arrive(answer(asked.transactionId, theirs), MOBILE);
      }
    }
    world.answerAt(HOME);
    if (at % PING_MS === 0) world.ping(HOME);
  }, () => other.agent.provenPath !== undefined);
  assert.ok(ms <= INTERRUPTED_AFTER_MS + 500, `after ${ms} ms`);
});

Deno.test("Copies over a connection move nobody who answers, and keep nobody alive", () => {
  const world = quietWorld();
  const { agent, events } = world.ours;
  const copies = [0, 1].map(() => {
    return check(world.ours.local, { useCandidate: true, priority: HIGH_PRIORITY });
  });
  const path = stream();
  const copy = (at: number) => {
    for (const bytes of at % 500 === 0 ? copies : []) {
      world.directory.receiveStun(bytes, bytes.length, path, world.now);
    }
  };
  pass(world, 10_000, (at) => {
    copy(at);
    if (at % PING_MS === 0) world.ping(HOME);
    world.answerAt(HOME);
  });
  assert.deepEqual(events, ["selected udp 198.51.100.7:50001"]);
  assert.equal(agent.provenPath?.protocol, "udp");
  pass(world, CONSENT_MS + 1_000, copy);
  assert.deepEqual(events.slice(1, 3), ["interrupted", "lost"]);
  assert.ok(!events.includes("resumed"));
  assert.equal(agent.provenPath, undefined);
});

Deno.test("A client that answers over a connection is followed there within the answer", () => {
  const world = quietWorld();
  const path = stream();
  pingOver(world, path, { useCandidate: true, priority: HIGH_PRIORITY });
  assert.equal(world.ours.agent.provenPath?.protocol, "udp");
  assert.equal(answerOver(world, path), true);
  assert.equal(world.ours.agent.provenPath, path);
  // Nobody else can be at the other end of it: it is not asked again.
  for (let at = 0; at < 4 * CONSENT_MS; at += PING_MS) {
    world.advance(world.ours.agent, PING_MS);
    pingOver(world, path);
    assert.equal(answerOver(world, path), false);
    assert.equal(world.ours.agent.provenPath, path);
  }
});

for (const answers of [true, false]) {
  Deno.test(`A client that begins over a connection gets media at once, and ${answers ? "keeps it when it answers" : "goes on if it never answers"}`, () => {
    const world = new ClientWorld();
    const path = stream();
    pingOver(world, path, { useCandidate: true });
    assert.equal(world.ours.agent.provenPath, path);
    for (let at = 0; at < 4 * CONSENT_MS; at += PING_MS) {
      if (answers) answerOver(world, path);
      world.advance(world.ours.agent, PING_MS);
      pingOver(world, path);
      assert.equal(world.ours.agent.provenPath, path);
    }
    assert.equal(world.ours.events.length, 1);
  });
}

Deno.test("A client that began over a connection keeps it when it first answers elsewhere", () => {
  const world = new ClientWorld();
  const path = stream();
  pingOver(world, path, { useCandidate: true, priority: HIGH_PRIORITY });
  world.ping(HOME);
  assert.equal(world.answerAt(HOME), true);
  assert.equal(world.ours.agent.provenPath, path);
});
