/**
 * Random rounds on a single connection against a naive model of the client and of what must be
 * true.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { codecPolicy, DEFAULT_ENABLED_CODECS } from "../../../lib/negotiation/codec_catalog.ts";
import { answerPublisherOffer } from "../../../lib/negotiation/publisher_answer.ts";
import { SingleConnectionSections } from "../../../lib/negotiation/single_connection.ts";
import { MIMES, NaiveReceiver } from "../../support/virtual/naive_receiver.ts";
import { localParameters, mustParse } from "../../support/virtual/negotiation_fixtures.ts";
import { type OfferSection, singleOffer } from "../../support/virtual/single_offer.ts";

/** Rounds in which everything that can be said must have been said: an end, then a beginning. */
const ROUNDS_TO_SETTLE = 4;

/**
 * Adds a codec's track, removes the n-th live one, lets the server ask if it wants to, lets the
 * client offer (`late`: made before it heard what it was asked), makes it publish or stop, loses
 * its answer.
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

/** The table under test and who talks with it; no client of `singleOffer` knows `UNSUPPORTED`. */
class World {
  readonly table = new SingleConnectionSections({
    codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
    reuseTransceivers: true,
  });
  readonly client = new NaiveReceiver(this.table, "inactive");
  readonly sections: OfferSection[] = [];
  asked = { audio: 0, video: 0 };

  run(next: Command): void {
    if (next.type === "add") this.client.add(next.mime!);
    else if (next.type === "remove") this.client.remove(next.n!);
    else if (next.type === "ask") this.ask();
    else if (next.type === "offer") this.offer(next.late!, false);
    else if (next.type === "publish") this.publish(next.n!);
    else this.offer(false, true);
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
    const { accepted, rejected } = this.table.finish(send);
    const { sections } = mustParse(sdp);
    const media = sections.filter(({ kind }) => kind !== "application");
    for (const section of media) this.client.look(section, midToTrackId);
    this.client.accept(accepted);
    this.client.reject(rejected);
    this.client.names(midToTrackId, this.client.accepted.keys());
    if (lost) this.table.clientReturned();
    else this.client.show(media);
  }

  #addAsked(): void {
    for (const kind of ["audio", "video"] as const) {
      for (; this.asked[kind] > 0; this.asked[kind]--) {
        const mid = String(this.sections.length + 1);
        this.sections.push({ mid, kind, direction: "recvonly" });
      }
    }
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
      world.client.settled();
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
        if (world.client.live.size > 5) world.client.remove(0);
        world.settle();
      }
      const { audio, video } = world.client.mostLive;
      assert.ok(world.sections.length <= audio + video, `${world.sections.length} sections`);
    }),
    { seed: 7, numRuns: 20 },
  );
});
