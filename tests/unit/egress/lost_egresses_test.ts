import assert from "node:assert/strict";
import { EgressInfo, EgressStatus } from "@livekit/protocol";
import type { NodeId } from "../../../lib/base/ids.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import { continuesNote } from "../../../lib/egress/egress_info.ts";
import { LostEgresses } from "../../../lib/egress/lost_egresses.ts";
import { MemoryShelf, MOST_TEXTS } from "../../../lib/ingress/text_shelf.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

/** A node's part of a shelf that can be out of reach; `others` are those that it knows to live. */
function node(name: string, shelf: MemoryShelf, others: readonly string[] = []) {
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const platform = new VirtualPlatform(1, { ...silentLog, warn });
  const state = { isAway: false, others };
  const told: string[] = [];
  const reached = <T>(ask: () => Promise<T>) =>
    state.isAway ? Promise.reject(new Error("away")) : ask();
  const lost = new LostEgresses({
    platform,
    self: name as NodeId,
    shelf: {
      all: () => reached(() => shelf.all("egress")),
      get: (id) => reached(() => shelf.get("egress", id)),
      put: (id, text, over) => reached(() => shelf.put("egress", id, text, over)),
      remove: (id) => reached(() => shelf.remove("egress", id)),
    },
    others: () => state.others as NodeId[],
    goOn: ({ egressId, status }) => {
      told.push(`${egressId} goes on after ${EgressStatus[status]}`);
      return Promise.resolve(`${egressId}_next`);
    },
    lost: ({ egressId, details }) => void told.push(`${egressId} ended: ${details}`),
    takenOver: (egressId) => void told.push(`${egressId} taken over`),
  });
  const pass = async (times: number, stepMs = 1_000) => {
    for (let i = 0; i < times; i++) {
      platform.advance(stepMs);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  };
  return { lost, state, told, warnings, pass };
}

Deno.test("LostEgresses tells nothing of a recording that ended while the shelf was away", async () => {
  const shelf = new MemoryShelf();
  const one = node("ND_one", shelf);
  one.lost.note(new EgressInfo({ egressId: "EG_1", status: EgressStatus.EGRESS_ACTIVE }));
  await one.pass(1);
  one.state.isAway = true;
  one.lost.note(new EgressInfo({ egressId: "EG_1", status: EgressStatus.EGRESS_COMPLETE }));
  await one.pass(30);
  one.state.isAway = false;
  await one.pass(10);
  await one.lost.close();
  const two = node("ND_two", shelf);
  await two.pass(60);
  await two.lost.close();
  assert.deepEqual(two.told, []);
});

/** Lets the time of all pass together. */
async function passAll(
  nodes: readonly ReturnType<typeof node>[],
  times: number,
  stepMs = 1_000,
): Promise<void> {
  for (let i = 0; i < times; i++) await Promise.all(nodes.map(({ pass }) => pass(1, stepMs)));
}

function active(egressId: string): EgressInfo {
  return new EgressInfo({ egressId, status: EgressStatus.EGRESS_ACTIVE });
}

const TOLD = ["EG_1 goes on after EGRESS_ACTIVE", "EG_1 ended: EG_1_next goes on with it"];

Deno.test("LostEgresses has one of those who are left go on with a recording, and tell of it", async () => {
  const shelf = new MemoryShelf();
  const names = ["ND_one", "ND_two", "ND_three"];
  const [one, two, three] = names.map((name) => node(name, shelf, names)) as [
    ReturnType<typeof node>,
    ReturnType<typeof node>,
    ReturnType<typeof node>,
  ];
  one.lost.note(active("EG_1"));
  await passAll([one, two, three], 2);
  await one.lost.close();
  for (const left of [two, three]) left.state.others = ["ND_two", "ND_three"];
  await passAll([two, three], 20);
  assert.deepEqual([...two.told, ...three.told], TOLD);
  await passAll([two, three], 10, 60_000);
  assert.match((await shelf.get("egress", "EG_1"))!, /^- \d+$/);
  await passAll([two, three], 70, 60_000);
  assert.equal(await shelf.get("egress", "EG_1"), undefined, "nobody comes back after that");
  assert.deepEqual([...two.told, ...three.told], TOLD);
  for (const { lost } of [two, three]) await lost.close();
});

Deno.test("LostEgresses tells of a recording whose heir dies before it has told", async () => {
  const shelf = new MemoryShelf();
  const one = node("ND_one", shelf);
  one.lost.note(active("EG_1"));
  await one.pass(2);
  await one.lost.close();
  // As it stands when another one has taken it, and is no more.
  const text = (await shelf.get("egress", "EG_1"))!;
  await shelf.put("egress", "EG_1", text.replace("ND_one", "ND_heir"));
  const two = node("ND_two", shelf);
  await two.pass(10);
  assert.deepEqual(two.told, TOLD);
  await two.lost.close();
});

Deno.test("LostEgresses marks later what it took over while the shelf was away for the mark", async () => {
  const shelf = new MemoryShelf();
  const one = node("ND_one", shelf);
  one.lost.note(active("EG_1"));
  await one.pass(2);
  await one.lost.close();
  const two = node("ND_two", shelf);
  const put = shelf.put.bind(shelf);
  shelf.put = (on, id, text, over) =>
    text.startsWith("- ") ? Promise.reject(new Error("away")) : put(on, id, text, over);
  await two.pass(10);
  assert.deepEqual(two.told, TOLD);
  shelf.put = put;
  await two.pass(3);
  assert.match((await shelf.get("egress", "EG_1"))!, /^- \d+$/);
  await two.lost.close();
  const three = node("ND_three", shelf);
  await three.pass(10);
  assert.deepEqual([...two.told, ...three.told], TOLD, "told once");
  await three.lost.close();
});

Deno.test("LostEgresses goes on once though the heir dies when it had begun, and not told", async () => {
  const shelf = new MemoryShelf();
  const heir = node("ND_heir", shelf);
  heir.lost.note(active("EG_1"));
  const next = active("EG_2");
  next.details = `it is composed when it has ended; ${continuesNote("EG_1")}`;
  heir.lost.note(next);
  await heir.pass(2);
  await heir.lost.close();
  const two = node("ND_two", shelf);
  await two.pass(10);
  assert.deepEqual(two.told.toSorted(), [
    "EG_1 ended: EG_2 goes on with it",
    "EG_2 ended: it is composed when it has ended; goes on with EG_1, whose node is gone; " +
    "EG_2_next goes on with it",
    "EG_2 goes on after EGRESS_ACTIVE",
  ]);
  await two.lost.close();
});

Deno.test("LostEgresses takes no other recording for the one that a text stands for", async () => {
  const shelf = new MemoryShelf();
  const gone = node("ND_gone", shelf);
  gone.lost.note(active("EG_2"));
  await gone.pass(2);
  await gone.lost.close();
  await shelf.put("egress", "EG_1", (await shelf.get("egress", "EG_2"))!);
  await shelf.put("egress", "EG_3", "ND_gone of another version");
  await shelf.remove("egress", "EG_2");
  const two = node("ND_two", shelf);
  await two.pass(10);
  assert.deepEqual(
    two.told.filter((line) => line.includes("ended")).map((line) => line.split(" ")[0]).toSorted(),
    ["EG_1", "EG_3"],
  );
  for (const id of ["EG_1", "EG_3"]) assert.match((await shelf.get("egress", id))!, /^- \d+$/);
  await two.lost.close();
});

Deno.test("LostEgresses says once that a shelf is full, and keeps a recording when there is room", async () => {
  const shelf = new MemoryShelf();
  for (let n = 0; n < MOST_TEXTS; n++) shelf.fill("egress", `EG_x${n}`, "ND_other of another kind");
  const one = node("ND_one", shelf, ["ND_other"]);
  one.lost.note(active("EG_1"));
  await one.pass(3);
  one.lost.note(active("EG_1"));
  await one.pass(10);
  assert.equal(await shelf.get("egress", "EG_1"), undefined);
  assert.equal(one.warnings.length, 1);
  assert.match(one.warnings[0]!, /too many recordings/);
  for (let n = 0; n < 10; n++) await shelf.remove("egress", `EG_x${n}`);
  await one.pass(330);
  assert.match((await shelf.get("egress", "EG_1"))!, /^ND_one /);
  assert.deepEqual(one.told, []);
  await one.lost.close();
});

Deno.test("LostEgresses has a node give up what others took over while it was out of reach", async () => {
  const shelf = new MemoryShelf();
  const one = node("ND_one", shelf, ["ND_two"]);
  const two = node("ND_two", shelf, ["ND_one"]);
  one.lost.note(active("EG_1"));
  await passAll([one, two], 2);
  one.state.isAway = true;
  two.state.others = [];
  await passAll([one, two], 20);
  // Begun meanwhile, so that nobody knows of it.
  one.lost.note(active("EG_2"));
  await passAll([one, two], 10);
  assert.deepEqual(two.told, TOLD);
  one.state.isAway = false;
  two.state.others = ["ND_one"];
  await passAll([one, two], 7);
  assert.deepEqual(one.told, ["EG_1 taken over"]);
  assert.match((await shelf.get("egress", "EG_2"))!, /^ND_one /, "told when it could be");
  // Its own end is no news any more, and takes nothing away.
  await passAll([one, two], 30);
  assert.deepEqual(two.told, TOLD);
  for (const { lost } of [one, two]) await lost.close();
});

Deno.test("LostEgresses misses nobody by what it saw before the shelf was away", async () => {
  const shelf = new MemoryShelf();
  const one = node("ND_one", shelf, ["ND_two"]);
  const two = node("ND_two", shelf, []);
  one.lost.note(active("EG_1"));
  await passAll([one, two], 3);
  two.state.isAway = true;
  await passAll([one, two], 20);
  // Nobody has had the time to say that it is there since.
  two.state.isAway = false;
  await passAll([one, two], 3);
  two.state.others = ["ND_one"];
  await passAll([one, two], 20);
  assert.deepEqual([...one.told, ...two.told], []);
  for (const { lost } of [one, two]) await lost.close();
});

Deno.test("LostEgresses of a node that stood still does not write over what others took", async () => {
  const shelf = new MemoryShelf();
  const one = node("ND_one", shelf, ["ND_two"]);
  const two = node("ND_two", shelf, []);
  one.lost.note(active("EG_1"));
  await one.pass(1);
  await two.pass(20);
  assert.deepEqual(two.told, TOLD);
  one.lost.note(active("EG_1"));
  await one.pass(2);
  assert.deepEqual(one.told, ["EG_1 taken over"]);
  assert.match((await shelf.get("egress", "EG_1"))!, /^- /);
  for (const { lost } of [one, two]) await lost.close();
});

Deno.test("LostEgresses tells a directory anew what it has forgotten", async () => {
  const shelf = new MemoryShelf();
  const one = node("ND_one", shelf);
  one.lost.note(active("EG_1"));
  await one.pass(2);
  await shelf.remove("egress", "EG_1");
  await one.pass(7);
  assert.match((await shelf.get("egress", "EG_1"))!, /^ND_one /);
  assert.deepEqual(one.told, []);
  await one.lost.close();
});
