/**
 * What happens in a room while it is recorded, beside its media: who comes and goes, what is
 * published and muted, who speaks, what is written in the chat, and which files are begun. One JSON
 * value a line, each with its time by the wall clock; a line that is written stays, whatever ends
 * the recording.
 *
 * Contract: bounded by lines and bytes of each kind, so that nobody who talks or switches a lot
 * leaves no room for the others; what did not fit is counted in the last line.
 *
 * @module
 */
import type { DataPacket } from "@livekit/protocol";
import type { Clock } from "../base/platform.ts";
import { TokenBucket } from "../base/token_bucket.ts";
import type { StoredFile } from "../recording/recording_storage.ts";
import type { RoomWitness } from "../room/context/room_witness.ts";
import type { Member } from "../room/participant/member.ts";
import type { PublishedTrack } from "../room/registry/registry_messages.ts";
import type { TrackWatcher } from "../room/subscription/room_tracks.ts";
import { ChatMessages } from "./chat_messages.ts";
import { sourceName } from "./egress_tracks.ts";

/** Lines and bytes of each kind in one recording. */
const BUDGETS = {
  chat: { lines: 20_000, bytes: 8 * 1024 * 1024 },
  speakers: { lines: 50_000, bytes: 4 * 1024 * 1024 },
  room: { lines: 50_000, bytes: 8 * 1024 * 1024 },
  // Without these lines there would be no way to play it.
  files: { lines: 20_000, bytes: 8 * 1024 * 1024 },
} as const;
/** Lines about one participant, at once and a second; what is more is told later. */
const BURST = 60;
const PER_SECOND = 0.5;
/** Participants whose pace is known; of more the oldest is forgotten. */
const MOST_PACES = 4_096;
/** Of metadata and attributes, UTF-16 units of JSON. */
const MOST_METADATA = 4_096;
/** The layout of lines; readers of one look for no other. */
const JOURNAL_VERSION = 1;

/** What is budgeted apart. */
type Kind = keyof typeof BUDGETS;

/** What a line says, beside its time. */
export type JournalEntry = { readonly type: string } & Readonly<Record<string, unknown>>;

/** As much of a room as is written down. */
export interface JournalledRoom {
  readonly sid: string;
  readonly name: string;
  participants(): Iterable<Member>;
  info(): { readonly metadata: string };
}

/** What was last written of a member. */
interface KnownMember {
  readonly sid: string;
  readonly name: string;
  readonly metadata: string;
  /** A new value each time they change. */
  readonly attributes: Readonly<Record<string, string>>;
}

interface KnownTrack {
  readonly identity: string;
  readonly kind: string;
  readonly source: string;
  muted: boolean;
  /** What was written of it; absent before anything was. */
  told: boolean | undefined;
}

/** One recording's journal. Nothing is written before {@linkcode RoomJournal.open}. */
export class RoomJournal implements TrackWatcher<Member>, RoomWitness {
  readonly #room: JournalledRoom;
  readonly #clock: Clock;
  readonly #chat = new ChatMessages();
  readonly #members = new Map<string, KnownMember>();
  readonly #tracks = new Map<string, KnownTrack>();
  /** Tracks of which something is to be written. */
  readonly #untold = new Set<string>();
  readonly #paces = new Map<string, TokenBucket>();
  readonly #speaking = new Set<string>();
  readonly #spent: Record<Kind, { lines: number; bytes: number; dropped: number }> = {
    chat: { lines: 0, bytes: 0, dropped: 0 },
    speakers: { lines: 0, bytes: 0, dropped: 0 },
    room: { lines: 0, bytes: 0, dropped: 0 },
    files: { lines: 0, bytes: 0, dropped: 0 },
  };
  #metadata = "";
  #waiting: string[] = [];
  #speakersChanged = false;
  #file: StoredFile | undefined;
  /** Files that it tells of, in that order. */
  readonly files: StoredFile[] = [];
  readonly beganAtMs: number;
  lines = 0;

  /** @param continues The recording with which this one goes on; empty if there is none. */
  constructor(room: JournalledRoom, egressId: string, clock: Clock, continues = "") {
    this.#room = room;
    this.#clock = clock;
    this.beganAtMs = clock.wallMs();
    const { sid, name } = room;
    const facts = { egress_id: egressId, room_id: sid, room_name: name };
    const former = continues === "" ? {} : { continues };
    this.#write({ type: "began", version: JOURNAL_VERSION, ...facts, ...former });
    this.tick();
  }

  /** Its name below the folder of recordings; absent before there is one. */
  get filename(): string | undefined {
    return this.#file?.name;
  }

  /** What was noted so far, and what comes, is kept in this file. */
  open(file: StoredFile): void {
    this.#file = file;
    this.#flush();
  }

  /** A file of the recording has begun, at that time. */
  fileBegan(file: StoredFile, entry: Omit<JournalEntry, "type">, atMs: number): void {
    const { name: filename } = file;
    const isTold = this.#write({ type: "file", filename, ...entry }, "files", atMs);
    if (isTold) this.files.push(file);
    this.#flush();
  }

  trackThere({ identity, hidden }: Member, { sid, kind, info }: PublishedTrack): void {
    if (hidden) return;
    const { muted } = info;
    const known = this.#tracks.get(sid);
    if (known !== undefined) known.muted = muted;
    else {
      const source = sourceName(info.source);
      this.#tracks.set(sid, { identity, kind, source, muted, told: undefined });
    }
    this.#tellTrack(sid);
  }

  trackGone(trackSid: string): void {
    const known = this.#tracks.get(trackSid);
    this.#tracks.delete(trackSid);
    this.#untold.delete(trackSid);
    if (known?.told === undefined) return;
    this.#write({ type: "unpublished", identity: known.identity, track_id: trackSid });
  }

  said(packet: DataPacket): void {
    const message = this.#chat.take(packet, this.#clock.now());
    if (message === undefined) return;
    const { id, text, isCut, edits, isDeleted } = message;
    const identity = packet.participantIdentity;
    const name = this.#members.get(identity)?.name ?? "";
    this.#write({
      type: isDeleted ? "chat_deleted" : edits ? "chat_edited" : "chat",
      identity,
      name,
      id,
      ...(isDeleted ? {} : { text }),
      ...(isCut ? { cut: true } : {}),
    }, "chat");
  }

  spoke(changes: Parameters<RoomWitness["spoke"]>[0]): void {
    for (const { sid, active } of changes) {
      const had = this.#speaking.has(sid);
      if (active) this.#speaking.add(sid);
      else this.#speaking.delete(sid);
      this.#speakersChanged ||= had !== active;
    }
  }

  /** Looks who is there, and writes what was noted. */
  tick(): void {
    this.#lookAround();
    for (const sid of [...this.#untold]) this.#tellTrack(sid);
    if (this.#speakersChanged) {
      this.#speakersChanged = false;
      const identities = [...this.#members].filter(([, { sid }]) => this.#speaking.has(sid));
      this.#write(
        { type: "speakers", identities: identities.map(([identity]) => identity) },
        "speakers",
      );
    }
    this.#flush();
  }

  /** Writes the last line. @returns The file, which is to be closed. */
  end(status: string, error: string): StoredFile | undefined {
    this.tick();
    const { chat, speakers, room } = this.#spent;
    const dropped = chat.dropped + this.#chat.dropped;
    // The last line always has room.
    this.#line({
      type: "ended",
      status,
      ...(error === "" ? {} : { error }),
      chat_dropped: dropped,
      speakers_dropped: speakers.dropped,
      events_dropped: room.dropped,
    }, this.#clock.wallMs());
    this.#flush();
    return this.#file;
  }

  /** Who switches a lot is told of as it stands when there is room again. */
  #tellTrack(sid: string): void {
    const known = this.#tracks.get(sid)!;
    const { identity, kind, source, muted, told } = known;
    this.#untold.delete(sid);
    if (told === muted) return;
    if (!this.#pace(identity).take(this.#clock.now())) return void this.#untold.add(sid);
    known.told = muted;
    const track = { identity, track_id: sid };
    if (told !== undefined) {
      return void this.#write({ type: muted ? "muted" : "unmuted", ...track });
    }
    this.#write({ type: "published", ...track, track_kind: kind, track_source: source, muted });
  }

  #pace(identity: string): TokenBucket {
    let pace = this.#paces.get(identity);
    if (pace === undefined) {
      this.#paces.set(identity, pace = new TokenBucket(BURST, PER_SECOND));
      if (this.#paces.size > MOST_PACES) this.#paces.delete(this.#paces.keys().next().value!);
    }
    return pace;
  }

  #lookAround(): void {
    const here = new Set<string>();
    for (const member of this.#room.participants()) {
      if (member.hidden || member.closed) continue;
      here.add(member.identity);
      this.#look(member);
    }
    for (const [identity, { sid }] of this.#members) {
      if (here.has(identity)) continue;
      this.#members.delete(identity);
      this.#speaking.delete(sid);
      this.#write({ type: "left", identity });
    }
    const { metadata } = this.#room.info();
    if (metadata === this.#metadata) return;
    this.#metadata = metadata;
    this.#write({ type: "room_metadata", metadata: metadata.slice(0, MOST_METADATA) });
  }

  #look({ identity, sid, profile }: Member): void {
    const { name, metadata, attributes } = profile;
    const known = this.#members.get(identity);
    if (
      known?.sid === sid && known.name === name && known.metadata === metadata &&
      known.attributes === attributes
    ) return;
    if (!this.#pace(identity).take(this.#clock.now())) return;
    this.#members.set(identity, { sid, name, metadata, attributes });
    const isNew = known?.sid !== sid;
    this.#write({
      type: isNew ? "joined" : "changed",
      identity,
      name,
      ...(metadata === "" ? {} : { metadata: metadata.slice(0, MOST_METADATA) }),
      ...written(attributes),
    });
  }

  /** @returns Whether there was room for it. */
  #write(entry: JournalEntry, kind: Kind = "room", atMs = this.#clock.wallMs()): boolean {
    const spent = this.#spent[kind];
    const budget = BUDGETS[kind];
    if (spent.lines >= budget.lines || spent.bytes >= budget.bytes) {
      spent.dropped++;
      return false;
    }
    spent.lines++;
    spent.bytes += this.#line(entry, atMs);
    return true;
  }

  /** @returns Its length, UTF-16 units. */
  #line(entry: JournalEntry, atMs: number): number {
    const at = new Date(Math.round(atMs)).toISOString();
    const offset = Math.round(atMs - this.beganAtMs);
    const line = `${JSON.stringify({ at, offset_ms: offset, ...entry })}\n`;
    this.#waiting.push(line);
    this.lines++;
    return line.length;
  }

  #flush(): void {
    if (this.#file === undefined || this.#waiting.length === 0) return;
    this.#file.append(new TextEncoder().encode(this.#waiting.join("")));
    this.#waiting = [];
  }
}

/** Those that are longer than what is kept are left out whole: half a value is no value. */
function written(attributes: Readonly<Record<string, string>>): object {
  const length = JSON.stringify(attributes).length;
  return length <= 2 || length > MOST_METADATA ? {} : { attributes };
}
