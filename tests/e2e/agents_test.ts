/**
 * LiveKit's own agents SDK as a worker of this server. The SDK runs under Node, and is installed
 * from its lock file into a folder that is kept between runs.
 */
import assert from "node:assert/strict";
import { ParticipantInfo_Kind } from "@livekit/protocol";
import { AgentDispatchClient, RoomServiceClient } from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { installNodePackages } from "../support/process/node_packages.ts";
import { disposeRtcNode, RtcNodeClient } from "../support/sdk/rtc_node_client.ts";
import { startRoomwire, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";

/** What describes the installation, and the agent. */
const SOURCES = new URL("../support/sdk/agents_sdk/", import.meta.url);
/**
 * A first start unpacks models and starts a process for each job; on a busy machine that takes
 * long.
 */
const AGENT_DEADLINE_MS = 90_000;

function startWorker(folder: string, url: string, agentName: string): Deno.ChildProcess {
  return new Deno.Command("node", {
    args: ["agent.mjs", "start"],
    cwd: folder,
    env: {
      LIVEKIT_URL: url,
      LIVEKIT_API_KEY: TEST_KEY,
      LIVEKIT_API_SECRET: TEST_SECRET,
      AGENT_NAME: agentName,
    },
    stdout: "null",
    stderr: "null",
  }).spawn();
}

endToEndTest("a worker of the agents SDK takes a job and joins the room", ["node"], async () => {
  const folder = await installNodePackages("agents_sdk", SOURCES);
  await using server = await startRoomwire();
  const worker = startWorker(folder, server.url, "scribe");
  const human = new RtcNodeClient("ann");
  try {
    await human.connect(server.url, await mintToken({ identity: "ann", room: "den" }));
    const dispatches = new AgentDispatchClient(server.httpUrl, TEST_KEY, TEST_SECRET);
    const rooms = new RoomServiceClient(server.httpUrl, TEST_KEY, TEST_SECRET);
    const heard = async () => (await human.receivedData()).map(({ text }) => text);

    // Dispatching finds no worker until the SDK has registered, so it is tried until one takes it.
    await eventually("the agent's message", async () => {
      if ((await heard()).includes("take notes: saw ann")) return true;
      const [running] = (await dispatches.listDispatch("den"))
        .filter(({ agentName }) => agentName === "scribe")
        .flatMap(({ state }) => state?.jobs ?? []);
      if (running === undefined) {
        for (const { id, agentName } of await dispatches.listDispatch("den")) {
          if (agentName === "scribe") await dispatches.deleteDispatch(id, "den");
        }
        await dispatches.createDispatch("den", "scribe", { metadata: "take notes" });
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      return false;
    }, { deadlineMs: AGENT_DEADLINE_MS, seen: () => server.logTail() });

    const agent = (await rooms.listParticipants("den")).find(({ identity }) => identity !== "ann");
    assert.equal(agent?.kind, ParticipantInfo_Kind.AGENT);
    assert.equal(agent?.attributes["lk.agent_name"], "scribe");

    const [dispatch] = (await dispatches.listDispatch("den"))
      .filter(({ agentName }) => agentName === "scribe");
    await dispatches.deleteDispatch(dispatch!.id, "den");
    await eventually("the agent to leave", async () => {
      const there = await rooms.listParticipants("den");
      return there.every(({ identity }) => identity === "ann");
    });
  } finally {
    await human[Symbol.asyncDispose]();
    worker.kill("SIGKILL");
    await worker.status;
    await disposeRtcNode();
  }
});
