import assert from "node:assert/strict";
import type { ClientTraits } from "../../../../lib/room/context/client_traits.ts";
import type { RoomContext } from "../../../../lib/room/context/room_context.ts";
import { DownTrackNames } from "../../../../lib/room/connection/down_track_names.ts";
import type { DownTrackRequest } from "../../../../lib/room/subscription/subscriptions.ts";

const REQUEST = {
  downTrack: "DT_1",
  publisherSid: "PA_1",
  track: { sid: "TR_1", kind: "audio", info: { stream: "", stereo: false }, upTracks: [] },
  codecs: [],
} as unknown as DownTrackRequest;

/** Names tracks after a connection's one random number. */
function tracksFrom(firstRandom: number): DownTrackNames {
  const random = { uint32: () => firstRandom };
  const context = { platform: { random }, options: { syncStreams: false } };
  return new DownTrackNames(
    context as unknown as RoomContext,
    { protocol: 16 } as ClientTraits,
  );
}

Deno.test("DownTrackNames.describe() never gives an SSRC twice, nor 0, wherever it begins", () => {
  const step = 0x9e37_79b1;
  for (const first of [0, 1, 2 ** 32 - 1, 2 ** 32 - step, 2 ** 33 - 2 * step]) {
    const tracks = tracksFrom(first);
    const ssrcs = new Set<number>();
    const count = 5_000;
    for (let i = 0; i < count; i++) {
      const { ssrc, rtxSsrc } = tracks.describe(REQUEST);
      ssrcs.add(ssrc).add(rtxSsrc);
    }
    assert.equal(ssrcs.size, 2 * count);
    for (const ssrc of ssrcs) assert.ok(ssrc > 0 && ssrc < 2 ** 32 && Number.isInteger(ssrc));
  }
});
