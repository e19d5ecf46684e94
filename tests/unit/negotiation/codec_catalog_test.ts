import assert from "node:assert/strict";
import {
  acceptedCodecs,
  CATALOG,
  codecPolicy,
  DEFAULT_ENABLED_CODECS,
  offeredCodecs,
  sameCodec,
} from "../../../lib/negotiation/codec_catalog.ts";
import {
  mustParse,
  publishedCodec,
  sdpFixture,
} from "../../support/virtual/negotiation_fixtures.ts";

const MAIN_MODE_1 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f";
const policy = codecPolicy(DEFAULT_ENABLED_CODECS);
const h264 = (fmtp: string, payloadType = 1) => ({
  mime: "video/H264",
  payloadType,
  clockRate: 90_000,
  fmtp,
  feedback: [],
});

Deno.test("codecPolicy() lets a rule without fmtp name every variant but the explicit ones", () => {
  const { codecs } = codecPolicy([{ mime: "video/h264", fmtp: "" }]);
  assert.deepEqual(codecs.map(({ payloadType }) => payloadType), [125, 108, 123]);
});

Deno.test("codecPolicy() takes an explicit variant only under its own fmtp", () => {
  const { codecs } = codecPolicy([{ mime: "video/H264", fmtp: MAIN_MODE_1.toUpperCase() }]);
  assert.deepEqual(codecs.map(({ payloadType }) => payloadType), [106]);
});

Deno.test("codecPolicy() takes away what a client has disabled", () => {
  const { codecs } = codecPolicy(DEFAULT_ENABLED_CODECS, [{ mime: "video/av1", fmtp: "" }]);
  assert.equal(codecs.some(({ mime }) => mime === "video/AV1"), false);
  assert.equal(codecs.some(({ mime }) => mime === "video/VP8"), true);
});

Deno.test("codecPolicy() has no RED without the opus it wraps", () => {
  assert.deepEqual(codecPolicy([{ mime: "audio/red", fmtp: "" }]).codecs, []);
});

Deno.test("CATALOG gives no payload type twice, RTX included", () => {
  const used = CATALOG.flatMap(({ payloadType, rtx }) =>
    rtx ? [payloadType, payloadType + 1] : [payloadType]
  );
  assert.equal(new Set(used).size, used.length);
});

Deno.test("sameCodec() compares what changes the bit stream, with the RFC's defaults", () => {
  const vp9 = (fmtp: string) => ({ mime: "video/VP9", clockRate: 90_000, fmtp });
  assert.equal(sameCodec(vp9(""), vp9("profile-id=0")), true);
  assert.equal(sameCodec(vp9("profile-id=2"), vp9("profile-id=0")), false);
  const mode1 = "packetization-mode=1;profile-level-id=";
  // Level (last byte) differs; 42c0 and 42e0 both are Constrained Baseline, 4200 is Baseline.
  assert.equal(sameCodec(h264(`${mode1}42e01f`), h264(`${mode1}42e034`)), true);
  assert.equal(sameCodec(h264(`${mode1}42e01f`), h264(`${mode1}42c01f`)), true);
  assert.equal(sameCodec(h264(`${mode1}42e01f`), h264(`${mode1}42001f`)), false);
  assert.equal(sameCodec(h264(`${mode1}42e01f`), h264("profile-level-id=42e01f")), false);
});

Deno.test("acceptedCodecs() takes Chromium's constrained baseline and VP9 profile 0 only", () => {
  const offer = mustParse(sdpFixture("chromium_camera_mic_simulcast_offer"));
  const accepted = acceptedCodecs(offer.sections[1]!.codecs, policy);
  assert.deepEqual(accepted.map(({ payloadType }) => payloadType), [96, 108, 114, 45, 98]);
});

Deno.test("acceptedCodecs() falls back to other H.264 profiles if the client has no known one", () => {
  const main = h264(MAIN_MODE_1, 102);
  const offered = [publishedCodec("video/VP8"), main];
  assert.deepEqual(acceptedCodecs(offered, policy), offered);
  const constrained = h264(MAIN_MODE_1.replace("4d001f", "42e01f"), 103);
  assert.deepEqual(acceptedCodecs([main, constrained], policy), [constrained]);
  assert.deepEqual(acceptedCodecs([main], codecPolicy([{ mime: "video/VP8", fmtp: "" }])), []);
});

Deno.test("acceptedCodecs() drops a RED that carries another payload type", () => {
  const opus = { ...publishedCodec("audio/opus"), payloadType: 109 };
  const red = { ...publishedCodec("audio/red"), fmtp: "111/111" };
  assert.deepEqual(acceptedCodecs([red, opus], policy), [opus]);
  const fitting = { ...red, fmtp: "109/109" };
  assert.deepEqual(acceptedCodecs([fitting, opus], policy), [fitting, opus]);
});

Deno.test("offeredCodecs() puts the track's codec under our payload types with RTX", () => {
  const [vp8] = offeredCodecs([{ ...publishedCodec("video/VP8"), payloadType: 120 }], policy);
  assert.equal(vp8?.payloadType, 96);
  assert.equal(vp8?.rtxPayloadType, 97);
});

Deno.test("offeredCodecs() offers a High stream as the baseline of the same packetization", () => {
  const high = h264("packetization-mode=1;profile-level-id=640032");
  assert.deepEqual(offeredCodecs([high], policy).map(({ payloadType }) => payloadType), [108]);
});

Deno.test("offeredCodecs() keeps the preference of the track and needs opus for RED", () => {
  const red = publishedCodec("audio/red");
  const opus = publishedCodec("audio/opus");
  assert.deepEqual(offeredCodecs([red, opus], policy).map(({ mime }) => mime), [
    "audio/red",
    "audio/opus",
  ]);
  assert.deepEqual(offeredCodecs([red], policy), []);
});
