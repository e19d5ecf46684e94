import assert from "node:assert/strict";
import { CARRY_PURPOSE } from "../../../../lib/cluster/carry/carried_channel.ts";
import {
  type CarriedMessage,
  type CarriedRequest,
  readCarried,
  writeCarried,
} from "../../../../lib/cluster/carry/carried_message.ts";
import type { RequestCarrier } from "../../../../lib/cluster/carry/request_carrier.ts";
import { DiallingSide, LinkIdentity } from "../../../../lib/cluster/link/link_handshake.ts";
import type { SignalSocket } from "../../../../lib/signalling/signal_socket.ts";
import { A, B, CarryingNodes, SECRET } from "../../../support/virtual/carrying_nodes.ts";

const TO_B = { nodeId: B, link: "ws://b/cluster" };

function requestOf(target: string): CarriedRequest {
  return { method: "GET", target, headers: [], body: new Uint8Array(), socketAddress: "192.0.2.1" };
}

/** A node that carries and one that takes. */
class Pair extends CarryingNodes {
  readonly answered: string[] = [];
  readonly sockets: SignalSocket[] = [];
  answersAfterMs = 0;

  protected override async answer({ target }: CarriedRequest, open: () => SignalSocket) {
    this.answered.push(target);
    if (this.answersAfterMs > 0) {
      const { timers } = this.platform;
      await new Promise<void>((resolve) => timers.after(this.answersAfterMs, resolve));
    }
    if (target.startsWith("/rtc?open")) this.sockets.push(open());
    return { status: 200, headers: [["a", "b"]] as const, body: Uint8Array.of(7) };
  }

  /** Carries a request, and says what came of it within `ms`; "nothing yet" if nothing did. */
  async carry(target: string, ms = 100) {
    let outcome: Awaited<ReturnType<RequestCarrier["carry"]>> | "nothing yet" = "nothing yet";
    void this.carrier.carry(TO_B, requestOf(target)).then((came) => outcome = came);
    await this.pass(ms);
    return outcome as Awaited<ReturnType<RequestCarrier["carry"]>> | "nothing yet";
  }

  /** A's token for B, and its side of the handshake. */
  side(purpose?: string): DiallingSide {
    const identity = new LinkIdentity(SECRET, this.platform.random, purpose);
    const self = {
      node: A,
      address: "",
      protocol: { min: 1, max: 1 },
      processNonce: identity.nonce(),
      incarnation: 0,
    };
    return new DiallingSide(identity, self, B, this.platform.clock.wallMs());
  }
}

Deno.test("RequestCarrier.carry() gives the other node's answer, and leaves no connection", async () => {
  const pair = new Pair();
  assert.deepEqual(await pair.carry("/rtc/validate?a=1"), {
    kind: "answered",
    response: { status: 200, headers: [["a", "b"]], body: Uint8Array.of(7) },
  });
  assert.deepEqual(pair.answered, ["/rtc/validate?a=1"]);
  assert.equal(pair.network.connections, 0);
});

Deno.test("a carried session passes messages both ways, those before somebody listens, too", async () => {
  const pair = new Pair();
  const outcome = await pair.carry("/rtc?open");
  assert.ok(outcome !== "nothing yet" && outcome?.kind === "opened");
  const { session } = outcome;
  const [socket] = pair.sockets as [SignalSocket];
  socket.send(Uint8Array.of(1));
  socket.send("é");
  session.send("early");
  await pair.pass(100);
  const [atClient, atSession]: [unknown[], unknown[]] = [[], []];
  session.onMessage = (data) => atClient.push(data);
  socket.onMessage = (data) => atSession.push(data);
  session.send(Uint8Array.of(2, 3));
  await pair.pass(50);
  assert.deepEqual(atClient, [Uint8Array.of(1), "é"]);
  assert.deepEqual(atSession, ["early", Uint8Array.of(2, 3)]);
  const ends: unknown[] = [];
  socket.onClose = (code, reason) => ends.push([code, reason]);
  session.close(3001, "why");
  session.send("too late");
  await pair.pass(50);
  assert.deepEqual(ends, [[3001, "why"]]);
  assert.equal(pair.network.connections, 0);
});

Deno.test("RequestCarrier.carry() gives up a node that is not there, or does not answer", async () => {
  const pair = new Pair();
  pair.network.partition(A, B);
  assert.equal(await pair.carry("/rtc", 1_400), "nothing yet");
  await pair.pass(200);
  assert.equal(pair.counters.get("carry_unreachable"), 1);
  pair.network.healAll();
  await pair.pass(5_000);
  assert.deepEqual(pair.answered, [], "what was given up is not done later");
  pair.answersAfterMs = 60_000;
  assert.equal(await pair.carry("/rtc", 8_500), undefined);
  assert.equal(pair.counters.get("carry_unanswered"), 1);
  await pair.pass(60_000);
  assert.equal(pair.network.connections, 0);
});

Deno.test("a session whose node is dead ends at once, and one whose carrier is gone, too", async () => {
  const pair = new Pair();
  const ends: unknown[] = [];
  const first = await pair.carry("/rtc?open");
  assert.ok(first !== "nothing yet" && first?.kind === "opened");
  first.session.onClose = (code) => ends.push(code);
  pair.carrier.forget(A);
  assert.equal(ends.length, 0, "another node");
  pair.carrier.forget(B);
  assert.equal(ends.join(), "1001");
  const second = await pair.carry("/rtc?open");
  assert.ok(second !== "nothing yet" && second?.kind === "opened");
  pair.sockets[1]!.onClose = (code) => ends.push(code);
  pair.network.kill(A, true);
  await pair.pass(50);
  assert.equal(ends.join(), "1001,1001");
});

Deno.test("CarriedRequests takes only who knows the secret, each token once, and none of links", async () => {
  const stranger = new Pair({ secretOfA: new TextEncoder().encode("of another cluster") });
  assert.equal(await stranger.carry("/rtc"), undefined);
  assert.equal(stranger.counters.get("link_token_unreadable"), 1);
  const pair = new Pair();
  const { token } = pair.side(CARRY_PURPOSE);
  assert.ok(pair.taking.accept(token).ok);
  const again = pair.taking.accept(token);
  assert.deepEqual(again.ok || again.refusal.status, 401);
  const ofLink = pair.taking.accept(pair.side().token);
  assert.deepEqual(ofLink.ok || ofLink.refusal.status, 401);
  pair.taking.close();
  const closed = pair.taking.accept(pair.side(CARRY_PURPOSE).token);
  assert.deepEqual(closed.ok || closed.refusal.status, 503);
});

Deno.test("CarriedRequests ends who does not prove itself in time, or says what makes no sense", async () => {
  const pair = new Pair();
  const dial = pair.network.dialFrom(A);
  const silent = dial("ws://b/cluster/carry", pair.side(CARRY_PURPOSE).token);
  let ended = 0;
  silent.onClose = () => ended++;
  await pair.pass(1_900);
  assert.equal(ended, 0);
  await pair.pass(200);
  assert.equal(ended, 1);
  const liar = dial("ws://b/cluster/carry", pair.side(CARRY_PURPOSE).token);
  liar.onClose = () => ended++;
  liar.onMessage = () => liar.send(new Uint8Array(64));
  await pair.pass(100);
  assert.equal(ended, 2);
  assert.equal(pair.counters.get("link_proof_wrong"), 1);
  assert.deepEqual(pair.answered, []);
});

Deno.test("CarriedRequests answers only what clients join by, and who asks for packets", async () => {
  const pair = new Pair();
  for (
    const target of [
      "/twirp/livekit.RoomService/ListRooms",
      "/rtcx",
      "/rtc/../twirp/livekit.RoomService/ListRooms",
      "/rtc/%2e%2e/agent",
      "/agent",
      "/operations/report",
      "/operations/capture/",
      "/operations/../operations/capture",
      "/cluster",
      "/",
    ]
  ) assert.equal(await pair.carry(target), undefined, target);
  assert.deepEqual(pair.answered, []);
  for (
    const target of [
      "/rtc",
      "/rtc/v1?q=..",
      "/rtc/v1/validate",
      "/whip/v1/PA_1.ND_b",
      "/whep/v1/PA_1.ND_b/layer",
      "/operations/capture?room=a&identity=..",
    ]
  ) {
    const outcome = await pair.carry(target);
    assert.ok(outcome !== "nothing yet" && outcome?.kind === "answered", target);
  }
});

Deno.test("requests are carried between nodes of two versions by the one that both speak", async () => {
  const [old, next, newest] = [{ min: 1, max: 1 }, { min: 1, max: 2 }, { min: 2, max: 2 }];
  for (const speaks of [{ a: old, b: next }, { a: next, b: old }, { a: next, b: newest }]) {
    const pair = new Pair({ speaks });
    const outcome = await pair.carry("/rtc?open=1");
    assert.ok(outcome !== "nothing yet" && outcome?.kind === "opened");
    assert.equal(pair.counters.get("link_version_refused"), 0);
  }
  for (const speaks of [{ a: old, b: newest }, { a: newest, b: old }]) {
    const pair = new Pair({ speaks });
    assert.equal(await pair.carry("/rtc?open=1"), undefined, "the next node is asked");
    assert.equal(pair.counters.get("link_version_refused"), 1);
    assert.equal(pair.counters.get("carry_unreachable"), 1);
    assert.deepEqual(pair.answered, []);
  }
});

Deno.test("what a newer node says in a carried session is skipped and counted, and the session goes on", async () => {
  const pair = new Pair();
  const side = pair.side(CARRY_PURPOSE);
  const socket = pair.network.dialFrom(A)("ws://b/cluster/carry", side.token);
  const heard: CarriedMessage[] = [];
  let isClosed = false;
  socket.onClose = () => isClosed = true;
  socket.onMessage = (welcome) => {
    const { proof, link: { outgoing, incoming } } = side.answer(welcome as Uint8Array, "")!;
    socket.onMessage = (sealed) => {
      heard.push(readCarried(incoming.open(sealed as Uint8Array)!) as CarriedMessage);
    };
    socket.send(proof);
    const say = (...parts: readonly Uint8Array[]) => socket.send(outgoing.seal(...parts));
    say(Uint8Array.of(40), Uint8Array.of(1, 2, 3));
    say(...writeCarried({ kind: "request", request: requestOf("/rtc?open=1") }));
    say(Uint8Array.of(40), Uint8Array.of(1, 2, 3));
    say(...writeCarried({ kind: "frame", data: "after it" }));
  };
  await pair.pass(50);
  const [session] = pair.sockets;
  const told: (string | Uint8Array)[] = [];
  session!.onMessage = (data) => void told.push(data);
  session!.send("answer");
  await pair.pass(50);
  assert.deepEqual(told, ["after it"]);
  assert.deepEqual(heard, [{ kind: "opened" }, { kind: "frame", data: "answer" }]);
  assert.equal(pair.counters.get("carried_message_unknown"), 2);
  assert.equal(isClosed, false);
});
