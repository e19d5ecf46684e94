import assert from "node:assert/strict";
import { keptBody } from "../../../routes/http_exchange.ts";
import { type FileReading, staticFiles } from "../../../routes/static_file.ts";

const FOLDER = new URL("file:///site/");

/** Files in memory, and how often they were read. */
function world(headers = {}) {
  const files = new Map<string, { bytes: Uint8Array<ArrayBuffer>; mtime: Date | null }>();
  const reads: string[] = [];
  const fileAt = (url: URL) => {
    const file = files.get(url.pathname);
    if (file === undefined) throw new Deno.errors.NotFound();
    return file;
  };
  const reading: FileReading = {
    stat: (url) =>
      Promise.resolve(url).then(fileAt).then(({ bytes, mtime }) => ({ size: bytes.length, mtime })),
    readFile: (url) => {
      reads.push(url.pathname);
      return Promise.resolve(url).then(fileAt).then(({ bytes }) => bytes.slice());
    },
  };
  const handler = staticFiles(
    (path) => ({ url: new URL(`.${path}`, FOLDER), contentType: "text/html" }),
    headers,
    reading,
  );
  const write = (name: string, bytes: Uint8Array<ArrayBuffer>, at: number | null = 0) =>
    files.set(`/site/${name}`, { bytes, mtime: at === null ? null : new Date(at) });
  const get = async (path: string, init?: RequestInit) => {
    const request = new Request(`http://sfu.example${path}`, init);
    const exchange = { request, url: new URL(request.url), path, token: undefined, receivedAt: 0 };
    return await handler({ ...exchange, socketAddress: "" });
  };
  return { files, reads, write, get };
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("staticFiles() reads a file once for as long as it is the same, and sends it from one place", async () => {
  for (const at of [0, null]) {
    const { reads, write, get } = world();
    write("a.html", bytesOf("one"), at);
    const answers = await Promise.all(Array.from({ length: 50 }, () => get("/a.html")));
    assert.equal(await answers[0]!.text(), "one");
    assert.equal(new Set(answers.map(keptBody)).size, 1);
    const tag = answers[0]!.headers.get("ETag")!;
    const known = await get("/a.html", { headers: { "If-None-Match": tag } });
    assert.deepEqual([known.status, known.body, keptBody(known)], [304, null, undefined]);
    assert.equal((await get("/a.html", { method: "HEAD" })).body, null);
    assert.equal(reads.length, 1);
  }
});

Deno.test("staticFiles() sees changes of a file, its end, and its return", async () => {
  const { files, reads, write, get } = world();
  write("a.html", bytesOf("one"));
  const first = await get("/a.html");
  write("a.html", bytesOf("two"), 1);
  const second = await get("/a.html");
  assert.deepEqual([await first.text(), await second.text()], ["one", "two"]);
  assert.notEqual(first.headers.get("ETag"), second.headers.get("ETag"));
  write("a.html", bytesOf("three"), 1);
  assert.equal(await (await get("/a.html")).text(), "three");
  files.clear();
  assert.equal((await get("/a.html")).status, 404);
  write("a.html", bytesOf("three"), 1);
  assert.equal(await (await get("/a.html")).text(), "three");
  assert.equal(reads.length, 4);
});

Deno.test("staticFiles() keeps a bounded part of many files, and serves all of them", async () => {
  const { reads, write, get } = world();
  const large = new Uint8Array(1024 * 1024).fill(65);
  for (let i = 0; i < 20; i++) write(`${i}.html`, large);
  let kept = 0;
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 20; i++) {
      const answer = await get(`/${i}.html`);
      if (keptBody(answer) !== undefined) kept++;
      assert.equal((await answer.bytes()).length, large.length);
    }
  }
  assert.deepEqual([kept, reads.length], [32, 24]);
});
