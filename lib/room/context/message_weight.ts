/**
 * How many bytes a message has as it is sent; found out once, however many clients it is kept for.
 *
 * @module
 */
import { SignalResponse } from "@livekit/protocol";
import type { SignalMessage } from "./signal_message.ts";

/** A message and its size go together: messages do not change once they were sent. */
const weights = new WeakMap<SignalMessage, number>();

/** Bytes of `message` in its binary form. */
export function messageWeight(message: SignalMessage): number {
  let weight = weights.get(message);
  if (weight === undefined) {
    weight = new SignalResponse({ message }).toBinary().length;
    weights.set(message, weight);
  }
  return weight;
}
