/**
 * What LiveKit's tests of several nodes say about one session: how it ends, and how its permission,
 * token and attributes change. Here everybody is on the same node.
 */
import assert from "node:assert/strict";
import {
  ParticipantPermission,
  RequestResponse_Reason as Reason,
  UpdateParticipantMetadata,
} from "@livekit/protocol";
import { joinUrl } from "../support/process/join_url.ts";
import { SignalClient } from "../support/wire/signal_client.ts";
import { until } from "../support/wire/until.ts";
import type { WireParticipant } from "../support/wire/wire_participant.ts";
import { ROOM, scenario, type TestServer } from "./support.ts";

/**
 * Where nothing but the server's own waits takes time: grace, and batches of updates. Clients show
 * every two real seconds that they are there; less than ten of the server's may have passed
 * meanwhile.
 */
const SPEED = 4;

/** The server's side of a participant. */
function session(test: TestServer, identity: string) {
  const found = test.server.rooms.get(ROOM)?.session(identity);
  assert.ok(found, `${identity} is in the room`);
  return found;
}

interface Claims {
  readonly metadata?: string;
  readonly video: Readonly<Record<string, unknown>>;
}

function claimsOf(token: string): Claims {
  const body = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(atob(body));
}

async function updateAttributes(
  client: WireParticipant,
  requestId: number,
  attributes: Record<string, string>,
): Promise<Reason> {
  const value = new UpdateParticipantMetadata({ requestId, attributes });
  client.signal.send({ case: "updateMetadata", value });
  const answer = await client.signal.message("requestResponse", (r) => r.requestId === requestId);
  return answer.reason;
}

scenario("TestCloseDisconnectedParticipantOnSignalClose", async (test) => {
  const alice = await test.join("alice");
  const { flavour } = test;
  const silent = await SignalClient.open(
    joinUrl(test.url, await test.token("silent"), { flavour }),
  );
  await silent.message("join");
  await alice.remote("silent");
  await silent.close();
  await until("alice to hear that it is gone", () => !alice.remotes.has("silent"));
  assert.equal(test.server.rooms.get(ROOM)!.byIdentity("silent"), undefined);
}, { speed: SPEED });

scenario("TestMultiNodeRefreshToken", async (test) => {
  const alice = await test.join("alice", { token: { metadata: "before" } });
  const participant = session(test, "alice");
  participant.updateProfile({ name: "", metadata: "after", attributes: {} });
  await participant.setPermission(new ParticipantPermission({ canSubscribe: true }));
  const token = await until(
    "a token that says it",
    () =>
      alice.signal.all("refreshToken").map(claimsOf)
        .find(({ metadata, video }) => metadata === "after" && video["canPublish"] === false),
  );
  const { canPublish, canPublishData, canSubscribe, room } = token.video;
  assert.deepEqual({ canPublish, canPublishData, canSubscribe, room }, {
    canPublish: false,
    canPublishData: false,
    canSubscribe: true,
    room: ROOM,
  });
});

scenario("TestMultiNodeUpdateAttributes", async (test) => {
  const alice = await test.join("alice", {
    token: { attributes: { mykey: "au1" }, grant: { canUpdateOwnMetadata: false } },
  });
  const bob = await test.join("bob", {
    token: { attributes: { mykey: "au2" }, grant: { canUpdateOwnMetadata: true } },
  });
  assert.deepEqual((await bob.remote("alice")).attributes, { mykey: "au1" });
  assert.deepEqual((await alice.remote("bob")).attributes, { mykey: "au2" });
  assert.equal(await updateAttributes(alice, 1, { mykey: "shouldnotchange" }), Reason.NOT_ALLOWED);
  assert.equal(await updateAttributes(bob, 2, { secondkey: "au2" }), Reason.OK);
  const both = { mykey: "au2", secondkey: "au2" };
  await alice.remote("bob", ({ attributes }) => attributes["secondkey"] === "au2");
  assert.deepEqual(alice.remotes.get("bob")!.attributes, both);
  session(test, "alice").updateProfile({
    name: "",
    metadata: "",
    attributes: { secondkey: "au1" },
  });
  const { attributes } = await bob.remote(
    "alice",
    (info) => info.attributes["secondkey"] === "au1",
  );
  assert.deepEqual(attributes, { mykey: "au1", secondkey: "au1" });
}, { speed: SPEED });

scenario("TestMultiNodeRevokePublishPermission", async (test) => {
  const [alice, bob] = await test.joinAll(["alice", "bob"]);
  const sids = [(await alice!.publish("audio")).sid, (await alice!.publish("video")).sid];
  for (const sid of sids) await bob!.track(sid);
  const permission = new ParticipantPermission({ canSubscribe: true, canPublishData: true });
  await session(test, "alice").setPermission(permission);
  const told = () => alice!.signal.all("trackUnpublished").map(({ trackSid }) => trackSid);
  await until("alice to be told", () => told().length === 2);
  assert.deepEqual(told().toSorted(), sids.toSorted());
  const after = await bob!.remote("alice", ({ tracks }) => tracks.length === 0);
  assert.equal(after.permission!.canPublish, false);
});
