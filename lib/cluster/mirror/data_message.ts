/**
 * What members of one node say to those of another, and how they fare, between nodes. Pure; what is
 * read is checked.
 *
 * @module
 */
import { ConnectionQuality } from "@livekit/protocol";
import type { UpTrackId } from "../../base/ids.ts";
import type { DataKind } from "../../base/media_vocabulary.ts";
import type { AudioLevelEntry } from "../../engine/messages/media_messages.ts";
import type { ArrivedData, BridgedData } from "../../room/context/node_ports.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import { MAX_NAME, sidOf } from "./member_message.ts";
import { countOf, listOf, textOf, tupleOf } from "../link/packed_fields.ts";
import type { ToldQuality } from "./told_quality.ts";

/** Bytes of one packet; clients' are smaller. */
const MAX_PACKET = 1024 * 1024;
const MAX_DESTINATIONS = 20_000;
const MAX_LEVELS = 20_000;
/** As many as members. */
const MAX_QUALITIES = 20_000;
const HIGHEST_OPINION = 5;
/** Of one of few values. */
const MAX_WORD = 0xff;

/** A packet with its sender, and whom it is for if it does not say so itself. */
export function packData({ from, bytes, identities, isAddressed }: BridgedData): PackedValue {
  return [from, bytes, isAddressed ? identities : null];
}

export function readData(value: PackedValue, kind: DataKind): ArrivedData | undefined {
  const packed = tupleOf(value, 3);
  const from = packed?.[0] === "" ? "" : sidOf(packed?.[0]);
  const bytes = packed?.[1];
  const to = packed?.[2] === null ? [] : listOf(packed?.[2], MAX_DESTINATIONS, nameOf);
  if (
    from === undefined || !(bytes instanceof Uint8Array) || bytes.length > MAX_PACKET ||
    to === undefined
  ) return undefined;
  return { from, kind, bytes, ...(packed![2] === null ? {} : { to }) };
}

export function packLevels(levels: readonly AudioLevelEntry[]): PackedValue {
  return levels.map(({ upTrack, level, active }) => [upTrack, level, active]);
}

export function readLevels(value: PackedValue): AudioLevelEntry[] | undefined {
  return listOf(value, MAX_LEVELS, (item) => {
    const packed = tupleOf(item, 3);
    const upTrack = sidOf(packed?.[0]);
    const level = packed?.[1];
    if (upTrack === undefined || !isWithin(level, 1)) return undefined;
    return { upTrack: upTrack as UpTrackId, level, active: packed![2] === true };
  });
}

export function packQualities(qualities: readonly ToldQuality[]): PackedValue {
  return qualities.map(({ sid, quality, opinion }) => [sid, quality, opinion]);
}

export function readQualities(value: PackedValue | undefined): ToldQuality[] | undefined {
  const qualities = listOf(value, MAX_QUALITIES, (item) => {
    const packed = tupleOf(item, 3);
    const sid = sidOf(packed?.[0]);
    const quality = countOf(packed?.[1], MAX_WORD);
    const opinion = packed?.[2];
    if (sid === undefined || quality === undefined || !isWithin(opinion, HIGHEST_OPINION)) {
      return undefined;
    }
    return { sid, quality, opinion };
  });
  // A word that only newer nodes know says nothing here.
  return qualities?.filter(({ quality }) => ConnectionQuality[quality] !== undefined);
}

function nameOf(value: PackedValue): string | undefined {
  return textOf(value, MAX_NAME);
}

function isWithin(value: PackedValue | undefined, most: number): value is number {
  return typeof value === "number" && value >= 0 && value <= most;
}
