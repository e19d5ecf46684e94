import assert from "node:assert/strict";
import {
  AddTrackRequest,
  MuteTrackRequest,
  SimulcastCodec,
  TrackSource,
  TrackType,
  UpdateParticipantMetadata,
  VideoLayer,
} from "@livekit/protocol";
import { echoOf } from "../../../../lib/room/registry/request_echo.ts";
import { keptRequest } from "../../../../lib/room/registry/track_request.ts";

const kept = (request: ConstructorParameters<typeof AddTrackRequest>[0]) =>
  keptRequest(new AddTrackRequest(request));

Deno.test("keptRequest() copies an honest request whole", () => {
  const request = new AddTrackRequest({
    cid: "cam",
    name: '{"label":"Kamera","slot":3}',
    type: TrackType.VIDEO,
    source: TrackSource.CAMERA,
    width: 1280,
    height: 720,
    stream: "s",
    layers: [new VideoLayer({ width: 320, height: 180, rid: "q" })],
    simulcastCodecs: [
      new SimulcastCodec({ codec: "av1", cid: "cam2", layers: [new VideoLayer()] }),
    ],
    audioFeatures: [0, 5],
  });
  const result = keptRequest(request);
  assert.ok(result.ok);
  assert.deepEqual(result.request, request);
  result.request.layers[0]!.width = 1;
  result.request.simulcastCodecs[0]!.cid = "x";
  assert.deepEqual([request.layers[0]!.width, request.simulcastCodecs[0]!.cid], [320, "cam2"]);
});

Deno.test("keptRequest() refuses each text that is too long, by name", () => {
  const rows: [string, ConstructorParameters<typeof AddTrackRequest>[0]][] = [
    ["name", { name: "x".repeat(1_025) }],
    ["cid", { cid: "x".repeat(257) }],
    ["sid", { sid: "x".repeat(257) }],
    ["stream", { stream: "x".repeat(257) }],
    ["codec", { simulcastCodecs: [new SimulcastCodec({ codec: "x".repeat(65) })] }],
    ["cid", { simulcastCodecs: [new SimulcastCodec({ cid: "x".repeat(257) })] }],
  ];
  for (const [field, request] of rows) {
    assert.deepEqual(kept(request), {
      ok: false,
      message: `Cannot add track: ${field} is too long`,
    });
  }
});

Deno.test("keptRequest() keeps a few kilobytes at most, whatever it is given", () => {
  const layer = () => new VideoLayer({ rid: "r".repeat(10_000), width: 1, height: 1 });
  const layers = Array.from({ length: 1_000 }, layer);
  const result = kept({
    cid: "c".repeat(256),
    name: "n".repeat(1_024),
    stream: "s".repeat(256),
    layers,
    simulcastCodecs: Array.from(
      { length: 100 },
      (_, i) => new SimulcastCodec({ codec: `codec${i}`, cid: "c".repeat(256), layers }),
    ),
    audioFeatures: Array.from({ length: 10_000 }, (_, i) => i),
    packetTrailerFeatures: Array.from({ length: 10_000 }, (_, i) => i),
  });
  assert.ok(result.ok);
  assert.ok(result.request.toBinary().length < 12_000);
});

Deno.test("echoOf() says a small request back whole, and of a large one what names it", () => {
  const small = {
    case: "mute",
    value: new MuteTrackRequest({ sid: "TR_x", muted: true }),
  } as const;
  assert.equal(echoOf(small), small);
  const value = new UpdateParticipantMetadata({
    requestId: 7,
    name: "Ann",
    metadata: "m".repeat(100_000),
    attributes: { a: "b".repeat(100_000) },
  });
  assert.deepEqual(echoOf({ case: "updateMetadata", value }), {
    case: "updateMetadata",
    value: new UpdateParticipantMetadata({ requestId: 7, name: "Ann" }),
  });
});
