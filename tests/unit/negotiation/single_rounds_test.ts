/** Random rounds on a single connection against a naive model of the client and of what must be true. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { DownTrackId } from "../../../lib/base/ids.ts";
import { codecPolicy, DEFAULT_ENABLED_CODECS } from "../../../lib/negotiation/codec_catalog.ts";
import { answerPublisherOffer } from "../../../lib/negotiation/publisher_answer.ts";
import { SingleConnectionSections } from "../../../lib/negotiation/single_connection.ts";
import { localParameters, mustParse, publishedCodec } from "../../support/negotiation_fixtures.ts";
import { type OfferSection, singleOffer } from "../../support/single_offer.ts";

const MIMES = ["audio/opus", "video/VP8", "video/VP9", "video/AV1"];
/** No client of `singleOffer` knows it. */
const UNSUPPORTED = "video/AV1";
/** Rounds in which everything that can be said must have been said: an end, then a beginning. */
const ROUNDS_TO_SETTLE = 4;

/**
 * Adds a codec's track, removes the n-th live one, lets the server ask if it wants to, lets the client
 * offer (`late`: made before it heard what it was asked), makes it publish or stop, loses its answer.
 */
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("add"), mime: fc.constantFrom(...MIMES) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("remove"), n: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("ask") }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant("offer"), late: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("publish"), n: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("lose") }) },
);
type Command = { type: string; mime?: string; n?: number; late?: boolean };

class World {
  readonly table = new SingleConnectionSections({
    codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
    reuseTransceivers: true,
  });
  readonly live = new Map<DownTrackId, string>();
  /** Down-track to mid, as last reported. */
  readonly bound = new Map<DownTrackId, string>();
  readonly sections: OfferSection[] = [];
  /** By mid the track the client was last shown there, empty if none. */
  shown = new Map<string, string>();
  asked = { audio: 0, video: 0 };
  added = 0;
  mostLive = { audio: 0, video: 0 };

  run(next: Command): void {
    if (next.type === "add") this.add(next.mime!);
    else if (next.type === "remove") this.remove(next.n!);
    else if (next.type === "ask") this.ask();
    else if (next.type === "offer") this.offer(next.late!, false);
    else if (next.type === "publish") this.publish(next.n!);
    else this.offer(false, true);
  }

  add(mime: string): void {
    const downTrack = `DT_${++this.added}` as DownTrackId;
    this.live.set(downTrack, mime);
    for (const kind of ["audio", "video"] as const) {
      const count = [...this.live.values()].filter((name) => name.startsWith(kind)).length;
      this.mostLive[kind] = Math.max(this.mostLive[kind], count);
    }
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

  ask(): void {
    if (!this.table.needsOffer) return;
    const { numAudios, numVideos } = this.table.requirement();
    this.asked.audio += numAudios;
    this.asked.video += numVideos;
    assert.equal(this.table.needsOffer, false, "it would ask for the same again");
  }

  /** The client begins to send where it received, or stops: its addTrack and removeTrack. */
  publish(n: number): void {
    const index = n % Math.max(1, this.sections.length);
    const section = this.sections[index];
    if (section === undefined) return;
    const direction = section.direction === "recvonly" ? "sendrecv" : "recvonly";
    this.sections[index] = { ...section, direction };
  }

  offer(late: boolean, lost: boolean): void {
    if (!late) this.#addAsked();
    const offer = mustParse(singleOffer(this.sections));
    this.table.begin(offer);
    const { sdp, send, midToTrackId } = answerPublisherOffer({
      offer,
      local: localParameters(),
      codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
      singlePreferredVideoCodec: false,
      planFor: () => undefined,
      sending: this.table,
    });
    const { bound, rejected } = this.table.finish(send);
    const shownNow = this.#checkAnswer(sdp, midToTrackId);
    for (const { downTrack, section } of bound) {
      assert.ok(this.live.has(downTrack), "bound a track that is gone");
      this.bound.set(downTrack, section.mid);
    }
    for (const { downTrack } of rejected) {
      assert.equal(this.live.get(downTrack), UNSUPPORTED);
      this.live.delete(downTrack);
    }
    assert.deepEqual(
      new Set(Object.values(midToTrackId)),
      new Set([...this.bound].map(([name]) => name.replace("DT", "TR"))),
      "what is bound is what is sent",
    );
    if (lost) this.table.clientReturned();
    else this.shown = shownNow;
  }

  #addAsked(): void {
    for (const kind of ["audio", "video"] as const) {
      for (; this.asked[kind] > 0; this.asked[kind]--) {
        const mid = String(this.sections.length + 1);
        this.sections.push({ mid, kind, direction: "recvonly" });
      }
    }
  }

  #checkAnswer(sdp: string, midToTrackId: Readonly<Record<string, string>>): Map<string, string> {
    const shownNow = new Map<string, string>();
    for (const { mid, kind, msid, direction, ssrcs } of mustParse(sdp).sections) {
      if (kind === "application") continue;
      assert.equal(msid?.track, midToTrackId[mid], "msid and mapping differ");
      assert.equal(direction, msid === undefined ? "inactive" : "sendonly");
      const before = this.shown.get(mid) ?? "";
      // A client sees a new track only where it saw the section inactive before.
      if (msid && before !== "") assert.equal(msid.track, before);
      for (const { ssrc } of ssrcs) assert.equal(ssrc, Number(msid!.track.slice(3)) * 2);
      shownNow.set(mid, msid?.track ?? "");
    }
    return shownNow;
  }

  settle(): void {
    this.offer(false, false);
    for (let turn = 0; this.table.needsOffer; turn++) {
      assert.ok(turn < ROUNDS_TO_SETTLE, "it never settles");
      this.ask();
      this.offer(false, false);
    }
  }
}

Deno.test("SingleConnectionSections holds its promises through random rounds", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const world = new World();
      for (const next of commands) world.run(next);
      world.settle();
      assert.deepEqual([...world.bound.keys()].sort(), [...world.live.keys()].sort());
      for (const mime of world.live.values()) assert.notEqual(mime, UNSUPPORTED);
      const mids = [...world.bound.values()];
      assert.equal(new Set(mids).size, mids.length, "two tracks in one section");
    }),
    { seed: 20_261_122, numRuns: 200 },
  );
});

Deno.test("SingleConnectionSections has no more sections than there ever were tracks at once", () => {
  const change = fc.oneof(
    fc.record({ type: fc.constant("add"), mime: fc.constantFrom("audio/opus", "video/VP8") }),
    fc.record({ type: fc.constant("remove"), n: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.array(change, { minLength: 30, maxLength: 60 }), (changes) => {
      const world = new World();
      for (const next of changes) {
        world.run(next);
        if (world.live.size > 5) world.remove(0);
        world.settle();
      }
      const { audio, video } = world.mostLive;
      assert.ok(world.sections.length <= audio + video, `${world.sections.length} sections`);
    }),
    { seed: 7, numRuns: 20 },
  );
});
