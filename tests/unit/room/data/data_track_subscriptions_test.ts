import assert from "node:assert/strict";
import {
  type DataTrackSource,
  DataTrackSubscriptions,
} from "../../../../lib/room/data/data_track_subscriptions.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const source = (allowed = true): DataTrackSource => ({
  publisherSid: "PA_p",
  publisherIdentity: "p",
  allowed,
});
const everything = () => source();

Deno.test("DataTrackSubscriptions gives handles from the first on, over 65,535 to 1, never 0", () => {
  const subscriptions = new DataTrackSubscriptions(65_533);
  for (const sid of ["a", "b", "c"]) subscriptions.desire(sid, true);
  assert.deepEqual(subscriptions.reconcile(true, everything).changed, ["a", "b", "c"]);
  assert.deepEqual(["a", "b", "c"].map((sid) => subscriptions.handleOf(sid)), [65_534, 65_535, 1]);
  subscriptions.desire("a", false);
  subscriptions.desire("a", true);
  subscriptions.reconcile(true, everything);
  assert.equal(subscriptions.handleOf("a"), 2, "a new subscription, a new handle");
});

Deno.test("DataTrackSubscriptions waits for a track that may come, and forgets one that ended", () => {
  const subscriptions = new DataTrackSubscriptions(0);
  subscriptions.desire("a", true);
  assert.deepEqual(subscriptions.reconcile(true, () => undefined).changed, []);
  assert.deepEqual(subscriptions.reconcile(true, everything).changed, ["a"]);
  assert.deepEqual(subscriptions.reconcile(true, () => undefined).changed, ["a"]);
  assert.deepEqual(subscriptions.reconcile(true, everything).changed, [], "no longer wanted");
});

Deno.test("DataTrackSubscriptions tells each verdict of the publisher once", () => {
  const subscriptions = new DataTrackSubscriptions(0);
  subscriptions.desire("a", true);
  const verdicts = (allowed: boolean) =>
    subscriptions.reconcile(true, () => source(allowed)).permissions.map((p) => p.allowed);
  assert.deepEqual([false, false, true, true, false].map(verdicts), [[false], [], [true], [], [
    false,
  ]]);
});

Deno.test("DataTrackSubscriptions bounds what a client may want", () => {
  const subscriptions = new DataTrackSubscriptions(0);
  for (let i = 0; i < 10_000; i++) subscriptions.desire(`sid ${i}`, true);
  const { changed } = subscriptions.reconcile(true, everything);
  assert.ok(changed.length < 5_000, String(changed.length));
});

Deno.test("DataTrackSubscriptions: handles are unique and follow wishes, whatever the order", () => {
  const random = new SeededRandom(12);
  const subscriptions = new DataTrackSubscriptions(random.uint32() % 256);
  const wanted = new Set<string>();
  const sids = ["a", "b", "c", "d", "e"];
  for (let step = 0; step < 3_000; step++) {
    const sid = sids[random.uint32() % sids.length]!;
    const wants = random.uint32() % 2 === 0;
    const may = random.uint32() % 5 > 0;
    subscriptions.desire(sid, wants);
    if (wants) wanted.add(sid);
    else wanted.delete(sid);
    const before = Object.values(subscriptions.handles().subHandles).length;
    const { changed } = subscriptions.reconcile(may, everything);
    const handles = sids.map((one) => subscriptions.handleOf(one));
    const had = sids.filter((_, i) => handles[i] !== undefined);
    assert.deepEqual(had, may ? sids.filter((one) => wanted.has(one)) : []);
    assert.equal(new Set(handles.filter(Boolean)).size, had.length);
    if (before !== had.length) assert.ok(changed.length > 0, "every change is told");
  }
});
