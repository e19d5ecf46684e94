/**
 * Why something cannot be kept, in words for people: without paths, addresses and secrets.
 *
 * @module
 */

/** A failure whose message is such words. */
export class StorageFailure extends Error {}

/** Why a file cannot be written. */
export function reasonOf(error: unknown): string {
  if (error instanceof StorageFailure) return error.message;
  const text = error instanceof Error ? error.message : String(error);
  if (/os error 28|No space left/.test(text)) return "the disk is full";
  if (/os error 122|[Qq]uota exceeded/.test(text)) return "the quota of the disk is used up";
  if (/os error 30|Read-only file system/.test(text)) return "the disk can only be read";
  if (error instanceof Deno.errors.NotCapable) {
    return "the program may not write there (--allow-write, --allow-read)";
  }
  if (error instanceof Deno.errors.PermissionDenied) return "writing there is not permitted";
  if (error instanceof Deno.errors.NotFound) return "the folder of recordings is gone";
  return `writing failed: ${text.replaceAll(/["'`]?\/\S+/g, "…")}`;
}
