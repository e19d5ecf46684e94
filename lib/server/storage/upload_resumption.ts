/**
 * Uploads that other processes left unfinished when they ended, or gave up.
 *
 * @module
 */
import type { Platform } from "../../base/platform.ts";
import { ObjectUpload, type RunningUploads, type UploadPorts } from "./object_upload.ts";
import { StorageFailure } from "./storage_failure.ts";
import { type SpoolRoom, type UploadFacts, UploadSpool } from "./upload_spool.ts";

/** Where they are, and what they go on with. */
export interface LeftUploads {
  readonly platform: Platform;
  readonly folder: string;
  readonly room: SpoolRoom;
  readonly patienceMs: number;
  readonly running: RunningUploads;
  /** Asked between uploads. */
  readonly isOver: () => boolean;
  /** By which its bucket is reached, or why it cannot be, in words. */
  readonly portsOf: (facts: UploadFacts) => UploadPorts | string;
}

/** Uploads what other processes, which have ended, left in the folder of spools. Never rejects. */
export async function resumeUploads(left: LeftUploads): Promise<void> {
  const { folder, platform: { log } } = left;
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (isDirectory) names.push(name);
    }
  } catch {
    return; // There has never been one.
  }
  for (const name of names) {
    if (left.isOver()) return;
    try {
      if (await resume(left, `${folder}/${name}`)) log.info("an upload was finished", { name });
    } catch (error) {
      const why = error instanceof StorageFailure ? error.message : "its folder cannot be read";
      log.warn("what is left of an upload stays on the disk", { name, why });
    }
  }
}

/** @returns Whether there is one object more. */
async function resume(left: LeftUploads, folder: string): Promise<boolean> {
  const reopened = await UploadSpool.reopen(folder, left.room);
  if (reopened === undefined) return false;
  const { spool, facts } = reopened;
  const ports = left.portsOf(facts);
  if (typeof ports === "string") {
    spool.leave();
    throw new StorageFailure(ports);
  }
  const { client } = ports;
  if (facts.uploadId === "" && facts.begins) {
    // One may have been begun whose answer nobody noted down. Others may not be touched: another
    // server may be uploading under that name.
    for (const id of await client.uploads(facts.key).catch(() => [])) {
      await client.abort(facts.key, id).catch(() => {});
    }
  }
  const { numbers } = spool;
  if (numbers[0] !== 1) {
    if (facts.uploadId !== "") await client.abort(facts.key, facts.uploadId).catch(() => {});
    await spool.remove();
    return false;
  }
  const upload = new ObjectUpload(ports, spool, facts);
  left.running.add(upload);
  upload.loseHeart(left.patienceMs);
  await upload.finish().finally(() => left.running.delete(upload));
  return true;
}
