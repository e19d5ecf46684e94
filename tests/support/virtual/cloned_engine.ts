/**
 * Puts the message border to the test: every command and event crosses it as a structured clone, so
 * anything shared or not cloneable fails in this thread as it would between two.
 *
 * @module
 */
import type { SingleEngine } from "../../../lib/engine/messages/engine_messages.ts";

/** Wraps `engine`; the wrapper is used in its place. */
export function clonedEngine(engine: SingleEngine): SingleEngine {
  const wrapper: SingleEngine = {
    onEvent: () => {},
    start: async () => structuredClone(await engine.start()),
    send: (command) => engine.send(structuredClone(command)),
    addressesOf: (connection) => structuredClone(engine.addressesOf(connection)),
    close: () => engine.close(),
  };
  engine.onEvent = (event) => wrapper.onEvent(structuredClone(event));
  return wrapper;
}
