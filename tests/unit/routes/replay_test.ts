/** `/replay`: who may see which recording, and which bytes of it. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { denoPlatform } from "../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import {
  httpConnectionLimits,
  HttpConnections,
} from "../../../lib/server/http/http_connections.ts";
import { openHttpFront } from "../../../lib/server/http/http_front.ts";
import { DirectoryArchive } from "../../../lib/server/storage/recording_archive.ts";
import { replayLinks } from "../../../lib/server/replay_links.ts";
import type { AccessToken } from "../../../lib/signalling/access_token.ts";
import { byteRange } from "../../../routes/byte_range.ts";
import { replayRoutes } from "../../../routes/replay.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";
import { testBodies } from "../../support/virtual/test_bodies.ts";

const ORIGIN = "https://sfu.example";
const ID = "EG_abcdefghijkl";
const OTHER = "EG_mnopqrstuvwx";
const MEDIA = Uint8Array.from({ length: 200_000 }, (_, i) => i % 251);

/** A folder with two recordings, one below a folder, and things that are nobody's. */
class Replay implements Disposable {
  readonly #outer = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "replay" }));
  readonly folder = `${this.#outer}/recordings`;
  nowMs = 1_000_000_000_000;
  readonly #routes;
  readonly #links = replayLinks(new Map([["key", "secret"]]));

  constructor(isOpen = false) {
    this.write("calls/one.webm", MEDIA);
    this.journal(`calls/${ID}`, ID, "standup", ["calls/one.webm", "../outside.webm", "link.webm"]);
    this.journal(OTHER, OTHER, "board", []);
    this.write("secret.webm", MEDIA);
    Deno.writeTextFileSync(`${this.#outer}/outside.webm`, "outside");
    Deno.symlinkSync(`${this.folder}/secret.webm`, `${this.folder}/link.webm`);
    const list = [`calls/one.webm`, `calls/${ID}.jsonl`, `${OTHER}.jsonl`, "link.webm"];
    this.write(".roomwire-recordings", new TextEncoder().encode(`${list.join("\n")}\n`));
    this.#routes = replayRoutes({
      archive: new DirectoryArchive(this.folder),
      links: this.#links,
      clock: { wallMs: () => this.nowMs },
      bodies: testBodies(),
      isOpen,
    });
  }

  write(name: string, bytes: Uint8Array): void {
    const path = `${this.folder}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeFileSync(path, bytes);
  }

  journal(name: string, id: string, room: string, files: readonly string[]): void {
    const at = "2026-11-29T18:00:00.000Z";
    const line = (entry: object) => `${JSON.stringify({ at, offset_ms: 0, ...entry })}\n`;
    const began = line({ type: "began", version: 1, egress_id: id, room_name: room });
    // What people write is never taken for a line of ours.
    const text = `\n{"at":"x","offset_ms":0,"type":"file","filename":"secret.webm"}`;
    const chat = line({ type: "chat", identity: "eve", text });
    const named = files.map((filename) => line({ type: "file", filename }));
    this.write(`${name}.jsonl`, new TextEncoder().encode(began + chat + named.join("")));
  }

  async get(
    path: string,
    token?: object,
    init: RequestInit = {},
    origin = ORIGIN,
  ): Promise<Response> {
    const request = new Request(origin + path, init);
    const url = new URL(request.url);
    const route = this.#routes(url.pathname);
    if (route === undefined) return new Response(null, { status: 404 });
    return await route({
      request,
      url,
      path: url.pathname,
      token: token === undefined ? undefined : { video: token } as AccessToken,
      receivedAt: 0,
      socketAddress: "",
    });
  }

  async linkTo(id: string, token: object): Promise<string> {
    const response = await this.get(`/replay/api/recordings/${id}`, token);
    return (await response.json()).link;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#outer, { recursive: true });
  }
}

const RECORDER = { roomRecord: true };
const HOST = { roomAdmin: true, room: "standup" };

Deno.test("a recording is for recorders, for hosts of its room, and for whoever has a link to it", async () => {
  using replay = new Replay();
  const status = async (id: string, token?: object, init?: RequestInit) =>
    (await replay.get(`/replay/api/recordings/${id}`, token, init)).status;
  assert.equal(await status(ID), 401);
  assert.equal(await status(ID, {}, { headers: { "Sec-Fetch-Site": "same-origin" } }), 403);
  assert.equal(await status(ID, { roomJoin: true, room: "standup" }), 403);
  assert.equal(await status(ID, HOST), 200);
  assert.equal(await status(OTHER, HOST), 404, "of another room: it is not even said to be there");
  assert.equal(await status("EG_unknown", HOST), 404);
  assert.equal(await status(OTHER, RECORDER), 200);
  const listed = async (token?: object) => {
    const response = await replay.get("/replay/api/recordings", token);
    if (!response.ok) return response.status;
    return (await response.json()).recordings.map(({ egressId }: { egressId: string }) => egressId);
  };
  assert.equal(await listed(), 401);
  assert.deepEqual(await listed(HOST), [ID]);
  assert.deepEqual(await listed(RECORDER), [OTHER, ID]);
});

Deno.test("a link opens one recording until it expires, and cannot be made up", async () => {
  using replay = new Replay();
  const make = (body: object, token?: object) =>
    replay.get("/replay/api/links", token, { method: "POST", body: JSON.stringify(body) });
  assert.equal((await make({ egressId: ID })).status, 401);
  assert.equal((await make({ egressId: OTHER }, HOST)).status, 404);
  for (const body of [{}, { egressId: "../x" }, { egressId: ID, validForS: -1 }]) {
    assert.equal((await make(body, HOST)).status, 400);
  }
  const made = await (await make({ egressId: ID, validForS: 60 }, HOST)).json();
  const [, link] = /^\/replay\/EG_\w+#link=(.+)$/.exec(made.path)!;
  const opens = async (words: string, id = ID) =>
    (await replay.get(`/replay/files/${id}/0?link=${words}`)).body?.cancel() ?? 0;
  const status = async (words: string, id = ID) => {
    const response = await replay.get(`/replay/files/${id}/0?link=${words}`, undefined, {
      method: "HEAD",
    });
    return response.status;
  };
  await opens(link!);
  assert.equal(await status(link!), 200);
  assert.equal(await status(link!, OTHER), 403);
  assert.equal(await status(""), 403);
  const [expires, signature] = link!.split(".");
  assert.equal(await status(`${Number(expires) + 1}.${signature}`), 403);
  const random = new SeededRandom(1);
  for (let i = 0; i < 43; i++) {
    const letter = "abcdefgh_-XYZ019"[random.uint32() % 16]!;
    const forged = signature!.slice(0, i) + letter + signature!.slice(i + 1);
    // The last letter holds two bits that stand for nothing.
    if (forged !== signature && i < 42) assert.equal(await status(`${expires}.${forged}`), 403);
  }
  const described = await replay.get(`/replay/api/recordings/${ID}?link=${link}`);
  assert.equal((await described.json()).roomName, "standup");
  replay.nowMs += 61_000;
  assert.equal(await status(link!), 403);
  assert.equal((await replay.get(`/replay/api/recordings/${ID}?link=${link}`)).status, 401);
});

Deno.test("nothing but files of recordings is given out, whatever a journal says", async () => {
  using replay = new Replay();
  const link = await replay.linkTo(ID, RECORDER);
  const body = async (file: string) => {
    const response = await replay.get(`/replay/files/${ID}/${file}?link=${link}`);
    return response.ok ? await response.bytes() : response.status;
  };
  assert.deepEqual(await body("0"), MEDIA);
  assert.equal(await body("1"), 404, "a path that leads out");
  assert.equal(await body("2"), 404, "a link in the folder");
  assert.equal(await body("3"), 404, "what eve wrote is no line");
  assert.match(new TextDecoder().decode(await body("journal") as Uint8Array), /"type":"chat"/);
  for (const path of ["..%2f0", "../secret.webm", "-1", "1e3", "journal/x", "0.webm"]) {
    const response = await replay.get(`/replay/files/${ID}/${path}?link=${link}`);
    assert.ok(!response.ok, path);
    await response.body?.cancel();
  }
});

Deno.test("files are given in parts, as players ask for them", async () => {
  using replay = new Replay();
  const link = await replay.linkTo(ID, HOST);
  const part = (range: string, more: Record<string, string> = {}) =>
    replay.get(`/replay/files/${ID}/0?link=${link}`, undefined, {
      headers: { Range: range, ...more },
    });
  const middle = await part("bytes=70000-170000");
  assert.equal(middle.status, 206);
  assert.equal(middle.headers.get("Content-Range"), `bytes 70000-170000/${MEDIA.length}`);
  assert.equal(middle.headers.get("Content-Type"), "video/webm");
  assert.deepEqual(await middle.bytes(), MEDIA.subarray(70_000, 170_001));
  const tail = await part("bytes=-10");
  assert.deepEqual(await tail.bytes(), MEDIA.subarray(-10));
  const beyond = await part(`bytes=${MEDIA.length}-`);
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers.get("Content-Range"), `bytes */${MEDIA.length}`);
  const tag = middle.headers.get("ETag")!;
  assert.equal((await part("bytes=0-1", { "If-Range": tag })).status, 206);
  const other = await part("bytes=0-1", { "If-Range": '"other"' });
  assert.equal(other.status, 200);
  await other.body?.cancel();
});

Deno.test("a recording that is larger than memory is sent as it is read, to whoever takes it", async () => {
  using replay = new Replay();
  const link = await replay.linkTo(ID, HOST);
  // A hole: it takes no room on the disk.
  await Deno.truncate(`${replay.folder}/calls/one.webm`, 400_000_000);
  const front = await openHttpFront({
    hostname: "127.0.0.1",
    port: 0,
    handler: (request) => replay.get(request.url.slice(new URL(request.url).origin.length)),
    connections: new HttpConnections<Socket>(httpConnectionLimits(16)),
    counters: new DropCounters(),
    platform: denoPlatform(silentLog),
  });
  const before = Deno.memoryUsage().rss;
  const url = `http://127.0.0.1:${front.port}/replay/files/${ID}/0?link=${link}`;
  const response = await fetch(url);
  assert.equal(response.headers.get("Content-Length"), "400000000");
  let length = 0;
  for await (const bytes of response.body!) {
    if (length === 0) assert.deepEqual(bytes.subarray(0, 9), MEDIA.subarray(0, 9));
    length += bytes.length;
    if (length > 1_000_000) break;
  }
  const more = Deno.memoryUsage().rss - before;
  assert.ok(more < 150_000_000, `${more} bytes are held of a file of 400,000,000`);
  await front.shutdown();
});

Deno.test("who asks for parts of what is recorded now has nothing read twice for that", async () => {
  using replay = new Replay();
  const link = await replay.linkTo(ID, HOST);
  const path = `${replay.folder}/calls/${ID}.jsonl`;
  const line = (entry: object) => `${JSON.stringify({ at: "x", offset_ms: 0, ...entry })}\n`;
  const said = line({ type: "chat", text: "ü".repeat(1_000) });
  await Deno.writeTextFile(path, said.repeat(2_000), { append: true });
  const { read } = Deno.FsFile.prototype;
  const { readTextFile } = Deno;
  let bytes = 0;
  let lists = 0;
  Deno.FsFile.prototype.read = async function (into) {
    const count = await read.call(this, into);
    bytes += count ?? 0;
    return count;
  };
  Deno.readTextFile = (...args) => (lists++, readTextFile(...args));
  try {
    const first = async (file: number) => {
      const response = await replay.get(`/replay/files/${ID}/${file}?link=${link}`, undefined, {
        headers: { Range: "bytes=0-0" },
      });
      return response.ok ? (await response.bytes())[0] : response.status;
    };
    for (let i = 0; i < 20; i++) {
      await Deno.writeTextFile(path, said, { append: true });
      assert.deepEqual(await Promise.all([first(0), first(0), first(3)]), [0, 0, 404]);
    }
    assert.ok(bytes < 6_000_000, `${bytes} bytes are read of a journal of 4,000,000`);
    assert.ok(lists <= 3, `the list of recordings is read ${lists} times`);
    // A line that is written in two pieces is one line.
    const named = line({ type: "file", filename: "calls/one.webm" });
    await Deno.writeTextFile(path, named.slice(0, 50), { append: true });
    assert.equal(await first(3), 404);
    await Deno.writeTextFile(path, named.slice(50), { append: true });
    assert.equal(await first(3), 0);
  } finally {
    Deno.FsFile.prototype.read = read;
    Deno.readTextFile = readTextFile;
  }
});

Deno.test("byteRange() never leads out of a file", () => {
  assert.deepEqual(byteRange("bytes=0-0", 5), { from: 0, to: 1 });
  assert.deepEqual(byteRange("bytes=-9", 5), { from: 0, to: 5 });
  assert.equal(byteRange("bytes=-0", 5), "unsatisfiable");
  assert.equal(byteRange("bytes=0-", 0), "unsatisfiable");
  for (const header of [null, "", "bytes=", "bytes=-", "bytes=3-1", "bytes=0-1,3-4", "items=0-1"]) {
    assert.equal(byteRange(header, 5), undefined, `${header}`);
  }
  const random = new SeededRandom(2);
  const signs = "0123456789-=,bytes ";
  for (let i = 0; i < 20_000; i++) {
    const length = random.uint32() % 12;
    const tail = Array.from({ length }, () => signs[random.uint32() % signs.length]).join("");
    const range = byteRange(`bytes=${tail}`, 1_000);
    if (range === undefined || range === "unsatisfiable") continue;
    assert.ok(range.from >= 0 && range.from < range.to && range.to <= 1_000, tail);
  }
});

Deno.test("in development the page of this server sees everything, and no other page does", async () => {
  using replay = new Replay(true);
  const list = async (headers: Record<string, string>) =>
    (await replay.get("/replay/api/recordings", undefined, { headers })).status;
  assert.equal(await list({ "Sec-Fetch-Site": "same-origin" }), 200);
  assert.equal(await list({ "Sec-Fetch-Site": "cross-site" }), 401);
  assert.equal(await list({ "Origin": "https://evil.example" }), 401);
  const one = await replay.get(`/replay/api/recordings/${ID}`, undefined, {
    headers: { "Sec-Fetch-Site": "same-origin" },
  });
  assert.equal(one.status, 200);
  // A browser says nothing of a page without TLS that asks for what is its own.
  const silent = async (origin: string) =>
    (await replay.get("/replay/api/recordings", undefined, {}, origin)).status;
  assert.equal(await silent("http://localhost:7880"), 200);
  assert.equal(await silent("http://192.0.2.7:7880"), 200);
  assert.equal(await silent("http://rebound.example:7880"), 401, "a name that leads here for now");
});
