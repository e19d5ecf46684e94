import assert from "node:assert/strict";
import { SubscriptionPermission, TrackPermission } from "@livekit/protocol";
import { readSubscriptionRule } from "../../../../lib/room/subscription/subscription_permission.ts";

const bob = { identity: "bob", exempt: false };
const carol = { identity: "carol", exempt: false };
const recorder = { identity: "rec", exempt: true };
const identityOf = (sid: string) => ({ PA_bob: "bob", PA_carol: "carol" })[sid];
const rule = (message: ConstructorParameters<typeof SubscriptionPermission>[0]) =>
  readSubscriptionRule(new SubscriptionPermission(message), identityOf)!;

Deno.test("readSubscriptionRule() allows everybody or nobody, recorders always", () => {
  assert.equal(rule({ allParticipants: true }).allows(bob, "T"), true);
  assert.equal(rule({}).allows(bob, "T"), false);
  assert.equal(rule({}).allows(recorder, "T"), true);
});

Deno.test("readSubscriptionRule() allows by identity or sid, all tracks or those listed", () => {
  const mixed = rule({
    trackPermissions: [
      new TrackPermission({ participantIdentity: "bob", trackSids: ["T1"] }),
      new TrackPermission({ participantSid: "PA_carol", allTracks: true }),
    ],
  });
  assert.deepEqual(["T1", "T2"].map((sid) => mixed.allows(bob, sid)), [true, false]);
  assert.deepEqual(["T1", "T2"].map((sid) => mixed.allows(carol, sid)), [true, true]);
});

Deno.test("readSubscriptionRule() takes the identity where the sid is another's, and no unknown sids", () => {
  const mixed = rule({
    trackPermissions: [
      new TrackPermission({
        participantIdentity: "bob",
        participantSid: "PA_carol",
        allTracks: true,
      }),
      new TrackPermission({ participantSid: "PA_nobody", allTracks: true }),
    ],
  });
  assert.deepEqual([bob, carol].map((who) => mixed.allows(who, "T")), [true, false]);
});

Deno.test("readSubscriptionRule() refuses a message with an entry that names nobody", () => {
  const message = new SubscriptionPermission({
    trackPermissions: [
      new TrackPermission({ participantIdentity: "bob", allTracks: true }),
      new TrackPermission({ allTracks: true }),
    ],
  });
  assert.equal(readSubscriptionRule(message, identityOf), undefined);
});
