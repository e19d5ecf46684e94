import assert from "node:assert/strict";
import {
  AddTrackRequest,
  AudioTrackFeature,
  BackupCodecPolicy,
  Encryption_Type,
  TrackSource,
  TrackType,
  VideoLayer,
  VideoLayer_Mode,
  VideoQuality,
} from "@livekit/protocol";
import type { TrackSid } from "../../../../lib/base/ids.ts";
import {
  assignLayerIds,
  newTrackSid,
  normalizeMime,
  qualityOfSpatial,
  spatialOfQuality,
  trackInfoFromRequest,
} from "../../../../lib/room/registry/track_info.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { DEFAULT_ENABLED_MIMES } from "../../../../lib/negotiation/codec_catalog.ts";
import { camera, microphone } from "./track_world.ts";

const SID = "TR_test" as TrackSid;
const { LOW, MEDIUM, HIGH, OFF } = VideoQuality;
const infoOf = (request: AddTrackRequest, enabledCodecs = DEFAULT_ENABLED_MIMES) =>
  trackInfoFromRequest(request, SID, { enabledCodecs });
const declare = (...qualities: VideoQuality[]) => qualities.map((quality) => ({ quality }));

Deno.test("trackInfoFromRequest() keeps what was announced", () => {
  const info = infoOf(camera("cam", {
    name: "front",
    width: 1280,
    height: 720,
    muted: true,
    disableRed: true,
    encryption: Encryption_Type.GCM,
    stream: "mine",
    layers: declare(HIGH, LOW),
  }));
  assert.equal(info.sid, SID);
  assert.equal(info.name, "front");
  assert.deepEqual([info.width, info.height], [1280, 720]);
  assert.deepEqual([info.muted, info.disableRed], [true, true]);
  assert.equal(info.encryption, Encryption_Type.GCM);
  assert.equal(info.stream, "mine");
  assert.deepEqual(info.layers.map(({ quality }) => quality), [LOW, HIGH]);
  assert.equal(info.codecs.length, 1);
  assert.deepEqual([info.codecs[0]!.cid, info.codecs[0]!.mimeType], ["cam", ""]);
  assert.equal(info.codecs[0]!.videoLayerMode, VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM);
  assert.equal(info.simulcast, false);
});

Deno.test("trackInfoFromRequest() copies layers instead of sharing them", () => {
  const request = camera("cam", { layers: declare(HIGH) });
  const info = infoOf(request);
  info.layers[0]!.ssrc = 1;
  assert.equal(request.layers[0]!.ssrc, 0);
  assert.equal(info.codecs[0]!.layers[0]!.ssrc, 0);
});

Deno.test("trackInfoFromRequest() names the stream after the source", () => {
  const stream = (source: TrackSource) => infoOf(camera("c", { source })).stream;
  assert.deepEqual([1, 2, 3, 4, 0].map(stream), [
    "camera",
    "camera",
    "screen",
    "screen",
    "unknown",
  ]);
});

Deno.test("trackInfoFromRequest() lists codecs with mode and layers, first of a mime only", () => {
  const info = infoOf(camera("cam", {
    layers: declare(LOW, HIGH),
    simulcastCodecs: [
      { codec: "vp9", cid: "cam", layers: declare(HIGH) },
      { codec: "video/VP8", cid: "" },
      { codec: "VP8", cid: "again" },
    ],
  }));
  assert.deepEqual(
    info.codecs.map(({ mimeType, cid, videoLayerMode, layers }) => [
      mimeType,
      cid,
      videoLayerMode,
      layers.map(({ quality }) => quality),
    ]),
    [
      ["video/VP9", "cam", VideoLayer_Mode.MULTIPLE_SPATIAL_LAYERS_PER_STREAM, [HIGH]],
      ["video/VP8", "", VideoLayer_Mode.ONE_SPATIAL_LAYER_PER_STREAM, [LOW, HIGH]],
    ],
  );
  assert.equal(info.simulcast, false, "the first codec is SVC");
  const vp8 = camera("c", { layers: declare(LOW, HIGH), simulcastCodecs: [{ codec: "vp8" }] });
  assert.equal(infoOf(vp8).simulcast, true);
});

Deno.test("trackInfoFromRequest() replaces a codec that is not enabled by the first that is", () => {
  const wish = (codec: string) => camera("c", { simulcastCodecs: [{ codec, cid: "c" }] });
  const enabled = ["audio/opus", "video/vp8", "video/VP9"];
  assert.equal(infoOf(wish("h264"), enabled).codecs[0]!.mimeType, "video/VP8");
  assert.equal(infoOf(wish("vp9"), enabled).codecs[0]!.mimeType, "video/VP9");
  assert.equal(infoOf(wish("h264"), []).codecs[0]!.mimeType, "video/VP8");
  const speex = microphone("m", { simulcastCodecs: [{ codec: "speex", cid: "m" }] });
  assert.equal(infoOf(speex, []).codecs[0]!.mimeType, "audio/opus");
  assert.equal(infoOf(speex).codecs[0]!.mimeType, "audio/PCMU");
});

Deno.test("trackInfoFromRequest() adds audio features of the old booleans, once", () => {
  const { TF_STEREO, TF_NO_DTX, TF_ECHO_CANCELLATION } = AudioTrackFeature;
  const info = infoOf(microphone("m", {
    stereo: true,
    disableDtx: true,
    audioFeatures: [TF_ECHO_CANCELLATION, TF_STEREO, TF_STEREO],
  }));
  assert.deepEqual(info.audioFeatures, [TF_ECHO_CANCELLATION, TF_STEREO, TF_NO_DTX]);
});

Deno.test("trackInfoFromRequest() lets audio keep both codecs unless regression is asked for", () => {
  const { PREFER_REGRESSION, SIMULCAST, REGRESSION } = BackupCodecPolicy;
  const policies = [PREFER_REGRESSION, SIMULCAST, REGRESSION];
  const of = (make: typeof camera) =>
    policies.map((backupCodecPolicy) => infoOf(make("c", { backupCodecPolicy })).backupCodecPolicy);
  assert.deepEqual(of(microphone), [SIMULCAST, SIMULCAST, REGRESSION]);
  assert.deepEqual(of(camera), policies);
});

Deno.test("newTrackSid() tells kind and source by letters", () => {
  const random = new SeededRandom(1);
  const sid = (type: TrackType, source: TrackSource) => newTrackSid(random, type, source);
  assert.match(sid(TrackType.VIDEO, TrackSource.CAMERA), /^TR_VC\w{12}$/);
  assert.match(sid(TrackType.AUDIO, TrackSource.MICROPHONE), /^TR_AM\w{12}$/);
  assert.match(sid(TrackType.VIDEO, TrackSource.SCREEN_SHARE), /^TR_VS\w{12}$/);
  assert.match(sid(TrackType.AUDIO, TrackSource.SCREEN_SHARE_AUDIO), /^TR_As\w{12}$/);
  assert.match(sid(TrackType.VIDEO, TrackSource.UNKNOWN), /^TR_V\w{12}$/);
});

Deno.test("normalizeMime() has one spelling for one codec", () => {
  assert.equal(normalizeMime("audio/OPUS", "audio"), "audio/opus");
  assert.equal(normalizeMime("h264", "video"), "video/H264");
  assert.equal(normalizeMime("VIDEO/vp8", "video"), "video/VP8");
  assert.equal(normalizeMime("", "video"), "");
  assert.equal(normalizeMime("constructor", "video"), "video/constructor");
  assert.equal(normalizeMime("video/future", "video"), "video/future");
});

Deno.test("spatialOfQuality() numbers the declared qualities from 0 without gaps", () => {
  const cases: [VideoQuality[], number[]][] = [
    [[], [0, 1, 2]],
    [[LOW, MEDIUM, HIGH], [0, 1, 2]],
    [[LOW, MEDIUM], [0, 1, 1]],
    [[LOW, HIGH], [0, 1, 1]],
    [[HIGH, MEDIUM], [0, 0, 1]],
    [[HIGH], [0, 0, 0]],
    [[LOW], [0, 0, 0]],
    [[HIGH, HIGH], [0, 0, 0]],
  ];
  for (const [declared, expected] of cases) {
    const spatials = [LOW, MEDIUM, HIGH].map((q) => spatialOfQuality(q, declare(...declared)));
    assert.deepEqual(spatials, expected, `${declared}`);
  }
});

Deno.test("qualityOfSpatial() undoes spatialOfQuality() for declared qualities", () => {
  for (const declared of [[LOW, MEDIUM, HIGH], [LOW, HIGH], [MEDIUM, HIGH], [HIGH]]) {
    const layers = declare(...declared);
    for (const quality of declared) {
      assert.equal(qualityOfSpatial(spatialOfQuality(quality, layers), layers), quality);
    }
  }
  assert.equal(qualityOfSpatial(2, declare(LOW, HIGH)), OFF);
  assert.equal(qualityOfSpatial(2, []), HIGH);
});

Deno.test("assignLayerIds() gives each layer its spatial layer and the rid at that place", () => {
  const layers = declare(MEDIUM, HIGH).map((layer) => new VideoLayer(layer));
  assignLayerIds(layers, ["q", "h", "f"]);
  assert.deepEqual(layers.map(({ spatialLayer, rid }) => [spatialLayer, rid]), [[0, "q"], [
    1,
    "h",
  ]]);
  assignLayerIds(layers, []);
  assert.deepEqual(layers.map(({ rid }) => rid), ["", ""]);
});
