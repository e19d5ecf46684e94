/** What waits for a bucket is one process's. */
import assert from "node:assert/strict";
import { SpoolRoom, UploadSpool } from "../../../../lib/server/storage/upload_spool.ts";

Deno.test("UploadSpool is nobody else's though others look for what was left at that moment", async () => {
  const root = await Deno.makeTempDir();
  const room = new SpoolRoom(0);
  const facts = { bucketUrl: "https://b", sealed: "", key: "a", type: "", uploadId: "", tags: {} };
  let folder = root;
  let isOver = false;
  const looking = Array.from({ length: 8 }, async () => {
    // Before there is a page of facts nothing is there to be taken.
    while (!isOver) await UploadSpool.reopen(folder, room).catch(() => {});
  });
  const taken: number[] = [];
  for (let i = 0; i < 100; i++) {
    folder = `${root}/${i}`;
    const spool = await UploadSpool.create(folder, room);
    folder = root;
    // Whoever looks now has begun before.
    await new Promise((resolve) => setTimeout(resolve, 2));
    await spool.note({ ...facts, begins: false, completes: false });
    const reopened = await UploadSpool.reopen(spool.folder, room);
    if (reopened !== undefined) taken.push(i);
    reopened?.spool.leave();
    await spool.remove();
  }
  isOver = true;
  await Promise.all(looking);
  await Deno.remove(root, { recursive: true });
  assert.deepEqual(taken, []);
});
