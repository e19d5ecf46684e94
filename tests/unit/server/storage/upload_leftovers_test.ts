/** What no bucket has taken: it is bounded, holds nobody up, and goes when it is too old. */
import assert from "node:assert/strict";
import { killed, PART, piece, TARGET, Uploads } from "../../../support/virtual/upload_world.ts";

const HOUR_MS = 3_600_000;
const RETRY_MS = 600_000;
/** To read a file, ms. */
const SLOW_DISK_MS = 30;
/** Of a bucket that only a request has named. */
const OTHER = { ...TARGET, bucket: "theirs" };

/** Leaves a recording of so many bytes, which its bucket does not take. */
async function leave(uploads: Uploads, bytes: number): Promise<void> {
  const before = await uploads.spool().catch(() => ({ bytes: 0 }));
  const file = uploads.open();
  file.append(piece(bytes, 1));
  await uploads.spooled(before.bytes + bytes);
  await uploads.until(file.close(), 1_000);
}

Deno.test("what was left for another try is a part of what may wait on the disk", () =>
  Uploads.run(async (uploads) => {
    const { bucket, whys, folder } = uploads;
    bucket.mood = "gone";
    await leave(uploads, 1_500);
    assert.deepEqual(whys, ["the bucket is not there"]);
    assert.equal(uploads.places.waitingBytes, 1_500);
    const full = uploads.open();
    full.append(piece(600, 1));
    await uploads.eventually(() => whys.length === 2);
    assert.match(
      whys[1]!,
      /what could not be uploaded before .*\(recording\.storage\.spool_size\)/,
    );
    await uploads.until(full.close());
    const next = uploads.restarted(folder, { spoolBytes: 2_000 });
    await uploads.eventually(() => next.waitingBytes === 1_500);
    bucket.mood = "well";
    await uploads.until(uploads.after(RETRY_MS), 5_000);
    await uploads.eventually(() => bucket.objects.size === 1 && next.waitingBytes === 0);
    await uploads.until(uploads.after(RETRY_MS), 5_000);
    await uploads.eventually(() => uploads.places.waitingBytes === 0);
    await uploads.until(next.close());
  }, { spoolBytes: 2_000 }));

Deno.test("what its bucket has not taken at the age of other recordings is removed, and told", () =>
  Uploads.run(async (uploads) => {
    const { bucket, places } = uploads;
    bucket.mood = "gone";
    await leave(uploads, 300);
    await leave(uploads, 400);
    assert.equal(places.waitingBytes, 700);
    const old = await uploads.aged(300, 25 * HOUR_MS);
    await uploads.aged(400, 20 * HOUR_MS);
    await uploads.until(uploads.after(RETRY_MS), 5_000);
    const told = () => uploads.warnings.find(({ message }) => /is removed/.test(message));
    await uploads.eventually(() => told() !== undefined);
    await uploads.eventually(() => places.waitingBytes === 400);
    assert.deepEqual(await uploads.spool(), { bytes: 400, uploads: 1 });
    const why = "the bucket is not there";
    assert.deepEqual(told()?.fields, { name: old, file: "calls/a/b.webm", bytes: 300, why });
    bucket.mood = "well";
    await uploads.until(uploads.after(RETRY_MS), 5_000);
    await uploads.eventually(() => bucket.objects.size === 1);
  }, { maxAgeMs: 24 * HOUR_MS }));

for (const answer of ["", "DELETE calls/a/b.webm?"]) {
  const outcome = answer === "" ? "aborted" : "told of if it cannot be aborted";
  Deno.test(`the upload of what is removed is ${outcome}`, () =>
    Uploads.run(async (uploads) => {
      const { bucket, places } = uploads;
      const file = uploads.open();
      for (let i = 0; i < 25; i++) file.append(piece(100, i));
      await uploads.eventually(() => bucket.requests.at(-1)?.endsWith("partNumber=2") === true);
      // Another server has written an object of that name, so that this one cannot be completed.
      bucket.objects.set("calls/a/b.webm", { bytes: piece(1, 1), type: "" });
      await uploads.until(file.close(), 1_000);
      assert.deepEqual(uploads.whys, ["another server has taken the name meanwhile"]);
      const name = await uploads.aged(PART, 25 * HOUR_MS);
      assert.equal(bucket.uploads.size, 1);
      bucket.asked = (line) => {
        if (line === answer) throw new TypeError("connection reset");
      };
      await uploads.until(uploads.after(RETRY_MS), 5_000);
      await uploads.eventually(() => bucket.requests.includes("DELETE calls/a/b.webm?"));
      const removed = () => uploads.warnings.some(({ message }) => /is removed/.test(message));
      await uploads.eventually(removed);
      assert.equal(places.waitingBytes, 0);
      assert.deepEqual(await uploads.spool(), { bytes: 0, uploads: 0 });
      const told = () => uploads.warnings.filter(({ message }) => /in its bucket/.test(message));
      if (answer === "") {
        await uploads.eventually(() => bucket.uploads.size === 0);
        assert.deepEqual(told(), []);
      } else {
        await uploads.eventually(() => told().length === 1);
        const why = "the storage cannot be reached";
        const [upload] = bucket.uploads.keys();
        const where = { bucket: "https://storage.test/rec", upload };
        assert.deepEqual(told()[0]!.fields, { name, file: "calls/a/b.webm", ...where, why });
      }
    }, { maxAgeMs: 24 * HOUR_MS }));
}

/** Leaves uploads of parts that are too old, and whose names another server has taken. */
async function leaveTaken(uploads: Uploads, paths: readonly string[]): Promise<void> {
  const { bucket, folder, platform: { clock } } = uploads;
  for (const path of paths) {
    const file = uploads.open(path);
    for (let i = 0; i < 25; i++) file.append(piece(100, i));
    const line = `PUT calls/${path}?partNumber=2`;
    await uploads.eventually(() => bucket.requests.at(-1) === line);
    bucket.objects.set(`calls/${path}`, { bytes: piece(1, 1), type: "" });
    await uploads.until(file.close(), 1_000);
  }
  const at = (clock.wallMs() - 25 * HOUR_MS) / 1_000;
  const root = `${folder}/.roomwire-uploads`;
  for (const { name } of Deno.readDirSync(root)) await Deno.utime(`${root}/${name}/part-1`, at, at);
}

Deno.test("a server that ends waits 2 s for the abort of an upload, too, and says what stays", () =>
  Uploads.run(async (uploads) => {
    const { bucket, places, platform: { clock } } = uploads;
    await leaveTaken(uploads, ["a/b.webm"]);
    bucket.asked = (line) => {
      if (line.startsWith("HEAD")) bucket.mood = "silent";
    };
    await uploads.until(uploads.after(RETRY_MS), 5_000);
    await uploads.eventually(() => bucket.requests.includes("DELETE calls/a/b.webm?"));
    const before = clock.now();
    await uploads.until(places.close());
    const tookMs = clock.now() - before;
    assert.ok(tookMs < 2_500, `${tookMs} ms`);
    const told = uploads.warnings.filter(({ message }) => /in its bucket/.test(message));
    assert.deepEqual(told.map(({ fields }) => (fields as { why: string }).why), [
      "the storage does not answer",
    ]);
  }, { maxAgeMs: 24 * HOUR_MS }));

for (
  const [what, answered, change] of [
    ["which uploads were never noted down", "", '"begins":true'],
    ["the abort of one that was never noted down", "GET", '"begins":true'],
    ["the abort of one without a beginning", "", '"uploadId":"lost"'],
  ] as const
) {
  Deno.test(`a server that ends waits 2 s for ${what}, and the next one asks again`, () =>
    Uploads.run(async (uploads) => {
      const { bucket, platform: { clock } } = uploads;
      const file = uploads.open();
      for (let i = 0; i < 15; i++) file.append(piece(100, i));
      await uploads.spooled(1_500);
      const pattern = new RegExp(change.replace(/:.*/, ':(false|"")'));
      const folder = await killed(uploads, (text) => text.replace(pattern, change));
      const root = `${folder}/.roomwire-uploads`;
      const [{ name }] = [...Deno.readDirSync(root)] as [Deno.DirEntry];
      if (change.includes("lost")) await Deno.remove(`${root}/${name}/part-1`);
      for (const id of ["lost", "too"]) {
        bucket.uploads.set(id, { key: "calls/a/b.webm", parts: new Map() });
      }
      const before = bucket.requests.length;
      bucket.asked = (line) => {
        if (line.startsWith(answered)) bucket.mood = "silent";
      };
      if (answered === "") bucket.mood = "silent";
      const ending = uploads.restarted(folder);
      const asks = answered === "" ? 1 : 2;
      await uploads.eventually(() => bucket.requests.length === before + asks);
      const from = clock.now();
      await uploads.until(ending.close());
      assert.ok(clock.now() - from < 2_500, `${clock.now() - from} ms`);
      assert.equal(bucket.requests.length, before + asks);
      assert.equal(bucket.uploads.size, 2);
      bucket.asked = () => {};
      bucket.mood = "well";
      const next = uploads.restarted(folder);
      await uploads.eventually(() => !bucket.uploads.has("lost"));
      await uploads.until(next.close());
      await uploads.until(file.close());
    }));
}

Deno.test("a bucket that cannot be reached to abort an upload is not asked for each of them", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    await leaveTaken(uploads, ["a/b.webm", "a/c.webm"]);
    bucket.asked = (line) => {
      if (line.startsWith("DELETE")) throw new TypeError("connection reset");
    };
    await uploads.until(uploads.after(RETRY_MS), 5_000);
    const told = () => uploads.warnings.filter(({ message }) => /in its bucket/.test(message));
    await uploads.eventually(() => told().length === 2);
    assert.equal(bucket.requests.filter((line) => line.startsWith("DELETE")).length, 1);
    assert.deepEqual(await uploads.spool(), { bytes: 0, uploads: 0 });
  }, { maxAgeMs: 24 * HOUR_MS }));

Deno.test("a server that ends removes nothing because its bucket had no time to take it", () =>
  Uploads.run(async (uploads) => {
    const { bucket, places } = uploads;
    bucket.mood = "gone";
    await leave(uploads, 300);
    await uploads.aged(300, 25 * HOUR_MS);
    bucket.mood = "silent";
    const asked = bucket.requests.length;
    await uploads.until(uploads.after(RETRY_MS), 5_000);
    await uploads.eventually(() => bucket.requests.length > asked);
    await uploads.until(places.close());
    assert.deepEqual(await uploads.spool(), { bytes: 300, uploads: 1 });
  }, { maxAgeMs: 24 * HOUR_MS }));

Deno.test("without an age for recordings nothing is removed that could be uploaded one day", () =>
  Uploads.run(async (uploads) => {
    uploads.bucket.mood = "gone";
    await leave(uploads, 300);
    await uploads.aged(300, 10_000 * HOUR_MS);
    const told = () => uploads.warnings.filter(({ message }) => /stays on the disk/.test(message));
    const before = told().length;
    for (let n = 1; n <= 3; n++) {
      await uploads.until(uploads.after(RETRY_MS), 5_000);
      await uploads.eventually(() => told().length >= before + n);
    }
    assert.deepEqual(await uploads.spool(), { bytes: 300, uploads: 1 });
    const [{ name }] = [...Deno.readDirSync(`${uploads.folder}/.roomwire-uploads`)] as [
      Deno.DirEntry,
    ];
    const fields = { name, file: "calls/a/b.webm", bytes: 300, why: "the bucket is not there" };
    for (const one of told().slice(before)) assert.deepEqual(one.fields, fields);
  }));

Deno.test("a folder in which a process died before it had written anything is removed", () =>
  Uploads.run(async (uploads) => {
    const root = `${uploads.folder}/.roomwire-uploads`;
    for (const name of ["UP_old", "UP_empty", "UP_new"]) {
      await Deno.mkdir(`${root}/${name}`, { recursive: true });
      if (name !== "UP_empty") await Deno.writeTextFile(`${root}/${name}/lock`, "");
      const ageMs = name === "UP_new" ? 1_000 : HOUR_MS;
      const at = (uploads.platform.clock.wallMs() + RETRY_MS - ageMs) / 1_000;
      await Deno.utime(`${root}/${name}`, at, at);
    }
    await uploads.until(uploads.after(RETRY_MS), 5_000);
    await uploads.eventually(() => [...Deno.readDirSync(root)].length === 1);
    assert.deepEqual([...Deno.readDirSync(root)].map(({ name }) => name), ["UP_new"]);
  }));

/** A disk on which a file is read a while later. */
function slowDisk(): Disposable {
  const { readFile } = Deno;
  Deno.readFile = async (...parameters) => {
    await new Promise((resolve) => setTimeout(resolve, SLOW_DISK_MS));
    return await readFile(...parameters);
  };
  return { [Symbol.dispose]: () => void (Deno.readFile = readFile) };
}

for (const disk of ["", ", on a slow disk either"]) {
  Deno.test(`a recording that its bucket never takes keeps none of the others from there for good${disk}`, async () => {
    using _slow = disk === "" ? undefined : slowDisk();
    await Uploads.run(async (uploads) => {
      const { bucket, folder } = uploads;
      bucket.mood = "gone";
      const files = Array.from({ length: 6 }, (_, n) => uploads.open(`${n}.ogg`));
      for (const file of files) file.append(piece(100, 1));
      await uploads.spooled(600);
      await uploads.until(Promise.all(files.map((file) => file.close())), 1_000);
      const root = `${folder}/.roomwire-uploads`;
      const [first] = [...Deno.readDirSync(root)];
      const { key } = JSON.parse(await Deno.readTextFile(`${root}/${first!.name}/upload.json`));
      bucket.mood = "well";
      bucket.asked = (line) => {
        if (line.includes(key)) throw new TypeError("connection reset");
      };
      for (let n = 0; n < 2_000 && bucket.objects.size < 5; n++) await uploads.pass(10_000);
      assert.equal(bucket.objects.size, 5);
      assert.deepEqual(await uploads.spool(), { bytes: 100, uploads: 1 });
    });
  });
}

Deno.test("a bucket that does not answer is waited for once, not for each recording it is to get", () =>
  Uploads.run(async (uploads) => {
    const { bucket, places } = uploads;
    const other = places.uploadTo(OTHER);
    assert.ok(typeof other !== "string");
    bucket.mood = "silent";
    const files = Array.from({ length: 6 }, (_, n) => uploads.open(`${n}.ogg`, other));
    for (const file of files) file.append(piece(100, 1));
    await uploads.spooled(600);
    await uploads.until(Promise.all(files.map((file) => file.close())), 1_000);
    bucket.mood = "gone";
    await leave(uploads, 200);
    // Only that of the request is away.
    bucket.mood = "well";
    bucket.silent = OTHER.bucket;
    await uploads.until(uploads.after(RETRY_MS), 5_000);
    const before = uploads.platform.clock.now();
    const stay = () => uploads.warnings.filter(({ message }) => /stays on the disk/.test(message));
    for (let s = 0; s < 200 && stay().length < files.length; s++) await uploads.pass(5_000);
    const tookMs = uploads.platform.clock.now() - before;
    assert.equal(stay().length, files.length);
    assert.ok(tookMs < 150_000, `${tookMs} ms, with 60 s of patience`);
    await uploads.eventually(() => bucket.objects.size === 1);
  }, { requestHosts: ["storage.test"] }));

for (
  const [what, pieces, request] of [
    ["", 5, "PUT calls/a/b.webm"],
    [" of parts", 25, "POST calls/a/b.webm?"],
  ] as const
) {
  const all = Array.from({ length: pieces }, (_, n) => [...piece(100, n)]).flat();
  /** A recording that its bucket takes and does not say so. */
  const untold = (uploads: Uploads) => {
    uploads.bucket.swallows = request;
    const file = uploads.open();
    for (let n = 0; n < pieces; n++) file.append(piece(100, n));
    return file;
  };
  const isThereOnce = async ({ bucket, folder }: Uploads, after = folder) => {
    assert.deepEqual([...bucket.objects.keys()], ["calls/a/b.webm"]);
    assert.deepEqual([...bucket.objects.get("calls/a/b.webm")!.bytes], all);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(`${after}/.roomwire-uploads`)), []);
    assert.equal(bucket.uploads.size, 0);
  };

  Deno.test(`an object${what} that its bucket took before it was given up does not come twice`, () =>
    Uploads.run(async (uploads) => {
      const { bucket, places } = uploads;
      const file = untold(uploads);
      await uploads.until(file.close(), 1_000);
      assert.deepEqual(uploads.whys, ["the storage does not answer"]);
      assert.equal(bucket.objects.size, 1);
      await uploads.until(uploads.after(RETRY_MS), 5_000);
      await uploads.eventually(() => places.waitingBytes === 0);
      await isThereOnce(uploads);
    }, { patienceMs: 10_000 }));

  Deno.test(`an object${what} that its bucket took before the process was killed does not either`, () =>
    Uploads.run(async (uploads) => {
      const { bucket } = uploads;
      const file = untold(uploads);
      const closed = file.close();
      await uploads.eventually(() => bucket.objects.size === 1);
      const folder = await killed(uploads);
      const next = uploads.restarted(folder);
      const root = `${folder}/.roomwire-uploads`;
      await uploads.eventually(() => [...Deno.readDirSync(root)].length === 0);
      await isThereOnce(uploads, folder);
      await uploads.until(next.close());
      bucket.mood = "gone";
      await uploads.until(closed, 1_000);
    }));
}

for (const lines of [3, 200]) {
  const end = lines === 3 ? "" : ", and is an object of parts by then";
  Deno.test(`a playlist that was read while it grew keeps its name after a restart${end}`, () =>
    Uploads.run(async (uploads) => {
      const { bucket } = uploads;
      const key = "calls/live.m3u8";
      const file = uploads.open("live.m3u8");
      file.append(new TextEncoder().encode("#EXTM3U\n"));
      await uploads.eventually(() => bucket.text(key) === "#EXTM3U\n");
      bucket.mood = "unreachable";
      const text = Array.from({ length: lines }, (_, n) => `segment_${n}.m4s\n`).join("");
      file.append(new TextEncoder().encode(text));
      await uploads.spooled(8 + text.length);
      const folder = await killed(uploads);
      bucket.mood = "well";
      const next = uploads.restarted(folder);
      await uploads.eventually(() => bucket.text(key) === `#EXTM3U\n${text}`);
      assert.deepEqual([...bucket.objects.keys()], [key]);
      assert.equal(bucket.uploads.size, 0);
      await uploads.until(next.close());
      bucket.mood = "gone";
      await uploads.until(file.close(), 1_000);
    }));
}

for (const where of ["keeps no metadata", "lets nobody look"]) {
  /** A bucket that does not say whose its objects are. */
  const mute = ({ bucket }: Uploads) => {
    bucket.hasNoMetadata = where.includes("metadata");
    bucket.isHidden = where.includes("look");
  };
  const record = (uploads: Uploads) => {
    const file = uploads.open();
    for (let n = 0; n < 25; n++) file.append(piece(100, n));
    return file.close();
  };
  const taken = ({ warnings }: Uploads) =>
    warnings.filter(({ message }) => message === "an upload that has ended is taken for complete");

  Deno.test(`an object of parts that a bucket took which ${where} is not asked for again for good`, () =>
    Uploads.run(async (uploads) => {
      const { bucket, places } = uploads;
      mute(uploads);
      bucket.swallows = "POST calls/a/b.webm?";
      await uploads.until(record(uploads), 1_000);
      assert.deepEqual(uploads.whys, ["the storage does not answer"]);
      await uploads.until(uploads.after(RETRY_MS), 5_000);
      await uploads.eventually(() => places.waitingBytes === 0);
      assert.deepEqual([...bucket.objects.keys()], ["calls/a/b.webm"]);
      assert.deepEqual(await uploads.spool(), { bytes: 0, uploads: 0 });
      const why = where.includes("look")
        ? "the object may not be looked at"
        : "the storage keeps no metadata";
      assert.deepEqual(taken(uploads).map(({ fields }) => fields), [
        { file: "calls/a/b.webm", why },
      ]);
    }, { patienceMs: 10_000 }));

  Deno.test(`an upload that somebody aborts after it was refused is not taken for complete: ${where}`, () =>
    Uploads.run(async (uploads) => {
      const { bucket, places } = uploads;
      mute(uploads);
      bucket.asked = (line) => {
        if (line !== "POST calls/a/b.webm?") return;
        bucket.objects.set("calls/a/b.webm", { bytes: piece(2_500, 99), type: "" });
      };
      await uploads.until(record(uploads), 1_000);
      assert.deepEqual(uploads.whys, ["another server has taken the name meanwhile"]);
      bucket.uploads.clear();
      const told = () => uploads.warnings.filter(({ message }) => /stays on the/.test(message));
      const before = told().length;
      await uploads.until(uploads.after(RETRY_MS), 5_000);
      await uploads.eventually(() => told().length > before);
      assert.equal(places.waitingBytes, PART);
      assert.deepEqual(taken(uploads), []);
    }));
}

Deno.test("an upload that was aborted before it was asked for again is no object where there is none", () =>
  Uploads.run(async (uploads) => {
    const { bucket, places } = uploads;
    bucket.asked = (line) => {
      if (line !== "POST calls/a/b.webm?" || bucket.uploads.size === 0) return;
      bucket.uploads.clear();
      throw new TypeError("connection reset");
    };
    const file = uploads.open();
    for (let n = 0; n < 25; n++) file.append(piece(100, n));
    await uploads.until(file.close());
    assert.deepEqual(uploads.whys, ["the storage has given the upload up"]);
    assert.equal(places.waitingBytes, PART);
  }));

for (
  const [name, mark] of [
    ["a/b.webm", "UP_theirs"],
    ["a/c.webm", "UP_theirs"],
    ["a/c.webm", ""],
  ] as const
) {
  const what = `${name === "a/b.webm" ? "smaller than a part" : "of parts"}, ${mark || "no"} mark`;
  Deno.test(`an object of others is not taken for one's own, though as long: ${what}`, () =>
    Uploads.run(async (uploads) => {
      const { bucket, whys } = uploads;
      const length = name === "a/b.webm" ? 5 : 25;
      const theirs = { bytes: piece(length * 100, 99), type: "", mark };
      bucket.asked = (line) => {
        if (!/^(?:PUT|POST) calls\/a\/..webm\??$/.test(line) || bucket.objects.size > 0) return;
        bucket.objects.set(`calls/${name}`, theirs);
        throw new TypeError("connection reset");
      };
      const file = uploads.open(name);
      for (let n = 0; n < length; n++) file.append(piece(100, n));
      await uploads.until(file.close());
      assert.equal(bucket.objects.get(`calls/${name}`), theirs);
      if (length === 5) {
        assert.deepEqual([file.name, whys], ["a/b-2.webm", []]);
        assert.equal(bucket.objects.get("calls/a/b-2.webm")!.bytes.length, 500);
      } else {
        assert.deepEqual(whys, ["another server has taken the name meanwhile"]);
        assert.equal(uploads.places.waitingBytes, PART, "what there is of it is kept");
      }
    }));
}
