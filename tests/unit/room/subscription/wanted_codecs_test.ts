import assert from "node:assert/strict";
import { SimulcastCodecInfo, TrackInfo, TrackType, VideoQuality } from "@livekit/protocol";
import {
  WantedCodecs,
  wantedCodecsMessage,
} from "../../../../lib/room/subscription/wanted_codecs.ts";

const { LOW, MEDIUM, HIGH, OFF } = VideoQuality;
const AV1 = "video/AV1";
const VP8 = "video/VP8";

Deno.test("WantedCodecs.collect() tells all codecs when one has changed", () => {
  const codecs = new WantedCodecs(false, 5_000);
  codecs.wish("bob", { mime: AV1, quality: HIGH }, 0);
  assert.deepEqual(codecs.collect(0), [{ mime: AV1, quality: HIGH }]);
  assert.equal(codecs.collect(0), undefined);
  codecs.wish("carol", { mime: VP8, quality: LOW }, 1);
  assert.deepEqual(codecs.collect(1), [
    { mime: AV1, quality: HIGH },
    { mime: VP8, quality: LOW },
  ]);
});

Deno.test("WantedCodecs.wish() moves a subscriber from codec to codec", () => {
  const codecs = new WantedCodecs(false, 0);
  codecs.wish("bob", { mime: AV1, quality: HIGH }, 0);
  codecs.collect(0);
  codecs.wish("bob", { mime: VP8, quality: MEDIUM }, 1);
  assert.deepEqual(codecs.collect(1), [
    { mime: AV1, quality: OFF },
    { mime: VP8, quality: MEDIUM },
  ]);
});

Deno.test("WantedCodecs.add() turns a codec off that nobody has wanted for ten seconds", () => {
  const codecs = new WantedCodecs(false, 5_000);
  codecs.add(VP8, 0);
  assert.equal(codecs.collect(0), undefined);
  assert.equal(codecs.nextWakeAt(), 10_000);
  assert.deepEqual(codecs.collect(10_000), [{ mime: VP8, quality: OFF }]);
  assert.equal(codecs.nextWakeAt(), undefined);
});

Deno.test("WantedCodecs.setRegression() gives way again when the backup codec is gone", () => {
  const codecs = new WantedCodecs(false, 0);
  codecs.wish("bob", { mime: AV1, quality: HIGH }, 0);
  codecs.setRegression({ from: AV1, to: VP8 }, 0);
  assert.deepEqual(codecs.collect(0), [
    { mime: AV1, quality: OFF },
    { mime: VP8, quality: HIGH },
  ]);
  codecs.setRegression(undefined, 1);
  assert.deepEqual(codecs.collect(1), [
    { mime: AV1, quality: HIGH },
    { mime: VP8, quality: OFF },
  ]);
});

Deno.test("wantedCodecsMessage() enables everything up to the wish, for old and new clients", () => {
  const info = (mimeType: string, type: TrackType) =>
    new TrackInfo({ sid: "TR_x", type, codecs: [new SimulcastCodecInfo({ mimeType })] });
  const message = wantedCodecsMessage(info(VP8, TrackType.VIDEO), [
    { mime: AV1, quality: OFF },
    { mime: VP8, quality: MEDIUM },
  ]);
  assert.ok(message.case === "subscribedQualityUpdate");
  const { trackSid, subscribedCodecs, subscribedQualities } = message.value;
  assert.equal(trackSid, "TR_x");
  assert.deepEqual(
    subscribedCodecs.map(({ codec, qualities }) => [codec, qualities.map((q) => q.enabled)]),
    [["av1", [false, false, false]], ["vp8", [true, true, false]]],
  );
  assert.deepEqual(subscribedQualities.map((q) => q.enabled), [true, true, false]);
  const audio = wantedCodecsMessage(info("audio/opus", TrackType.AUDIO), [
    { mime: "audio/red", quality: OFF },
    { mime: "audio/opus", quality: HIGH },
  ]);
  assert.ok(audio.case === "subscribedAudioCodecUpdate");
  assert.deepEqual(
    audio.value.subscribedAudioCodecs.map(({ codec, enabled }) => [codec, enabled]),
    [["red", false], ["opus", true]],
  );
});
