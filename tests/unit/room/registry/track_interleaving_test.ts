import assert from "node:assert/strict";
import fc from "fast-check";
import { VideoQuality } from "@livekit/protocol";
import type { UpTrackId } from "../../../../lib/base/ids.ts";
import type { MediaKind } from "../../../../lib/base/media_vocabulary.ts";
import type { RegistryEffect } from "../../../../lib/room/registry/registry_messages.ts";
import { type ModelSection, NaiveTrackModel } from "./naive_track_model.ts";
import { camera, describe, media, microphone, section, World } from "./track_world.ts";

const SEED = 20_261_122;
const SECTIONS = 5;
const RIDS = ["q", "h", "f"];
const LAYERS = [VideoQuality.LOW, VideoQuality.MEDIUM, VideoQuality.HIGH]
  .map((quality) => ({ quality }));

type Step =
  | { type: "announce"; cid: string; kind: MediaKind }
  | { type: "plan"; mids: number[] }
  | { type: "claim"; mid: number; rid: number }
  | { type: "close"; mid: number; sdpCid: string; kind: MediaKind }
  | { type: "mute"; which: number; muted: boolean };

// Few names, so that signal and SDP cids collide in every way.
const kind = fc.constantFrom<MediaKind>("video", "video", "video", "audio");
const signalCid = fc.constantFrom("a", "b", "c", "d");
const sdpCid = fc.constantFrom("a", "b", "c", "d", "x", "y", "z");
const mid = fc.nat(SECTIONS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("announce"), cid: signalCid, kind }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("plan"),
      mids: fc.uniqueArray(mid, { minLength: 1, maxLength: SECTIONS }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ type: fc.constant("claim"), mid, rid: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("close"), mid, sdpCid, kind }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("mute"), which: fc.nat(9), muted: fc.boolean() }),
  },
) as fc.Arbitrary<Step>;

/** The registry, the model, and the sections of the publisher's description. */
class Comparison {
  readonly world = new World();
  readonly model = new NaiveTrackModel();
  readonly sections: ModelSection[] = [];
  #names = 0;
  #generation = 0;

  constructor(initial: readonly { sdpCid: string; kind: MediaKind }[]) {
    initial.forEach((fields, mid) => this.#open(mid, fields));
  }

  #open(mid: number, { sdpCid, kind }: { sdpCid: string; kind: MediaKind }): void {
    const up = `up${mid}.${this.#generation++}`;
    this.sections[mid] = { sdpCid, kind, up, mid: `${mid}` };
  }

  /** Starts a step on the registry, without waiting, and carries it out on the model. */
  start(step: Step): Promise<unknown> {
    const { registry } = this.world;
    switch (step.type) {
      case "announce": {
        const name = `t${this.#names++}`;
        this.model.announce(step.cid, step.kind, name);
        const announcement = step.kind === "video" ? camera : microphone;
        return registry.announce(announcement(step.cid, { name, layers: LAYERS }));
      }
      case "plan": {
        const chosen = step.mids.map((mid) => this.sections[mid]!);
        this.model.plan(chosen);
        const queries = chosen.map((chosen) => ({
          ...section(chosen.sdpCid, chosen.mid, chosen.kind, RIDS),
          upTrack: chosen.up as UpTrackId,
        }));
        return registry.plan(queries).then((plans) => {
          const names = new Map(plans.map(({ sid }, i) => [sid, queries[i]!.sdpCid]));
          plans.forEach(({ sid }, i) => {
            if (sid !== undefined) {
              assert.equal(queries[i]!.sdpCid, names.get(sid), "one name a sid");
            }
          });
        });
      }
      case "claim": {
        const { sdpCid, mid, kind, up } = this.sections[step.mid]!;
        const rid = RIDS[step.rid]!;
        this.model.claim(this.sections[step.mid]!, rid);
        const upTrack = up as UpTrackId;
        return registry.claim(
          media(sdpCid, mid, { kind, upTrack, rid, rids: RIDS, ssrc: 1 + step.rid }),
        );
      }
      case "close": {
        const { up } = this.sections[step.mid]!;
        this.model.close(up);
        this.#open(step.mid, step);
        return registry.closeUpTrack(up as UpTrackId);
      }
      case "mute":
        return this.#mute(step.which, step.muted);
    }
  }

  /** The sid is read from the registry, so nothing else may be under way. */
  #mute(which: number, muted: boolean): Promise<unknown> {
    const { pending, tracks } = this.world.registry.contents();
    const known = [
      ...tracks.map(({ sid, info }) => ({ sid, name: info.name })),
      ...pending.map(({ sid, entries }) => ({ sid, name: entries[0]!.info.name })),
    ];
    const chosen = known[which % Math.max(known.length, 1)];
    if (chosen === undefined) return Promise.resolve();
    this.model.mute(chosen.name, muted);
    return this.world.registry.setMuted(chosen.sid, muted, "publisher");
  }

  check(): void {
    const { pending, tracks, parked } = this.world.registry.contents();
    const { model } = this;
    assert.deepEqual(this.world.effects.map(describe), model.said);
    assert.deepEqual(
      tracks.map(({ info, signalCid, bindings }) => ({
        name: info.name,
        cid: signalCid,
        muted: info.muted,
        sections: [...bindings].map(([up, { sdpCid }]) => [up, sdpCid]),
        layers: info.layers.filter(({ ssrc }) => ssrc !== 0).map(({ rid }) => rid),
      })),
      model.published.map(({ name, cid, muted, up, sdpCid, rids }) => ({
        name,
        cid,
        muted,
        sections: [[up, sdpCid]],
        layers: RIDS.filter((rid) => rids.has(rid)),
      })),
    );
    const byCid = (a: { cid: string }, b: { cid: string }) => a.cid < b.cid ? -1 : 1;
    const cids = [...new Set(model.announced.map(({ cid }) => cid))];
    assert.deepEqual(
      pending.map(({ signalCid: cid, queued, entries, expected }) => ({
        cid,
        queued,
        entries: entries.map(({ info }) => [info.name, info.muted]),
        expected: expected?.upTrack,
      })).sort(byCid),
      cids.map((cid) => ({
        cid,
        queued: !model.current.has(cid),
        entries: model.announced.filter((other) => other.cid === cid)
          .map(({ name, muted }) => [name, muted]),
        expected: model.expected.get(cid)?.up as UpTrackId | undefined,
      })).sort(byCid),
    );
    assert.deepEqual(
      parked.map(({ upTrack, rid }) => [upTrack, rid]),
      model.parked.map(({ up, rid }) => [up, rid]),
    );
    this.checkInvariants();
  }

  checkInvariants(): void {
    const { pending, tracks } = this.world.registry.contents();
    const once = (what: string, values: readonly string[]) =>
      assert.equal(new Set(values).size, values.length, `${what}: ${values}`);
    once("one state per sid", [...pending, ...tracks].map(({ sid }) => sid));
    const current = pending.filter(({ queued }) => !queued);
    once("one live entry per signal cid", [...current, ...tracks].map((t) => t.signalCid));
    once("an SDP cid names one track", [
      ...current.flatMap(({ expected }) => expected === undefined ? [] : [expected.sdpCid]),
      ...tracks.flatMap(({ bindings }) => [...bindings.values()].map(({ sdpCid }) => sdpCid)),
    ]);
    once("an up-track belongs to one track", tracks.flatMap((t) => [...t.bindings.keys()]));
    for (const { sid, entries } of pending) {
      assert.ok(entries.length >= 1 && entries.every(({ info }) => info.sid === sid));
    }
    const live = new Set<string>();
    for (const effect of this.world.effects) toldOnce(effect, live);
    assert.deepEqual(
      [...live].sort(),
      this.world.registry.published().map(({ sid }) => sid).sort(),
    );
  }
}

/** A sid is published before it is updated or unpublished, and neither twice. */
function toldOnce(effect: RegistryEffect, live: Set<string>): void {
  if (effect.type === "published") {
    assert.equal(live.has(effect.track.sid), false, "published twice");
    live.add(effect.track.sid);
  } else if (effect.type === "updated") {
    assert.ok(live.has(effect.track.sid), "updated while not published");
  } else if (effect.type === "unpublished") {
    assert.ok(live.delete(effect.track.sid), "unpublished while not published");
  }
}

const sections = fc.array(fc.record({ sdpCid, kind }), {
  minLength: SECTIONS,
  maxLength: SECTIONS,
});

Deno.test("TrackRegistry agrees with a naive model after every step of any interleaving", async () => {
  await fc.assert(
    fc.asyncProperty(
      sections,
      fc.array(step, { maxLength: 60, size: "max" }),
      async (sections, steps) => {
        const comparison = new Comparison(sections);
        for (const step of steps) {
          await comparison.start(step);
          comparison.check();
        }
      },
    ),
    { seed: SEED, numRuns: 400 },
  );
});

Deno.test("TrackRegistry carries out concurrent calls in the order they were made", async () => {
  const batch = fc.array(step.filter(({ type }) => type !== "mute"), {
    minLength: 2,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(
      sections,
      fc.array(batch, { maxLength: 10, size: "max" }),
      async (sections, batches) => {
        const comparison = new Comparison(sections);
        for (const batch of batches) {
          await Promise.all(batch.map((step) => comparison.start(step)));
          comparison.check();
        }
      },
    ),
    { seed: SEED, numRuns: 150 },
  );
});
