/**
 * Registers tests on a {@linkcode WireRoom}.
 *
 * @module
 */
import assert from "node:assert/strict";
import { WireRoom } from "./wire_room.ts";

/**
 * Registers a test on a room of its own. werift's client keeps timers, so the sanitizers are off.
 */
export function roomTest(
  name: string,
  body: (room: WireRoom) => Promise<void>,
  open: () => Promise<WireRoom> = () => WireRoom.open(),
): void {
  Deno.test({
    name,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await using room = await open();
      await body(room);
      assert.deepEqual(room.errors, [], "nothing failed inside the engine");
    },
  });
}
