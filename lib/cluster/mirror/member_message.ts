/**
 * A member between nodes, in parts that change apart: who it is, who may have its tracks, its data
 * tracks, and each of its tracks. A change carries the parts that are not as they were. Pure; what
 * is read is checked, and of the sender's own node.
 *
 * @module
 */
import {
  ClientInfo,
  DataTrackInfo,
  ParticipantInfo,
  SubscriptionPermission,
  TrackInfo,
} from "@livekit/protocol";
import {
  mayBeSid,
  type NodeId,
  type ParticipantSid,
  type TrackSid,
  type UpTrackId,
} from "../../base/ids.ts";
import type { MemberFacts, SharedTrack, SharedUpTrack } from "../../room/context/member_facts.ts";
import {
  isRecord,
  type PackedRecord,
  type PackedValue,
  packMessage,
  unpackMessage,
} from "../../wire/message_pack.ts";
import { protobufBytes } from "../../wire/protobuf_writer.ts";
import { countOf, listOf, messageOf, textOf, tupleOf } from "../link/packed_fields.ts";
import { kindOf, packSection, readSection } from "./section_message.ts";

/** Identities and room names are no longer, whatever the configured limits, characters. */
export const MAX_NAME = 4_096;
/** Bytes of one message inside. */
const MAX_MESSAGE = 2 * 1024 * 1024;
const MAX_TRACKS = 1_024;
const MAX_UP_TRACKS = 16;
const MAX_DATA_TRACKS = 1_024;
const MAX_WORD = 256;
/** Values in one part. */
const MAX_ELEMENTS = 8_192;

/** Names of parts; a track's is its sid behind `t`, with which no other begins. */
const PART = { profile: "p", rule: "r", data: "d", track: "t" } as const;

/** The parts of one member, each in its packed form. */
export type MemberParts = ReadonlyMap<string, Uint8Array>;

/** What is said of one member: all of it, or what is not as it was. */
export interface MemberChange {
  readonly sid: ParticipantSid;
  readonly identity: string;
  readonly number: number;
  readonly parts: MemberParts;
  /** Parts that are no longer. */
  readonly gone: readonly string[];
}

/** All parts of a member. */
export function partsOf(facts: MemberFacts): MemberParts {
  const { info, userIdentity, tokenExpiresAt, client: { sdk, protocol }, rule } = facts;
  const clientInfo = new ClientInfo({ sdk, protocol });
  const parts = new Map<string, Uint8Array>([
    [
      PART.profile,
      packMessage([
        protobufBytes(info),
        userIdentity,
        tokenExpiresAt,
        protobufBytes(clientInfo),
      ]),
    ],
    [PART.rule, packMessage(protobufBytes(rule))],
    [PART.data, packMessage(facts.dataTracks.map(protobufBytes))],
  ]);
  for (const track of facts.tracks) parts.set(PART.track + track.sid, packTrack(track));
  return parts;
}

/** Whether a newer node says more of a member than this one knows of. */
export function saysMore({ parts }: MemberChange): boolean {
  const { track, ...others } = PART;
  const known: readonly string[] = Object.values(others);
  return parts.keys().some((name) => !known.includes(name) && !name.startsWith(track));
}

/** What makes `before` to `after`; `undefined` if they are the same. */
export function differenceOf(
  before: MemberParts,
  after: MemberParts,
): Pick<MemberChange, "parts" | "gone"> | undefined {
  const parts = [...after].filter(([name, part]) => !isSame(before.get(name), part));
  const gone = [...before.keys()].filter((name) => !after.has(name));
  return parts.length + gone.length === 0 ? undefined : { parts: new Map(parts), gone };
}

export function packChange({ sid, identity, number, parts, gone }: MemberChange): PackedValue {
  return [sid, identity, number, Object.fromEntries(parts), gone];
}

export function readChange(value: PackedValue | undefined): MemberChange | undefined {
  const packed = tupleOf(value, 5);
  const sid = sidOf(packed?.[0]);
  const identity = textOf(packed?.[1], MAX_NAME);
  const number = countOf(packed?.[2]);
  const parts = readParts(packed?.[3]);
  const gone = listOf(packed?.[4], MAX_TRACKS, (name) => textOf(name, MAX_WORD));
  if (
    sid === undefined || identity === undefined || identity === "" || number === undefined ||
    parts === undefined || gone === undefined
  ) return undefined;
  return { sid: sid as ParticipantSid, identity, number, parts, gone };
}

/** A member of another node, as it was told so far. */
export class ToldMember {
  readonly sid: ParticipantSid;
  readonly identity: string;
  readonly #tracks = new Map<string, SharedTrack>();
  #number: number;
  #profile: Pick<MemberFacts, "info" | "userIdentity" | "tokenExpiresAt" | "client"> | undefined;
  #rule: SubscriptionPermission | undefined;
  #dataTracks: readonly DataTrackInfo[] = [];

  /** @param node Whose member it is: it has tracks of that node alone. */
  constructor({ sid, identity, number }: MemberChange, readonly node: NodeId) {
    this.sid = sid;
    this.identity = identity;
    this.#number = number;
  }

  /** @returns Whether `change` makes sense, and was taken over; else nothing has changed. */
  apply(change: MemberChange): boolean {
    const steps: (() => void)[] = [];
    for (const [name, part] of change.parts) {
      const step = this.#read(name, unpackMessage(part, MAX_ELEMENTS));
      if (step === undefined) return false;
      steps.push(step);
    }
    if (change.identity !== this.identity) return false;
    for (const step of steps) step();
    for (const name of change.gone) this.#tracks.delete(name.slice(PART.track.length));
    this.#number = change.number;
    return this.#tracks.size <= MAX_TRACKS;
  }

  get number(): number {
    return this.#number;
  }

  /** As rooms are told of it; `undefined` if too little was said. */
  facts(): MemberFacts | undefined {
    if (this.#profile === undefined || this.#rule === undefined) return undefined;
    const { sid, identity } = this;
    return {
      sid,
      identity,
      number: this.#number,
      ...this.#profile,
      rule: this.#rule,
      tracks: [...this.#tracks.values()],
      dataTracks: this.#dataTracks,
    };
  }

  /** Up-tracks of its tracks, by which the media plane speaks of them. */
  upTracks(): string[] {
    return [...this.#tracks.values()].flatMap(({ upTracks }) =>
      upTracks.map(({ upTrack }) => upTrack)
    );
  }

  /** What a part changes; `undefined` if it makes no sense. Unknown ones change nothing. */
  #read(name: string, value: PackedValue | undefined): (() => void) | undefined {
    switch (name) {
      case PART.profile: {
        const profile = readProfile(value);
        const isIts = profile?.info.identity === this.identity && profile.info.sid === this.sid;
        return isIts ? () => (this.#profile = profile) : undefined;
      }
      case PART.rule: {
        const rule = messageOf(value, SubscriptionPermission, MAX_MESSAGE);
        return rule && (() => (this.#rule = rule));
      }
      case PART.data: {
        const infos = listOf(
          value,
          MAX_DATA_TRACKS,
          (bytes) => messageOf(bytes, DataTrackInfo, MAX_MESSAGE),
        );
        return infos?.every(({ sid }) => mayBeSid(sid))
          ? () => (this.#dataTracks = infos)
          : undefined;
      }
    }
    if (!name.startsWith(PART.track)) return () => {};
    const sid = name.slice(PART.track.length);
    const track = readTrack(value, sid, this.node);
    return track && (() => this.#tracks.set(sid, track));
  }
}

function packTrack({ info, kind, source, regressed, upTracks }: SharedTrack): Uint8Array {
  return packMessage([
    protobufBytes(info),
    kind,
    source,
    regressed,
    upTracks.map(({ upTrack, mime, mid, section }) => [upTrack, mime, mid, packSection(section)]),
  ]);
}

function readTrack(
  value: PackedValue | undefined,
  sid: string,
  node: NodeId,
): SharedTrack | undefined {
  const packed = tupleOf(value, 5);
  const info = messageOf(packed?.[0], TrackInfo, MAX_MESSAGE);
  const kind = kindOf(packed?.[1]);
  const source = countOf(packed?.[2], 0xff);
  const upTracks = listOf(packed?.[4], MAX_UP_TRACKS, (item) => readUpTrack(item, node));
  if (
    info?.sid !== sid || !mayBeSid(sid) || kind === undefined || source === undefined ||
    upTracks === undefined
  ) return undefined;
  return { sid: sid as TrackSid, info, kind, source, regressed: packed![3] === true, upTracks };
}

function readUpTrack(value: PackedValue, node: NodeId): SharedUpTrack | undefined {
  const packed = tupleOf(value, 4);
  const upTrack = sidOf(packed?.[0]);
  const mime = textOf(packed?.[1], MAX_WORD);
  const mid = textOf(packed?.[2], MAX_WORD);
  // Its id says which node publishes it.
  if (!upTrack?.startsWith(`UT_${node.replace(/^ND_/, "")}.`)) return undefined;
  const section = readSection(packed![3]!, upTrack as UpTrackId);
  if (mime === undefined || mid === undefined || section === undefined) return undefined;
  return { upTrack: upTrack as UpTrackId, mime, mid, section };
}

function readProfile(value: PackedValue | undefined) {
  const packed = tupleOf(value, 4);
  const info = messageOf(packed?.[0], ParticipantInfo, MAX_MESSAGE);
  const userIdentity = textOf(packed?.[1], MAX_NAME);
  const tokenExpiresAt = countOf(packed?.[2]);
  const client = messageOf(packed?.[3], ClientInfo, MAX_MESSAGE);
  if (
    info === undefined || userIdentity === undefined || tokenExpiresAt === undefined ||
    client === undefined
  ) return undefined;
  return { info, userIdentity, tokenExpiresAt, client };
}

function readParts(value: PackedValue | undefined): MemberParts | undefined {
  if (!isRecord(value)) return undefined;
  const entries = Object.entries(value as PackedRecord);
  if (entries.length > MAX_TRACKS + 8) return undefined;
  const parts = new Map<string, Uint8Array>();
  for (const [name, part] of entries) {
    if (!(part instanceof Uint8Array) || name.length > MAX_WORD) return undefined;
    parts.set(name, part);
  }
  return parts;
}

/** An id that may be looked for. */
export function sidOf(value: PackedValue | undefined): string | undefined {
  return typeof value === "string" && value !== "" && mayBeSid(value) ? value : undefined;
}

function isSame(one: Uint8Array | undefined, other: Uint8Array): boolean {
  if (one?.length !== other.length) return false;
  for (let i = 0; i < other.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
