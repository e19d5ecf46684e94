/**
 * Branded identifiers and the way LiveKit spells them: a prefix and 12 characters of a
 * 57-letter alphabet without look-alikes (0, 1, l, I, O).
 *
 * @module
 */
import type { Random } from "./platform.ts";

declare const brand: unique symbol;
/** A string that only its own constructor (or a parser) may produce. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** `RM_…` */
export type RoomSid = Brand<string, "RoomSid">;
/** `PA_…` */
export type ParticipantSid = Brand<string, "ParticipantSid">;
/** `TR_…`, with kind and source letters after the prefix. */
export type TrackSid = Brand<string, "TrackSid">;
/** `ND_…`, new for every process. */
export type NodeId = Brand<string, "NodeId">;
/** One peer connection of one participant; names its node, so unique among nodes. */
export type ConnectionId = Brand<string, "ConnectionId">;
/** One received media section (all its layers); names its node. */
export type UpTrackId = Brand<string, "UpTrackId">;
/** One forwarded track to one subscriber; names its node. */
export type DownTrackId = Brand<string, "DownTrackId">;
/** One data track, as nodes name it to each other; names the node that it is published on. */
export type DataTrackId = Brand<string, "DataTrackId">;
/** What crosses between nodes. */
export type RelayedTrackId = UpTrackId | DataTrackId;

const ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const ID_LENGTH = 12;

/** `prefix` followed by 12 random characters (about 70 bits). */
export function randomId<T extends string = string>(random: Random, prefix: string): T {
  let id = prefix;
  // 57 of 256 divides unevenly, so bytes at or above 228 (4 × 57) are drawn again.
  while (id.length < prefix.length + ID_LENGTH) {
    const bytes = random.bytes(ID_LENGTH);
    for (let i = 0; i < ID_LENGTH && id.length < prefix.length + ID_LENGTH; i++) {
      const byte = bytes[i]!;
      if (byte < 228) id += ALPHABET[byte % 57];
    }
  }
  return id as T;
}

const DATA_TRACK_PREFIX = "UD_";

/** @param sid `DTR_…` */
export function dataTrackId(node: NodeId, sid: string): DataTrackId {
  return `${DATA_TRACK_PREFIX}${node.replace(/^ND_/, "")}.${sid}` as DataTrackId;
}

export function isDataTrackId(id: RelayedTrackId): id is DataTrackId {
  return id.startsWith(DATA_TRACK_PREFIX);
}

/** Ids of others' making are no longer than this, characters. */
const MAX_FOREIGN_ID = 64;

/** Whether text from outside is worth looking for among ids, and remembering. */
export function mayBeSid(text: string): boolean {
  return text.length <= MAX_FOREIGN_ID;
}

/**
 * `prefix` followed by 12 characters made of `bytes`, for ids that a repeated request must get
 * again.
 *
 * @param bytes At least 12, evenly distributed: a hash.
 */
export function idFromBytes(prefix: string, bytes: Uint8Array): string {
  let id = prefix;
  for (let i = 0; i < ID_LENGTH; i++) id += ALPHABET[bytes[i]! % 57];
  return id;
}
