/** What a node that is alone and dies finds of its recordings when it begins anew. */
import assert from "node:assert/strict";
import { EgressInfo, EgressStatus } from "@livekit/protocol";
import type { NodeId } from "../../../../lib/base/ids.ts";
import { LostEgresses } from "../../../../lib/egress/lost_egresses.ts";
import { EgressFiles } from "../../../../lib/server/storage/egress_files.ts";
import { RealWork } from "../../../support/virtual/real_work.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const FOLDER = ".roomwire-egresses";

Deno.test("EgressFiles shows what dead processes left, and nothing of those that live", () =>
  inFolder(async (folder) => {
    const one = new EgressFiles(() => folder);
    const two = new EgressFiles(() => folder);
    assert.deepEqual([...await one.all()], []);
    await one.put("EG_1", "a long text");
    await one.put("EG_1", "short");
    assert.equal(await Deno.readTextFile(`${folder}/${FOLDER}/EG_1`), "short");
    // As a process leaves it: without a lock.
    await Deno.writeTextFile(`${folder}/${FOLDER}/EG_2`, "left");
    await Deno.writeTextFile(`${folder}/${FOLDER}/other`, "nobody's");
    for (const files of [one, two]) assert.deepEqual([...await files.all()], [["EG_2", "left"]]);
    const removed = await Promise.all([one.remove("EG_2"), two.remove("EG_2")]);
    assert.deepEqual(removed.sort(), [false, true], "for one of both");
    assert.equal(await one.remove("EG_1"), true);
    assert.deepEqual([...Deno.readDirSync(`${folder}/${FOLDER}`)].map(({ name }) => name), [
      "other",
    ]);
  }));

Deno.test("EgressFiles holds what it has begun though others look at that moment", () =>
  inFolder(async (folder) => {
    const one = new EgressFiles(() => folder);
    const two = new EgressFiles(() => folder);
    let isOver = false;
    const looking = Array.from({ length: 8 }, async () => {
      // What goes while it is looked at is nobody's fault.
      while (!isOver) await two.all().catch(() => {});
    });
    const left: string[] = [];
    for (let i = 0; i < 100; i++) {
      await one.put(`EG_${i}`, "a living one");
      left.push(...(await two.all()).keys());
      await one.remove(`EG_${i}`);
    }
    isOver = true;
    await Promise.all(looking);
    assert.deepEqual(left, []);
  }));

Deno.test("LostEgresses tells once of recordings that a dead process was making", () =>
  inFolder(async (folder) => {
    using work = new RealWork();
    await Deno.mkdir(`${folder}/${FOLDER}`);
    const status = EgressStatus.EGRESS_ACTIVE;
    const info = new EgressInfo({ egressId: "EG_1", roomName: "lobby", status });
    const text = `ND_before ${info.toBinary().toBase64()}`;
    await Deno.writeTextFile(`${folder}/${FOLDER}/EG_1`, text);
    await Deno.writeTextFile(`${folder}/${FOLDER}/EG_2`, "ND_before AAA");
    const platform = new VirtualPlatform();
    const told: string[] = [];
    const lost = new LostEgresses({
      platform,
      shelf: new EgressFiles(() => folder),
      self: "ND_now" as NodeId,
      goOn: () => Promise.resolve(""),
      takenOver: () => assert.fail("nobody does"),
      lost: ({ egressId, roomName, status, error }) => {
        told.push(`${egressId} ${roomName} ${EgressStatus[status]}`);
        assert.match(error, /is gone/);
      },
    });
    for (let i = 0; i < 100; i++) {
      platform.advance(1_000);
      await work.done();
    }
    assert.deepEqual(told.sort(), ["EG_1 lobby EGRESS_FAILED", "EG_2  EGRESS_FAILED"]);
    await lost.close();
    assert.deepEqual([...Deno.readDirSync(`${folder}/${FOLDER}`)], []);
  }));

Deno.test("EgressFiles.put() takes over what a dead process left, once, and of nobody who lives", () =>
  inFolder(async (folder) => {
    const one = new EgressFiles(() => folder);
    const two = new EgressFiles(() => folder);
    await one.put("EG_1", "ND_one 1");
    assert.equal(await two.put("EG_1", "ND_two 1", "ND_one "), false, "it lives");
    assert.equal(await two.put("EG_3", "ND_two 3", "ND_one "), false, "there is none");
    await Deno.writeTextFile(`${folder}/${FOLDER}/EG_2`, "ND_dead 2");
    assert.equal(await two.put("EG_2", "ND_two 2", "ND_other "), false);
    const taken = await Promise.all(
      [one, two].map((files, n) => files.put("EG_2", `ND_${n} taken`, "ND_dead ")),
    );
    assert.deepEqual(taken.toSorted(), [false, true]);
    const text = await Deno.readTextFile(`${folder}/${FOLDER}/EG_2`);
    assert.equal(text, `ND_${taken.indexOf(true)} taken`);
    for (const files of [one, two]) await Promise.all([files.remove("EG_1"), files.remove("EG_2")]);
  }));
