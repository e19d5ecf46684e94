// The agent of the end-to-end tests: says whom it saw to everybody in the room.
import { fileURLToPath } from "node:url";
import { cli, defineAgent, ServerOptions } from "@livekit/agents";

export default defineAgent({
  entry: async (job) => {
    await job.connect();
    const participant = await job.waitForParticipant();
    const text = `${job.job.metadata || "no metadata"}: saw ${participant.identity}`;
    await job.room.localParticipant.publishData(new TextEncoder().encode(text), { reliable: true });
  },
});

cli.runApp(
  new ServerOptions({
    agent: fileURLToPath(import.meta.url),
    agentName: process.env.AGENT_NAME ?? "",
    numIdleProcesses: 1,
    port: 0,
  }),
);
