/**
 * What files of recordings are called: LiveKit's templates, and nothing that leads out of the
 * folder they belong in.
 *
 * @module
 */

/** What can stand in a template, in braces, by name. */
export interface NameFacts {
  readonly room_name: string;
  readonly room_id: string;
  readonly publisher_identity: string;
  readonly track_id: string;
  readonly track_type: string;
  readonly track_source: string;
  /** Unix ms. */
  readonly startedAtMs: number;
}

const PLACEHOLDER = /\{([a-z_]+)\}/g;
/** Bytes of one name that every file system takes, with room for an ending and a number. */
const MOST_BYTES = 200;
const ENDING = /\.(?:webm|mkv|mp4|m3u8|m4s|ogg|mp3|json)$/i;
/** What is a path's, or a terminal's, and no name's. */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f\\:*?"<>|]/g;

/**
 * The path of a recording below its folder, without an ending.
 *
 * @param template As requested: empty, or ending with a slash, for a name of our own.
 * @param fallback The template in that case.
 */
export function recordingPath(template: string, fallback: string, facts: NameFacts): string {
  const whole = template === "" || template.endsWith("/") ? template + fallback : template;
  const named = whole.replace(ENDING, "").replace(
    PLACEHOLDER,
    // What comes from clients is one name, whatever it holds.
    (text, name) => valueOf(name, facts)?.replaceAll("/", "_") ?? text,
  );
  const parts = named.split("/").map(safeName).filter((part) => part !== "");
  return parts.length === 0 ? safeName(String(facts.startedAtMs)) : parts.join("/");
}

/**
 * The template of each file of a room, by one that was perhaps meant for a single file. Names that
 * do not tell tracks apart would be numbered: better by what they are.
 */
export function ownTemplate(template: string): string {
  const isTold = template === "" || template.endsWith("/") || template.includes("{track_id}");
  return isTold ? template : `${template.replace(ENDING, "")}-{publisher_identity}-{track_source}`;
}

/**
 * The template of what belongs to all tracks of a recording, by that of the files of each: without
 * what tells those apart. It ends with a slash, or is empty, if no name is left.
 */
export function sharedTemplate(template: string): string {
  const parts = template.split("/");
  const name = parts.pop()!;
  const isShared = (part: string) => !/\{(?:publisher|track)_/.test(part);
  return [...parts.filter(isShared), isShared(name) ? name : ""].join("/");
}

/** Whether a path could lead out of its folder; such are refused before they are looked at. */
export function leadsOutside(template: string): boolean {
  return template.startsWith("/") || template.includes("\\") ||
    template.split("/").some((part) => part === "..");
}

/** The ending of a template, in lower case, without its full stop; empty if it has none of ours. */
export function endingOf(template: string): string {
  return ENDING.exec(template)?.[0].slice(1).toLowerCase() ?? "";
}

function valueOf(name: string, facts: NameFacts): string | undefined {
  if (name === "time") return localTime(facts.startedAtMs);
  if (name === "utc") return utcDigits(facts.startedAtMs);
  // Nothing of ours is tried again under another name.
  if (name === "retry") return "0";
  return Object.hasOwn(facts, name) ? String(facts[name as keyof NameFacts]) : undefined;
}

/** No name of a file is hidden, empty, too long, or a way to another folder. */
function safeName(name: string): string {
  // Of a text of a megabyte nothing behind its beginning is looked at.
  let safe = name.slice(0, 2 * MOST_BYTES).replace(UNSAFE, "_").replace(/^[.\s]+/, "").replace(
    /[.\s]+$/,
    "",
  );
  while (new TextEncoder().encode(safe).length > MOST_BYTES) safe = safe.slice(0, -1);
  return safe;
}

/** `2026-11-29T150405`, in UTC: servers stand anywhere. */
function localTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replaceAll(":", "");
}

/** `20261129150405123`. */
function utcDigits(ms: number): string {
  return new Date(ms).toISOString().replace(/\D/g, "");
}
