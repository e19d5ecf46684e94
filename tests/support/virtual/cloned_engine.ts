/**
 * Puts the message border to the test: every command and event crosses it as a structured clone, so
 * anything shared or not cloneable fails in this thread as it would between two.
 *
 * @module
 */
import type { MediaEngine } from "../../../lib/engine/messages/media_messages.ts";

/** Wraps `engine`; the wrapper is used in its place. */
export function clonedEngine(engine: MediaEngine): MediaEngine {
  const wrapper: MediaEngine = {
    onEvent: () => {},
    start: async () => structuredClone(await engine.start()),
    send: (command) => engine.send(structuredClone(command)),
    addressesOf: (connection) => structuredClone(engine.addressesOf(connection)),
    close: () => engine.close(),
  };
  engine.onEvent = (event) => wrapper.onEvent(structuredClone(event));
  return wrapper;
}
