import assert from "node:assert/strict";
import { ConnectionQuality } from "@livekit/protocol";
import type { ConnectionId, DownTrackId, UpTrackId } from "../../../../lib/base/ids.ts";
import type {
  DownTrackInterval,
  UpTrackInterval,
} from "../../../../lib/engine/messages/media_messages.ts";
import type { QualityReport } from "../../../../lib/room/context/engine_router.ts";
import { ParticipantQuality } from "../../../../lib/room/measure/participant_quality.ts";

const { EXCELLENT, GOOD, POOR } = ConnectionQuality;
const OPUS = { mime: "audio/opus", inbandFec: false, muted: false };

function upTrack(id: string, lost: number, more: Partial<UpTrackInterval> = {}): UpTrackInterval {
  const layer = { spatial: 0, expected: 250, lost, outOfOrder: 0, jitterMs: 1 } as const;
  return { ...OPUS, upTrack: id as UpTrackId, layers: [layer], topLayer: 0, ...more };
}

function downTrack(id: string, lost: number | undefined, packetsSent = 250): DownTrackInterval {
  return {
    ...OPUS,
    downTrack: id as DownTrackId,
    packetsSent,
    missingLayers: 0,
    pausedPart: 0,
    ...(lost === undefined
      ? {}
      : { reported: { expected: 250, lost, outOfOrder: 0, jitterMs: 1 }, reportAgeMs: 100 }),
  };
}

/** Reports every 5 s. */
function reporter(expectedTop: number | "nothing" = 0) {
  const quality = new ParticipantQuality();
  let now = 0;
  return {
    quality,
    report(connection: string, parts: Partial<Pick<QualityReport, "upTracks" | "downTracks">>) {
      quality.report(
        {
          type: "quality_report",
          connection: connection as ConnectionId,
          intervalMs: 5000,
          upTracks: [],
          downTracks: [],
          ...parts,
        },
        now += 5000,
        () => expectedTop,
      );
      return quality.worst().quality;
    },
  };
}

Deno.test("ParticipantQuality is EXCELLENT without tracks", () => {
  assert.deepEqual(new ParticipantQuality().worst(), { quality: EXCELLENT, opinion: 4.5 });
});

Deno.test("ParticipantQuality is that of the worst track, published or received", () => {
  const { report } = reporter();
  assert.equal(report("pub", { upTracks: [upTrack("a", 0), upTrack("b", 10)] }), GOOD);
  assert.equal(report("sub", { downTracks: [downTrack("c", 40)] }), POOR);
});

Deno.test("ParticipantQuality forgets tracks that their connection's report no longer names", () => {
  const { report } = reporter();
  report("pub", { upTracks: [upTrack("a", 40)] });
  assert.equal(report("sub", {}), POOR, "another connection says nothing about it");
  assert.equal(report("pub", {}), EXCELLENT);
});

Deno.test("ParticipantQuality of a simulcast track counts the layers its publisher was asked for", () => {
  const video = (topLayer: number) => upTrack("v", 0, { mime: "video/VP8", topLayer });
  const all = reporter(2);
  assert.equal(all.report("pub", { upTracks: [video(2)] }), EXCELLENT);
  assert.equal(all.report("pub", { upTracks: [video(1)] }), GOOD);
  const lowOnly = reporter(0);
  assert.equal(lowOnly.report("pub", { upTracks: [video(0)] }), EXCELLENT);
});

Deno.test("ParticipantQuality expects nothing of a track that nobody wants or that is muted", () => {
  const silent = (more: Partial<UpTrackInterval>) =>
    upTrack("v", 0, { layers: [], topLayer: -1, senderReportAgeMs: 60_000, ...more });
  assert.equal(reporter("nothing").report("pub", { upTracks: [silent({})] }), EXCELLENT);
  assert.equal(reporter().report("pub", { upTracks: [silent({ muted: true })] }), EXCELLENT);
  assert.equal(
    reporter().report("pub", { upTracks: [silent({ unmutedForMs: 1000 })] }),
    EXCELLENT,
    "it has hardly begun again",
  );
  assert.equal(reporter().report("pub", { upTracks: [silent({})] }), ConnectionQuality.LOST);
});

Deno.test("ParticipantQuality keeps a received track's score while nothing is sent or reported", () => {
  const { report } = reporter();
  report("sub", { downTracks: [downTrack("c", 40)] });
  assert.equal(report("sub", { downTracks: [downTrack("c", undefined, 0)] }), POOR);
  assert.equal(report("sub", { downTracks: [downTrack("c", undefined)] }), POOR);
  assert.equal(report("sub", { downTracks: [downTrack("c", 0)] }), GOOD);
});

Deno.test("ParticipantQuality is POOR when a subscriber reports nothing for over 30 s of media", () => {
  const { report } = reporter();
  const qualities = Array.from(
    { length: 8 },
    () => report("sub", { downTracks: [downTrack("c", undefined)] }),
  );
  assert.deepEqual(qualities, [...Array(6).fill(EXCELLENT), POOR, POOR]);
});
