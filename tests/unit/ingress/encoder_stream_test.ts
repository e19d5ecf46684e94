import assert from "node:assert/strict";
import { EncoderStream } from "../../../lib/ingress/encoder_stream.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";
import { avcFrame, avcStart, opusFrame, opusStart } from "../../support/wire/rtmp_encoder.ts";

Deno.test("EncoderStream goes on with the sound where pictures come too late to be offered", () => {
  const stream = new EncoderStream(new VirtualPlatform());
  stream.audio(opusStart(), 0, 0);
  stream.audio(opusFrame(), 0, 0);
  assert.equal(stream.isReady(5_000), true, "pictures are not waited for so long");
  stream.offer();
  stream.take();
  stream.video(avcStart(), 5_000, 5_000);
  stream.video(avcFrame(true), 5_000, 5_000);
  assert.match(stream.note, /video came too late/);
  assert.equal(stream.take(), undefined);
  stream.audio(opusFrame(), 5_020, 5_020);
  assert.notEqual(stream.take(), undefined, "what was offered is still sent");
});
