import assert from "node:assert/strict";
import { EgressInfo, EgressStatus } from "@livekit/protocol";
import type { NodeId } from "../../../lib/base/ids.ts";
import { LostEgresses } from "../../../lib/egress/lost_egresses.ts";
import { MemoryShelf } from "../../../lib/ingress/text_shelf.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

/** A node's part of a shelf that can be out of reach. */
function node(name: string, shelf: MemoryShelf) {
  const platform = new VirtualPlatform();
  const state = { isAway: false };
  const told: string[] = [];
  const reached = <T>(ask: () => Promise<T>) =>
    state.isAway ? Promise.reject(new Error("away")) : ask();
  const lost = new LostEgresses({
    platform,
    self: name as NodeId,
    shelf: {
      all: () => reached(() => shelf.all("egress")),
      put: (id, text) => reached(() => shelf.put("egress", id, text)),
      remove: (id) => reached(() => shelf.remove("egress", id)),
    },
    others: () => [],
    lost: ({ egressId }) => void told.push(egressId),
  });
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      platform.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  };
  return { lost, state, told, pass };
}

Deno.test("LostEgresses tells nothing of a recording that ended while the shelf was away", async () => {
  const shelf = new MemoryShelf();
  const one = node("ND_one", shelf);
  one.lost.note(new EgressInfo({ egressId: "EG_1", status: EgressStatus.EGRESS_ACTIVE }));
  await one.pass(1);
  one.state.isAway = true;
  one.lost.note(new EgressInfo({ egressId: "EG_1", status: EgressStatus.EGRESS_COMPLETE }));
  await one.pass(30);
  one.state.isAway = false;
  await one.pass(10);
  await one.lost.close();
  const two = node("ND_two", shelf);
  await two.pass(60);
  await two.lost.close();
  assert.deepEqual(two.told, []);
});
