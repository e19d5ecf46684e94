/** Random rounds of a subscriber's m-line table against a naive model of what must be true. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { DownTrackId } from "../../../lib/base/ids.ts";
import { codecPolicy, DEFAULT_ENABLED_CODECS } from "../../../lib/negotiation/codec_catalog.ts";
import { SubscriberSections } from "../../../lib/negotiation/subscriber_offer.ts";
import { answerAsClient } from "../../support/answering_client.ts";
import { localParameters, mustParse, publishedCodec } from "../../support/negotiation_fixtures.ts";

const MIMES = ["audio/opus", "video/VP8", "video/VP9", "video/AV1"];
const UNSUPPORTED = "video/AV1";

/** Adds a codec's track, removes the n-th live one, or has a round; `lost` loses the answer. */
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("add"), mime: fc.constantFrom(...MIMES) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("remove"), n: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("offer"), lost: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("answer") }) },
);
type Command = { type: string; mime?: string; n?: number; lost?: boolean };

/** The table under test and, beside it, what a browser and a bookkeeper know. */
class World {
  readonly table = new SubscriberSections({
    createsDataChannels: true,
    reuseTransceivers: true,
    codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
  });
  /** Live tracks and their codec. */
  readonly live = new Map<DownTrackId, string>();
  readonly bound = new Map<DownTrackId, string>();
  offered: { sdp: string; tracks: Set<DownTrackId> } | undefined;
  /** Mid by m-line index, and by mid the track the client was last shown there. */
  mids: string[] = [];
  readonly shown = new Map<string, string>();
  readonly ssrcs = new Set<number>();
  added = 0;
  mostLive = 0;

  run(command: Command): void {
    if (command.type === "add") this.add(command.mime!);
    else if (command.type === "remove") this.remove(command.n!);
    else if (command.type === "offer") this.offer(command.lost!);
    else this.answer();
  }

  add(mime: string): void {
    const downTrack = `DT_${++this.added}` as DownTrackId;
    this.live.set(downTrack, mime);
    this.mostLive = Math.max(this.mostLive, this.live.size);
    this.table.addTrack({
      downTrack,
      kind: mime.startsWith("audio") ? "audio" : "video",
      codecs: [publishedCodec(mime)],
      streamId: "PA_x",
      trackId: `TR_${this.added}`,
      cname: "PA_x",
      ssrc: this.added * 2,
      rtxSsrc: this.added * 2 + 1,
      stereo: false,
    });
  }

  remove(n: number): void {
    const downTrack = [...this.live.keys()][n % Math.max(1, this.live.size)];
    if (downTrack === undefined) return;
    this.table.removeTrack(downTrack);
    this.live.delete(downTrack);
    this.bound.delete(downTrack);
  }

  /** An offer may also replace one whose answer never came. */
  offer(lost: boolean): void {
    const { sdp, midToTrackId } = this.table.offer(localParameters());
    const { sections } = mustParse(sdp);
    const before = this.mids;
    this.mids = sections.map(({ mid }) => mid);
    assert.ok(this.mids.length >= before.length, "a section disappeared");
    assert.equal(new Set(this.mids).size, this.mids.length, "a mid is used twice");
    assert.deepEqual(
      new Set(Object.values(midToTrackId)),
      new Set([...this.live.keys()].map((name) => name.replace("DT", "TR"))),
      "the offer has exactly the live tracks",
    );
    for (const [index, { mid, msid, direction, ssrcs }] of sections.entries()) {
      assert.equal(msid?.track, midToTrackId[mid], "msid and mapping differ");
      if (index > 0) assert.equal(direction, msid === undefined ? "inactive" : "sendonly");
      const previous = this.shown.get(mid);
      // A client sees a new track only where it saw the section inactive before.
      if (msid && previous) assert.equal(msid.track, previous);
      for (const { ssrc } of ssrcs) {
        assert.ok(ssrc === Number(msid!.track.slice(3)) * 2, "an SSRC of another track");
      }
    }
    this.offered = { sdp, tracks: new Set(this.live.keys()) };
    if (!lost) return;
    for (const { mid, msid } of sections) if (msid) this.shown.set(mid, msid.track);
  }

  answer(): void {
    if (this.offered === undefined) return;
    const { sdp, tracks } = this.offered;
    this.offered = undefined;
    for (const { mid, msid } of mustParse(sdp).sections) this.shown.set(mid, msid?.track ?? "");
    const answer = mustParse(
      answerAsClient(sdp, { unsupported: [UNSUPPORTED] }),
    );
    const { bound, rejected } = this.table.applyAnswer(answer);
    for (const { downTrack, section } of bound) {
      assert.ok(this.live.has(downTrack) && tracks.has(downTrack), "bound a track not offered");
      assert.equal(section.ssrc, Number(downTrack.slice(3)) * 2);
      this.bound.set(downTrack, section.mid);
    }
    for (const { downTrack, reason } of rejected) {
      assert.equal(this.live.get(downTrack), UNSUPPORTED);
      assert.equal(reason, "codec_unsupported");
      this.live.delete(downTrack);
    }
    for (const downTrack of tracks) {
      if (this.live.has(downTrack)) assert.ok(this.bound.has(downTrack), "a track was not bound");
    }
    const used = [...this.bound.values()];
    assert.equal(new Set(used).size, used.length, "two tracks in one section");
  }
}

Deno.test("SubscriberSections holds its promises through random rounds", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const world = new World();
      for (const next of commands) world.run(next);
      world.offer(false);
      world.answer();
      const wanted = [...world.live.keys()].sort();
      assert.deepEqual([...world.bound.keys()].sort(), wanted);
    }),
    { seed: 20_260_401, numRuns: 150 },
  );
});

Deno.test("SubscriberSections never has more sections than twice the most tracks at once", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { minLength: 30, maxLength: 60 }), (choices) => {
      const world = new World();
      // One video and one audio codec that are always taken; each change is negotiated by itself.
      for (const choice of choices) {
        if (choice < 2) world.add(choice === 0 ? "audio/opus" : "video/VP8");
        else world.remove(choice);
        if (world.live.size > 5) world.remove(0);
        world.offer(false);
        world.answer();
      }
      assert.ok(world.table.size <= 1 + 2 * world.mostLive, `${world.table.size} sections`);
    }),
    { seed: 7, numRuns: 12 },
  );
});
