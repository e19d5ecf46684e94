import assert from "node:assert/strict";
import { PathTable, UdpPath } from "../../../../lib/transport/ice/network_path.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { MemoryDatagrams, udp } from "./ice_world.ts";

Deno.test("PathTable finds a path by its address, whichever object says it, while it is there", () => {
  const table = new PathTable();
  const datagrams = new MemoryDatagrams();
  const remote = udp("192.0.2.7", 5_000);
  assert.equal(table.get(remote), undefined);
  const path = new UdpPath(remote, datagrams, table);
  table.add(path);
  for (const asked of [remote, udp("192.0.2.7", 5_000), remote]) {
    assert.equal(table.get(asked), path);
  }
  assert.equal(table.get(udp("192.0.2.8", 5_000)), undefined);
  path.close();
  assert.equal(table.get(remote), undefined, "gone");
  const next = new UdpPath(remote, datagrams, table);
  table.add(next);
  assert.equal(table.get(remote), next, "and somebody else's later");
  path.close();
  assert.equal(table.get(remote), next);
});

Deno.test("PathTable says what a plain list says, of ports that share a place and hosts that share a port", () => {
  const random = new SeededRandom(31);
  const table = new PathTable();
  const datagrams = new MemoryDatagrams();
  const remotes = Array.from(
    { length: 40 },
    (_, i) => udp(`192.0.2.${1 + i % 4}`, 1_000 + 1_024 * (Math.floor(i / 4) % 10)),
  );
  const open = new Map<number, UdpPath>();
  for (let step = 0; step < 5_000; step++) {
    const i = random.below(remotes.length);
    const path = open.get(i);
    assert.equal(table.get(remotes[i]!), path);
    if (random.below(4) > 0) continue;
    if (path !== undefined) {
      path.close();
      open.delete(i);
    } else {
      const made = new UdpPath(remotes[i]!, datagrams, table);
      table.add(made);
      open.set(i, made);
    }
    assert.equal(table.size, open.size);
  }
});
