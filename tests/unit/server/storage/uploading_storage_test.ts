/** Recordings that go into a bucket while they grow, and what becomes of them when that fails. */
import assert from "node:assert/strict";
import {
  killed,
  PART,
  PATIENCE_MS,
  piece,
  TARGET,
  Uploads,
} from "../../../support/virtual/upload_world.ts";

Deno.test("a recording smaller than a part is one object, with the head that it has at the end", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    const file = uploads.open("ünï (1)/b&c+d.webm");
    file.append(new TextEncoder().encode("head and body"));
    file.rewriteHead(new TextEncoder().encode("HEAD"));
    assert.equal(await uploads.until(file.close()), 13);
    assert.equal(bucket.text("calls/ünï (1)/b&c+d.webm"), "HEAD and body");
    assert.equal(bucket.objects.get("calls/ünï (1)/b&c+d.webm")!.type, "video/webm");
    assert.equal(file.name, "ünï (1)/b&c+d.webm");
    assert.equal(
      file.location,
      "https://storage.test/rec/calls/%C3%BCn%C3%AF%20%281%29/b%26c%2Bd.webm",
    );
    assert.deepEqual(await uploads.spool(), { bytes: 0, uploads: 0 });
    assert.deepEqual(uploads.whys, []);
  }));

Deno.test("parts go to the bucket while a recording grows, the first at its end", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    const file = uploads.open();
    for (let i = 0; i < 46; i++) file.append(piece(100, i));
    await uploads.eventually(() => bucket.requests.at(-1)?.endsWith("partNumber=4") === true);
    await uploads.spooled(PART + 600);
    assert.deepEqual(bucket.requests, [
      "HEAD calls/a/b.webm",
      "POST calls/a/b.webm?uploads=",
      "GET ?uploads=&prefix=calls%2Fa%2Fb.webm",
      "PUT calls/a/b.webm?partNumber=2",
      "PUT calls/a/b.webm?partNumber=3",
      "PUT calls/a/b.webm?partNumber=4",
    ]);
    assert.deepEqual(await uploads.spool(), { bytes: PART + 600, uploads: 1 }, "the rest is gone");
    file.rewriteHead(piece(50, 200));
    assert.equal(await uploads.until(file.close()), 4_600);
    const { bytes } = bucket.objects.get("calls/a/b.webm")!;
    const expected = Array.from({ length: 46 }, (_, i) => [...piece(100, i)]).flat();
    expected.fill(200, 0, 50);
    assert.deepEqual([...bytes], expected);
    assert.equal(bucket.uploads.size, 0);
    assert.deepEqual(await uploads.spool(), { bytes: 0, uploads: 0 });
  }));

for (const mood of ["busy", "unreachable", "silent"] as const) {
  Deno.test(`a bucket that is ${mood} for a while keeps no recording from going on`, () =>
    Uploads.run(async (uploads) => {
      const { bucket } = uploads;
      bucket.mood = mood;
      const file = uploads.open();
      for (let i = 0; i < 30; i++) file.append(piece(100, i));
      await uploads.spooled(3_000);
      for (let s = 0; s < 120; s++) await uploads.pass(5_000);
      assert.deepEqual(uploads.whys, [], "10 minutes");
      const asked = bucket.requests.length;
      assert.ok(asked >= 2 && asked < 50, `asked ${asked} times`);
      bucket.mood = "well";
      assert.equal(await uploads.until(file.close()), 3_000);
      assert.equal(bucket.objects.get("calls/a/b.webm")!.bytes.length, 3_000);
      assert.deepEqual(uploads.whys, []);
    }, { patienceMs: 600_000 }));
}

Deno.test("a bucket that is gone ends a recording in words, and gets the file once it is back", () =>
  Uploads.run(async (uploads) => {
    const { bucket, folder } = uploads;
    const file = uploads.open();
    for (let i = 0; i < 25; i++) file.append(piece(100, i));
    await uploads.eventually(() => bucket.requests.at(-1)?.endsWith("partNumber=2") === true);
    bucket.mood = "gone";
    for (let i = 25; i < 40; i++) file.append(piece(100, i));
    await uploads.eventually(() => uploads.whys.length > 0);
    file.append(piece(100, 99));
    const size = await uploads.until(file.close());
    assert.ok(size >= 3_000 && size <= 4_000, "what was written when that was known");
    assert.deepEqual(uploads.whys, ["the bucket is not there"]);
    assert.equal(bucket.objects.size, 0);
    bucket.mood = "well";
    const next = uploads.restarted(folder);
    await uploads.eventually(() => bucket.objects.size === 1);
    const { bytes } = bucket.objects.get("calls/a/b.webm")!;
    const all = Array.from({ length: 40 }, (_, i) => [...piece(100, i)]).flat();
    assert.deepEqual([...bytes], all.slice(0, size));
    await uploads.until(next.close());
    assert.deepEqual(await uploads.spool(), { bytes: 0, uploads: 0 });
  }));

Deno.test("a bucket that does not answer at the end is given up in words, and tried again later", () =>
  Uploads.run(async (uploads) => {
    const { bucket, platform } = uploads;
    const file = uploads.open();
    file.append(piece(300, 1));
    bucket.mood = "silent";
    const before = platform.clock.now();
    assert.equal(await uploads.until(file.close()), 300);
    const took = platform.clock.now() - before;
    assert.ok(took >= PATIENCE_MS && took < 2 * PATIENCE_MS, `${took} ms`);
    assert.deepEqual(uploads.whys, ["the storage does not answer"]);
    assert.deepEqual(await uploads.spool(), { bytes: 300, uploads: 1 });
    bucket.mood = "well";
    await uploads.until(
      new Promise<void>((resolve) => platform.timers.after(600_000, resolve)),
      5_000,
    );
    await uploads.eventually(() => bucket.objects.size === 1);
  }));

Deno.test("a server that ends waits a moment for its bucket, and no longer", () =>
  Uploads.run(async (uploads) => {
    const { bucket, places, platform } = uploads;
    const file = uploads.open();
    file.append(piece(300, 1));
    bucket.mood = "silent";
    await uploads.pass(10);
    const before = platform.clock.now();
    places.hurry();
    await uploads.until(file.close());
    const took = platform.clock.now() - before;
    assert.ok(took >= 2_000 && took < PATIENCE_MS / 2, `${took} ms`);
    assert.equal(uploads.whys.length, 1);
  }));

Deno.test("wrong credentials are told in words, which hold none of them", async () => {
  for (
    const [change, why] of [
      [{ secret: "another" }, "the secret of the access key is wrong"],
      [{ accessKey: "AKIDOTHER" }, "the storage does not know the access key"],
      [{ sessionToken: "old" }, "the session token is wrong"],
    ] as const
  ) {
    await Uploads.run(async (uploads) => {
      const file = uploads.open();
      for (let i = 0; i < 25; i++) file.append(piece(100, i));
      await uploads.eventually(() => uploads.whys.length > 0);
      await uploads.until(file.close());
      assert.deepEqual(uploads.whys, [why]);
    }, { target: { ...TARGET, ...change } });
  }
});

Deno.test("a bucket that takes nothing is known soon, and not when the first part is whole", () =>
  Uploads.run(async (uploads) => {
    const file = uploads.open();
    file.append(piece(10, 1));
    for (let ms = 0; ms < 10_000 && uploads.whys.length === 0; ms += 25) await uploads.pass(25);
    assert.deepEqual(uploads.whys, ["the secret of the access key is wrong"]);
    await uploads.until(file.close());
  }, { target: { ...TARGET, secret: "another" } }));

Deno.test("a small recording that was long is in its bucket, too, and one of nothing is not", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    const [small, empty] = [uploads.open("small.ogg"), uploads.open("empty.ogg")];
    small.append(piece(10, 1));
    await uploads.eventually(() => bucket.uploads.size === 2);
    small.rewriteHead(piece(2, 2));
    await uploads.until(Promise.all([small.close(), empty.close()]));
    assert.deepEqual([...bucket.objects.keys()], ["calls/small.ogg"]);
    const { bytes } = bucket.objects.get("calls/small.ogg")!;
    assert.deepEqual([...bytes], [2, 2, ...piece(8, 1)]);
    assert.equal(bucket.uploads.size, 0);
    assert.deepEqual(uploads.whys, []);
  }));

Deno.test("a playlist is in its bucket while it grows", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    const file = uploads.open("live.m3u8");
    const key = "calls/live.m3u8";
    for (const line of ["#EXTM3U\n", "one.m4s\n", "two.m4s\n"]) {
      file.append(new TextEncoder().encode(line));
      await uploads.eventually(() => bucket.text(key).endsWith(line));
    }
    for (let ms = 0; ms < 10_000; ms += 25) await uploads.pass(25);
    file.rewriteHead(new TextEncoder().encode("#EXT-XY"));
    await uploads.eventually(() => bucket.text(key) === "#EXT-XY\none.m4s\ntwo.m4s\n");
    await uploads.until(file.close());
    assert.deepEqual([...bucket.objects.keys()], [key], "always the same");
    assert.equal(bucket.objects.get(key)!.type, "application/vnd.apple.mpegurl");
    assert.equal(bucket.uploads.size, 0);
    assert.deepEqual(uploads.whys, []);
  }));

Deno.test("a session token is signed, and a region's own host", () =>
  Uploads.run(async (uploads) => {
    uploads.bucket.credentials = { ...uploads.bucket.credentials, sessionToken: "for/a+while" };
    const file = uploads.open();
    file.append(piece(10, 1));
    await uploads.until(file.close());
    assert.deepEqual(uploads.whys, []);
    assert.equal(uploads.bucket.objects.size, 1);
  }, { target: { ...TARGET, sessionToken: "for/a+while" } }));

Deno.test("no object is overwritten, nor one that is on its way", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    bucket.objects.set("calls/x.ogg", { bytes: piece(1, 1), type: "" });
    const files = ["x.ogg", "x.ogg"].map((name) => uploads.open(name));
    for (const file of files) file.append(piece(5, 5));
    for (const file of files) await uploads.until(file.close());
    assert.deepEqual([...bucket.objects.keys()], [
      "calls/x.ogg",
      "calls/x-2.ogg",
      "calls/x-2-2.ogg",
    ]);
    assert.deepEqual(files.map(({ name }) => name), ["x-2.ogg", "x-2-2.ogg"]);
    assert.equal(bucket.objects.get("calls/x.ogg")!.bytes.length, 1);
  }));

Deno.test("a spool that is full ends the recording, and what there is gets into the bucket", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    bucket.mood = "unreachable";
    const file = uploads.open();
    for (let i = 0; i < 60; i++) file.append(piece(100, i));
    await uploads.eventually(() => uploads.whys.length > 0);
    assert.match(uploads.whys[0]!, /takes less than is recorded/);
    bucket.mood = "well";
    await uploads.until(file.close());
    assert.equal(bucket.objects.get("calls/a/b.webm")!.bytes.length, 5_000);
    assert.equal(uploads.whys.length, 1);
  }, { spoolBytes: 5_000 }));

for (const request of ["POST calls/a/b.webm?", "PUT calls/a/b.webm?partNumber=2"]) {
  Deno.test(`an answer that was lost loses no recording: ${request}`, () =>
    Uploads.run(async (uploads) => {
      const { bucket } = uploads;
      bucket.losesAnswerTo = request;
      const file = uploads.open();
      for (let i = 0; i < 25; i++) file.append(piece(100, i));
      await uploads.until(file.close());
      assert.equal(bucket.losesAnswerTo, "");
      assert.deepEqual(uploads.whys, []);
      assert.equal(bucket.objects.get("calls/a/b.webm")!.bytes.length, 2_500);
      assert.equal(bucket.uploads.size, 0);
    }));
}

for (const pieces of [3, 12, 25, 47]) {
  Deno.test(`what a process was recording that is killed gets into the bucket: ${pieces} pieces`, () =>
    Uploads.run(async (uploads) => {
      const { bucket } = uploads;
      const file = uploads.open();
      for (let i = 0; i < pieces; i++) file.append(piece(100, i));
      const bytes = pieces * 100;
      const sent = Math.max(0, Math.floor(bytes / PART) - 1);
      await uploads.eventually(() =>
        bucket.requests.filter((request) => request.includes("partNumber")).length === sent
      );
      await uploads.spooled(bytes - sent * PART);
      const folder = await killed(uploads);
      const next = uploads.restarted(folder);
      await uploads.eventually(() => bucket.objects.size === 1);
      const kept = bucket.objects.get("calls/a/b.webm")!.bytes;
      const all = Array.from({ length: pieces }, (_, i) => [...piece(100, i)]).flat();
      assert.deepEqual([...kept], all);
      await uploads.until(next.close());
      bucket.mood = "gone";
      await uploads.until(file.close());
    }));
}

Deno.test("an upload that was begun and never noted down is aborted", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    const file = uploads.open();
    for (let i = 0; i < 15; i++) file.append(piece(100, i));
    await uploads.spooled(1_500);
    const folder = await killed(uploads, (text) => text.replace('"begins":false', '"begins":true'));
    bucket.uploads.set("orphan", { key: "calls/a/b.webm", parts: new Map() });
    bucket.uploads.set("neighbour", { key: "calls/a/b.webm.mp4", parts: new Map() });
    const next = uploads.restarted(folder);
    await uploads.eventually(() => bucket.objects.size === 1);
    assert.deepEqual([...bucket.uploads.keys()], ["neighbour"]);
    await uploads.until(next.close());
    await uploads.until(file.close());
  }));

Deno.test("an upload of another server under that name is not taken for one of a dead process", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    const file = uploads.open();
    for (let i = 0; i < 15; i++) file.append(piece(100, i));
    await uploads.spooled(1_500);
    const folder = await killed(uploads);
    bucket.uploads.set("theirs", { key: "calls/a/b.webm", parts: new Map() });
    const next = uploads.restarted(folder);
    await uploads.eventually(() => bucket.objects.size === 1);
    assert.ok(bucket.uploads.has("theirs"));
    await uploads.until(next.close());
    await uploads.until(file.close());
  }));

Deno.test("two servers that upload under one name at once get one each, and lose nothing", () =>
  Uploads.run(async (uploads) => {
    const { bucket, folder } = uploads;
    await Deno.mkdir(`${folder}/two`);
    const two = uploads.restarted(`${folder}/two`);
    const files = [uploads.open("x.webm"), uploads.open("x.webm", two)];
    files.forEach((file, n) => {
      for (let i = 0; i < 25; i++) file.append(piece(100, n));
    });
    await uploads.eventually(() => bucket.uploads.size === 2);
    assert.equal(await uploads.until(files[0]!.close()), 2_500);
    assert.equal(await uploads.until(files[1]!.close()), 2_500);
    assert.deepEqual(uploads.whys, []);
    const values = [...bucket.objects.values()].map(({ bytes }) => bytes[0]);
    assert.deepEqual(values.toSorted(), [0, 1]);
    for (const [n, { name }] of files.entries()) {
      assert.equal(bucket.objects.get(`calls/${name}`)!.bytes[0], n);
    }
    await uploads.until(two.close());
  }));

Deno.test("a name that is taken between the look and the writing is not written over", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    const theirs = { bytes: piece(1, 99), type: "" };
    const take = (line: string) => {
      const key = line.slice(line.indexOf(" ") + 1).replace(/\?.*/, "");
      if (!bucket.objects.has(key)) bucket.objects.set(key, theirs);
    };
    let isOnce = true;
    bucket.asked = (line) => {
      if (line.startsWith("PUT calls/small.ogg") && isOnce) take(line);
      if (line.startsWith("POST calls/large.webm?") && !line.includes("uploads")) take(line);
      if (line.startsWith("PUT calls/small")) isOnce = false;
    };
    const small = uploads.open("small.ogg");
    small.append(piece(5, 1));
    await uploads.until(small.close());
    assert.equal(small.name, "small-2.ogg");
    assert.equal(bucket.objects.get("calls/small-2.ogg")!.bytes.length, 5);
    const large = uploads.open("large.webm");
    for (let i = 0; i < 25; i++) large.append(piece(100, i));
    await uploads.until(large.close());
    assert.deepEqual(uploads.whys, ["another server has taken the name meanwhile"]);
    for (const key of ["calls/small.ogg", "calls/large.webm"]) {
      assert.equal(bucket.objects.get(key), theirs);
    }
    assert.equal(bucket.uploads.size, 1, "what there is of it is not thrown away");
  }));

Deno.test("a service that knows no conditions gets none", () =>
  Uploads.run(async (uploads) => {
    const { bucket } = uploads;
    bucket.hasNoConditions = true;
    for (const name of ["one.ogg", "two.ogg"]) {
      const file = uploads.open(name);
      file.append(piece(5, 1));
      await uploads.until(file.close());
    }
    const puts = bucket.requests.filter((line) => line.startsWith("PUT"));
    assert.deepEqual(puts, ["PUT calls/one.ogg", "PUT calls/one.ogg", "PUT calls/two.ogg"]);
    assert.deepEqual(uploads.whys, []);
  }));

for (
  const [request, where] of [
    ["PUT calls/lost.ogg", ""],
    ["PUT calls/lost.ogg", " by a service that keeps no metadata"],
    ["POST calls/lost.webm?", ""],
    ["POST calls/lost.webm?", " by a service that keeps no metadata"],
    ["POST calls/lost.webm?", " where nobody may look"],
  ] as const
) {
  Deno.test(`an object whose answer was lost is known for one's own: ${request}${where}`, () =>
    Uploads.run(async (uploads) => {
      const { bucket } = uploads;
      bucket.hasNoMetadata = where.includes("metadata");
      bucket.isHidden = where.includes("look");
      bucket.losesAnswerTo = request;
      const name = request.includes("POST") ? "lost.webm" : "lost.ogg";
      const file = uploads.open(name);
      for (let i = 0; i < (name === "lost.ogg" ? 5 : 25); i++) file.append(piece(100, i));
      await uploads.until(file.close());
      assert.equal(bucket.losesAnswerTo, "");
      assert.deepEqual([...bucket.objects.keys()], [`calls/${name}`]);
      assert.deepEqual(uploads.whys, []);
    }));
}

Deno.test("uploads of another process that lives are left alone", () =>
  Uploads.run(async (uploads) => {
    const file = uploads.open();
    file.append(piece(100, 1));
    await uploads.spooled(100);
    const other = uploads.restarted(uploads.folder);
    for (let i = 0; i < 20; i++) await uploads.pass(10);
    assert.equal(uploads.bucket.requests.length, 0);
    await uploads.until(other.close());
    await uploads.until(file.close());
    assert.deepEqual(uploads.whys, []);
    assert.equal(uploads.bucket.objects.size, 1);
  }));

Deno.test("a request's bucket is written to if the operator has listed its host, and only then", () =>
  Uploads.run(async (uploads) => {
    const { places, bucket } = uploads;
    const other = { ...TARGET, endpoint: "https://elsewhere.test" };
    assert.match(places.uploadTo(other) as string, /request_hosts/);
    const storage = places.uploadTo(TARGET);
    assert.ok(typeof storage !== "string");
    const file = storage.open("x.webm", (why) => uploads.whys.push(why));
    file.append(piece(10, 1));
    await uploads.until(file.close());
    assert.deepEqual([...bucket.objects.keys()], ["calls/x.webm"]);
  }, { requestHosts: ["storage.test"] }));

Deno.test("what goes to a request's bucket gets there after a restart, too, and is tidied away", () =>
  Uploads.run(async (uploads) => {
    const { places, bucket, folder } = uploads;
    const target = { ...TARGET, sessionToken: "for/a+while" };
    bucket.credentials = { ...bucket.credentials, sessionToken: target.sessionToken };
    const storage = places.uploadTo(target);
    assert.ok(typeof storage !== "string");
    const file = uploads.open("x.webm", storage);
    for (let i = 0; i < 25; i++) file.append(piece(100, i));
    await uploads.eventually(() => bucket.requests.at(-1)?.endsWith("partNumber=2") === true);
    await uploads.spooled(1_500);
    const after = await killed(uploads);
    for await (const { name } of Deno.readDir(`${after}/.roomwire-uploads`)) {
      const facts = await Deno.readTextFile(`${after}/.roomwire-uploads/${name}/upload.json`);
      for (const hidden of [target.accessKey, target.secret, target.sessionToken]) {
        assert.ok(!facts.includes(hidden));
      }
    }
    const only = { requestHosts: ["storage.test"] };
    for (
      const [settings, secret] of [
        [only, "other API keys"],
        [{ requestHosts: [] }, "API keys"],
      ] as const
    ) {
      const before = bucket.requests.length;
      const refused = uploads.restarted(after, settings, secret);
      for (let i = 0; i < 20; i++) await uploads.pass(10);
      assert.equal(bucket.requests.length, before);
      await uploads.until(refused.close());
      assert.ok(Array.from(Deno.readDirSync(`${after}/.roomwire-uploads`)).length === 1);
    }
    const next = uploads.restarted(after, only);
    await uploads.eventually(() => bucket.objects.size === 1);
    assert.equal(bucket.objects.get("calls/x.webm")!.bytes.length, 2_500);
    await uploads.until(next.close());
    assert.deepEqual([...Deno.readDirSync(`${after}/.roomwire-uploads`)], []);
    assert.ok(folder !== after);
    bucket.mood = "gone";
    await uploads.until(file.close());
  }, { requestHosts: ["storage.test"] }));
