/**
 * Recordings of rooms in a folder, as they are watched: found by their journals, whose lines name
 * their files. Only what the server itself has made is given out, and nothing a link leads to.
 *
 * @module
 */
import type { RecordedFile, RecordedRoom, RecordingArchive } from "../../../routes/replay.ts";
import { leadsOutside } from "../../recording/recording_name.ts";
import { KeptRecordings } from "./kept_recordings.ts";

/** The newest recordings that are listed. */
const MOST_LISTED = 200;
/** Recordings whose files are known without looking. */
const MOST_KNOWN = 64;
/** A first line is shorter; bytes. */
const HEAD_BYTES = 4_096;
const CHUNK_BYTES = 65_536;
const LINE_END = 0x0a;
const JOURNAL = /(?:^|\/)(EG_\w{1,64})\.jsonl$/;
const CONTENT_TYPE: Readonly<Record<string, string>> = {
  webm: "video/webm",
  mkv: "video/x-matroska",
  mp4: "video/mp4",
  ogg: "audio/ogg",
  jsonl: "application/jsonl; charset=utf-8",
};

/** The media type of a file that may be given out, by its name; `undefined` of others. */
export function replayType(name: string): string | undefined {
  return CONTENT_TYPE[name.slice(name.lastIndexOf(".") + 1)];
}

interface Journal {
  readonly name: string;
  /** Bytes at its beginning that were read: whole lines. */
  readTo: number;
  /** Bytes that it had then. */
  size: number;
  /** Names of the recording's files in those lines, in the order they were begun. */
  files: string[];
  /** Whoever reads on waits for who does so already. */
  reading: Promise<unknown>;
}

/** The recordings of one folder. */
export class DirectoryArchive implements RecordingArchive {
  readonly #given: string;
  readonly #known = new Map<string, Journal>();

  constructor(root: string) {
    this.#given = root;
  }

  async list(): Promise<readonly RecordedRoom[]> {
    const root = await this.#root();
    if (root === undefined) return [];
    const names = (await new KeptRecordings(root).names()).filter((name) => JOURNAL.test(name));
    const rooms: RecordedRoom[] = [];
    for (const name of names.slice(-MOST_LISTED).reverse()) {
      const room = await readHead(`${root}/${name}`, JOURNAL.exec(name)![1]!);
      if (room !== undefined) rooms.push(room);
    }
    return rooms;
  }

  async find(egressId: string): Promise<RecordedRoom | undefined> {
    const root = await this.#root();
    const journal = root && await this.#journal(root, egressId);
    return journal ? await readHead(`${root}/${journal.name}`, egressId) : undefined;
  }

  async open(egressId: string, file: number | "journal"): Promise<RecordedFile | undefined> {
    const root = await this.#root();
    const journal = root && await this.#journal(root, egressId);
    if (root === undefined || !journal) return undefined;
    if (file === "journal") return await openFile(root, journal.name);
    const reading = journal.reading.then(() => readOn(root, journal));
    journal.reading = reading.catch(() => {});
    if (!await reading) this.#known.delete(egressId);
    const name = journal.files[file];
    return name === undefined ? undefined : await openFile(root, name);
  }

  /** As it really is; absent while there is none. */
  async #root(): Promise<string | undefined> {
    try {
      return await Deno.realPath(this.#given);
    } catch {
      return undefined;
    }
  }

  /** Found once: the list is of all recordings that ever were. */
  async #journal(root: string, egressId: string): Promise<Journal | undefined> {
    const known = this.#known.get(egressId);
    if (known !== undefined) return known;
    const names = await new KeptRecordings(root).names();
    const name = names.find((name) => JOURNAL.exec(name)?.[1] === egressId);
    if (name === undefined) return undefined;
    const meanwhile = this.#known.get(egressId);
    if (meanwhile !== undefined) return meanwhile;
    const journal = { name, readTo: 0, size: 0, files: [], reading: Promise.resolve() };
    this.#known.set(egressId, journal);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    return journal;
  }
}

/** Recordings of several places; those of the first are found first. */
export class SeveralArchives implements RecordingArchive {
  constructor(readonly archives: readonly RecordingArchive[]) {}

  async list(): Promise<readonly RecordedRoom[]> {
    const lists = await Promise.all(this.archives.map((archive) => archive.list()));
    const newer = (a: RecordedRoom, b: RecordedRoom) => a.beganAt < b.beganAt ? 1 : -1;
    return lists.flat().sort(newer).slice(0, MOST_LISTED);
  }

  find(egressId: string): Promise<RecordedRoom | undefined> {
    return this.#first((archive) => archive.find(egressId));
  }

  open(egressId: string, file: number | "journal"): Promise<RecordedFile | undefined> {
    return this.#first((archive) => archive.open(egressId, file));
  }

  async #first<T>(
    ask: (archive: RecordingArchive) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    for (const archive of this.archives) {
      const found = await ask(archive);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** An archive that is loaded when it is asked for first. */
export class LateArchive implements RecordingArchive {
  #archive: Promise<RecordingArchive> | undefined;

  constructor(readonly load: () => Promise<RecordingArchive>) {}

  async list(): Promise<readonly RecordedRoom[]> {
    return await (await this.#loaded).list();
  }

  async find(egressId: string): Promise<RecordedRoom | undefined> {
    return await (await this.#loaded).find(egressId);
  }

  async open(egressId: string, file: number | "journal"): Promise<RecordedFile | undefined> {
    return await (await this.#loaded).open(egressId, file);
  }

  get #loaded(): Promise<RecordingArchive> {
    return this.#archive ??= this.load();
  }
}

/** What a journal's first line says; `undefined` if it is none, or not of that recording. */
async function readHead(path: string, egressId: string): Promise<RecordedRoom | undefined> {
  try {
    if (await Deno.realPath(path) !== path) return undefined;
    using file = await Deno.open(path);
    const bytes = new Uint8Array(HEAD_BYTES);
    const count = await file.read(bytes) ?? 0;
    const [line = ""] = new TextDecoder().decode(bytes.subarray(0, count)).split("\n");
    const { type, at, egress_id: id, room_name: roomName } = JSON.parse(line);
    const isOne = type === "began" && id === egressId && typeof roomName === "string" &&
      typeof at === "string";
    return isOne ? { egressId, roomName, beganAt: at } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads what a journal has got since it was read last: it grows while people look, and players ask
 * for its files often. In pieces: it may have many lines, of which few name files.
 *
 * @returns Whether it is there.
 */
async function readOn(root: string, journal: Journal): Promise<boolean> {
  const opened = await openFile(root, journal.name);
  if (opened === undefined || opened.size < journal.size) {
    Object.assign(journal, { readTo: 0, size: 0, files: [] });
  }
  if (opened === undefined) return false;
  if (opened.size === journal.size) {
    opened.close();
    return true;
  }
  const decoder = new TextDecoder();
  let at = journal.readTo;
  let rest = "";
  for await (const bytes of opened.read(at, opened.size)) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const name = fileNamed(line);
      if (name !== undefined) journal.files.push(name);
    }
    if (lines.length > 0) journal.readTo = at + bytes.lastIndexOf(LINE_END) + 1;
    at += bytes.length;
  }
  journal.size = opened.size;
  return true;
}

/** Nobody but the server writes the beginning of a line. */
function fileNamed(line: string): string | undefined {
  if (!/^\{"at":"[^"]*","offset_ms":-?\d+,"type":"file",/.test(line)) return undefined;
  try {
    const { filename } = JSON.parse(line);
    return typeof filename === "string" ? filename : undefined;
  } catch {
    return undefined;
  }
}

async function openFile(root: string, name: string): Promise<RecordedFile | undefined> {
  const contentType = replayType(name);
  if (contentType === undefined || leadsOutside(name)) return undefined;
  const path = `${root}/${name}`;
  let file: Deno.FsFile | undefined;
  try {
    if (await Deno.realPath(path) !== path) return undefined;
    file = await Deno.open(path);
    const { isFile, size, mtime } = await file.stat();
    if (!isFile) throw new Deno.errors.NotFound();
    const opened = file;
    return {
      contentType,
      size,
      tag: `"${size.toString(36)}-${(mtime?.getTime() ?? 0).toString(36)}"`,
      read: (from, to) => readPart(opened, from, to),
      close: () => opened.close(),
    };
  } catch {
    file?.close();
    return undefined;
  }
}

function readPart(
  file: Deno.FsFile,
  from: number,
  to: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = to - from;
  return new ReadableStream({
    start: async () => void await file.seek(from, Deno.SeekMode.Start),
    pull: async (controller) => {
      try {
        const bytes = new Uint8Array(Math.min(CHUNK_BYTES, left));
        const count = left === 0 ? null : await file.read(bytes);
        if (count === null) {
          file.close();
          return controller.close();
        }
        left -= count;
        controller.enqueue(bytes.subarray(0, count));
      } catch (error) {
        file.close();
        throw error;
      }
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}
