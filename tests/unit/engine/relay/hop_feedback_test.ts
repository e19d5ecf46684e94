/** What is read of another end's feedback, and what is refused. */
import assert from "node:assert/strict";
import { CONTENT_WORDS, FRAME, frameWord } from "../../../../lib/engine/relay/hop_datagram.ts";
import { FeedbackView } from "../../../../lib/engine/relay/hop_feedback.ts";

const HEAD_WORDS = 8;

function asking(pairs: number): boolean {
  const words = new Int32Array(CONTENT_WORDS);
  const length = HEAD_WORDS + 2 * pairs;
  words[0] = frameWord(FRAME.feedback, 0, length);
  words[7] = pairs << 16;
  return new FeedbackView().wrap(words, 0, length);
}

Deno.test("Feedback asks for 48 times 33 packets, and for no more: each costs time to look for", () => {
  assert.equal(asking(48), true);
  assert.equal(asking(49), false);
  assert.equal(asking((CONTENT_WORDS - HEAD_WORDS) >> 1), false);
});
