import assert from "node:assert/strict";
import { DirectorySteps } from "../../../support/virtual/directory_steps.ts";
import { MemoryDirectory } from "../../../support/virtual/memory_directory.ts";
import {
  A,
  B,
  C,
  DIRECTORY_TESTS,
  entered,
  joining,
  nodeRecord,
} from "../../../support/virtual/directory_table.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const LEASE_MS = 5_000;

function world() {
  const platform = new VirtualPlatform();
  const memory = new DirectorySteps(platform.clock, LEASE_MS);
  const handle = () => new MemoryDirectory(memory, platform.clock);
  return { platform, memory, handle };
}

for (const [name, run] of Object.entries(DIRECTORY_TESTS)) {
  Deno.test(`MemoryDirectory: ${name}`, () => run(world().handle()));
}

Deno.test("MemoryDirectory: a lease ends when its time is over", async () => {
  const { platform, handle } = world();
  const directory = handle();
  await directory.heartbeat(nodeRecord(A));
  platform.advance(LEASE_MS - 1);
  assert.deepEqual(await directory.nodes(), [nodeRecord(A)]);
  assert.equal((await directory.heartbeat(nodeRecord(A))).known, true);
  platform.advance(LEASE_MS);
  assert.deepEqual(await directory.nodes(), []);
  assert.deepEqual(await directory.heartbeat(nodeRecord(B)), {
    known: false,
    isNew: true,
    bury: [A],
  });
});

Deno.test("MemoryDirectory: who was to bury a node and died is replaced", async () => {
  const { platform, handle } = world();
  const directory = handle();
  await directory.heartbeat(nodeRecord(A));
  platform.advance(LEASE_MS);
  assert.deepEqual((await directory.heartbeat(nodeRecord(B))).bury, [A]);
  platform.advance(LEASE_MS - 1);
  assert.deepEqual((await directory.heartbeat(nodeRecord(C))).bury, []);
  platform.advance(1);
  assert.deepEqual((await directory.heartbeat(nodeRecord(C))).bury, [A, B]);
});

Deno.test("MemoryDirectory: away nothing is done, deaf it is done without an answer", async () => {
  const { memory, handle } = world();
  const directory = handle();
  const told: string[] = [];
  directory.onStatus((status) => told.push(status));
  for (const reach of ["away", "deaf"] as const) {
    directory.reach = reach;
    await assert.rejects(directory.enter(joining(reach, A, "ann", "PA_1")), {
      code: "directory_down",
    });
  }
  assert.deepEqual(memory.list().map(({ record }) => record.name), ["deaf"]);
  assert.equal(directory.status, "down");
  directory.reach = "here";
  assert.deepEqual(told, ["down", "up"]);
  assert.deepEqual(memory.claims("deaf"), [], "nobody has been told that it is in");
  assert.equal((await entered(directory.enter(joining("deaf", A, "ann", "PA_1")))).created, true);
});

Deno.test("MemoryDirectory: nodes seen before an outage are told until others could renew", async () => {
  const { platform, handle } = world();
  const directory = handle();
  const other = handle();
  for (const node of [A, B]) await directory.heartbeat(nodeRecord(node));
  assert.equal((await directory.nodes()).length, 2);
  directory.reach = "away";
  platform.advance(10 * LEASE_MS);
  assert.equal((await directory.nodes()).length, 2);
  directory.reach = "here";
  await directory.heartbeat(nodeRecord(A));
  assert.deepEqual((await directory.nodes()).map(({ nodeId }) => nodeId), [A, B]);
  assert.deepEqual((await other.nodes()).map(({ nodeId }) => nodeId), [A]);
  platform.advance(LEASE_MS - 1);
  assert.deepEqual((await directory.nodes()).map(({ nodeId }) => nodeId), [A, B]);
  await directory.heartbeat(nodeRecord(A));
  platform.advance(1);
  assert.deepEqual((await directory.nodes()).map(({ nodeId }) => nodeId), [A]);
});
