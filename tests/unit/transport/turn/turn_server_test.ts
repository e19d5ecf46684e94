import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import {
  ATTR,
  type Attribute,
  attributesOf,
  channelData,
  credentialsOf,
  errorOf,
  message,
  OWN_ADDRESS,
  OWN_PORT,
  text,
  TURN_KEY,
  TURN_SECRET,
  TurnWorld,
  word,
  xored,
} from "../../../support/virtual/turn_world.ts";

const UDP: Attribute = [ATTR.transport, word(17 << 24)];
const PEER: Attribute = [ATTR.peer, xored(OWN_ADDRESS, OWN_PORT)];
const CHANNEL: Attribute = [ATTR.channel, word(0x4001 << 16)];
const [ALLOCATE, REFRESH, SEND, PERMISSION, BIND] = [0x0003, 0x0004, 0x0016, 0x0008, 0x0009];
/** An empty STUN binding request, as a datagram of ICE. */
const CHECK = message(0x0001, new Uint8Array(12).fill(9), []);

/** What a client relays is a session's from now on. */
function carry(world: TurnWorld, client: ReturnType<TurnWorld["client"]>): void {
  client.ask(client.request(BIND, [CHANNEL, PEER]));
  client.give(channelData(0x4001, CHECK));
  world.heard.at(-1)!.origin.openPath().validator = { pathClosed() {}, holds: () => true };
}

Deno.test("TurnServer asks for credentials, and answers who has them with two addresses, signed", () => {
  const world = new TurnWorld();
  const client = world.client();
  const first = client.ask(message(ALLOCATE, client.transaction(), [UDP]))!;
  assert.equal(errorOf(first), 401);
  assert.equal(new TextDecoder().decode(attributesOf(first).get(ATTR.realm)), "livekit");
  const credentials = world.credentials();
  const answer = client.allocate(credentials);
  assert.equal(answer[0]! << 8 | answer[1]!, 0x0103);
  const found = attributesOf(answer);
  assert.deepEqual(found.get(ATTR.mapped), xored("198.51.100.7", 40_000));
  assert.deepEqual(found.get(ATTR.relayed)?.slice(4), xored(OWN_ADDRESS, 0).slice(4));
  assert.deepEqual(found.get(ATTR.lifetime), word(600));
  const { username, password } = credentials;
  const key = createHash("md5").update(`${username}:livekit:${password}`).digest();
  const mac = createHmac("sha1", key).update(answer.subarray(0, answer.length - 24)).digest();
  assert.deepEqual([...answer.slice(-20)], [...mac]);
  assert.ok(client.isKept);
  assert.equal(world.server.size, 1);
});

Deno.test("TurnServer answers an allocation again alike, and refuses another one", () => {
  const client = new TurnWorld().client();
  const transaction = client.transaction();
  const request = client.request(ALLOCATE, [UDP], undefined, transaction);
  const answers = [client.ask(request), client.ask(request)];
  assert.deepEqual(answers[0], answers[1]);
  assert.equal(errorOf(client.allocate()), 437);
});

Deno.test("TurnServer gives an even port to who asks for one, whatever the next one is", () => {
  const world = new TurnWorld();
  const ports = [1, 2, 3, 4].map((port) => {
    const client = world.client("198.51.100.9", port);
    const even: Attribute[] = port % 2 === 0 ? [[ATTR.evenPort, Uint8Array.of(0)]] : [];
    const answer = client.ask(client.request(ALLOCATE, [UDP, ...even]))!;
    assert.equal(errorOf(answer), 0);
    const relayed = attributesOf(answer).get(ATTR.relayed)!;
    return (relayed[2]! << 8 | relayed[3]!) ^ 0x2112;
  });
  assert.deepEqual([ports[1]! % 2, ports[3]! % 2, new Set(ports).size], [0, 0, 4]);
});

Deno.test("TurnServer refuses what it cannot give, each in its own words", () => {
  const world = new TurnWorld();
  const refusals: readonly (readonly [Attribute[], number])[] = [
    [[], 400],
    [[[ATTR.transport, word(6 << 24)]], 442],
    [[UDP, [ATTR.family, word(2 << 24)]], 440],
    [[UDP, [ATTR.evenPort, Uint8Array.of(0x80)]], 508],
    [[UDP, [0x7ffe, word(1)]], 420],
  ];
  refusals.forEach(([attributes, code], index) => {
    const client = world.client("198.51.100.9", 1_000 + index);
    assert.equal(errorOf(client.ask(client.request(ALLOCATE, attributes))!), code);
  });
  const client = world.client();
  assert.equal(errorOf(client.ask(client.request(REFRESH, []))!), 437);
  client.allocate();
  const other = world.credentials("PA_bob");
  assert.equal(errorOf(client.ask(client.request(REFRESH, [], other))!), 441);
  assert.equal(errorOf(client.ask(client.request(0x000a, []))!), 400);
});

Deno.test("TurnServer carries a check in, and answers out, first as indications and then by channel", () => {
  const world = new TurnWorld();
  const client = world.client();
  client.allocate();
  client.give(message(SEND, client.transaction(), [PEER, [ATTR.data, CHECK]]));
  assert.deepEqual(world.drops.snapshot(), { turn_not_permitted: 1 });
  assert.equal(errorOf(client.ask(client.request(PERMISSION, [PEER]))!), 0);
  client.give(message(SEND, client.transaction(), [PEER, [ATTR.data, CHECK]]));
  const [{ bytes, origin }] = world.heard as [typeof world.heard[0]];
  assert.deepEqual(bytes, CHECK);
  const { hostname, port } = origin.remote;
  assert.equal(hostname, OWN_ADDRESS);
  assert.ok(port >= 49_152);
  origin.reply(CHECK, CHECK.length);
  const indication = client.received.at(-1)!;
  assert.equal(indication[0]! << 8 | indication[1]!, 0x0017);
  assert.deepEqual(attributesOf(indication).get(ATTR.data), CHECK);
  assert.equal(errorOf(client.ask(client.request(BIND, [CHANNEL, PEER]))!), 0);
  client.give(channelData(0x4001, CHECK));
  assert.deepEqual(world.heard[1]?.bytes, CHECK);
  assert.equal(world.heard[1]?.origin, origin, "one path for one peer");
  origin.reply(CHECK, CHECK.length);
  assert.deepEqual(client.received.at(-1), channelData(0x4001, CHECK));
});

Deno.test("TurnServer reaches this node's candidates and nothing else", () => {
  const world = new TurnWorld();
  const client = world.client();
  client.allocate();
  const foreign = ["127.0.0.1", "10.0.0.1", "224.0.0.1", "0.0.0.0", "192.0.2.2", "255.255.255.255"];
  for (const address of foreign) {
    const peer: Attribute = [ATTR.peer, xored(address, OWN_PORT)];
    assert.equal(errorOf(client.ask(client.request(PERMISSION, [peer]))!), 403, address);
    assert.equal(errorOf(client.ask(client.request(BIND, [CHANNEL, peer]))!), 403, address);
    client.give(message(SEND, client.transaction(), [peer, [ATTR.data, CHECK]]));
  }
  const mapped = Uint8Array.of(0, 2, ...xored("1.2.3.4", 80).slice(2, 4), ...new Uint8Array(16));
  assert.equal(errorOf(client.ask(client.request(PERMISSION, [[ATTR.peer, mapped]]))!), 443);
  const wrongPort: Attribute = [ATTR.peer, xored(OWN_ADDRESS, 22)];
  assert.equal(errorOf(client.ask(client.request(BIND, [CHANNEL, wrongPort]))!), 403);
  assert.equal(errorOf(client.ask(client.request(PERMISSION, [wrongPort]))!), 0, "an address");
  client.give(message(SEND, client.transaction(), [wrongPort, [ATTR.data, CHECK]]));
  assert.deepEqual(world.heard, []);
});

Deno.test("TurnServer binds one channel to one peer, of the numbers there are", () => {
  const world = new TurnWorld({ isOwn: (address) => address === OWN_ADDRESS });
  const client = world.client();
  client.allocate();
  const bind = (number: number, port: number) =>
    errorOf(
      client.ask(client.request(BIND, [
        [ATTR.channel, word(number << 16)],
        [ATTR.peer, xored(OWN_ADDRESS, port)],
      ]))!,
    );
  assert.deepEqual([bind(0x3fff, 1), bind(0x8000, 1), bind(0x4fff, 1)], [400, 400, 0]);
  assert.equal(bind(0x7fff, 3), 0, "as clients of RFC 5766 may");
  assert.deepEqual([bind(0x4fff, 1), bind(0x4fff, 2), bind(0x4ffe, 1)], [0, 400, 400]);
  world.platform.advance(10 * 60_000 - 1);
  client.ask(client.request(REFRESH, []));
  world.platform.advance(1);
  assert.equal(bind(0x4fff, 2), 437, "the allocation has ended meanwhile");
});

Deno.test("TurnServer keeps the new channel of a peer whose old number goes to another peer", () => {
  const world = new TurnWorld({ isOwn: (address) => address === OWN_ADDRESS });
  const client = world.client();
  const credentials = world.credentials();
  client.allocate(credentials);
  const bind = (number: number, port: number) => {
    const channel: Attribute = [ATTR.channel, word(number << 16)];
    const peer: Attribute = [ATTR.peer, xored(OWN_ADDRESS, port)];
    return errorOf(client.ask(client.request(BIND, [channel, peer], credentials))!);
  };
  assert.equal(bind(0x4001, 1), 0);
  client.ask(client.request(REFRESH, [[ATTR.lifetime, word(3_600)]], credentials));
  world.platform.advance(10 * 60_000);
  assert.deepEqual([bind(0x4002, 1), bind(0x4001, 2)], [0, 0]);
  assert.equal(bind(0x4003, 1), 400, "it has a number");
  client.give(channelData(0x4002, CHECK));
  world.heard[0]!.origin.reply(CHECK, CHECK.length);
  assert.deepEqual([...client.received.at(-1)!.subarray(0, 2)], [0x40, 0x02]);
});

Deno.test("TurnServer ends what is not refreshed, and what is given back, with its paths", () => {
  const world = new TurnWorld();
  const client = world.client();
  const credentials = world.credentials();
  client.allocate(credentials);
  client.ask(client.request(BIND, [CHANNEL, PEER]));
  client.give(channelData(0x4001, CHECK));
  const path = world.heard[0]!.origin.openPath();
  let closed = 0;
  path.validator = { pathClosed: () => void closed++, holds: () => true };
  world.platform.advance(599_000);
  assert.deepEqual(
    attributesOf(client.ask(client.request(REFRESH, [[ATTR.lifetime, word(900)]], credentials))!)
      .get(ATTR.lifetime),
    word(900),
  );
  world.platform.advance(899_000);
  assert.equal(world.server.size, 1);
  world.platform.advance(1_000);
  client.give(channelData(0x4001, CHECK));
  assert.deepEqual([world.server.size, closed, client.isKept], [0, 1, false]);
  client.allocate();
  assert.equal(errorOf(client.ask(client.request(REFRESH, [[ATTR.lifetime, word(0)]]))!), 0);
  assert.equal(world.server.size, 0);
});

Deno.test("TurnServer hears of a participant twelve times at once, as LiveKit's", () => {
  const world = new TurnWorld();
  const clients = Array.from({ length: 13 }, (_, i) => world.client("198.51.100.7", 2_000 + i));
  const codes = clients.map((client) => errorOf(client.allocate()));
  assert.deepEqual(codes, [...new Array(12).fill(0), 486]);
  world.server.clientGone(clients[3]!);
  assert.equal(errorOf(clients[12]!.allocate()), 0);
  assert.equal(errorOf(world.client().allocate(world.credentials("PA_bob"))), 0);
});

Deno.test("TurnServer has a place for a newcomer while some carry nothing, whoever has taken all", () => {
  const world = new TurnWorld({ mostAllocations: 40 });
  const ann = world.client();
  ann.allocate();
  carry(world, ann);
  // Who comes back gets a name of its own each time, and with that allocations.
  for (let i = 0; i < 60; i++) {
    const greedy = world.client("198.51.100.66", 1_000 + i);
    assert.equal(errorOf(greedy.allocate(world.credentials(`PA_greedy${i >> 3}`))), 0);
  }
  assert.equal(world.server.size, 40);
  assert.ok(ann.allocation !== undefined, "what carries something stays");
  const fresh = world.client("203.0.113.5", 50_000);
  assert.equal(errorOf(fresh.allocate(world.credentials("PA_fresh"))), 0);
  for (let i = 60; i < 120; i++) {
    world.client("198.51.100.66", 1_000 + i).allocate(world.credentials(`PA_greedy${i >> 3}`));
  }
  assert.ok(fresh.allocation !== undefined, "whoever has most gives way to itself");
  assert.equal(world.server.size, 40);
  assert.ok(world.drops.get("turn_allocation_gave_way") > 0);
});

Deno.test("TurnServer refuses a newcomer where all that there are carry something", () => {
  const world = new TurnWorld({ mostAllocations: 2 });
  for (const port of [1_000, 1_001]) {
    const client = world.client("198.51.100.66", port);
    client.allocate();
    carry(world, client);
  }
  assert.equal(errorOf(world.client().allocate()), 508);
});

Deno.test("TurnServer keeps of one network no more than some that carry nothing", () => {
  const world = new TurnWorld({ mostUnusedOfNetwork: 10 });
  const greedy = (port: number) => {
    const client = world.client("198.51.100.66", port);
    client.allocate(world.credentials(`PA_greedy${port >> 3}`));
  };
  const used = [1_000, 1_001].map((port) => world.client("198.51.100.66", port));
  for (const client of used) {
    client.allocate();
    carry(world, client);
  }
  for (let port = 2_000; port < 2_050; port++) greedy(port);
  world.platform.advance(1_000);
  greedy(3_000);
  assert.equal(world.server.size, 12);
  assert.ok(used.every(({ allocation }) => allocation !== undefined));
  const other = world.client();
  other.allocate();
  assert.equal(world.server.size, 13);
});

Deno.test("TurnServer takes a nonce back from whom it was given to, for an hour", () => {
  const world = new TurnWorld();
  const client = world.client();
  const stolen = client.request(ALLOCATE, [UDP]);
  assert.equal(errorOf(world.client("203.0.113.5").ask(stolen)!), 438);
  world.platform.advance(60 * 60_000 + 1);
  assert.equal(errorOf(client.ask(client.request(ALLOCATE, [UDP]))!), 438);
});

Deno.test("TurnServer tells a network of strangers a bounded number of times, and keeps nothing", () => {
  const world = new TurnWorld();
  const client = world.client();
  for (let i = 0; i < 1_000; i++) client.give(message(ALLOCATE, client.transaction(), [UDP]));
  assert.equal(client.received.length, 400);
  assert.equal(world.drops.get("turn_answers_limited"), 600);
  assert.ok(client.received.every(({ length }) => length <= 128));
  world.platform.advance(1_000);
  assert.equal(errorOf(client.ask(message(ALLOCATE, client.transaction(), [UDP]))!), 401);
  assert.equal(errorOf(world.client("203.0.113.5").allocate()), 0);
});

Deno.test("TurnServer lets expired credentials refresh, and allocate no more", () => {
  const world = new TurnWorld();
  const credentials = world.credentials();
  const client = world.client();
  client.allocate(credentials);
  world.platform.advance(301_000);
  assert.equal(errorOf(client.ask(client.request(REFRESH, [], credentials))!), 0);
  assert.equal(errorOf(world.client("203.0.113.5").allocate(credentials)), 400);
  // The allocation is over, and nobody has looked since.
  world.platform.advance(598_000);
  client.give(message(0x0001, client.transaction(), []));
  world.platform.advance(2_000);
  assert.equal(errorOf(client.allocate(credentials)), 400);
});

Deno.test("TurnServer gives no answer to what is none of its own, and changes nothing", () => {
  const world = new TurnWorld();
  const client = world.client();
  client.allocate();
  const before = client.received.length;
  client.give(message(0x0103, client.transaction(), []));
  client.give(message(0x0017, client.transaction(), [PEER, [ATTR.data, CHECK]]));
  client.give(channelData(0x4002, CHECK));
  client.give(Uint8Array.of(0x40, 1));
  client.give(text("GET / HTTP/1.1\r\n\r\n"));
  assert.equal(client.received.length, before);
  assert.deepEqual(world.drops.snapshot(), {
    turn_unexpected_type: 2,
    turn_unknown_channel: 2,
    turn_malformed: 1,
  });
});

Deno.test("TurnServer knows keys and secrets, and three parts of a name", () => {
  const world = new TurnWorld();
  const expiry = String(Math.floor(world.platform.clock.wallMs() / 1000) + 300);
  const codeOf = (fields: readonly string[], secret: string, port: number) =>
    errorOf(world.client("203.0.113.5", port).allocate(credentialsOf(fields, secret)));
  assert.equal(codeOf([TURN_KEY, "PA_x", expiry], TURN_SECRET, 1), 0);
  assert.equal(codeOf([TURN_KEY, "PA_x", expiry], "another", 2), 400);
  assert.equal(codeOf(["nobody", "PA_x", expiry], TURN_SECRET, 3), 400);
});
