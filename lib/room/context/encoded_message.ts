/**
 * Messages in the form in which they are sent, made once however many clients are told.
 *
 * Contract: a message does not change once it was sent.
 *
 * @module
 */
import { SignalResponse } from "@livekit/protocol";
import { protobufMember } from "../../wire/protobuf_writer.ts";
import type { SignalMessage } from "./signal_message.ts";

/** Of what many are told, not only one after the other; absent before it is first needed. */
const kept = new WeakMap<SignalMessage, Uint8Array | undefined>();
/** Whoever weighs a message sends it next. */
let last: { readonly message: SignalMessage; readonly frame: Uint8Array } | undefined;

/** Keeps the binary form of `message` for as long as the message itself is kept. */
export function keepEncoded(message: SignalMessage): SignalMessage {
  kept.set(message, undefined);
  return message;
}

/** The protobuf form of `message`; not to be written to. */
export function encodedMessage(message: SignalMessage): Uint8Array {
  if (last?.message === message) return last.frame;
  let frame = kept.get(message);
  if (frame === undefined) {
    const { case: name, value } = message;
    frame = name === undefined ? new Uint8Array(0) : protobufMember(SignalResponse, name, value);
    if (kept.has(message)) kept.set(message, frame);
  }
  last = { message, frame };
  return frame;
}
