/** LiveKit's test of which participants can be moved to another room. */
import assert from "node:assert/strict";
import { ROOM, scenario } from "./support.ts";

scenario("TestSupportsMoving", async (test) => {
  const current = await test.join("current", { clientInfo: { protocol: 16 } });
  const old = await test.join("old", { clientInfo: { protocol: 15 } });
  await test.api.moveParticipant(ROOM, "current", "elsewhere");
  const { room } = await current.signal.message("roomMoved");
  assert.equal(room!.name, "elsewhere");
  await assert.rejects(test.api.moveParticipant(ROOM, "old", "elsewhere"), {
    status: 412,
    code: "failed_precondition",
  });
  assert.equal(old.signal.closed, undefined);
  assert.equal(test.server.rooms.get(ROOM)!.byIdentity("old")?.active, true);
});
