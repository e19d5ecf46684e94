import assert from "node:assert/strict";
import { isUnread } from "../../../lib/signalling/signal_socket.ts";

Deno.test("isUnread() lets one message of any size through, and no more than the limit behind it", () => {
  const after = (bufferedAmount: number, bytes: number, limit = 100) =>
    isUnread({ bufferedAmount }, bytes, limit);
  assert.deepEqual([after(0, 1_000), after(1, 99), after(1, 100), after(1_000, 1, 0)], [
    false,
    false,
    true,
    false,
  ]);
});
