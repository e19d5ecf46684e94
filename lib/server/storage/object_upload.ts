/**
 * One recording's way into a bucket: parts as they become whole, the first at the end, because it
 * has the head; or one request for what is smaller than a part. What fails and may pass is tried
 * again until somebody gives up.
 *
 * @module
 */
import { randomId } from "../../base/ids.ts";
import type { Cancel, Platform, Timers } from "../../base/platform.ts";
import { GIVEN_UP, isTaken, type ObjectFacts, type S3Client, S3Failure } from "./s3_client.ts";
import { reasonOf } from "./storage_failure.ts";
import type { UploadFacts, UploadSpool } from "./upload_spool.ts";
import type { UploadSlots } from "./upload_slots.ts";

/** A server that ends waits no longer for a bucket, ms. */
const HURRY_MS = 2_000;
/** The first pause before a try, ms; it doubles up to the longest. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** S3 takes no more of one object. */
export const MOST_PARTS = 10_000;
/** How often names are tried that are taken. */
const MOST_NAMES = 100;
/** And those that another server is uploading to at the same time. */
const MOST_RIVALS = 3;

/** What an upload works with. */
export interface UploadPorts {
  readonly platform: Platform;
  readonly client: S3Client;
  readonly slots: UploadSlots;
  /** See {@linkcode UploadFacts}; absent for the bucket of the configuration. */
  readonly sealed?: string;
}

/** What a server that ends does not wait for as long as it may take. */
type Hurried = Pick<ObjectUpload, "loseHeart">;

/** Uploads that are on their way. */
export class RunningUploads {
  readonly #uploads = new Set<Hurried>();
  #isHurried = false;

  add(upload: Hurried): void {
    this.#uploads.add(upload);
    if (this.#isHurried) upload.loseHeart(HURRY_MS);
  }

  delete(upload: Hurried): void {
    this.#uploads.delete(upload);
  }

  /**
   * Waits for what a bucket is asked besides uploads.
   *
   * @throws {S3Failure} If it was asked in vain, or the server ends meanwhile.
   */
  async wait<T>(answer: Promise<T>, timers: Timers): Promise<T> {
    const givenUp = Promise.withResolvers<never>();
    let cancel: Cancel = () => {};
    const hurried: Hurried = {
      loseHeart: (patienceMs) => {
        cancel();
        cancel = timers.after(patienceMs, () => {
          givenUp.reject(new S3Failure(GIVEN_UP, false, "the storage does not answer"));
        });
      },
    };
    this.add(hurried);
    try {
      return await Promise.race([answer, givenUp.promise]);
    } finally {
      this.delete(hurried);
      cancel();
    }
  }

  /** The server ends. */
  hurry(): void {
    this.#isHurried = true;
    for (const upload of this.#uploads) upload.loseHeart(HURRY_MS);
  }
}

/** One object. */
export class ObjectUpload {
  readonly #ports: UploadPorts;
  readonly #spool: UploadSpool;
  readonly #facts: UploadFacts;
  readonly #givenUp = Promise.withResolvers<never>();
  #work: Promise<void> = Promise.resolve();
  #hasFailed = false;
  #isNamed = false;
  /** The object of that name is this one, or what it was a while ago. */
  #isWritten = false;
  #isRefreshing = false;
  /** What passes is waited for no longer after the last that the bucket took, ms. */
  #patienceMs = Infinity;
  #cancelPatience: Cancel = () => {};
  /** Why it was tried again last. */
  #why = "the storage does not answer";

  /** @param failed It does not go on; called at most once before it is finished. */
  constructor(
    ports: UploadPorts,
    spool: UploadSpool,
    facts: UploadFacts,
    readonly failed: (error: unknown) => void = () => {},
  ) {
    this.#ports = ports;
    this.#spool = spool;
    this.#facts = facts;
    this.#givenUp.promise.catch(() => {});
  }

  /** It is going to be long: whether the bucket takes it is better known now than then. */
  begin(): void {
    this.#next(() => this.#begin());
  }

  /** It is small, and read while it grows: the bucket gets it as it is now, and at the end. */
  refresh(): void {
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    this.#next(async () => {
      // What changes from here on is sent by the next one.
      this.#isRefreshing = false;
      if (this.#facts.uploadId === "" && this.#spool.numbers.length === 1) await this.#sendWhole();
    });
  }

  /** A part is whole. */
  offer(number: number): void {
    if (number > 1) this.#next(() => this.#sendPart(number));
  }

  #next(step: () => Promise<void>): void {
    this.#work = this.#work.then(step);
    this.#work.catch((error) => {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.failed(error);
    });
  }

  /** Waits no longer than that, from now on and after each part, for what may pass, ms. */
  loseHeart(patienceMs: number): void {
    this.#patienceMs = Math.min(this.#patienceMs, patienceMs);
    this.#cancelPatience();
    if (this.#patienceMs === Infinity) return;
    this.#cancelPatience = this.#ports.platform.timers.after(this.#patienceMs, () => {
      this.#givenUp.reject(new S3Failure(GIVEN_UP, false, this.#why));
    });
  }

  /**
   * Everything is in the spool. Resolves when the bucket has it, and the spool is gone.
   *
   * @throws {StorageFailure} If it does not: the spool is kept for another try.
   */
  async finish(): Promise<void> {
    try {
      await this.#work;
      const { numbers } = this.#spool;
      if (numbers.length === 0) await this.#abort();
      else if (this.#facts.uploadId === "" && numbers.length === 1) await this.#sendWhole();
      else await this.#sendRest();
    } catch (error) {
      this.#spool.leave();
      throw error;
    } finally {
      this.#cancelPatience();
    }
    await this.#spool.remove();
  }

  async #begin(): Promise<void> {
    if (this.#facts.uploadId !== "") return;
    await this.#takeName();
    const asked = this.#facts.key;
    for (let n = 1;; n++) {
      const { key, type } = this.#facts;
      this.#facts.begins = true;
      await this.#note();
      const id = await this.#again((client) => client.begin(key, { type, mark: this.#partsMark }));
      if (n > MOST_RIVALS || !await this.#hasRival(key, id)) {
        this.#facts.uploadId = id;
        break;
      }
      // Both may see each other, and give way: to names that none of them will meet again.
      await this.#again((client) => client.abort(key, id));
      this.#facts.key = beside(asked, randomId(this.#ports.platform.random, ""));
      this.#isWritten = false;
    }
    this.#facts.begins = false;
    await this.#note();
  }

  /** Whether another server uploads to that name; who may not look sees nobody. */
  async #hasRival(key: string, id: string): Promise<boolean> {
    const ids = await this.#again((client) => client.uploads(key)).catch((error) => {
      if (!(error instanceof S3Failure) || error.isPassing) throw error;
      return [];
    });
    return ids.some((other) => other !== id);
  }

  /**
   * By which an object is known for this one, to another process as well, and where the answer was
   * lost to the request that has written it: it is not to come into the bucket twice.
   */
  get #mark(): string {
    return this.#spool.name;
  }

  /** The same of an object of parts, which is all there will be. */
  get #partsMark(): string {
    return `${this.#mark}-parts`;
  }

  #isOwn(object: ObjectFacts): boolean {
    return object.mark === this.#mark || object.mark === this.#partsMark;
  }

  /** Nothing of it was ever written. */
  async #abort(): Promise<void> {
    const { key, uploadId } = this.#facts;
    if (uploadId !== "") await this.#again((client) => client.abort(key, uploadId));
  }

  async #sendWhole(): Promise<void> {
    await this.#takeName();
    const asked = this.#facts.key;
    for (let n = 2; !await this.#put(); n++) {
      if (n > MOST_NAMES) throw new S3Failure("Taken", false, "too many objects have that name");
      this.#facts.key = numbered(asked, n);
      await this.#note();
    }
  }

  /** @returns Whether it is there; not if another server was faster. */
  async #put(): Promise<boolean> {
    const { key, type } = this.#facts;
    const object = { type, mark: this.#mark };
    let isRepeated = false;
    return await this.#again(async (client) => {
      const bytes = await this.#spool.part(1);
      try {
        await client.put(key, bytes, object, !this.#isWritten);
      } catch (error) {
        const wasRepeated = isRepeated;
        isRepeated = true;
        if (!isTaken(error)) throw error;
        // The answer to a request that was carried out may have been lost.
        const there = await client.facts(key);
        if (there === undefined) return false;
        // What was written then may have changed.
        if (this.#isOwn(there)) await client.put(key, bytes, object);
        else if (!wasRepeated || there.mark !== "" || there.size !== bytes.length) return false;
      }
      return this.#isWritten = true;
    });
  }

  async #sendRest(): Promise<void> {
    const { tags } = this.#facts;
    let wasAsked = this.#facts.completes;
    const unsent = this.#spool.numbers.filter((number) => number > 1 && tags[number] === undefined);
    try {
      for (const number of unsent) await this.#sendPart(number);
      await this.#sendPart(1);
      // In vain: there is still something to send parts to.
      wasAsked = false;
      await this.#complete();
    } catch (error) {
      // It may have been completed by another process, or by this one, which waited no longer then.
      const isCompleted = (client: S3Client) => this.#isCompleted(client, wasAsked);
      if (!isEnded(error) || !await this.#again(isCompleted)) throw error;
    }
  }

  /**
   * Whether an upload that there is no more has become the object of that name.
   *
   * @param wasAsked For it before, which is believed where the bucket does not tell whose that is.
   */
  async #isCompleted(client: S3Client, wasAsked: boolean): Promise<boolean> {
    const { key } = this.#facts;
    const there = await client.look(key);
    if (there === "missing") return false;
    if (there !== "hidden" && there.mark !== "") return there.mark === this.#partsMark;
    if (!wasAsked) return false;
    const why = there === "hidden"
      ? "the object may not be looked at"
      : "the storage keeps no metadata";
    const { log } = this.#ports.platform;
    log.warn("an upload that has ended is taken for complete", { file: key, why });
    return true;
  }

  async #sendPart(number: number): Promise<void> {
    await this.#begin();
    const { key, tags, uploadId } = this.#facts;
    tags[number] = await this.#again(async (client) =>
      client.putPart(key, uploadId, number, await this.#spool.part(number))
    );
    if (!await this.#note()) return;
    for (const one of this.#spool.numbers) {
      if (one > 1 && tags[one] !== undefined) await this.#spool.drop(one);
    }
  }

  async #complete(): Promise<void> {
    const { key, uploadId, tags } = this.#facts;
    const count = Object.keys(tags).length;
    const all = Array.from({ length: count }, (_, at) => tags[at + 1]);
    if (all.some((tag) => tag === undefined)) {
      throw new S3Failure("Incomplete", false, "a part of the file is lost");
    }
    let isRepeated = false;
    await this.#completes(true);
    await this.#again(async (client) => {
      try {
        await client.complete(key, uploadId, all as string[], !this.#isWritten);
      } catch (error) {
        const wasRepeated = isRepeated;
        isRepeated = true;
        const isRefused = error instanceof S3Failure && !error.isPassing;
        if (isRefused && !wasRepeated) await this.#completes(false);
        // The answer to a request that was carried out may have been lost.
        if (isEnded(error) && await this.#isCompleted(client, wasRepeated)) return;
        if (!isTaken(error)) throw error;
        const there = await client.facts(key);
        if (there?.mark === this.#partsMark) return;
        // A playlist was read while it grew, when it was smaller than a part.
        if (there?.mark !== this.#mark) throw error;
        await client.complete(key, uploadId, all as string[], false);
      }
    });
  }

  async #completes(completes: boolean): Promise<void> {
    this.#facts.completes = completes;
    await this.#note();
  }

  /** No object of others is overwritten: a name that is taken gets a number. */
  async #takeName(): Promise<void> {
    if (this.#isNamed) return;
    this.#isNamed = true;
    const asked = this.#facts.key;
    for (let n = 2; n <= MOST_NAMES; n++) {
      const { key } = this.#facts;
      const there = await this.#again((client) => client.facts(key));
      this.#isWritten = there !== undefined && this.#isOwn(there);
      if (there === undefined || this.#isWritten) break;
      this.#facts.key = numbered(asked, n);
    }
    await this.#note();
  }

  /** A disk that is full keeps nobody from emptying it: what is not noted stays until the end. */
  async #note(): Promise<boolean> {
    try {
      await this.#spool.note(this.#facts);
      return true;
    } catch (error) {
      this.#ports.platform.log.warn("an upload could not be noted", { why: reasonOf(error) });
      return false;
    }
  }

  /** Does it until it is done, fails for good, or is given up. */
  async #again<T>(attempt: (client: S3Client) => Promise<T>): Promise<T> {
    const { platform: { log }, client, slots } = this.#ports;
    const { bucketUrl } = this.#facts;
    for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        const done = slots.run(bucketUrl, () => attempt(client));
        const result = await Promise.race([done, this.#givenUp.promise]);
        this.loseHeart(Infinity);
        return result;
      } catch (error) {
        if (!(error instanceof S3Failure && error.isPassing)) throw error;
        this.#why = error.message;
        log.warn("a part of a recording is uploaded again", { why: error.message });
      }
      await Promise.race([this.#pause(pauseMs), this.#givenUp.promise]);
    }
  }

  /** Between half of it and all, so that not everybody comes back at once. */
  async #pause(ms: number): Promise<void> {
    const { timers, random } = this.#ports.platform;
    const wanted = ms / 2 + random.uint32() % (ms / 2);
    await new Promise<void>((resolve) => void timers.after(wanted, resolve));
  }
}

/** Whether a request failed because there is no such upload of parts any more. */
function isEnded(error: unknown): boolean {
  return error instanceof S3Failure && error.code === "NoSuchUpload";
}

/** `a/b.webm` as `a/b-2.webm`. */
export function numbered(path: string, n: number): string {
  return beside(path, String(n));
}

function beside(path: string, addition: string): string {
  const [, base = path, ending = ""] = /^(.*)(\.[^./]*)$/.exec(path) ?? [];
  return `${base}-${addition}${ending}`;
}
