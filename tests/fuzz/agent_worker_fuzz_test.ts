import assert from "node:assert/strict";
import { Job, RegisterWorkerRequest, WorkerMessage } from "@livekit/protocol";
import { decodeWorkerMessage } from "../../lib/agents/agent_worker_session.ts";
import { AgentWorld } from "../support/virtual/agent_worker.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const SEEDS = [3, 77, 0xabcdef];
const ROUNDS = 2_000;

Deno.test("AgentWorkerSession survives random and damaged frames, and closes what it cannot read", () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    const world = new AgentWorld(seed);
    const whole = new WorkerMessage({
      message: { case: "register", value: new RegisterWorkerRequest({ agentName: "scribe" }) },
    }).toBinary();
    const text = new TextDecoder();
    let unreadable = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const socket = {
        closed: false,
        bufferedAmount: 0,
        onMessage: (_frame: Uint8Array | string) => {},
        onClose: () => {},
        send() {},
        close() {
          this.closed = true;
        },
      };
      world.service.openWorker("devkey", socket);
      const bytes = random.chance(0.5)
        ? random.bytes(random.below(64))
        : whole.slice(0, random.below(whole.length + 1));
      if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
      const frame = random.chance(0.2) ? text.decode(bytes) : bytes;
      const readable = decodeWorkerMessage(frame) !== undefined;
      socket.onMessage(frame);
      if (!readable) {
        unreadable++;
        assert.equal(socket.closed, true);
      }
      socket.onClose();
    }
    assert.ok(unreadable > ROUNDS / 20, "the generator must reach the refusing path");
    assert.equal(world.service.workers, 0);
    assert.equal(world.platform.pendingTimers, 0);
  }
});

Deno.test("decodeWorkerMessage() ignores fields that newer workers send", () => {
  const json = JSON.stringify({ updateJob: { jobId: "AJ_1", future: 1 }, alsoNew: {} });
  const message = decodeWorkerMessage(json)?.message;
  assert.ok(message?.case === "updateJob");
  assert.equal(message.value.jobId, "AJ_1");
  assert.equal(decodeWorkerMessage(new Job().toBinary())?.message.case, undefined);
});
