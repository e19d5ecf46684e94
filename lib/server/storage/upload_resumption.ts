/**
 * Uploads that were left unfinished: processes ended before, or gave them up.
 *
 * @module
 */
import type { Platform, Random } from "../../base/platform.ts";
import { ObjectUpload, type RunningUploads, type UploadPorts } from "./object_upload.ts";
import { S3Failure } from "./s3_client.ts";
import { reasonOf, StorageFailure } from "./storage_failure.ts";
import { type SpoolRoom, type UploadFacts, UploadSpool } from "./upload_spool.ts";

/** Where they are, and what they go on with. */
export interface LeftUploads {
  readonly platform: Platform;
  readonly folder: string;
  readonly room: SpoolRoom;
  readonly patienceMs: number;
  /** What cannot be uploaded is removed at this age, ms; 0: never. */
  readonly maxAgeMs: number;
  readonly running: RunningUploads;
  /** Asked between uploads. */
  readonly isOver: () => boolean;
  /** By which its bucket is reached, or why it cannot be, in words. */
  readonly portsOf: (facts: UploadFacts) => UploadPorts | string;
}

/** Buckets that have not answered in this round, by address, and why they are left alone. */
interface Silent {
  /** To uploads, until those were given up. */
  readonly uploads: Map<string, string>;
  /** To an abort: too little to give anything up that could be uploaded. */
  readonly aborts: Map<string, string>;
}

/** A folder without anything recorded is no other process's beginning any more, ms. */
const EMPTY_MS = 60_000;

/**
 * Uploads what was left in the folder of spools, and removes what is too old and cannot be
 * uploaded. Never rejects.
 */
export async function resumeUploads(left: LeftUploads): Promise<void> {
  const { folder, room, platform: { random } } = left;
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (isDirectory) names.push(name);
    }
  } catch {
    return; // There has never been one.
  }
  room.keepOnly(new Set(names.map((name) => `${folder}/${name}`)));
  const silent: Silent = { uploads: new Map(), aborts: new Map() };
  // One that its bucket never takes, and behind which others are not tried, is not always first.
  for (const name of shuffled(names, random)) {
    if (left.isOver()) return;
    await resumeOne(left, name, silent);
  }
}

function shuffled(names: readonly string[], random: Random): string[] {
  const found = [...names];
  for (let at = found.length - 1; at > 0; at--) {
    const other = random.uint32() % (at + 1);
    [found[at], found[other]] = [found[other]!, found[at]!];
  }
  return found;
}

async function resumeOne(
  left: LeftUploads,
  name: string,
  silent: Silent,
): Promise<void> {
  const { room, platform: { log } } = left;
  const folder = `${left.folder}/${name}`;
  try {
    if (await resume(left, folder, silent)) log.info("an upload was finished", { name });
  } catch (error) {
    // A server that ends has waited for nothing.
    if (left.isOver()) return;
    const why = error instanceof StorageFailure ? error.message : "its folder cannot be read";
    const facts = await UploadSpool.factsOf(folder);
    const named = { name, ...(facts === undefined ? {} : { file: facts.key }) };
    const bytes = await discardOld(left, folder);
    if (bytes === undefined) {
      const waiting = { ...named, bytes: room.left(folder), why };
      return log.warn("what is left of an upload stays on the disk", waiting);
    }
    if (bytes > 0) {
      log.warn("what is left of an upload was too old and is removed", { ...named, bytes, why });
    }
    const stays = facts && await abort(left, facts, silent);
    if (stays !== undefined) {
      // Nobody else knows of it any more.
      const { bucketUrl: bucket, uploadId: upload } = facts!;
      const where = { ...named, bucket, upload, why: stays };
      log.warn("an upload that does not go on stays in its bucket", where);
    }
  }
}

/** What is gone here is to cost nothing there either. @returns Why it stays, in words. */
async function abort(
  left: LeftUploads,
  facts: UploadFacts,
  silent: Silent,
): Promise<string | undefined> {
  const { running, platform: { timers } } = left;
  const { key, uploadId, bucketUrl } = facts;
  if (uploadId === "") return undefined;
  if (left.isOver()) return "the server ended";
  const ports = silent.uploads.get(bucketUrl) ?? silent.aborts.get(bucketUrl) ??
    left.portsOf(facts);
  if (typeof ports === "string") return ports;
  try {
    await running.wait(ports.client.abort(key, uploadId), timers);
  } catch (error) {
    if (error instanceof S3Failure && error.code === "NoSuchUpload") return undefined;
    const why = reasonOf(error);
    // Each of the others would be waited for as long.
    const isSilent = error instanceof S3Failure && (error.isPassing || error.isGivenUp);
    if (isSilent) silent.aborts.set(bucketUrl, why);
    return why;
  }
  return undefined;
}

/** @returns Bytes that are gone; `undefined` if it stays. */
async function discardOld(left: LeftUploads, folder: string): Promise<number | undefined> {
  const { platform: { clock }, room, maxAgeMs } = left;
  const isOver = (at: number, bytes: number) => {
    const ageMs = clock.wallMs() - at;
    return bytes === 0 ? ageMs > EMPTY_MS : maxAgeMs > 0 && ageMs > maxAgeMs;
  };
  return await UploadSpool.discard(folder, room, isOver).catch(() => undefined);
}

/**
 * Aborts what nobody goes on with, as far as the bucket lets it.
 *
 * @param numbers Parts that are here: without the first there will never be an object.
 * @throws {S3Failure} If the server ends meanwhile: the next one asks again.
 */
async function clear(
  { running, platform: { timers } }: LeftUploads,
  { client }: UploadPorts,
  { key, uploadId, begins }: UploadFacts,
  numbers: readonly number[],
): Promise<void> {
  const ask = <T>(answer: Promise<T>, otherwise: T): Promise<T> =>
    running.wait(answer, timers).catch((error) => {
      if (error instanceof S3Failure && error.isGivenUp) throw error;
      return otherwise;
    });
  if (uploadId === "" && begins) {
    // One may have been begun whose answer nobody noted down. Others may not be touched: another
    // server may be uploading under that name.
    const ids = await ask(client.uploads(key), []);
    for (const id of ids) await ask(client.abort(key, id), undefined);
  }
  if (numbers[0] !== 1 && uploadId !== "") await ask(client.abort(key, uploadId), undefined);
}

/** @returns Whether there is one object more. */
async function resume(
  left: LeftUploads,
  folder: string,
  silent: Silent,
): Promise<boolean> {
  const reopened = await UploadSpool.reopen(folder, left.room);
  if (reopened === undefined) return false;
  const { spool, facts } = reopened;
  const ports = silent.uploads.get(facts.bucketUrl) ?? left.portsOf(facts);
  if (typeof ports === "string") {
    spool.leave();
    throw new StorageFailure(ports);
  }
  try {
    await clear(left, ports, facts, spool.numbers);
  } catch (error) {
    spool.leave();
    throw error;
  }
  if (spool.numbers[0] !== 1) {
    await spool.remove();
    return false;
  }
  const upload = new ObjectUpload(ports, spool, facts);
  left.running.add(upload);
  upload.loseHeart(left.patienceMs);
  try {
    await upload.finish();
  } catch (error) {
    // Others would wait for it as long, and all behind them, too.
    const isSilent = error instanceof S3Failure && error.isGivenUp;
    if (isSilent) silent.uploads.set(facts.bucketUrl, error.message);
    throw error;
  } finally {
    left.running.delete(upload);
  }
  return true;
}
