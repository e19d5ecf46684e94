/**
 * What only starting needed.
 *
 * @module
 */
import { collectGarbage } from "../base/garbage.ts";
import type { NativeUse } from "../transport/media_crypto.ts";
import { giveBackStartMemory } from "../transport/start_memory.ts";

/** Gives it back, before anybody is here to wait for it. */
export function giveBackStartLeftovers(native: NativeUse): void {
  collectGarbage();
  giveBackStartMemory(native);
}
