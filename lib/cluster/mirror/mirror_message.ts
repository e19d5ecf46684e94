/**
 * What nodes that share a room tell each other of it: a snapshot, then changes. Pure; what is read
 * is checked, and kinds that are not known are skipped.
 *
 * @module
 */
import { DisconnectReason, VideoQuality } from "@livekit/protocol";
import type { RoomSid } from "../../base/ids.ts";
import type { QualityWish, RoomRecord, TokenBan } from "../../room/context/node_ports.ts";
import { planText, readPlan, type RoomPlan } from "../../room/context/room_plan.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import { packQualities, readQualities } from "./data_message.ts";
import { MAX_NAME, type MemberChange, packChange, readChange, sidOf } from "./member_message.ts";
import { countOf, listOf, textOf, tupleOf } from "../link/packed_fields.ts";
import type { ToldQuality } from "./told_quality.ts";

/** Members of one node in one room. */
const MAX_MEMBERS = 20_000;
const MAX_WANTS = 65_536;
const MAX_WISHES = 16;
const MAX_WORD = 256;
const MAX_PLAN = 4 * 1024 * 1024;
const MAX_BANS = 100_000;
const MAX_SECONDS = 60;

/** A plan and its version. */
export interface ToldPlan {
  readonly version: number;
  readonly plan: RoomPlan;
}

/** What a node wants of one track of another's. */
export interface ToldWant {
  readonly trackSid: string;
  readonly wishes: readonly QualityWish[];
}

/** Everything a node has in a room, as it tells another one. */
export interface Snapshot {
  readonly sid: RoomSid;
  readonly plan: ToldPlan;
  readonly members: readonly MemberChange[];
  readonly wants: readonly ToldWant[];
  readonly bans: readonly TokenBan[];
  readonly qualities: readonly ToldQuality[];
  /** It was not heard for a while, or not when it should have been. */
  readonly isLate: boolean;
}

/** One change of that. */
export type MirrorChange =
  | { readonly kind: "member"; readonly change: MemberChange }
  | { readonly kind: "left"; readonly sid: string; readonly reason: DisconnectReason }
  | { readonly kind: "plan"; readonly plan: ToldPlan }
  | { readonly kind: "want"; readonly want: ToldWant }
  | { readonly kind: "subscribed"; readonly trackSid: string }
  | { readonly kind: "ban"; readonly ban: TokenBan }
  | { readonly kind: "quality"; readonly qualities: readonly ToldQuality[] }
  | { readonly kind: "speaker"; readonly sid: string; readonly seconds: number }
  | { readonly kind: "ended"; readonly reason: DisconnectReason };

/** Kinds, by their words on the wire. */
const KIND = {
  member: "m",
  left: "l",
  plan: "p",
  want: "w",
  subscribed: "s",
  ban: "b",
  speaker: "v",
  quality: "q",
  ended: "e",
} as const satisfies Record<MirrorChange["kind"], string>;

export function packSnapshot(snapshot: Snapshot): PackedValue {
  const { sid, plan, members, wants, bans, qualities, isLate } = snapshot;
  return [
    sid,
    packPlan(plan),
    members.map(packChange),
    wants.map(packWant),
    bans.map(packBan),
    isLate,
    packQualities(qualities),
  ];
}

export function readSnapshot(value: PackedValue): Snapshot | undefined {
  const packed = tupleOf(value, 5);
  const sid = sidOf(packed?.[0]);
  const plan = readToldPlan(packed?.[1]);
  const members = listOf(packed?.[2], MAX_MEMBERS, readChange);
  const wants = listOf(packed?.[3], MAX_WANTS, readWant);
  const bans = listOf(packed?.[4], MAX_BANS, readBan);
  if (
    sid === undefined || plan === undefined || members === undefined || wants === undefined ||
    bans === undefined
  ) return undefined;
  const isLate = packed![5] === true;
  // Nodes that do not tell them so tell none.
  const qualities = readQualities(packed![6] ?? []);
  if (qualities === undefined) return undefined;
  return { sid: sid as RoomSid, plan, members, wants, bans, qualities, isLate };
}

export function packMirrorChange(change: MirrorChange): PackedValue {
  return [KIND[change.kind], contentOf(change)];
}

/** @returns `undefined` if it makes no sense; `"unknown"` if a newer node said it. */
export function readMirrorChange(value: PackedValue): MirrorChange | "unknown" | undefined {
  const [kind, content] = tupleOf(value, 2) ?? [];
  if (typeof kind !== "string") return undefined;
  switch (kind) {
    case KIND.member: {
      const change = readChange(content);
      return change && { kind: "member", change };
    }
    case KIND.left: {
      const [first, second] = tupleOf(content, 2) ?? [];
      const sid = sidOf(first);
      const reason = reasonOf(second);
      return sid === undefined || reason === undefined ? undefined : { kind: "left", sid, reason };
    }
    case KIND.plan: {
      const plan = readToldPlan(content);
      return plan && { kind: "plan", plan };
    }
    case KIND.want: {
      const want = readWant(content);
      return want && { kind: "want", want };
    }
    case KIND.subscribed: {
      const trackSid = sidOf(content);
      return trackSid === undefined ? undefined : { kind: "subscribed", trackSid };
    }
    case KIND.ban: {
      const ban = readBan(content);
      return ban && { kind: "ban", ban };
    }
    case KIND.speaker: {
      const [first, second] = tupleOf(content, 2) ?? [];
      const sid = sidOf(first);
      const seconds = countOf(second, MAX_SECONDS);
      if (sid === undefined || seconds === undefined) return undefined;
      return { kind: "speaker", sid, seconds };
    }
    case KIND.quality: {
      const qualities = readQualities(content);
      return qualities && { kind: "quality", qualities };
    }
    case KIND.ended: {
      const reason = reasonOf(content);
      return reason === undefined ? undefined : { kind: "ended", reason };
    }
    default:
      return "unknown";
  }
}

/** What is told of a room's record. */
export function toldPlan({ version, plan }: RoomRecord): ToldPlan {
  return { version, plan };
}

function contentOf(change: MirrorChange): PackedValue {
  switch (change.kind) {
    case "member":
      return packChange(change.change);
    case "left":
      return [change.sid, change.reason];
    case "plan":
      return packPlan(change.plan);
    case "want":
      return packWant(change.want);
    case "subscribed":
      return change.trackSid;
    case "ban":
      return packBan(change.ban);
    case "speaker":
      return [change.sid, Math.min(Math.max(0, Math.trunc(change.seconds)), MAX_SECONDS)];
    case "quality":
      return packQualities(change.qualities);
    case "ended":
      return change.reason;
  }
}

function packPlan({ version, plan }: ToldPlan): PackedValue {
  return [version, planText(plan)];
}

function readToldPlan(value: PackedValue | undefined): ToldPlan | undefined {
  const packed = tupleOf(value, 2);
  const version = countOf(packed?.[0]);
  const text = textOf(packed?.[1], MAX_PLAN);
  const plan = text === undefined ? undefined : readPlan(text);
  return version === undefined || plan === undefined ? undefined : { version, plan };
}

function packWant({ trackSid, wishes }: ToldWant): PackedValue {
  return [trackSid, wishes.map(({ mime, quality }) => [mime, quality])];
}

function readWant(value: PackedValue | undefined): ToldWant | undefined {
  const packed = tupleOf(value, 2);
  const trackSid = sidOf(packed?.[0]);
  const wishes = listOf(packed?.[1], MAX_WISHES, readWish);
  return trackSid === undefined || wishes === undefined ? undefined : { trackSid, wishes };
}

function readWish(value: PackedValue): QualityWish | undefined {
  const packed = tupleOf(value, 2);
  const mime = textOf(packed?.[0], MAX_WORD);
  const quality = countOf(packed?.[1], VideoQuality.HIGH);
  return mime === undefined || quality === undefined ? undefined : { mime, quality };
}

function packBan({ identity, beforeMs, knownExpiryMs }: TokenBan): PackedValue {
  return [identity, beforeMs, knownExpiryMs];
}

function readBan(value: PackedValue | undefined): TokenBan | undefined {
  const packed = tupleOf(value, 3);
  const identity = textOf(packed?.[0], MAX_NAME);
  const beforeMs = countOf(packed?.[1]);
  const knownExpiryMs = countOf(packed?.[2]);
  if (identity === undefined || beforeMs === undefined || knownExpiryMs === undefined) {
    return undefined;
  }
  return { identity, beforeMs, knownExpiryMs };
}

/** One that only newer nodes know is still an end. */
function reasonOf(value: PackedValue | undefined): DisconnectReason | undefined {
  const reason = countOf(value, 0xff);
  const isUnknown = reason !== undefined && DisconnectReason[reason] === undefined;
  return isUnknown ? DisconnectReason.UNKNOWN_REASON : reason;
}
