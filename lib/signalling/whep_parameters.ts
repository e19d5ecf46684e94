/**
 * Reads what a WHEP viewer asks for: query and verified token in, join parameters and a choice of
 * tracks out, or a refusal in words.
 *
 * Pure.
 *
 * @module
 */
import { VideoQuality } from "@livekit/protocol";
import { type Refusal, refuse } from "./access_token.ts";
import { exceeds, type JoinLimits, type JoinParameters } from "./join_parameters.ts";
import { MAX_WANTED_TRACKS, readWhipParameters, type WhipHttpRequest } from "./whip_parameters.ts";

/** What a viewer wants to see of its room. */
export interface ViewChoice {
  /** Whose tracks; absent: whoever comes first by the rule of {@linkcode TrackChoice}. */
  readonly participant?: string;
  /** Names or sids of the only tracks that count; empty: all do. */
  readonly tracks: readonly string[];
  /** Shared screens go before cameras. */
  readonly prefersScreen: boolean;
  /** The highest layer of each video. */
  readonly quality: VideoQuality;
}

/** Longest name or sid of a track, characters. */
const MAX_TRACK_CHARS = 1_024;

const QUALITIES: ReadonlyMap<string, VideoQuality> = new Map([
  ["low", VideoQuality.LOW],
  ["medium", VideoQuality.MEDIUM],
  ["high", VideoQuality.HIGH],
]);

/** A layer by the name it has here. */
export function qualityNamed(name: string): VideoQuality | undefined {
  return QUALITIES.get(name);
}

/** Reads what a session is started with. */
export function readWhepParameters(
  request: Omit<WhipHttpRequest, "clientInfo">,
  limits: JoinLimits,
): { readonly ok: true; readonly join: JoinParameters; readonly choice: ViewChoice } | Refusal {
  const read = readWhipParameters({ ...request, clientInfo: "" }, limits);
  if (!read.ok) return read;
  const { join } = read;
  if (!join.grant.canSubscribe) return refuse(403, "token does not allow subscribing");
  const choice = readChoice(request.query, limits);
  if (!choice.ok) return choice;
  const isShown = ["1", "true"].includes(request.query.get("visible") ?? "");
  const grant = {
    ...join.grant,
    hidden: join.grant.hidden || !isShown,
    canPublish: false,
    canPublishData: false,
    canUpdateOwnMetadata: false,
  };
  return { ok: true, join: { ...join, grant, autoSubscribe: false }, choice: choice.choice };
}

function readChoice(
  query: URLSearchParams,
  { maxParticipantIdentityLength: longest }: JoinLimits,
): { readonly ok: true; readonly choice: ViewChoice } | Refusal {
  const participant = query.get("participant") ?? "";
  if (exceeds(participant, longest)) {
    return refuse(400, `participant identity length exceeds limits: max length ${longest}`);
  }
  const tracks = query.getAll("track").filter((name) => name !== "");
  if (tracks.length > MAX_WANTED_TRACKS) {
    return refuse(400, `too many tracks: max ${MAX_WANTED_TRACKS}`);
  }
  if (tracks.some(({ length }) => length > MAX_TRACK_CHARS)) {
    return refuse(400, `track name length exceeds limits: max length ${MAX_TRACK_CHARS}`);
  }
  const source = query.get("source") ?? "camera";
  if (source !== "camera" && source !== "screen_share") {
    return refuse(400, "unknown source: camera and screen_share are known");
  }
  const quality = QUALITIES.get(query.get("quality") ?? "high");
  if (quality === undefined) {
    return refuse(400, "unknown quality: low, medium and high are known");
  }
  const choice = { tracks, prefersScreen: source === "screen_share", quality };
  return { ok: true, choice: participant === "" ? choice : { ...choice, participant } };
}
