import assert from "node:assert/strict";
import type { UpTrackId } from "../../../../lib/base/ids.ts";
import { PublisherSections } from "../../../../lib/room/connection/publisher_sections.ts";
import { parseDescription } from "../../../../lib/wire/session_description.ts";
import { clientOffer, type OfferedTrack } from "../../../support/virtual/scripted_client.ts";

function sections() {
  let next = 0;
  const table = new PublisherSections(() => `UT_${++next}` as UpTrackId);
  return (tracks: readonly OfferedTrack[]) => {
    const parsed = parseDescription(clientOffer(tracks, "clientUfrag"));
    assert.ok(parsed.ok);
    const { ended, sending } = table.apply(parsed.value);
    return { ended, sending: sending.map(({ mid, upTrack }) => `${mid}=${upTrack}`) };
  };
}

Deno.test("PublisherSections.apply() keeps the up-track of a section that names the same track", () => {
  const apply = sections();
  const cam: OfferedTrack = { mid: "1", kind: "video", cid: "cam" };
  assert.deepEqual(apply([cam]), { ended: [], sending: ["1=UT_1"] });
  const mic: OfferedTrack = { mid: "2", kind: "audio", cid: "mic" };
  assert.deepEqual(apply([cam, mic]), { ended: [], sending: ["1=UT_1", "2=UT_2"] });
});

Deno.test("PublisherSections.apply() ends what stopped, changed its track, or disappeared", () => {
  const apply = sections();
  const cam: OfferedTrack = { mid: "1", kind: "video", cid: "cam" };
  const mic: OfferedTrack = { mid: "2", kind: "audio", cid: "mic" };
  apply([cam, mic]);
  assert.deepEqual(apply([{ ...cam, cid: "other" }, mic]), {
    ended: ["UT_1"],
    sending: ["1=UT_3", "2=UT_2"],
  });
  assert.deepEqual(apply([{ ...cam, cid: "other", direction: "inactive" }]), {
    ended: ["UT_3", "UT_2"],
    sending: [],
  });
  assert.deepEqual(apply([cam]), { ended: [], sending: ["1=UT_4"] });
});
