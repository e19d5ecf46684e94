import assert from "node:assert/strict";
import { Pong, SignalResponse } from "@livekit/protocol";
import { encodedMessage, keepEncoded } from "../../../../lib/room/context/encoded_message.ts";
import type { SignalMessage } from "../../../../lib/room/context/signal_message.ts";

const pong = (timestamp: bigint): SignalMessage => ({
  case: "pongResp",
  value: new Pong({ timestamp }),
});

Deno.test("encodedMessage() writes the response that carries the message", () => {
  const message = pong(5n);
  assert.deepEqual(encodedMessage(message), new SignalResponse({ message }).toBinary());
});

Deno.test("encodedMessage() is the same bytes until another message comes, or for as long as kept", () => {
  const [brief, kept] = [pong(1n), keepEncoded(pong(2n))];
  const first = encodedMessage(brief);
  assert.equal(encodedMessage(brief), first);
  const second = encodedMessage(kept);
  assert.notEqual(encodedMessage(brief), first);
  assert.deepEqual(encodedMessage(brief), first);
  assert.equal(encodedMessage(kept), second);
});
