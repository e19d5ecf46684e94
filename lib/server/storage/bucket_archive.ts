/**
 * Recordings of rooms in the bucket of the configuration, as they are watched: read piece by piece
 * with the server's own credentials, so that nobody else needs any, and no viewer that stands still
 * keeps a connection to the bucket or more than a piece in memory.
 *
 * Contract: only what pages of ours name is given out, and only media and journals of that.
 *
 * @module
 */
import {
  ArchiveAway,
  type RecordedFile,
  type RecordedRoom,
  type RecordingArchive,
} from "../../../routes/replay.ts";
import type { Timers } from "../../base/platform.ts";
import {
  MOST_PAGE_BYTES,
  readReplayPage,
  REPLAY_FOLDER,
  type ReplayPage,
} from "../../recording/replay_page.ts";
import { replayType } from "./recording_archive.ts";
import { type ObjectFacts, type S3Client, S3Failure } from "./s3_client.ts";
import { UploadSlots } from "./upload_slots.ts";

/** The newest recordings that are listed, of so many that are looked at. */
const MOST_LISTED = 200;
const MOST_LOOKED_AT = 10_000;
/** A listing is many requests: whoever asks again meanwhile gets the same, ms. */
const LISTED_MS = 5_000;
/** Recordings that are known without asking: what a page says does not change. */
const MOST_KNOWN = 256;
/** And those whose files are known: bytes of their pages, together. */
const MOST_KNOWN_BYTES = 8 * 1024 * 1024;
/** What one viewer has of one file in memory, bytes. */
const PIECE_BYTES = 256 * 1024;
/** Requests at once. */
const MOST_ASKED = 24;
/** What passes is tried so often, with pauses of so long and twice that, ms. */
const MOST_TRIES = 3;
const PAUSE_MS = 250;

const INDEX = /\/(EG_\w{1,64})\.json$/;

/** The recordings of one bucket. */
export class BucketArchive implements RecordingArchive {
  readonly #client: S3Client;
  readonly #prefix: string;
  readonly #timers: Timers;
  readonly #slots = new UploadSlots(MOST_ASKED, MOST_ASKED);
  readonly #known = new Map<string, RecordedRoom>();
  readonly #pages = new Map<string, { readonly page: ReplayPage; readonly size: number }>();
  #pageBytes = 0;
  #listing: Promise<readonly RecordedRoom[]> | undefined;

  /** @param prefix Before each name; empty, or ending with a slash. */
  constructor(client: S3Client, prefix: string, timers: Timers) {
    this.#client = client;
    this.#prefix = prefix;
    this.#timers = timers;
  }

  list(): Promise<readonly RecordedRoom[]> {
    if (this.#listing !== undefined) return this.#listing;
    const listing = this.#list();
    this.#listing = listing;
    const forget = () => this.#listing = undefined;
    listing.then(() => this.#timers.after(LISTED_MS, forget), forget);
    return listing;
  }

  async #list(): Promise<readonly RecordedRoom[]> {
    const folder = `${this.#prefix}${REPLAY_FOLDER}/`;
    const objects = await this.#ask((client) => client.list(folder, MOST_LOOKED_AT));
    const newest = objects.sort((a, b) => a.at < b.at ? 1 : a.at > b.at ? -1 : 0);
    const ids = newest.flatMap(({ key }) => INDEX.exec(key)?.[1] ?? []).slice(0, MOST_LISTED);
    const found = await Promise.all(ids.map((id) => this.find(id)));
    return found.filter((room) => room !== undefined);
  }

  async find(egressId: string): Promise<RecordedRoom | undefined> {
    const known = this.#known.get(egressId);
    if (known !== undefined) return known;
    const index = await this.#index(egressId);
    if (index === undefined) return undefined;
    const { roomName, beganAtMs } = index;
    const room = { egressId, roomName, beganAt: new Date(beganAtMs).toISOString() };
    this.#known.set(egressId, room);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(oldest(this.#known));
    return room;
  }

  async open(egressId: string, file: number | "journal"): Promise<RecordedFile | undefined> {
    const index = await this.#index(egressId);
    const name = file === "journal" ? index?.journal : index?.files[file];
    const contentType = name === undefined ? undefined : replayType(name);
    if (name === undefined || contentType === undefined) return undefined;
    const key = `${this.#prefix}${name}`;
    const facts = await this.#ask((client) => client.facts(key));
    return facts && {
      contentType,
      ...facts,
      read: (from, to) => this.#read(key, facts, from, to),
      close: () => {},
    };
  }

  async #index(egressId: string): Promise<ReplayPage | undefined> {
    const known = this.#pages.get(egressId);
    if (known !== undefined) return known.page;
    const key = `${this.#prefix}${REPLAY_FOLDER}/${egressId}.json`;
    const facts = await this.#ask((client) => client.facts(key));
    if (facts === undefined || facts.size === 0 || facts.size > MOST_PAGE_BYTES) return undefined;
    const { size, tag } = facts;
    const bytes = await this.#ask((client) => client.read(key, 0, size, tag));
    const page = readReplayPage(new TextDecoder().decode(bytes), egressId);
    if (page !== undefined) this.#remember(page, size);
    return page;
  }

  #remember(page: ReplayPage, size: number): void {
    this.#forget(page.egressId);
    this.#pages.set(page.egressId, { page, size });
    this.#pageBytes += size;
    while (this.#pageBytes > MOST_KNOWN_BYTES) this.#forget(oldest(this.#pages));
  }

  #forget(egressId: string): void {
    this.#pageBytes -= this.#pages.get(egressId)?.size ?? 0;
    this.#pages.delete(egressId);
  }

  #read(
    key: string,
    { tag }: ObjectFacts,
    from: number,
    to: number,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    let at = from;
    return new ReadableStream({
      pull: async (controller) => {
        if (at >= to) return controller.close();
        const end = Math.min(to, at + PIECE_BYTES);
        controller.enqueue(await this.#ask((client) => client.read(key, at, end, tag)));
        at = end;
      },
    }, { highWaterMark: 0 });
  }

  /** @throws {ArchiveAway} */
  async #ask<T>(question: (client: S3Client) => Promise<T>): Promise<T> {
    const client = this.#client;
    for (let n = 1;; n++) {
      try {
        return await this.#slots.run("", () => question(client));
      } catch (error) {
        if (!(error instanceof S3Failure)) throw error;
        if (!error.isPassing || n === MOST_TRIES) throw new ArchiveAway(error.message);
      }
      await new Promise<void>((resolve) => this.#timers.after(n * PAUSE_MS, resolve));
    }
  }
}

function oldest(known: ReadonlyMap<string, unknown>): string {
  return known.keys().next().value!;
}
