import assert from "node:assert/strict";
import {
  chooseShown,
  chooseSpeaker,
  planStage,
  type StageMember,
} from "../../../web/stage_plan.js";

function person(key: string, fields: Partial<StageMember> = {}): StageMember {
  return { key, kind: "person", isOwn: false, spokeAt: 0, ...fields };
}

const ME = person("me", { isOwn: true });
const screen = (key: string, isOwn = false) => person(key, { kind: "screen", isOwn });

Deno.test("planStage() shows everybody alike in a grid", () => {
  const plan = planStage([ME, person("ann"), person("bob")], { view: "grid", speaker: "ann" });
  assert.deepEqual(plan, { main: [], strip: ["me", "ann", "bob"] });
});

Deno.test("planStage() shows screens of others large, and one's own like a person", () => {
  const members = [ME, screen("mine", true), person("ann"), screen("anns"), screen("bobs")];
  assert.deepEqual(planStage(members, { view: "grid" }), {
    main: ["anns", "bobs"],
    strip: ["me", "mine", "ann"],
  });
  assert.deepEqual(planStage(members.slice(0, 2), { view: "grid" }).main, []);
});

Deno.test("planStage() shows the speaker large where that is wished, unless one is alone", () => {
  const wishes = { view: "speaker", speaker: "ann" } as const;
  assert.deepEqual(planStage([ME, person("ann")], wishes), { main: ["ann"], strip: ["me"] });
  assert.deepEqual(planStage([ME], { ...wishes, speaker: "me" }).main, []);
  assert.deepEqual(planStage([ME, person("bob")], wishes).main, [], "a speaker that has left");
});

Deno.test("planStage() puts what is pinned before all else, as long as it is there", () => {
  const members = [ME, person("ann"), screen("anns")];
  assert.deepEqual(planStage(members, { view: "speaker", pinned: "me", speaker: "ann" }).main, [
    "me",
  ]);
  assert.deepEqual(planStage(members, { view: "grid", pinned: "gone" }).main, ["anns"]);
});

Deno.test("chooseSpeaker() follows who spoke last, but not each cough", () => {
  const at = (ann: number, bob: number) => [
    { ...ME, spokeAt: 99_999 },
    person("ann", { spokeAt: ann }),
    person("bob", { spokeAt: bob }),
  ];
  const none = { key: undefined, since: 0 };
  assert.equal(chooseSpeaker(at(0, 0), none, 0), "ann", "the first of the others");
  assert.equal(chooseSpeaker(at(0, 5000), none, 5000), "bob");
  const bob = { key: "bob", since: 5000 };
  assert.equal(chooseSpeaker(at(6000, 5000), bob, 6400), "bob", "so short a time ago");
  assert.equal(chooseSpeaker(at(6000, 5000), bob, 6500), "ann");
  assert.equal(chooseSpeaker(at(0, 0), { key: "bob", since: 0 }, 9000), "bob", "nobody speaks");
  assert.equal(chooseSpeaker([ME], bob, 9000), "me");
  assert.equal(chooseSpeaker([], none, 0), undefined);
});

Deno.test("chooseShown() keeps oneself, who spoke last and who came first, in their order", () => {
  const members = [
    person("ann"),
    person("bob"),
    { ...ME },
    person("cid", { spokeAt: 20 }),
    person("dan", { spokeAt: 10 }),
  ];
  const keys = members.map(({ key }) => key);
  assert.deepEqual(chooseShown(keys, members, 9), keys);
  assert.deepEqual(chooseShown(keys, members, 4), ["ann", "me", "cid", "dan"]);
  assert.deepEqual(chooseShown(keys, members, 2), ["me", "cid"]);
  assert.deepEqual(chooseShown(keys, members, 0), []);
});
