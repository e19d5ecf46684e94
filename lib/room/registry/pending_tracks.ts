/**
 * The announcements of one publisher that have no media yet, oldest first.
 *
 * There is one slot for each signal cid. Its first entry is *current* (matched with media) or,
 * while another track goes by that name, *queued* (never matched); entries behind the first are
 * always queued, and only a slot that was queued has any. All entries of a slot share one sid,
 * which no published track has: when the first entry is published and takes the sid along, the rest
 * get a new one.
 *
 * @module
 */
import type { AddTrackRequest, TrackInfo } from "@livekit/protocol";
import type { TrackSid, UpTrackId } from "../../base/ids.ts";
import type { MediaKind } from "../../base/media_vocabulary.ts";
import { mediaKindOf } from "./track_info.ts";

/**
 * Signal cids announced and not published, per publisher (LiveKit 1.13.5,
 * `pkg/rtc/participant.go`).
 */
export const MAX_PENDING_TRACKS = 20;
/** Announcements kept for one cid, the current one included (as there). */
export const MAX_ENTRIES_PER_CID = 3;

/** One announcement: what others would be told of its track, and the request itself. */
export interface PendingEntry {
  readonly info: TrackInfo;
  readonly request: AddTrackRequest;
}

/** The announcements under one cid, the one that media is matched with first. */
export interface PendingSlot {
  readonly signalCid: string;
  sid: TrackSid;
  queued: boolean;
  /** Never empty while the slot is in the table. */
  readonly entries: PendingEntry[];
  /** The offer's section that will carry the current entry, once an offer has been seen. */
  expected: ExpectedSection | undefined;
}

/** An announcement that was taken away, and how its client was waiting. */
export interface RemovedEntry {
  readonly queued: boolean;
  readonly sid: TrackSid;
  readonly request: AddTrackRequest;
  /** The section that was to carry it. */
  readonly section: UpTrackId | undefined;
}

/** A section of an offer, as far as the registry asks about it. */
export interface ExpectedSection {
  readonly sdpCid: string;
  readonly upTrack: UpTrackId;
  readonly rids: readonly string[];
}

/** Slots by signal cid; iteration order is the order in which they became what they are. */
export class PendingTracks {
  readonly #slots = new Map<string, PendingSlot>();

  get size(): number {
    return this.#slots.size;
  }

  get(signalCid: string): PendingSlot | undefined {
    return this.#slots.get(signalCid);
  }

  /** A copy, so that slots may come and go while it is walked. */
  all(): PendingSlot[] {
    return [...this.#slots.values()];
  }

  add(slot: PendingSlot): void {
    this.#slots.set(slot.signalCid, slot);
    // A section guessed for another track by kind alone is now known to be this one's.
    const guessed = slot.queued ? undefined : this.expecting(slot.signalCid);
    if (guessed?.expected !== undefined) this.expect(slot, guessed.expected);
  }

  /**
   * The current entry of a slot is announced once more before its media came: it may have been
   * answered to somebody who no longer waited, or its client tries again. What was said last holds,
   * under the same sid; entries behind it stay where they are.
   */
  announceAnew(slot: PendingSlot, entry: PendingEntry): void {
    const kind = slotKind(slot);
    slot.entries[0] = entry;
    if (slotKind(slot) !== kind) slot.expected = undefined;
  }

  /** Makes a queued slot current, as the youngest. */
  promote(slot: PendingSlot): void {
    this.#slots.delete(slot.signalCid);
    slot.queued = false;
    this.#slots.set(slot.signalCid, slot);
  }

  /** The slot whose section goes by `sdpCid` in the offer. */
  expecting(sdpCid: string): PendingSlot | undefined {
    return this.all().find((slot) => slot.expected?.sdpCid === sdpCid);
  }

  /** Records which section a slot's media comes through; a section belongs to one slot. */
  expect(slot: PendingSlot, section: ExpectedSection): void {
    for (const other of this.#slots.values()) {
      const same = other.expected?.sdpCid === section.sdpCid ||
        other.expected?.upTrack === section.upTrack;
      if (same) other.expected = undefined;
    }
    slot.expected = section;
  }

  /** Forgets what was expected of a section that has ended. */
  forgetSection(upTrack: UpTrackId): void {
    for (const slot of this.#slots.values()) {
      if (slot.expected?.upTrack === upTrack) slot.expected = undefined;
    }
  }

  /** The slot whose first entry announced a codec under `cid`. */
  byCodecCid(cid: string): PendingSlot | undefined {
    return this.all().find((slot) => slot.entries[0]?.info.codecs.some((c) => c.cid === cid));
  }

  /** Current slots of a kind that no section of an offer is known to carry, oldest first. */
  unclaimed(kind: MediaKind): PendingSlot[] {
    return this.all().filter((slot) =>
      !slot.queued && slot.expected === undefined && slotKind(slot) === kind
    );
  }

  /**
   * Takes the first entry out. The rest, if any, is queued under a new sid: the old one goes with
   * the entry, and one sid never means two tracks.
   */
  takeFirst(slot: PendingSlot, newSid: (info: TrackInfo) => TrackSid): PendingEntry | undefined {
    const first = slot.entries.shift();
    slot.expected = undefined;
    const next = slot.entries[0];
    if (next === undefined) {
      this.#slots.delete(slot.signalCid);
    } else {
      slot.queued = true;
      slot.sid = newSid(next.info);
      for (const entry of slot.entries) entry.info.sid = slot.sid;
    }
    return first;
  }

  /** Takes out every entry that `predicate` picks, those behind others first. */
  removeEntries(
    predicate: (info: TrackInfo) => boolean,
    newSid: (info: TrackInfo) => TrackSid,
  ): RemovedEntry[] {
    const removed: RemovedEntry[] = [];
    for (const slot of this.all()) {
      const { sid, entries } = slot;
      for (let at = entries.length - 1; at >= 0; at--) {
        const { info, request } = entries[at]!;
        if (!predicate(info.clone())) continue;
        const queued = at > 0 || slot.queued;
        const section = at > 0 ? undefined : slot.expected?.upTrack;
        removed.push({ queued, sid, request, section });
        if (at > 0) entries.splice(at, 1);
        else this.takeFirst(slot, newSid);
      }
    }
    return removed;
  }

  clear(): void {
    this.#slots.clear();
  }
}

/** Kind of the entry that is, or will be, current. */
export function slotKind(slot: PendingSlot): MediaKind | undefined {
  const first = slot.entries[0];
  return first === undefined ? undefined : mediaKindOf(first.info.type);
}
