import assert from "node:assert/strict";
import { ofTheDead } from "../../support/wire/test_networks.ts";

Deno.test("ofTheDead() finds what killed test runs have left, and nothing else", () => {
  const isAlive = (pid: number) => pid === 4321;
  const left = ["rw1234-6yo", "rh1234-a", "roomwire-client-1234-6y", "roomwire-home-12-a-2"];
  const inUse = ["rw4321-6yo", "rs4321-1", "roomwire-4321-6y-0", "roomwire-server-4321-1"];
  const ofOthers = ["", "lo", "eth0", "rp_filter", "r2", "docker-1234-0", "roomwire", "rw1234"];
  assert.deepEqual(ofTheDead([...left, ...inUse, ...ofOthers], isAlive), left);
});
