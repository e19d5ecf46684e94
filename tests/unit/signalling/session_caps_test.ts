/** How many sessions one user, token or address may have. */
import assert from "node:assert/strict";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { ParticipantInit } from "../../../lib/room/context/participant_profile.ts";
import { SessionCensus, userKey } from "../../../lib/room/context/session_census.ts";
import type { JoinParameters } from "../../../lib/signalling/join_parameters.ts";
import { capRefusal, type SessionCaps } from "../../../lib/signalling/session_caps.ts";
import { World } from "../../support/virtual/scripted_client.ts";

const NONE: SessionCaps = { perIdentity: 0, perToken: 0, perAddress: 0 };
const world = new World();

/** What `caps` says to one more session beside `others`. */
function refusal(
  caps: Partial<SessionCaps>,
  others: readonly (Partial<ParticipantInit> & { identity: string; room?: string })[],
  join: Partial<JoinParameters> & { identity: string },
): string | undefined {
  const counters = new DropCounters();
  const census = new SessionCensus();
  for (const { room = "lobby", ...init } of others) {
    census.entered(room, { kindDetails: [], ...init } as unknown as ParticipantInit);
  }
  const parameters = world.parameters(join.identity, join);
  const refused = capRefusal(parameters, census, { ...NONE, ...caps }, counters);
  const counted = Object.keys(counters.snapshot());
  assert.deepEqual(counted.length, refused === undefined ? 0 : 1);
  assert.equal(refused?.status ?? 429, 429);
  return counted[0];
}

Deno.test("capRefusal() counts a user's sessions in the room, not the one that takes its own place", () => {
  const others = [
    { identity: "ann" },
    { identity: "ann#1", userIdentity: "ann" },
    { identity: "ann", room: "elsewhere" },
    { identity: "bob" },
  ];
  const next = { identity: "ann#2", tokenIdentity: "ann" };
  assert.equal(refusal({ perIdentity: 2 }, others, next), "session_cap_identity");
  assert.equal(refusal({ perIdentity: 3 }, others, next), undefined);
  assert.equal(refusal({ perIdentity: 2 }, others, { identity: "ann" }), undefined);
  assert.equal(refusal({ perIdentity: 2 }, others, { ...next, reconnect: true }), undefined);
  assert.equal(refusal({ perIdentity: 0 }, others, next), undefined);
});

Deno.test("capRefusal() counts the sessions of a token in all rooms", () => {
  const others = ["a", "b", "c"].map((room) => ({ identity: "ann", room, tokenId: "one" }));
  const next = { identity: "ann", tokenId: "one" };
  assert.equal(refusal({ perToken: 3 }, others, next), "session_cap_token");
  assert.equal(refusal({ perToken: 4 }, others, next), undefined);
  assert.equal(refusal({ perToken: 3 }, others, { ...next, tokenId: "two" }), undefined);
  assert.equal(refusal({ perToken: 3 }, others, { identity: "ann" }), undefined);
});

Deno.test("capRefusal() counts an IPv6 /64 as one address", async () => {
  const full = new World();
  const from = (identity: string, socketAddress: string) =>
    full.joined(identity, { socketAddress });
  await from("a", "2001:db8:1:2::1");
  await from("b", "2001:db8:1:2:ffff::9");
  await from("c", "192.0.2.1");
  await from("d", "::ffff:192.0.2.1");
  const sessions = Array.from(full.rooms.get("lobby")!.participants(), ({ init }) => init);
  const says = (socketAddress: string) =>
    refusal({ perAddress: 2 }, sessions, { identity: "next", socketAddress });
  for (const address of ["2001:db8:1:2:3::", "192.0.2.1"]) {
    assert.equal(says(address), "session_cap_address", address);
  }
  for (const address of ["2001:db8:1:3::1", "192.0.2.2", ""]) {
    assert.equal(says(address), undefined, address);
  }
});

Deno.test("capRefusal() counts addresses by default where nobody stands for everybody", () => {
  const crowd = (addressBlock: string) =>
    Array.from({ length: 1_000 }, (_, i) => ({ identity: `${i}`, addressBlock }));
  const says = (socketAddress: string) =>
    refusal({ perAddress: undefined }, crowd(socketAddress), { identity: "next", socketAddress });
  assert.equal(says("203.0.113.1"), "session_cap_address");
  for (const address of ["127.0.0.1", "10.1.2.3", "172.20.0.1", "192.168.0.1"]) {
    assert.equal(says(address), undefined, address);
  }
});

Deno.test("SessionCensus forgets who left, and follows who moves", () => {
  const census = new SessionCensus();
  const place = { room: "hall", identity: "next" };
  const ann = { identity: "ann", tokenId: "one", kindDetails: [] } as unknown as ParticipantInit;
  const has = (kind: "user" | "token", key: string) => census.hasMany(kind, key, 1, place);
  census.entered("lobby", ann);
  assert.equal(has("user", userKey("lobby", "ann")), true);
  census.left("lobby", ann);
  census.entered("hall", ann);
  assert.equal(has("user", userKey("lobby", "ann")), false);
  assert.equal(has("user", userKey("hall", "ann")), true);
  assert.equal(has("token", "one"), true);
  // Late word of a room in which it is no longer.
  census.left("lobby", ann);
  assert.equal(has("token", "one"), true);
  census.left("hall", ann);
  assert.equal(has("token", "one"), false);
});
