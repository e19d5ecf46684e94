import assert from "node:assert/strict";
import { DataPacket, RpcAck, RpcResponse, UserPacket } from "@livekit/protocol";
import type { ConnectionId } from "../../../../lib/base/ids.ts";
import { CHAT_LIMITS } from "../../../../lib/engine/data/chat_tap.ts";
import {
  DataEngine,
  dataMember,
  FakeEndpoint,
  joinEngines,
  pass,
} from "../../../support/virtual/data_plane_world.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const text = (value: string) => new TextEncoder().encode(value);

/** A user packet with this topic. */
function user(topic: string, outer: Partial<DataPacket> = {}, size = 1): Uint8Array {
  const value = new UserPacket({ payload: new Uint8Array(size), topic });
  return new DataPacket({ ...outer, value: { case: "user", value } }).toBinary();
}

function topics(engine: DataEngine, name: string): string[] {
  return engine.at(name).sent.map(({ bytes }) =>
    (DataPacket.fromBinary(bytes).value.value as UserPacket).topic ?? ""
  );
}

function engineOf(...names: string[]): DataEngine {
  const engine = new DataEngine(new VirtualPlatform());
  for (const name of names) engine.join(name);
  return engine;
}

/** `alice` on the first of two engines, `bob` and `carol` on the second. */
function twoEngines() {
  const platform = new VirtualPlatform();
  const [home, far] = [new DataEngine(platform), new DataEngine(platform)];
  joinEngines(home, far);
  home.join("alice");
  far.join("alice", { elsewhere: 0 });
  for (const name of ["bob", "carol"]) {
    far.join(name);
    home.join(name, { elsewhere: 1 });
  }
  return { home, far, both: [home, far] };
}

Deno.test("DataPlane gives all receivers the same bytes, and the sender none", () => {
  const engine = engineOf("alice", "bob", "carol");
  engine.receive("alice", user("hi"));
  const [bob, carol] = ["bob", "carol"].map((name) => engine.at(name).sent);
  assert.equal(bob!.length, 1);
  assert.equal(bob![0]!.bytes, carol![0]!.bytes);
  assert.deepEqual(engine.at("alice").sent, []);
  assert.deepEqual(engine.events, [], "and the control plane hears nothing of it");
});

Deno.test("DataPlane delivers once to a receiver that is named twice", () => {
  const engine = engineOf("alice", "bob");
  const value = new UserPacket({ destinationSids: ["PA_bob", "PA_bob"], topic: "t" });
  const packet = new DataPacket({
    destinationIdentities: ["bob", "nobody", "bob", "alice"],
    value: { case: "user", value },
  });
  engine.receive("alice", packet.toBinary());
  assert.deepEqual(topics(engine, "bob"), ["t"]);
  assert.deepEqual(topics(engine, "alice"), []);
});

Deno.test("DataPlane keeps rooms apart, and takes a moved member's messages along", () => {
  const engine = engineOf("alice", "bob");
  engine.join("carol", { room: 2 });
  engine.receive("alice", user("1", { sequence: 1 }));
  engine.join("alice", { room: 2, sid: "PA_other" });
  engine.receive("alice", user("2", { sequence: 1 }));
  engine.receive("alice", user("3", { sequence: 2 }));
  assert.deepEqual(topics(engine, "bob"), ["1"]);
  assert.deepEqual(topics(engine, "carol"), ["3"], "sequences go on counting");
  const { participantSid } = DataPacket.fromBinary(engine.at("carol").sent[0]!.bytes);
  assert.equal(participantSid, "PA_other");
  engine.leave("alice");
  engine.receive("alice", user("4"));
  assert.deepEqual(engine.drops.snapshot(), { data_duplicate: 1, data_no_member: 1 });
});

Deno.test("DataPlane gives nothing to a connection that is gone, and goes on with the next one", () => {
  const engine = engineOf("alice", "bob");
  const first = engine.at("bob");
  engine.receive("alice", user("one"));
  engine.endpoints.delete("bob");
  engine.data.forget("bob" as ConnectionId);
  engine.receive("alice", user("two"));
  assert.equal(first.sent.length, 1);
  const second = new FakeEndpoint();
  engine.endpoints.set("other", second);
  engine.join("bob", { receiver: "other" as ConnectionId });
  engine.receive("alice", user("three"));
  assert.deepEqual(topics(engine, "other"), ["three"]);
  assert.equal(first.sent.length, 1);
});

Deno.test("DataPlane keeps for a member whose channel is not open what was said of it meanwhile", () => {
  const engine = engineOf("alice");
  engine.join("bob", { active: false }).isOpen = true;
  const late = engine.join("late", { active: false });
  engine.leave("late");
  late.isOpen = false;
  engine.join("late", { active: false });
  engine.receive("alice", user("1", { sequence: 1 }));
  engine.receive("alice", user("own"));
  engine.join("late", { active: true, identity: "renamed" });
  engine.receive("alice", user("2", { sequence: 2 }));
  assert.deepEqual(late.sent, []);
  engine.data.channelOpen("late" as ConnectionId, "_lossy");
  assert.deepEqual(late.sent, []);
  engine.data.channelOpen("late" as ConnectionId, "_reliable");
  assert.deepEqual(topics(engine, "late"), ["1", "2", "own"]);
});

Deno.test("DataPlane sends what the server says to those it names, or to others", () => {
  const engine = engineOf("alice", "bob", "carol");
  const bytes = user("to all");
  const type = "send_room_data";
  engine.data.carryOut({ type, room: 1, kind: "reliable", bytes });
  engine.data.carryOut({ type, room: 1, kind: "reliable", bytes: user("bob's"), to: ["bob"] });
  engine.data.carryOut({ type, room: 9, kind: "reliable", bytes });
  assert.deepEqual(topics(engine, "alice"), ["to all"]);
  assert.deepEqual(topics(engine, "bob"), ["to all", "bob's"]);
  assert.deepEqual(topics(engine, "carol"), ["to all"]);
});

Deno.test("DataPlane tells awaited answers, a receipt and a response, and nobody else gets them", () => {
  const engine = engineOf("alice", "bob", "mallory");
  const answer = (value: DataPacket["value"]) => new DataPacket({ value }).toBinary();
  const ack = answer({ case: "rpcAck", value: new RpcAck({ requestId: "call" }) });
  const payload = { case: "payload" as const, value: "yes" };
  const response = answer({
    case: "rpcResponse",
    value: new RpcResponse({ requestId: "call", value: payload }),
  });
  engine.join("alice", { awaited: ["call"] });
  for (const bytes of [ack, ack, response, response, ack]) engine.receive("alice", bytes);
  assert.deepEqual(engine.events, [
    { type: "data_rpc_answer", connection: "alice" as ConnectionId, bytes: ack },
    { type: "data_rpc_answer", connection: "alice" as ConnectionId, bytes: response },
  ]);
  assert.deepEqual(engine.at("bob").sent, []);
  engine.receive("mallory", response);
  assert.equal(engine.at("bob").sent.length, 1, "of another: just a packet");
  engine.join("alice", { awaited: [] });
  engine.receive("alice", response);
  assert.equal(engine.at("bob").sent.length, 2, "the call is over");
});

Deno.test("DataPlane tells the control plane what is sent on if others elsewhere want it", () => {
  const engine = engineOf("bob");
  engine.join("alice", { bridged: true });
  engine.receive("alice", user("hi"), "_lossy");
  const { bytes } = engine.at("bob").sent[0]!;
  const connection = "alice" as ConnectionId;
  const toAll = { identities: [], sids: [] };
  const event = { type: "data_sent" as const, connection, kind: "lossy" as const };
  assert.deepEqual(engine.events, [{ ...event, bytes, ...toAll }]);
  const value = new UserPacket({ destinationSids: ["PA_far"], topic: "named" });
  const packet = new DataPacket({
    destinationIdentities: ["bob", "far"],
    value: { case: "user", value },
  });
  engine.receive("alice", packet.toBinary(), "_lossy");
  assert.deepEqual(engine.events.slice(1), [{
    ...event,
    bytes: engine.at("bob").sent[1]!.bytes,
    identities: ["bob", "far"],
    sids: ["PA_far"],
  }]);
});

Deno.test("DataPlane tells of a recorded room's chat what everybody gets, within bounds", () => {
  const engine = engineOf("bob");
  engine.join("alice", { recorded: true });
  const told = () =>
    engine.events.splice(0).flatMap((event) =>
      event.type === "data_said" ? [DataPacket.fromBinary(event.bytes).value.case] : []
    );
  const stream = (streamId: string, topic: string) =>
    [
      {
        case: "streamHeader",
        value: { streamId, topic, contentHeader: { case: "textHeader", value: {} } },
      },
      { case: "streamChunk", value: { streamId, content: text("hi") } },
      { case: "streamTrailer", value: { streamId } },
    ] as const;
  for (const value of [...stream("a", "lk.chat"), ...stream("b", "files")]) {
    engine.receive("alice", new DataPacket({ value } as Partial<DataPacket>).toBinary());
  }
  assert.deepEqual(told(), ["streamHeader", "streamChunk", "streamTrailer"]);
  engine.receive("alice", user("lk-chat-topic"));
  engine.receive("alice", user("game"));
  engine.receive("alice", user("lk-chat-topic", { destinationIdentities: ["bob"] }));
  assert.deepEqual(told(), ["user"], "neither other topics, nor what is for bob alone");
  for (let i = 0; i < 1_000; i++) engine.receive("alice", user("lk-chat-topic", {}, 100));
  assert.ok(told().length <= CHAT_LIMITS.messagesPerS + 1);
  engine.join("alice", { recorded: false });
  pass([engine], 5_000);
  told();
  engine.receive("alice", user("lk-chat-topic"));
  assert.deepEqual(told(), []);
});

Deno.test("DataPlane tells how far messages came twice a second, not with each", () => {
  const engine = engineOf("alice", "bob");
  const told = () =>
    engine.events.splice(0).map((event) => event.type === "data_progress" && event.sequence);
  for (let sequence = 1; sequence <= 300; sequence++) {
    engine.receive("alice", user("", { sequence }));
    if (sequence % 100 === 0) pass([engine], 300);
  }
  assert.deepEqual(told(), [200]);
  pass([engine], 500);
  assert.deepEqual(told(), [300]);
  pass([engine], 2_000);
  assert.deepEqual(told(), []);
});

Deno.test("DataPlane holds who sends more reliable messages than it may, and drops lossy ones", () => {
  const limits = { messagesPerS: 100, bytesPerS: 0 };
  const engine = engineOf("reader");
  const sender = engine.join("sender", { limits });
  for (let i = 0; i < 1_000; i++) sender.inbox.push(user("reliable"));
  engine.turn();
  const got = () => topics(engine, "reader").length;
  const run = (ms: number) => pass([engine], ms);
  run(5);
  assert.equal(got(), 101, "a second's worth at once, and the one that overdrew");
  run(2_000);
  assert.ok(Math.abs(got() - 301) <= 2, `${got()} after two seconds more`);
  assert.ok(sender.held);
  assert.ok(engine.drops.get("data_rate_held") > 0);
  engine.receive("sender", user("lossy"), "_lossy");
  assert.equal(engine.drops.get("data_rate_exceeded"), 1);
  run(20_000);
  assert.equal(got(), 1_000, "nothing was lost");
  assert.equal(sender.held, false);
});

Deno.test("DataPlane counts bytes, too, and a member may be given other limits", () => {
  const engine = engineOf("reader");
  const sender = engine.join("sender", { limits: { messagesPerS: 0, bytesPerS: 10_000 } });
  for (let i = 0; i < 30; i++) sender.inbox.push(user("", {}, 1_000));
  engine.turn();
  assert.ok(sender.held);
  assert.equal(engine.at("reader").sent.length, 10);
  engine.join("sender", { limits: { messagesPerS: 0, bytesPerS: 1_000_000 } });
  pass([engine], 1_000);
  assert.equal(engine.at("reader").sent.length, 30);
});

Deno.test("DataPlane counts receivers that messages name: thousands are not as little as their bytes", () => {
  const limits = { messagesPerS: 0, bytesPerS: 1_000_000 };
  const engine = engineOf("reader");
  const names = 5_000;
  const destinationIdentities = Array.from({ length: names }, () => "");
  const value = { case: "user", value: new UserPacket({ payload: new Uint8Array(1) }) } as const;
  const packet = new DataPacket({ destinationIdentities, value }).toBinary();
  assert.ok(packet.length < 3 * names);
  const sender = engine.join("sender", { limits });
  let read = 0;
  for (; !sender.held; read++) engine.receive("sender", packet);
  assert.ok(read * names < limits.bytesPerS / 20, `${read} messages at once`);
  // The same of lossy ones, which are not read then.
  for (let i = 0; i < 10; i++) engine.receive("sender", packet, "_lossy");
  assert.equal(engine.drops.get("data_rate_exceeded"), 10);
  pass([engine], 1_000);
  assert.equal(sender.held, false);
  const toOne = new DataPacket({ destinationIdentities: ["reader"], value }).toBinary();
  for (let i = 0; i < 1_000; i++) engine.receive("sender", toOne);
  assert.equal(engine.at("reader").sent.length, 1_000);
  assert.equal(sender.held, false, "one name is little");
});

Deno.test("DataPlane holds a writer for a reader here, and lets it go on", () => {
  const engine = engineOf("writer", "slow");
  engine.at("slow").backlogged = true;
  engine.receive("writer", user("1"), "_lossy");
  assert.equal(engine.at("writer").held, false, "nobody waits with lossy messages");
  engine.receive("writer", user("2"));
  assert.equal(engine.at("writer").held, true);
  engine.at("slow").backlogged = false;
  pass([engine], 10);
  assert.equal(engine.at("writer").held, false);
  engine.at("slow").backlogged = true;
  engine.data.carryOut({ type: "send_room_data", room: 1, kind: "reliable", bytes: user("own") });
  assert.equal(engine.at("writer").held, false, "the server waits for nobody");
});

Deno.test("DataPlane queues each message by who sent it, also of who sent it early or elsewhere", () => {
  const { home, far, both } = twoEngines();
  const [alice, bob] = ["alice", "bob"].map((name) => dataMember(name).member);
  const carol = far.at("carol");
  far.leave("carol");
  carol.isOpen = false;
  far.join("carol");
  home.receive("alice", user("1", { sequence: 1 }));
  pass(both, 1);
  far.receive("bob", user("2", { sequence: 1 }));
  far.receive("bob", user("not numbered"));
  far.data.channelOpen("carol" as ConnectionId, "_reliable");
  far.receive("bob", user("lossy"), "_lossy");
  home.receive("alice", text("raw"), "own");
  pass(both, 1);
  far.data.carryOut({ type: "send_room_data", room: 1, kind: "reliable", bytes: user("server's") });
  assert.deepEqual(topics(far, "carol"), ["1", "2", "not numbered", "lossy", "", "server's"]);
  assert.deepEqual(carol.senders, [alice, bob, bob, bob, alice, 0]);
});

Deno.test("DataPlane says of which messages nobody can be held: the server's own", () => {
  const { home, far, both } = twoEngines();
  home.receive("alice", user("1"));
  pass(both, 1);
  far.receive("bob", user("2"));
  const bytes = user("server's");
  far.data.carryOut({ type: "send_room_data", room: 1, kind: "reliable", bytes });
  far.data.carryOut({ type: "send_room_data", room: 1, kind: "reliable", bytes, from: 9 });
  assert.deepEqual(far.at("carol").holdable, [true, true, false, false]);
});

for (const raw of [false, true]) {
  const reader = raw ? "a reader of bare payloads" : "a reader";
  Deno.test(`DataPlane says that nobody can be held for what waited until ${reader} opened a channel`, () => {
    const { home, far, both } = twoEngines();
    const late = new FakeEndpoint();
    late.isOpen = false;
    far.endpoints.set("late", late);
    far.join("late", { raw });
    far.receive("bob", user("1", { sequence: 1 }));
    far.receive("bob", user("2"));
    home.receive("alice", user("3"));
    pass(both, 1);
    far.data.channelOpen("late" as ConnectionId, raw ? "own" : "_reliable");
    assert.deepEqual(late.holdable, [false, false, false]);
    far.receive("bob", user("4"));
    assert.equal(late.holdable.at(-1), !raw);
  });
}

Deno.test("DataPlane keeps little for a reader of bare payloads that opens no channel", () => {
  const engine = engineOf("alice");
  const reader = new FakeEndpoint();
  reader.isOpen = false;
  engine.endpoints.set("raw", reader);
  engine.join("raw", { raw: true });
  for (let i = 0; i < 5_000; i++) engine.receive("alice", user("", {}, 0));
  assert.ok(engine.drops.get("data_waiting_overflow") > 3_000);
  engine.leave("raw");
  engine.join("raw", { raw: true });
  for (let i = 0; i < 5_000; i++) engine.receive("alice", user("x".repeat(60_000), {}, 1));
  assert.ok(engine.drops.get("data_waiting_overflow") > 6_000);
  engine.data.channelOpen("raw" as ConnectionId, "own");
  engine.receive("alice", user("x".repeat(60_000), {}, 1));
  const kept = reader.sent.reduce((sum, { bytes }) => sum + bytes.buffer.byteLength, 0);
  assert.ok(reader.sent.length > 1_000);
  assert.ok(kept < 100_000, `${kept} bytes are kept alive`);
});

Deno.test("DataPlane holds nobody who has little waiting for a reader that others flood", () => {
  const engine = engineOf("flooder", "talker", "slow");
  const slow = engine.at("slow");
  slow.backlogged = true;
  const talker = dataMember("talker").member;
  slow.quiet.add(talker);
  for (const name of ["flooder", "talker"]) engine.receive(name, user("1"));
  assert.deepEqual([engine.at("flooder").held, engine.at("talker").held], [true, false]);
  slow.quiet.delete(talker);
  engine.receive("talker", user("2"));
  assert.equal(engine.at("talker").held, true);
  slow.quiet.add(talker);
  pass([engine], 10);
  assert.deepEqual([engine.at("flooder").held, engine.at("talker").held], [true, false]);
});

Deno.test("DataPlane ends the connection alone on whose behalf something throws", () => {
  const engine = engineOf("alice", "bob", "carol");
  engine.at("bob").sendData = () => {
    throw new Error("a bug");
  };
  engine.receive("alice", user("hi"));
  assert.deepEqual(engine.failures.map(([id]) => id), ["bob"]);
  assert.deepEqual(topics(engine, "carol"), ["hi"]);
});

Deno.test("DataPlane passes a message once to each engine that has receivers, in order", () => {
  const { home, far, both } = twoEngines();
  for (const topic of ["1", "2"]) home.receive("alice", user(topic));
  home.receive("alice", user("for bob", { destinationIdentities: ["bob"] }));
  far.receive("bob", user("back"));
  home.receive("alice", text("raw"), "own");
  pass(both, 1);
  assert.deepEqual(topics(far, "bob"), ["1", "2", "for bob", ""]);
  assert.deepEqual(topics(far, "carol"), ["back", "1", "2", ""]);
  assert.deepEqual(topics(home, "alice"), ["back"]);
  const [bob, carol] = ["bob", "carol"].map((name) => far.at(name).sent);
  assert.equal(bob![0]!.bytes, carol![1]!.bytes, "one copy for all of an engine");
  assert.equal(DataPacket.fromBinary(bob![0]!.bytes).participantIdentity, "alice");
});

Deno.test("DataPlane keeps messages of another engine for who is still connecting, and drops doubles", () => {
  const { home, far, both } = twoEngines();
  far.leave("carol");
  const carol = far.at("carol");
  carol.isOpen = false;
  far.join("carol");
  const nonce = new Uint8Array(16).fill(1);
  const value = new UserPacket({ nonce, topic: "once" });
  const once = new DataPacket({ value: { case: "user", value } }).toBinary();
  home.receive("alice", user("1", { sequence: 1 }));
  home.receive("alice", once);
  far.receive("bob", once);
  pass(both, 1);
  far.data.channelOpen("carol" as ConnectionId, "_reliable");
  assert.deepEqual(topics(far, "carol").sort(), ["1", "once"]);
});

Deno.test("DataPlane holds a writer for a reader on another engine, and lets it go on", () => {
  const { home, far, both } = twoEngines();
  far.at("bob").backlogged = true;
  home.receive("alice", user("1"));
  pass(both, 2);
  assert.equal(home.at("alice").held, true);
  far.at("bob").backlogged = false;
  pass(both, 12);
  assert.equal(home.at("alice").held, false);
  far.at("bob").backlogged = true;
  home.receive("alice", user("2"));
  pass(both, 2);
  assert.equal(home.at("alice").held, true);
  home.links.get(1)!.close();
  assert.equal(home.at("alice").held, false, "nobody waits for an engine that is gone");
});

Deno.test("DataPlane stops writers while there is no room on the way, and loses only what is lossy", () => {
  const { home, far, both } = twoEngines();
  const alice = home.at("alice");
  const size = 60_000;
  const count = 40;
  for (let i = 0; i < count; i++) alice.inbox.push(user(String(i), {}, size));
  // The other engine's thread is busy, while this one goes on.
  for (let i = 0; i < 50; i++) home.turn();
  assert.ok(alice.held);
  const waiting = alice.inbox.length;
  assert.ok(waiting > count / 2, `${waiting} were not read`);
  // These have some room beside those that wait.
  for (let i = 0; i < count; i++) home.receive("alice", user("lossy", {}, size), "_lossy");
  const lost = home.drops.get("data_not_passed_lossy");
  assert.ok(lost > count / 2 && lost < count, `${lost} of ${count} were lost`);
  pass(both, 100);
  const expected = Array.from({ length: count }, (_, i) => String(i));
  const came = Map.groupBy(topics(far, "bob"), (topic) => topic === "lossy");
  assert.deepEqual(came.get(false), expected, "in order, nothing lost");
  assert.equal(came.get(true)!.length, count - lost);
  assert.equal(alice.held, false);
});

Deno.test("DataPlane believes nothing that another engine's ring says", () => {
  const { home, far, both } = twoEngines();
  const { data } = far;
  const member = dataMember("alice").member;
  data.receiveMessage(0, 1, member, "reliable", Uint8Array.of(0xff, 0xff));
  data.receiveMessage(0, 99, member, "reliable", user("no such room"));
  data.receiveMessage(0, 1, 12345, "reliable", user("of one who has left"));
  data.receiveHold(0, 12345, true);
  data.receiveTrackPacket(77, Uint8Array.of(1));
  pass(both, 1);
  assert.deepEqual(topics(far, "bob"), ["of one who has left"]);
  assert.deepEqual([...home.failures, ...far.failures], []);
});
