import assert from "node:assert/strict";
import { DisconnectReason, SessionDescription } from "@livekit/protocol";
import { clientOffer, ScriptedClient, World } from "../support/virtual/scripted_client.ts";

const CAMERA = [{ mid: "1", kind: "video", cid: "cam" }] as const;

async function offer(client: ScriptedClient, setup: string, ufrag = "clientUfrag"): Promise<void> {
  const sdp = clientOffer(CAMERA, ufrag)
    .replaceAll("a=setup:actpass", setup === "" ? "a=x:y" : `a=setup:${setup}`);
  await client.request({
    case: "offer",
    value: new SessionDescription({ type: "offer", sdp, id: 1 }),
  });
}

/** Answers the offer that came last as a client with that role, which may be one that is none. */
async function answer(client: ScriptedClient, setup: string): Promise<void> {
  const { id, sdp } = client.last("offer");
  const value = new SessionDescription({
    type: "answer",
    id,
    sdp: sdp.replaceAll("a=setup:actpass", `a=setup:${setup}`).replace("a=ice-lite\r\n", ""),
  });
  await client.request({ case: "answer", value });
}

/** A client that answers no offer by itself. */
async function openSilent(world: World, identity: string): Promise<ScriptedClient> {
  const client = new ScriptedClient(world, world.parameters(identity, {}));
  client.autoAnswer = false;
  world.clients.push(client);
  world.service.open(client.join, client.socket);
  await world.settle();
  return client;
}

/** Roles told to the media plane of one connection, in order. */
function roles(world: World, connection: string): (string | undefined)[] {
  return world.engine.of("set_remote")
    .filter((command) => command.connection === connection)
    .map(({ dtlsRole }) => dtlsRole);
}

for (
  const [setup, answered, role] of [
    ["actpass", "passive", "server"],
    ["active", "passive", "server"],
    ["passive", "active", "client"],
    ["", "passive", "server"],
  ] as const
) {
  Deno.test(`an offer with setup "${setup}" is answered ${answered}`, async () => {
    const world = new World();
    const ann = await world.open("ann");
    await offer(ann, setup);
    const { sdp } = ann.last("answer");
    assert.deepEqual(
      [...new Set([...sdp.matchAll(/a=setup:(\w+)/g)].map(([, value]) => value))],
      [answered],
    );
    assert.deepEqual(roles(world, ann.participant.publisher.id), [role]);
  });
}

Deno.test("an ICE restart and another offer keep the role, whatever they leave open", async () => {
  const world = new World();
  const ann = await world.open("ann");
  await offer(ann, "passive");
  await offer(ann, "actpass", "restartedUfrag");
  await offer(ann, "passive", "restartedUfrag");
  assert.ok(ann.all("answer").every(({ sdp }) => sdp.includes("a=setup:active")));
  assert.deepEqual(roles(world, ann.participant.publisher.id), ["client", "client", "client"]);
});

Deno.test("an offer that would change the role ends the session instead of being accepted", async () => {
  const world = new World();
  const ann = await world.open("ann");
  await offer(ann, "passive");
  await offer(ann, "active");
  assert.equal(ann.all("answer").length, 1);
  assert.equal(ann.last("leave").reason, DisconnectReason.STATE_MISMATCH);
});

for (const setup of ["holdconn", "actpass"]) {
  Deno.test(`an answer with setup "${setup}" is refused`, async () => {
    const world = new World();
    const bob = await openSilent(world, "bob");
    await answer(bob, setup);
    assert.deepEqual(world.engine.of("set_remote"), []);
    assert.equal(bob.last("leave").reason, DisconnectReason.STATE_MISMATCH);
  });
}

Deno.test("a client that answers passive keeps that role through a resume; offers stay actpass", async () => {
  const world = new World();
  const bob = await openSilent(world, "bob");
  await answer(bob, "passive");
  bob.participant.subscriber.restart();
  await world.pass(400);
  await answer(bob, "passive");
  assert.ok(bob.all("offer").length >= 2);
  for (const { sdp } of bob.all("offer")) {
    assert.ok(sdp.includes("a=setup:actpass"));
    assert.ok(!/a=setup:(active|passive)/.test(sdp));
  }
  assert.deepEqual(roles(world, bob.participant.subscriber.id), ["client", "client"]);
});
