/** Recordings in a bucket, as they are watched: what is given out of it, and how. */
import assert from "node:assert/strict";
import { ArchiveAway } from "../../../../routes/replay.ts";
import { replayPageText } from "../../../../lib/recording/replay_page.ts";
import { BucketArchive } from "../../../../lib/server/storage/bucket_archive.ts";
import { S3Client } from "../../../../lib/server/storage/s3_client.ts";
import { TARGET } from "../../../support/virtual/upload_world.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";
import { FakeBucket } from "../../../support/wire/fake_bucket.ts";

const PIECE = 256 * 1024;
const MEDIA = Uint8Array.from({ length: 3 * PIECE + 1_000 }, (_, i) => (i * 7 + (i >> 8)) % 251);
const ID = "EG_abc";

/** A bucket with one recording, and things that are nobody's. */
class Archive {
  readonly platform = new VirtualPlatform();
  readonly bucket = new FakeBucket();
  readonly archive = new BucketArchive(
    new S3Client(TARGET, { platform: this.platform, fetch: this.bucket.fetch }),
    "calls/",
    this.platform.timers,
  );

  constructor() {
    this.put("calls/daily/ann.webm", MEDIA);
    this.put("calls/daily/EG_abc.jsonl", new TextEncoder().encode('{"type":"began"}\n'));
    this.put("secret.webm", MEDIA);
    this.put("calls/keys.txt", MEDIA);
    this.index(ID, ["daily/ann.webm", "keys.txt", "gone.webm"]);
  }

  put(key: string, bytes: Uint8Array, at = "2026-11-29T12:00:00.000Z"): void {
    this.bucket.objects.set(key, { bytes, type: "", at });
  }

  index(egressId: string, files: readonly string[], at?: string): void {
    const beganAtMs = Date.UTC(2026, 10, 29, 11);
    const journal = `daily/${egressId}.jsonl`;
    const text = replayPageText({ egressId, roomName: "standup", beganAtMs, journal, files });
    this.put(`calls/.roomwire-replay/${egressId}.json`, new TextEncoder().encode(text), at);
  }

  /** What a promise comes to while time goes on. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    promise.finally(() => isDone = true).catch(() => {});
    for (let i = 0; i < 1_000 && !isDone; i++) {
      this.platform.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return await promise;
  }
}

async function bytesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Uint8Array> {
  return await new Response(stream).bytes();
}

Deno.test("BucketArchive lists the newest recordings, and finds one by its id", async () => {
  const { archive, bucket } = new Archive();
  assert.deepEqual(await archive.find(ID), {
    egressId: ID,
    roomName: "standup",
    beganAt: "2026-11-29T11:00:00.000Z",
  });
  assert.equal(await archive.find("EG_none"), undefined);
  const other = new Archive();
  for (let n = 0; n < 9; n++) other.index(`EG_${n}`, [], `2026-11-2${n}T00:00:00.000Z`);
  other.put("calls/.roomwire-replay/EG_bad.json", new TextEncoder().encode("{}"));
  other.put(
    "calls/.roomwire-replay/EG_x.json",
    new TextEncoder().encode(
      replayPageText({ egressId: ID, roomName: "", beganAtMs: 0, journal: "x", files: [] }),
    ),
  );
  const ids = (await other.archive.list()).map(({ egressId }) => egressId);
  assert.deepEqual(ids.slice(0, 3), [ID, "EG_8", "EG_7"]);
  assert.equal(ids.length, 10);
  assert.ok(!ids.includes("EG_bad") && !ids.includes("EG_x"));
  const listed = other.bucket.requests.length;
  await Promise.all([other.archive.list(), other.archive.list()]);
  assert.equal(other.bucket.requests.length, listed, "many requests: not for each who asks");
  other.platform.advance(5_000);
  other.index("EG_new", [], "2027-01-01T00:00:00.000Z");
  assert.equal((await other.archive.list())[0]!.egressId, "EG_new");
  // What is known is not asked for again.
  const before = bucket.requests.length;
  await archive.find(ID);
  assert.equal(bucket.requests.length, before);
});

Deno.test("BucketArchive gives ranges out piece by piece, and asks for no more than is taken", async () => {
  const { archive, bucket } = new Archive();
  for (const [from, to] of [[0, MEDIA.length], [5, 6], [PIECE - 1, 2 * PIECE + 1]] as const) {
    const file = (await archive.open(ID, 0))!;
    assert.deepEqual([file.size, file.contentType], [MEDIA.length, "video/webm"]);
    assert.deepEqual(await bytesOf(file.read(from, to)), MEDIA.slice(from, to));
  }
  const gets = () => bucket.requests.filter((line) => line === "GET calls/daily/ann.webm").length;
  const before = gets();
  const reader = (await archive.open(ID, 0))!.read(0, MEDIA.length).getReader();
  assert.equal((await reader.read()).value!.length, PIECE);
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(gets() - before, 1, "whoever stands still is read nothing for");
  await reader.cancel();
  const journal = (await archive.open(ID, "journal"))!;
  assert.match(journal.contentType, /jsonl/);
  assert.equal(
    new TextDecoder().decode(await bytesOf(journal.read(0, journal.size))),
    '{"type":"began"}\n',
  );
});

Deno.test("BucketArchive gives out what its pages name, and only media of that", async () => {
  const world = new Archive();
  const { archive } = world;
  assert.equal(await archive.open(ID, 1), undefined, "no media");
  assert.equal(await archive.open(ID, 2), undefined, "not there");
  assert.equal(await archive.open(ID, 3), undefined, "not named");
  assert.equal(await archive.open("EG_none", 0), undefined);
  const names = [["../secret.webm"], ["/secret.webm"], ["daily/../../secret.webm"], [7], [""]];
  for (const [n, files] of names.entries()) {
    world.index(`EG_out${n}`, files as string[]);
    assert.equal(await archive.open(`EG_out${n}`, 0), undefined, String(files));
  }
});

Deno.test("BucketArchive tries again what passes, and says in words what does not", async () => {
  const archive = new Archive();
  const { bucket } = archive;
  let failures = 2;
  bucket.asked = () => {
    if (failures-- > 0) throw new TypeError("connection reset");
  };
  assert.ok(await archive.during(archive.archive.find(ID)));
  for (const mood of ["busy", "unreachable"] as const) {
    bucket.mood = mood;
    await assert.rejects(archive.during(archive.archive.list()), ArchiveAway);
  }
  bucket.mood = "well";
  const file = (await archive.archive.open(ID, 0))!;
  archive.put("calls/daily/ann.webm", MEDIA.slice(1));
  const read = bytesOf(file.read(0, 10));
  await assert.rejects(archive.during(read), "another object by now");
});

Deno.test("BucketArchive gives up a listing that does not end", async () => {
  const { platform } = new Archive();
  let asked = 0;
  const fetch = () => {
    // A service that fails differently would be asked for ever.
    assert.ok(++asked < 1_000);
    const text = `<R><NextContinuationToken>${asked}</NextContinuationToken></R>`;
    return Promise.resolve(new Response(text));
  };
  const archive = new BucketArchive(
    new S3Client(TARGET, { platform, fetch }),
    "calls/",
    platform.timers,
  );
  assert.deepEqual(await archive.list(), []);
  assert.ok(asked <= 100, `${asked} requests`);
});

Deno.test("BucketArchive finds a recording of as many files as a journal tells of, with long names", async () => {
  const archive = new Archive();
  for (const [id, length] of [["EG_long", 150], ["EG_longest", 800]] as const) {
    const path = `daily/${"ß".repeat((length - 20) / 2)}`;
    const files = Array.from({ length: 20_000 }, (_, n) => `${path}-${n}.webm`);
    for (const n of [0, 3_000]) archive.put(`calls/${files[n]}`, MEDIA);
    archive.index(id, files);
    const room = await archive.during(archive.archive.find(id));
    assert.equal(room?.egressId, id);
    for (const n of [0, 3_000]) {
      const file = await archive.during(archive.archive.open(id, n));
      assert.equal(file?.size, MEDIA.length, `${n} of ${id}`);
    }
  }
});

Deno.test("BucketArchive keeps no more of large pages than fits, and lists them without reading again", async () => {
  const it = new Archive();
  const files = Array.from({ length: 15_000 }, (_, i) => `daily/${"x".repeat(100)}-${i}.webm`);
  const ids = Array.from({ length: 12 }, (_, i) => `EG_large${i}`);
  for (const id of ids) it.index(id, files);
  const requestsOf = async (work: () => Promise<unknown>) => {
    const before = it.bucket.requests.length;
    await it.during(work());
    return it.bucket.requests.length - before;
  };
  assert.equal(await requestsOf(() => it.archive.list()), 5 + 2 * 13, "each page once");
  assert.equal(await requestsOf(() => it.archive.find(ids[0]!)), 0);
  it.platform.advance(10_000);
  assert.equal(await requestsOf(() => it.archive.list()), 5, "which pages there are");
  // Those that were asked for last are still there, the others are read again.
  const openAll = (some: readonly string[]) => async () => {
    for (const id of some) await it.archive.open(id, 20_000);
  };
  await it.during(openAll(ids)());
  assert.equal(await requestsOf(openAll(ids)), 2 * ids.length);
  assert.equal(await requestsOf(openAll(ids.slice(-4))), 0);
});
