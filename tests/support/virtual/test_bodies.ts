/**
 * A reader of request bodies for tests that ask routes without a server.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { BodyReader } from "../../../routes/request_body.ts";
import { VirtualPlatform } from "./virtual_platform.ts";

/** Reads within the usual limits, on a clock that stands still. */
export function testBodies(): BodyReader {
  return new BodyReader({ timers: new VirtualPlatform().timers, counters: new DropCounters() });
}
