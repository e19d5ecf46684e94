/** Random rounds of a subscriber's m-line table against a naive model of what must be true. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { DownTrackId } from "../../../lib/base/ids.ts";
import { codecPolicy, DEFAULT_ENABLED_CODECS } from "../../../lib/negotiation/codec_catalog.ts";
import { SubscriberSections } from "../../../lib/negotiation/subscriber_offer.ts";
import { answerAsClient, type AnsweringOptions } from "../../support/virtual/answering_client.ts";
import { MIMES, NaiveReceiver, UNSUPPORTED } from "../../support/virtual/naive_receiver.ts";
import { localParameters, mustParse } from "../../support/virtual/negotiation_fixtures.ts";
import type { RemoteDescription } from "../../../lib/wire/session_description.ts";

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
const client = fc.record({ rtx: fc.boolean(), fixed: fc.boolean() });
type Command = { type: string; mime?: string; n?: number; lost?: boolean };

/** The table under test and who talks with it. */
class World {
  readonly table = new SubscriberSections({
    createsDataChannels: true,
    reuseTransceivers: true,
    codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
  });
  readonly client = new NaiveReceiver(this.table, "recvonly");
  readonly answering: AnsweringOptions;
  offered: { sdp: string; tracks: Set<DownTrackId> } | undefined;
  /** Mid by m-line index. */
  mids: string[] = [];
  /** Mids of sections whose retransmission the client refused. */
  readonly withoutRtx = new Set<string>();

  /** `rtx`: the client knows retransmission. `fixed`: it fixes its codecs at its first sections. */
  constructor({ rtx = true, fixed = false } = {}) {
    this.answering = {
      unsupported: [UNSUPPORTED, ...(rtx ? [] : ["video/rtx"])],
      ...(fixed ? { memory: new Map() } : {}),
    };
  }

  run(command: Command): void {
    if (command.type === "add") this.client.add(command.mime!);
    else if (command.type === "remove") this.client.remove(command.n!);
    else if (command.type === "offer") this.offer(command.lost!);
    else this.answer();
  }

  /** An offer may also replace one whose answer never came. */
  offer(lost: boolean): void {
    const { sdp, midToTrackId } = this.table.offer(localParameters());
    const { sections } = mustParse(sdp);
    const before = this.mids;
    this.mids = sections.map(({ mid }) => mid);
    assert.ok(this.mids.length >= before.length, "a section disappeared");
    assert.equal(new Set(this.mids).size, this.mids.length, "a mid is used twice");
    this.client.names(midToTrackId, this.client.live.keys());
    // The first section is the data channels'.
    for (const section of sections.slice(1)) {
      this.client.look(section, midToTrackId);
      this.#lists(section);
    }
    this.offered = { sdp, tracks: new Set(this.client.live.keys()) };
    if (lost) this.client.show(sections.filter(({ msid }) => msid !== undefined));
  }

  answer(): void {
    if (this.offered === undefined) return;
    const { sdp, tracks } = this.offered;
    this.offered = undefined;
    this.client.show(mustParse(sdp).sections);
    const answer = mustParse(answerAsClient(sdp, this.answering));
    for (const { mid, kind, codecs } of answer.sections) {
      if (kind !== "video" || codecs.length === 0) continue;
      if (codecs.every(({ rtxPayloadType }) => rtxPayloadType === undefined)) {
        this.withoutRtx.add(mid);
      }
    }
    const { accepted, rejected } = this.table.applyAnswer(answer);
    for (const { downTrack } of accepted) {
      assert.ok(tracks.has(downTrack), "accepted, but not offered");
    }
    this.client.accept(accepted);
    this.client.reject(rejected);
    for (const downTrack of tracks) {
      if (!this.client.live.has(downTrack)) continue;
      assert.ok(this.client.accepted.has(downTrack), "a track was not accepted");
    }
  }

  /** Every section lists every codec, and no retransmission that was refused in it. */
  #lists({ mid, kind, codecs, ssrcs }: RemoteDescription["sections"][number]): void {
    const listed = new Set(codecs.map(({ mime }) => mime));
    for (const mime of MIMES) assert.equal(listed.has(mime), mime.startsWith(kind), mime);
    const rtx = kind === "video" && !this.withoutRtx.has(mid);
    for (const { rtxPayloadType } of codecs) assert.equal(rtxPayloadType !== undefined, rtx);
    for (const { rtxSsrc } of ssrcs) assert.equal(rtxSsrc !== undefined, rtx);
  }
}

Deno.test("SubscriberSections holds its promises through random rounds", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), client, (commands, kind) => {
      const world = new World(kind);
      for (const next of commands) world.run(next);
      world.offer(false);
      world.answer();
      world.client.settled();
    }),
    { seed: 20_260_401, numRuns: 150 },
  );
});

Deno.test("SubscriberSections never has more sections than twice the most tracks at once", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { minLength: 30, maxLength: 60 }), (choices) => {
      const world = new World();
      const { client } = world;
      // One video and one audio codec that are always taken; each change is negotiated by itself.
      let mostLive = 0;
      for (const choice of choices) {
        if (choice < 2) client.add(choice === 0 ? "audio/opus" : "video/VP8");
        else client.remove(choice);
        mostLive = Math.max(mostLive, client.live.size);
        if (client.live.size > 5) client.remove(0);
        world.offer(false);
        world.answer();
      }
      assert.ok(world.table.size <= 1 + 2 * mostLive, `${world.table.size} sections`);
    }),
    { seed: 7, numRuns: 12 },
  );
});
