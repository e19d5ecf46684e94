// @ts-check
/**
 * What happened in a recorded room, out of the lines of its journal: who was there when, which
 * files are whose, who spoke, and what was written. Pure; times are ms from the beginning of the
 * recording.
 *
 * @module
 */

/**
 * @typedef {{ from: number, to: number }} Span `to` is `Infinity` while nothing ended it
 * @typedef {object} Person
 * @property {string} identity
 * @property {string} name as last known
 * @property {Span[]} here
 * @typedef {object} MediaFile
 * @property {number} index by which the server gives it out
 * @property {string} identity
 * @property {string} place what the track is of whom
 * @property {"audio" | "video"} kind
 * @property {string} source `camera`, `microphone`, `screen_share`…
 * @property {string} format
 * @property {number} offset when its first frame is
 * @typedef {object} ChatLine
 * @property {number} at
 * @property {string} identity
 * @property {string} name
 * @property {string} id
 * @property {string} text
 * @property {boolean} isCut
 * @property {boolean} isEdited
 * @typedef {object} Journal
 * @property {string} roomName
 * @property {Date} beganAt
 * @property {Map<string, Person>} people
 * @property {MediaFile[]} files
 * @property {Map<string, string>} places of tracks by their sids: whoever comes back has other sids
 * @property {Map<string, { at: number, muted: boolean }[]>} mutes by place
 * @property {Map<string, Span[]>} published by place
 * @property {{ at: number, identities: string[] }[]} speakers
 * @property {ChatLine[]} chat
 * @property {number} duration as far as the journal goes
 * @property {boolean} isWhole whether the recording was ended properly
 * @property {number} dropped chat messages that were not kept
 */

/**
 * Reads a journal. A line that is cut off, or of a kind that is not known, is passed over.
 *
 * @param {string} text
 * @returns {Journal}
 */
export function readJournal(text) {
  /** @type {Journal} */
  const journal = {
    roomName: "",
    beganAt: new Date(0),
    people: new Map(),
    places: new Map(),
    files: [],
    mutes: new Map(),
    published: new Map(),
    speakers: [],
    chat: [],
    duration: 0,
    isWhole: false,
    dropped: 0,
  };
  for (const line of text.split("\n")) {
    const entry = parse(line);
    if (entry === undefined) continue;
    const at = Math.max(0, Number(entry.offset_ms) || 0);
    if (entry.type !== "file") journal.duration = Math.max(journal.duration, at);
    read(journal, entry, at);
  }
  return journal;
}

/** @param {string} line @returns {Record<string, any> | undefined} */
function parse(line) {
  if (line === "") return undefined;
  try {
    const entry = JSON.parse(line);
    return typeof entry?.type === "string" ? entry : undefined;
  } catch {
    return undefined;
  }
}

/** @param {Journal} journal @param {Record<string, any>} entry @param {number} at */
function read(journal, entry, at) {
  const { type, identity = "", track_id: trackId = "" } = entry;
  switch (type) {
    case "began":
      journal.roomName = String(entry.room_name ?? "");
      journal.beganAt = new Date(entry.at);
      return;
    case "joined":
    case "changed":
      return void seen(journal, String(identity), at, String(entry.name ?? ""));
    case "left":
      return void close(journal.people.get(identity)?.here, at);
    case "published":
      journal.places.set(trackId, placeOf(entry));
      open(listOf(journal.published, placeOf(entry)), at);
      listOf(journal.mutes, placeOf(entry)).push({ at, muted: entry.muted === true });
      return;
    case "unpublished":
      return void close(journal.published.get(journal.places.get(trackId) ?? ""), at);
    case "muted":
    case "unmuted":
      listOf(journal.mutes, journal.places.get(trackId) ?? "").push({
        at,
        muted: type === "muted",
      });
      return;
    case "speakers":
      if (!Array.isArray(entry.identities)) return;
      journal.speakers.push({ at, identities: entry.identities.map(String) });
      return;
    case "file":
      journal.files.push({
        index: journal.files.length,
        identity: String(identity),
        place: placeOf(entry),
        kind: entry.track_kind === "video" ? "video" : "audio",
        source: String(entry.track_source ?? ""),
        format: String(entry.format ?? ""),
        offset: at,
      });
      return;
    case "ended":
      journal.isWhole = true;
      journal.dropped = Number(entry.chat_dropped) || 0;
      return;
    default:
      readChat(journal, entry, at);
  }
}

/** @param {Record<string, any>} entry of a track or a file @returns {string} */
function placeOf({ identity, track_kind: kind, track_source: source }) {
  return `${identity}/${source}/${kind}`;
}

/** @param {Journal} journal @param {Record<string, any>} entry @param {number} at */
function readChat({ chat, people }, entry, at) {
  const { type, identity = "", id = "", text = "", cut } = entry;
  if (type === "chat") {
    const name = String(entry.name || people.get(identity)?.name || identity);
    const line = { at, identity, name, id, text: String(text), isCut: cut === true };
    chat.push({ ...line, isEdited: false });
    return;
  }
  if (type !== "chat_edited" && type !== "chat_deleted") return;
  const index = chat.findLastIndex((line) => line.id === id && line.identity === identity);
  if (index < 0) return;
  if (type === "chat_deleted") chat.splice(index, 1);
  else {chat[index] = {
      .../** @type {ChatLine} */ (chat[index]),
      text: String(text),
      isEdited: true,
    };}
}

/** @param {Journal} journal @param {string} identity @param {number} at @param {string} name */
function seen({ people }, identity, at, name) {
  let person = people.get(identity);
  if (person === undefined) people.set(identity, person = { identity, name: "", here: [] });
  if (name !== "") person.name = name;
  if (person.here.at(-1)?.to !== Infinity) open(person.here, at);
}

/** @param {Span[]} spans @param {number} at */
function open(spans, at) {
  spans.push({ from: at, to: Infinity });
}

/** @param {Span[] | undefined} spans @param {number} at */
function close(spans, at) {
  const last = spans?.at(-1);
  if (last !== undefined && last.to === Infinity) last.to = at;
}

/** @template T @param {Map<string, T[]>} map @param {string} key @returns {T[]} */
function listOf(map, key) {
  let list = map.get(key);
  if (list === undefined) map.set(key, list = []);
  return list;
}

/** @param {readonly Span[] | undefined} spans @param {number} at @returns {boolean} */
export function isIn(spans, at) {
  return spans?.some(({ from, to }) => from <= at && at < to) ?? false;
}

/**
 * The last of what has happened by then.
 *
 * @template {{ readonly at: number }} T
 * @param {readonly T[]} events in order of time
 * @param {number} at
 * @returns {T | undefined}
 */
export function latest(events, at) {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (/** @type {T} */ (events[middle]).at <= at) low = middle + 1;
    else high = middle;
  }
  return events[low - 1];
}

/**
 * Whether a track is muted at that time.
 *
 * @param {Journal} journal
 * @param {string} place
 * @param {number} at
 * @returns {boolean}
 */
export function isMuted({ mutes }, place, at) {
  return latest(mutes.get(place) ?? [], at)?.muted ?? false;
}

/**
 * A time as people read it: `1:02:03` or `2:03`.
 *
 * @param {number} ms
 * @returns {string}
 */
export function clockWords(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = String(seconds % 60).padStart(2, "0");
  if (hours === 0) return `${minutes}:${rest}`;
  return `${hours}:${String(minutes).padStart(2, "0")}:${rest}`;
}
