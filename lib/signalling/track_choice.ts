/**
 * Which of a room's tracks a viewer sees that has a fixed number of sections and cannot ask again
 * (WHEP).
 *
 * The rule: one participant at a time, so that sound and picture have one clock. It is the one that
 * the viewer named; else whoever has what is preferred (a camera, or a shared screen; then any
 * video; then audio), joined first and, of those, has the first identity. Whoever is seen is kept
 * while nobody has more. Of a participant's tracks the preferred source goes first, then the other,
 * in the order they were published; sections keep the track they have.
 *
 * Pure.
 *
 * @module
 */
import { TrackSource } from "@livekit/protocol";
import type { MediaKind } from "../base/media_vocabulary.ts";
import type { ViewChoice } from "./whep_parameters.ts";

/** A track that the viewer could be sent. */
export interface Candidate {
  readonly sid: string;
  readonly name: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly publisher: {
    readonly sid: string;
    readonly identity: string;
    /** Unix milliseconds. */
    readonly joinedAtMs: bigint;
  };
}

/** How many sections of each kind there are. */
export type SectionCounts = Readonly<Record<MediaKind, number>>;

/** Whom a viewer sees, and by which tracks: at most as many of a kind as it has sections. */
export interface TrackChoice {
  /** Of the participant; absent: nobody has anything to see. */
  readonly publisher: string | undefined;
  readonly sids: Readonly<Record<MediaKind, readonly string[]>>;
}

const { CAMERA, SCREEN_SHARE, MICROPHONE, SCREEN_SHARE_AUDIO } = TrackSource;

/**
 * Chooses anew.
 *
 * @param candidates In the order they were published.
 * @param current Sid of the participant that is seen now.
 */
export function chooseTracks(
  candidates: readonly Candidate[],
  choice: Omit<ViewChoice, "quality">,
  counts: SectionCounts,
  current: string | undefined,
): TrackChoice {
  const usable = candidates.filter(({ sid, name, kind, publisher: { identity } }) =>
    counts[kind] > 0 &&
    (choice.participant === undefined || identity === choice.participant) &&
    (choice.tracks.length === 0 || choice.tracks.includes(sid) || choice.tracks.includes(name))
  );
  const publisher = chosenPublisher(usable, choice.prefersScreen, current);
  const own = usable.filter((candidate) => candidate.publisher.sid === publisher);
  const first = (kind: MediaKind) => {
    const order = preference(kind, choice.prefersScreen);
    return own.filter((candidate) => candidate.kind === kind)
      .sort((a, b) => rank(order, a.source) - rank(order, b.source))
      .slice(0, counts[kind]).map(({ sid }) => sid);
  };
  return { publisher, sids: { audio: first("audio"), video: first("video") } };
}

/**
 * Fills sections: a track keeps the one it is in, and others get the first that is free.
 *
 * @param before What each section has; its length is kept.
 */
export function fillSections(
  before: readonly (string | undefined)[],
  sids: readonly string[],
): readonly (string | undefined)[] {
  const after = before.map((sid) => sid !== undefined && sids.includes(sid) ? sid : undefined);
  for (const sid of sids) {
    if (after.includes(sid)) continue;
    const free = after.indexOf(undefined);
    if (free < 0) break;
    after[free] = sid;
  }
  return after;
}

function chosenPublisher(
  usable: readonly Candidate[],
  prefersScreen: boolean,
  current: string | undefined,
): string | undefined {
  const preferred = prefersScreen ? SCREEN_SHARE : CAMERA;
  const worth = new Map<string, number>();
  for (const { kind, source, publisher: { sid } } of usable) {
    const own = source === preferred ? 3 : kind === "video" ? 2 : 1;
    worth.set(sid, Math.max(own, worth.get(sid) ?? 0));
  }
  const most = Math.max(0, ...worth.values());
  if (current !== undefined && worth.get(current) === most) return current;
  return usable.map(({ publisher }) => publisher)
    .filter(({ sid }) => worth.get(sid) === most)
    .sort((a, b) =>
      a.joinedAtMs === b.joinedAtMs
        ? compare(a.identity, b.identity)
        : compare(a.joinedAtMs, b.joinedAtMs)
    )[0]?.sid;
}

function preference(kind: MediaKind, prefersScreen: boolean): readonly TrackSource[] {
  if (kind === "audio") return [MICROPHONE, SCREEN_SHARE_AUDIO];
  return prefersScreen ? [SCREEN_SHARE, CAMERA] : [CAMERA, SCREEN_SHARE];
}

function rank(order: readonly TrackSource[], source: TrackSource): number {
  const at = order.indexOf(source);
  return at < 0 ? order.length : at;
}

function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
