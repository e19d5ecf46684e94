import assert from "node:assert/strict";
import {
  DisconnectReason,
  LeaveRequest,
  LeaveRequest_Action,
  ParticipantInfo_Kind,
} from "@livekit/protocol";
import { NodeState } from "../../../lib/server/node_state.ts";
import { World } from "../../support/virtual/scripted_client.ts";

const LEAVING = { ok: false, status: 503, body: "server is shutting down" } as const;
/** Another node may take it. */
const DRAINING = { ...LEAVING, takers: "any" } as const;
const joinOf = (identity: string, reconnect: boolean) => ({
  identity,
  reconnect,
  roomName: "lobby",
});

/** A node with media, and whether somebody who waits for it to be empty still does. */
function node(world: World) {
  const state = new NodeState(world.platform, () => world.rooms);
  state.serve();
  const wait = (...args: Parameters<NodeState["empty"]>) => {
    const waiting = { done: false };
    state.empty(...args).then(() => waiting.done = true);
    return waiting;
  };
  return { state, wait };
}

Deno.test("NodeState takes newcomers while it serves, and no others", () => {
  const world = new World();
  const state = new NodeState(world.platform, () => world.rooms);
  assert.deepEqual(state.refusal(joinOf("ann", false)), {
    ok: false,
    status: 503,
    body: "media is not listening",
  });
  assert.ok(state.takesNewcomers, "an address that answers may be told of before media listens");
  state.serve();
  assert.equal(state.refusal(joinOf("ann", false)), undefined);
  assert.ok(state.takesNewcomers);
  state.drain();
  assert.deepEqual(state.refusal(joinOf("ann", false)), DRAINING);
  assert.ok(!state.takesNewcomers);
  assert.equal(state.serveAgain(), true);
  assert.equal(state.refusal(joinOf("ann", false)), undefined);
  assert.ok(state.takesNewcomers);
  assert.equal(state.serveAgain(), false, "it does");
  state.drain();
  state.close();
  assert.equal(state.serveAgain(), false);
  state.drain();
  state.serve();
  assert.ok(state.closed, "there is no way back");
  assert.deepEqual(state.refusal(joinOf("ann", false)), LEAVING);
});

Deno.test("NodeState lets those return who have a session here, as long as it drains", async () => {
  const world = new World();
  const { state } = node(world);
  await world.joined("ann");
  state.drain();
  assert.equal(state.refusal(joinOf("ann", true)), undefined);
  assert.deepEqual(state.refusal(joinOf("ann", false)), DRAINING, "that is a new session");
  assert.deepEqual(state.refusal(joinOf("bob", true)), DRAINING, "his session is elsewhere");
  assert.deepEqual(state.refusal({ ...joinOf("ann", true), roomName: "den" }), DRAINING);
  state.close();
  assert.deepEqual(state.refusal(joinOf("ann", true)), LEAVING);
});

Deno.test("NodeState.empty() resolves when the last has left, and at once if nobody is there", async () => {
  const world = new World();
  const { wait } = node(world);
  const nobody = wait();
  await world.settle();
  assert.ok(nobody.done);
  const ann = await world.joined("ann");
  const bob = await world.joined("bob");
  const waiting = wait();
  await world.pass(3_600_000, 60_000);
  assert.ok(!waiting.done);
  await ann.request({ case: "leave", value: new LeaveRequest() });
  await world.pass(1_000, 500);
  assert.ok(!waiting.done);
  await bob.request({ case: "leave", value: new LeaveRequest() });
  await world.pass(500, 500);
  assert.ok(waiting.done);
});

Deno.test("NodeState.empty() waits for no agent, no longer than it may, and not when it is hurried", async () => {
  const world = new World();
  const { state, wait } = node(world);
  const agent = await world.joined("agent", { kind: ParticipantInfo_Kind.AGENT });
  assert.ok(agent.participant.profile.isDependent);
  assert.equal(state.occupants(), 0);
  await world.joined("ann");
  assert.equal(state.occupants(), 1);
  const impatient = wait(0);
  const patient = wait(10_200);
  const hurry = new AbortController();
  const hurried = wait(undefined, hurry.signal);
  await world.settle();
  assert.ok(impatient.done);
  await world.pass(10_000, 500);
  assert.ok(!patient.done && !hurried.done);
  await world.pass(200, 100);
  assert.ok(patient.done);
  hurry.abort();
  await world.settle();
  assert.ok(hurried.done, "without any time passing");
  const late = wait(undefined, hurry.signal);
  await world.settle();
  assert.ok(late.done);
});

Deno.test("NodeState has a heartbeat until it is closed, and no timer after it", async () => {
  const world = new World();
  const { state } = node(world);
  const before = world.platform.pendingTimers;
  await world.pass(60_000, 1_000);
  assert.ok(state.lastBeat().ageMs <= 2_000);
  state.drain();
  await world.pass(60_000, 1_000);
  assert.ok(state.lastBeat().ageMs <= 2_000, "who drains is alive");
  state.close();
  assert.equal(world.platform.pendingTimers, before - 1);
});

Deno.test("SignalService.close() tells everybody to join anew where that is wished, or that it is over", async () => {
  for (const farewell of ["reconnect", "disconnect"] as const) {
    const world = new World();
    const clientInfo = world.parameters("").clientInfo.clone();
    clientInfo.protocol = 12;
    const ann = await world.joined("ann");
    const old = await world.joined("old", { clientInfo });
    world.service.close(farewell);
    await world.settle();
    const again = farewell === "reconnect";
    assert.equal(
      ann.last("leave").action,
      again ? LeaveRequest_Action.RECONNECT : LeaveRequest_Action.DISCONNECT,
    );
    assert.equal(old.last("leave").canReconnect, again);
    for (const client of [ann, old]) {
      assert.equal(client.last("leave").reason, DisconnectReason.SERVER_SHUTDOWN);
      assert.ok(client.closeCode !== undefined);
    }
  }
});
