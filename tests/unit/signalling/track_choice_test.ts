import assert from "node:assert/strict";
import { TrackSource } from "@livekit/protocol";
import {
  type Candidate,
  chooseTracks,
  fillSections,
  type SectionCounts,
} from "../../../lib/signalling/track_choice.ts";
import type { ViewChoice } from "../../../lib/signalling/whep_parameters.ts";

const { CAMERA, SCREEN_SHARE, MICROPHONE, SCREEN_SHARE_AUDIO, UNKNOWN } = TrackSource;
const ANY: Omit<ViewChoice, "quality"> = { tracks: [], prefersScreen: false };
const ONE: SectionCounts = { audio: 1, video: 1 };

/** A track of `identity`, who joined at `joinedAt`; its sid says whose it is, and what. */
function track(identity: string, source: TrackSource, joinedAt: number): Candidate {
  const name = TrackSource[source]!.toLowerCase();
  const kind = source === MICROPHONE || source === SCREEN_SHARE_AUDIO ? "audio" : "video";
  const publisher = { sid: `PA_${identity}`, identity, joinedAtMs: BigInt(joinedAt) };
  return { sid: `${identity}:${name}`, name, kind, source, publisher };
}

/** Sids of what is seen, and heard. */
function chosen(...args: Parameters<typeof chooseTracks>): readonly string[] {
  const { sids } = chooseTracks(...args);
  return [...sids.video, ...sids.audio];
}

Deno.test("chooseTracks() sees who joined first of those with a camera, in any order of tracks", () => {
  const all = [
    track("eve", MICROPHONE, 1),
    track("bob", CAMERA, 3),
    track("ann", CAMERA, 2),
    track("ann", MICROPHONE, 2),
    track("cyd", CAMERA, 2),
  ];
  for (const order of [all, all.toReversed()]) {
    assert.deepEqual(chosen(order, ANY, ONE, undefined), ["ann:camera", "ann:microphone"]);
  }
  assert.deepEqual(chosen(all, ANY, { audio: 1, video: 0 }, undefined), ["eve:microphone"]);
});

Deno.test("chooseTracks() keeps whom it sees while nobody has more", () => {
  const ann = track("ann", CAMERA, 1);
  const bob = [track("bob", CAMERA, 2), track("bob", MICROPHONE, 2)];
  assert.deepEqual(chosen([ann, ...bob], ANY, ONE, "PA_bob"), ["bob:camera", "bob:microphone"]);
  const silent = bob.slice(1);
  assert.deepEqual(chosen([ann, ...silent], ANY, ONE, "PA_bob"), ["ann:camera"]);
  assert.deepEqual(chosen(silent, ANY, ONE, "PA_ann"), ["bob:microphone"]);
  assert.equal(chooseTracks([], ANY, ONE, "PA_ann").publisher, undefined);
});

Deno.test("chooseTracks() puts what is preferred first, and takes what there is", () => {
  const ann = [track("ann", SCREEN_SHARE, 1), track("ann", CAMERA, 1)];
  const screen = { ...ANY, prefersScreen: true };
  assert.deepEqual(chosen(ann, ANY, ONE, undefined), ["ann:camera"]);
  assert.deepEqual(chosen(ann, screen, ONE, undefined), ["ann:screen_share"]);
  assert.deepEqual(chosen(ann.slice(1), screen, ONE, undefined), ["ann:camera"]);
  assert.deepEqual(chosen(ann, ANY, { audio: 1, video: 3 }, undefined), [
    "ann:camera",
    "ann:screen_share",
  ]);
  const bob = track("bob", SCREEN_SHARE, 9);
  assert.deepEqual(chosen([ann[1]!, bob], screen, ONE, undefined), ["bob:screen_share"]);
  const odd = [track("cyd", UNKNOWN, 1), track("cyd", SCREEN_SHARE_AUDIO, 1)];
  assert.deepEqual(chosen(odd, ANY, ONE, undefined), ["cyd:unknown", "cyd:screen_share_audio"]);
});

Deno.test("chooseTracks() looks at nothing but what was named", () => {
  const all = [track("ann", CAMERA, 1), track("bob", CAMERA, 2), track("bob", SCREEN_SHARE, 2)];
  const named = (choice: Partial<ViewChoice>) => chosen(all, { ...ANY, ...choice }, ONE, undefined);
  assert.deepEqual(named({ participant: "bob" }), ["bob:camera"]);
  assert.deepEqual(named({ tracks: ["screen_share"] }), ["bob:screen_share"]);
  assert.deepEqual(named({ tracks: ["bob:camera", "none"] }), ["bob:camera"]);
  assert.deepEqual(named({ participant: "ann", tracks: ["screen_share"] }), []);
});

Deno.test("fillSections() leaves tracks where they are, and fills what is free in order", () => {
  assert.deepEqual(fillSections([undefined, undefined], ["a"]), ["a", undefined]);
  assert.deepEqual(fillSections(["a", undefined], ["b", "a"]), ["a", "b"]);
  assert.deepEqual(fillSections(["a", "b"], ["b", "c"]), ["c", "b"]);
  assert.deepEqual(fillSections(["a", "b"], []), [undefined, undefined]);
  assert.deepEqual(fillSections(["a"], ["b", "c"]), ["b"]);
});
