/** A recording on a disk that fills up: a file system of a quarter of a megabyte. */
import assert from "node:assert/strict";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { RecordingPlaces } from "../../lib/server/storage/recording_places.ts";
import { RecordingDirectory } from "../../lib/server/storage/recording_directory.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { VirtualPlatform } from "../support/virtual/virtual_platform.ts";
import { TextSeal } from "../../lib/transport/crypto/sealed_text.ts";
import { FakeBucket } from "../support/wire/fake_bucket.ts";
import { run } from "../support/wire/test_networks.ts";

const SIZE = 256 * 1024;
const PIECE = 10_000;

endToEndTest(
  "a full disk ends a recording with its reason, and what was written is whole",
  ["network-namespaces"],
  async () => {
    const folder = await Deno.makeTempDir();
    await run("mount", "-t", "tmpfs", "-o", `size=${SIZE}`, "tmpfs", folder);
    try {
      const rules = { maxAgeMs: 0, maxBytes: 0 };
      const storage = new RecordingDirectory(folder, rules, new VirtualPlatform());
      storage.prepare();
      const whys: string[] = [];
      const file = storage.open("x.webm", (why) => whys.push(why));
      for (let i = 0; i < 40; i++) file.append(new Uint8Array(PIECE).fill(i));
      const size = await file.close();
      assert.deepEqual(whys, ["the disk is full"], "once");
      assert.ok(size > SIZE / 2 && size < 40 * PIECE && size % PIECE === 0);
      const kept = await Deno.readFile(`${folder}/x.webm`);
      assert.equal(kept.length, size, "no half piece");
      for (let at = 0; at < size; at += PIECE) assert.equal(kept[at], at / PIECE);
      await storage.close();
    } finally {
      await run("umount", folder);
      await Deno.remove(folder);
    }
  },
);

endToEndTest(
  "a full disk keeps what waits for a bucket, which gets the recording up to there",
  ["network-namespaces"],
  async () => {
    const folder = await Deno.makeTempDir();
    await run("mount", "-t", "tmpfs", "-o", `size=${SIZE}`, "tmpfs", folder);
    try {
      const bucket = new FakeBucket();
      const { accessKey, secret } = bucket.credentials;
      const platform = denoPlatform();
      const directory = new RecordingDirectory(folder, { maxAgeMs: 0, maxBytes: 0 }, platform);
      const places = new RecordingPlaces(
        directory,
        {
          target: {
            endpoint: "https://storage.test",
            region: "eu-test-1",
            bucket: "rec",
            pathStyle: true,
            accessKey,
            secret,
            sessionToken: "",
          },
          prefix: "",
          partSize: 32_768, // Pieces do not end where parts do.
          spoolBytes: 0,
          patienceMs: 60_000,
          requestHosts: [],
          maxAgeMs: 0,
        },
        platform,
        bucket.fetch,
        new TextSeal(new Uint8Array(32), "uploads", platform.random),
      );
      places.prepare();
      bucket.mood = "unreachable";
      const whys: string[] = [];
      const full = Promise.withResolvers<void>();
      const file = places.open("x.webm", (why) => full.resolve(void whys.push(why)));
      for (let i = 0; i < 40; i++) file.append(new Uint8Array(PIECE).fill(i));
      await full.promise;
      // Not a byte is left for what an upload notes down.
      await assert.rejects(Deno.writeFile(`${folder}/filler`, new Uint8Array(SIZE)));
      bucket.mood = "well";
      const size = await file.close();
      assert.deepEqual(whys, ["the disk is full"], "once");
      assert.ok(size > SIZE / 2 && size < 40 * PIECE && size % PIECE === 0);
      const kept = bucket.objects.get("x.webm")!.bytes;
      assert.equal(kept.length, size, "no half piece");
      for (let at = 0; at < size; at += PIECE) assert.equal(kept[at], at / PIECE);
      await places.close();
    } finally {
      await run("umount", folder);
      await Deno.remove(folder);
    }
  },
);
