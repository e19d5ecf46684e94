import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { NodeId } from "../../../../lib/base/ids.ts";
import { LinkAdmission } from "../../../../lib/cluster/link/link_admission.ts";
import {
  AcceptingSide,
  commonVersion,
  DiallingSide,
  LinkIdentity,
  type NodeIntroduction,
  readToken,
  type ShownToken,
} from "../../../../lib/cluster/link/link_handshake.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const random = new SeededRandom(4);
const [A, B] = ["ND_alpha", "ND_beta"] as [NodeId, NodeId];

function identity(secret = "the secret"): LinkIdentity {
  return new LinkIdentity(new TextEncoder().encode(secret), random);
}

function introduce(node: NodeId, max = 1): NodeIntroduction {
  return {
    node,
    address: `ws://${node}/cluster`,
    protocol: { min: 1, max },
    processNonce: random.bytes(16),
    incarnation: random.uint32(),
  };
}

/** A token of A for B, shown to B. */
function meet(ofA = identity(), ofB = identity()) {
  const dialling = new DiallingSide(ofA, introduce(A), B, 1000);
  const shown = readToken(ofB, B, dialling.token);
  return { dialling, shown, ofB };
}

Deno.test("Link handshake: both sides prove themselves and get the same connection", () => {
  const { dialling, shown, ofB } = meet();
  assert.equal(shown?.issuedAtMs, 1000);
  const accepting = new AcceptingSide(ofB, introduce(B), shown!, 1);
  const answer = dialling.answer(accepting.welcome, "lost one")!;
  const proven = accepting.prove(answer.proof)!;
  assert.equal(proven.ended, "lost one");
  assert.equal(proven.link.id, answer.link.id);
  assert.deepEqual([proven.link.peer.node, answer.link.peer.node], [A, B]);
  assert.deepEqual(proven.link.secret, answer.link.secret);
  const said = Uint8Array.of(1, 2, 3);
  for (const [from, to] of [[answer, proven], [proven, answer]] as const) {
    const sealed = [from.link.outgoing.seal(said), from.link.outgoing.seal(said)];
    assert.notDeepEqual(sealed[0], sealed[1]);
    assert.deepEqual(to.link.incoming.open(sealed[0]!), said);
    assert.deepEqual(to.link.incoming.open(sealed[1]!), said);
  }
  // The same frame again is not the next one.
  assert.equal(proven.link.incoming.open(answer.link.outgoing.seal(said).reverse()), undefined);
});

Deno.test("Link handshake: nothing that is sent can be read", () => {
  const { dialling, shown, ofB } = meet();
  const accepting = new AcceptingSide(ofB, introduce(B), shown!, 1);
  const { proof } = dialling.answer(accepting.welcome, "")!;
  const token = Uint8Array.fromBase64(dialling.token, { alphabet: "base64url" });
  const text = new TextDecoder("latin1");
  for (const sent of [token, accepting.welcome, proof]) {
    assert.doesNotMatch(text.decode(sent), /alpha|beta|cluster|secret/);
  }
});

Deno.test("Link handshake: a token is good for one node and one secret, whole", () => {
  const { token } = meet().dialling;
  assert.equal(readToken(identity(), A, token), undefined);
  assert.equal(readToken(identity("another secret"), B, token), undefined);
  for (const wrong of ["", "=", "ü", token.slice(1), token + "A".repeat(3000)]) {
    assert.equal(readToken(identity(), B, wrong), undefined);
  }
  const bytes = Uint8Array.fromBase64(token, { alphabet: "base64url" });
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1;
    assert.equal(readToken(identity(), B, damaged.toBase64({ alphabet: "base64url" })), undefined);
  }
});

Deno.test("Link handshake: a welcome or a proof of another connection proves nothing", () => {
  const first = meet();
  const second = meet();
  const [one, two] = [first, second].map(({ shown, ofB }) =>
    new AcceptingSide(ofB, introduce(B), shown!, 1)
  );
  assert.equal(first.dialling.answer(two!.welcome, ""), undefined);
  const { proof } = second.dialling.answer(two!.welcome, "")!;
  assert.equal(one!.prove(proof), undefined);
  assert.notEqual(two!.prove(proof), undefined);
  // Nor does whoever has overheard the token and knows no secret.
  const stranger = new AcceptingSide(identity("a guess"), introduce(B), first.shown!, 1);
  assert.equal(first.dialling.answer(stranger.welcome, ""), undefined);
  // Nor another node of the same cluster.
  const other = new AcceptingSide(identity(), introduce("ND_c" as NodeId), first.shown!, 1);
  assert.equal(first.dialling.answer(other.welcome, ""), undefined);
});

Deno.test("Link handshake: every damaged byte of welcome and proof is noticed", () => {
  const { dialling, shown, ofB } = meet();
  const accepting = new AcceptingSide(ofB, introduce(B), shown!, 1);
  const { proof } = dialling.answer(accepting.welcome, "")!;
  const { welcome } = accepting;
  for (let at = 0; at < welcome.length; at++) {
    const damaged = welcome.slice();
    damaged[at]! ^= 0x10;
    assert.equal(dialling.answer(damaged, ""), undefined);
    assert.equal(dialling.answer(welcome.subarray(0, at), ""), undefined);
  }
  for (let at = 0; at < proof.length; at++) {
    const damaged = proof.slice();
    damaged[at]! ^= 0x80;
    assert.equal(accepting.prove(damaged), undefined);
    assert.equal(accepting.prove(proof.subarray(0, at)), undefined);
  }
});

Deno.test("commonVersion() is the newest that both speak", () => {
  assert.equal(commonVersion({ min: 1, max: 2 }, { min: 2, max: 3 }), 2);
  assert.equal(commonVersion({ min: 1, max: 5 }, { min: 1, max: 3 }), 3);
  assert.equal(commonVersion({ min: 1, max: 1 }, { min: 2, max: 3 }), undefined);
});

/** B's door, and tokens of A whose clock goes differently. */
class Door {
  readonly platform = new VirtualPlatform();
  readonly counters = new DropCounters();
  readonly admission = new LinkAdmission(identity(), B, this.platform.clock, this.counters);

  token(skewMs = 0): string {
    const wallMs = this.platform.clock.wallMs() + skewMs;
    return new DiallingSide(identity(), introduce(A), B, wallMs).token;
  }

  /** 200, or the status of the refusal. */
  admit(token: string): number {
    const admitted: ShownToken | { readonly status: number } = this.admission.admit(token);
    return "status" in admitted ? admitted.status : 200;
  }
}

Deno.test("LinkAdmission.admit() takes a token once, for 30 s either way, so that 10 s of skew do no harm", () => {
  const door = new Door();
  for (const skewMs of [0, -10_000, 10_000, -30_000, 30_000]) {
    const token = door.token(skewMs);
    assert.equal(door.admit(token), 200, `${skewMs}`);
    assert.equal(door.admit(token), 401);
  }
  assert.equal(door.counters.get("link_token_replayed"), 5);
  assert.equal(door.admit(door.token(-30_001)), 401);
  assert.equal(door.admit(door.token(30_001)), 401);
  assert.equal(door.counters.get("link_token_stale"), 2);
  assert.equal(door.admit("AAAA"), 401);
  assert.equal(door.counters.get("link_token_unreadable"), 1);
});

Deno.test("LinkAdmission.admit() remembers a token for as long as it could be good", () => {
  const door = new Door();
  const token = door.token(30_000);
  assert.equal(door.admit(token), 200);
  for (let second = 0; second < 90; second++) {
    door.platform.advance(1_000);
    assert.equal(door.admit(token), 401);
    // Others make it forget what is over.
    assert.equal(door.admit(door.token()), 200);
  }
});
