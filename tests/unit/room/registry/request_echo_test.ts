import assert from "node:assert/strict";
import {
  AddTrackRequest,
  SimulcastCodec,
  UpdateParticipantMetadata,
  VideoLayer,
} from "@livekit/protocol";
import { echoOf } from "../../../../lib/room/registry/request_echo.ts";

Deno.test("echoOf() says back a small request as it is, and of a large one what tells it apart", () => {
  const small = { case: "addTrack" as const, value: new AddTrackRequest({ cid: "c", name: "n" }) };
  assert.equal(echoOf(small), small);
  const layers = Array.from({ length: 1_000 }, () => new VideoLayer({ width: 1 }));
  const simulcastCodecs = [new SimulcastCodec({ codec: "vp8", layers })];
  for (
    const more of [{ name: "ü".repeat(1_500) }, { layers }, { simulcastCodecs }]
  ) {
    const value = new AddTrackRequest({ cid: "c", width: 7, ...more });
    const told = echoOf({ case: "addTrack", value });
    assert.deepEqual(told.value, new AddTrackRequest({ cid: "c", width: 7 }));
  }
});

Deno.test("echoOf() finds out that a request is large in less time than reading it took", () => {
  const attributes = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, i) => [`key ${i}`, "v".repeat(100)]),
  );
  const bytes = new UpdateParticipantMetadata({ requestId: 5, attributes }).toBinary();
  const least = (work: () => unknown) =>
    Math.min(...Array.from({ length: 5 }, () => {
      const startedAt = performance.now();
      work();
      return performance.now() - startedAt;
    }));
  const value = UpdateParticipantMetadata.fromBinary(bytes);
  const reading = least(() => UpdateParticipantMetadata.fromBinary(bytes));
  const telling = least(() => echoOf({ case: "updateMetadata", value }));
  assert.ok(telling < reading, `${telling} ms, and ${reading} ms to read it`);
  const told = echoOf({ case: "updateMetadata", value }).value;
  assert.deepEqual(told, new UpdateParticipantMetadata({ requestId: 5 }));
});
