import assert from "node:assert/strict";
import {
  DisconnectReason as Reason,
  LeaveRequest,
  LeaveRequest_Action as Action,
  ParticipantInfo_State as State,
  SessionDescription,
  SimulateScenario,
} from "@livekit/protocol";
import { type ScriptedClient, World } from "../support/virtual/scripted_client.ts";

type Ending = (client: ScriptedClient) => unknown;

const leave = (reason?: Reason): Ending => (client) =>
  client.request({
    case: "leave",
    value: new LeaveRequest(reason === undefined ? {} : { reason }),
  });
const simulated = (scenario: SimulateScenario["scenario"]): Ending => (client) =>
  client.request({ case: "simulate", value: new SimulateScenario({ scenario }) });
const fail = (type: "lost" | "failed"): Ending => async (client) => {
  const connection = client.participant.subscriber.id;
  const { engine } = client.world;
  if (type === "lost") engine.emit({ type: "connection_lost", connection });
  else engine.emit({ type: "connection_failed", connection, reason: "dtls_failed" });
  await client.world.pass(5_100, 100);
};

/** What ends a session; what the client is told last, if anything; what the others are told. */
const ENDINGS: readonly [string, Ending, readonly [Reason, Action] | undefined, Reason][] = [
  ["its own leave", leave(), [Reason.CLIENT_INITIATED, Action.DISCONNECT], Reason.CLIENT_INITIATED],
  [
    "its user's absence",
    leave(Reason.USER_UNAVAILABLE),
    [Reason.USER_UNAVAILABLE, Action.DISCONNECT],
    Reason.USER_UNAVAILABLE,
  ],
  [
    "its agent's error",
    leave(Reason.AGENT_ERROR),
    [Reason.AGENT_ERROR, Action.DISCONNECT],
    Reason.AGENT_ERROR,
  ],
  [
    "a lost connection",
    fail("lost"),
    [Reason.CONNECTION_TIMEOUT, Action.RESUME],
    Reason.CONNECTION_TIMEOUT,
  ],
  [
    "a failed handshake",
    fail("failed"),
    [Reason.CONNECTION_TIMEOUT, Action.RECONNECT],
    Reason.CONNECTION_TIMEOUT,
  ],
  [
    "a description that cannot be read",
    (client) => client.request({ case: "offer", value: new SessionDescription({ type: "offer" }) }),
    [Reason.STATE_MISMATCH, Action.RECONNECT],
    Reason.STATE_MISMATCH,
  ],
  [
    "a simulated node failure",
    simulated({ case: "nodeFailure", value: true }),
    undefined,
    Reason.SERVER_SHUTDOWN,
  ],
  [
    "a simulated migration",
    simulated({ case: "migration", value: true }),
    undefined,
    Reason.MIGRATION,
  ],
  [
    "a simulated leave of the server",
    simulated({ case: "serverLeave", value: true }),
    [Reason.SERVER_SHUTDOWN, Action.DISCONNECT],
    Reason.SERVER_SHUTDOWN,
  ],
];

for (const [what, end, told, announced] of ENDINGS) {
  Deno.test(`Participant ended by ${what}: what it and the others are told`, async () => {
    const world = new World();
    const witness = await world.joined("witness");
    const client = await world.joined("client");
    const { sid } = client.participant;
    await end(client);
    assert.equal(world.rooms.get("lobby")!.byIdentity("client"), undefined);
    const last = client.all("leave").at(-1);
    assert.deepEqual(last && [last.reason, last.action], told);
    assert.equal(client.closeCode, 1000);
    await world.pass(3_100, 100);
    const info = witness.all("update").flatMap(({ participants }) => participants)
      .findLast((candidate) => candidate.sid === sid)!;
    assert.deepEqual([info.state, info.disconnectReason], [State.DISCONNECTED, announced]);
  });
}
