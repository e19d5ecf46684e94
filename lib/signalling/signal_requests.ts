/**
 * What each request of a client does: one request in, one call into the room layer.
 *
 * A request about something unknown, or not allowed, is answered with a `RequestResponse` and
 * changes nothing. Requests of one client are handled one after the other, in the order they came.
 *
 * @module
 */
import {
  CandidateProtocol,
  DisconnectReason,
  Pong,
  RequestResponse,
  RequestResponse_Reason as Reason,
  type SignalRequest,
  SignalTarget,
  type SimulateScenario,
  type SyncState,
  type UpdateParticipantMetadata,
} from "@livekit/protocol";
import type { TrackSid } from "../base/ids.ts";
import { checkAttributes, checkMetadata, checkName } from "../admin/admin_limits.ts";
import { reasonOfClientLeave } from "../room/context/close_reason.ts";
import type { SignalMessage } from "../room/context/signal_message.ts";
import type { IcePreference } from "../room/context/ice_preference.ts";
import type { Session } from "../room/participant/session.ts";
import { echoOf } from "../room/registry/request_echo.ts";
import { parseCandidateInit } from "../wire/ice_candidate.ts";
import { handleDataRequest } from "./data_requests.ts";

type Request = SignalRequest["message"];

/** Answers to `ping` and `ping_req`; they do not wait for other requests. */
export function answerPing(request: Request, wallMs: number): SignalMessage | undefined {
  if (request.case === "ping") return { case: "pong", value: BigInt(wallMs) };
  if (request.case !== "pingReq") return undefined;
  const value = new Pong();
  value.lastPingTimestamp = request.value.timestamp;
  value.timestamp = BigInt(wallMs);
  return { case: "pongResp", value };
}

/** Carries out `request` for `participant`; resolves when all its effects have been sent. */
export async function handleRequest(participant: Session, request: Request): Promise<void> {
  switch (request.case) {
    case "offer":
      return await participant.offer(request.value);
    case "answer":
      return participant.answer(request.value);
    case "trickle":
      return handleTrickle(participant, request);
    case "addTrack":
      return await participant.announce(request.value);
    case "mute": {
      const { sid, muted } = request.value;
      // Like the other calls of the registry it answers by itself if the track is unknown.
      await participant.muteTrack(sid as TrackSid, muted);
      return;
    }
    case "updateAudioTrack": {
      const { trackSid, features } = request.value;
      await participant.updateAudioTrack(trackSid as TrackSid, features);
      return;
    }
    case "updateVideoTrack": {
      const { trackSid, width, height } = request.value;
      await participant.updateVideoTrack(trackSid as TrackSid, width, height);
      return;
    }
    case "subscription":
      return participant.updateSubscription(request.value);
    case "trackSetting":
      return participant.setTrackSettings(request.value);
    case "subscriptionPermission":
      return participant.setSubscriptionPermission(request.value);
    case "syncState":
      return syncState(participant, request.value);
    case "updateMetadata":
      return updateMetadata(participant, request.value);
    case "leave":
      return participant.close(reasonOfClientLeave(request.value), "disconnect");
    case "simulate":
      return simulate(participant, request.value);
    default:
      // Pings are answered before they get here; the rest is deprecated, or not offered yet.
      return await handleDataRequest(participant, request);
  }
}

/**
 * ICE-lite needs no candidates of the client; they are checked for being candidates, and the
 * relayed ones tell what path its media takes.
 */
function handleTrickle(
  participant: Session,
  request: Extract<Request, { case: "trickle" }>,
): void {
  const { candidateInit, target } = request.value;
  const known = target === SignalTarget.PUBLISHER || target === SignalTarget.SUBSCRIBER;
  const trickled = parseCandidateInit(candidateInit);
  if (trickled?.end === false) participant.noteCandidate(trickled.candidate);
  if (known && (trickled !== undefined || isJsonObject(candidateInit))) return;
  respond(participant, Reason.UNCLASSIFIED_ERROR, request);
}

/** Longer texts are no candidates of any kind, characters. */
const MAX_CANDIDATE = 8_192;

/** A candidate of a kind we do not read is no error of the client's. */
function isJsonObject(text: string): boolean {
  if (text.length > MAX_CANDIDATE) return false;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function updateMetadata(participant: Session, request: UpdateParticipantMetadata): void {
  const { requestId, name, metadata, attributes } = request;
  const { profile, context } = participant;
  const answer = (reason: Reason, message = "") =>
    respond(participant, reason, { case: "updateMetadata", value: request }, requestId, message);
  if (!profile.permission.canUpdateMetadata) {
    return answer(Reason.NOT_ALLOWED, "does not have permission to update own metadata");
  }
  const { options } = context;
  if (checkName(name, options) !== undefined) {
    return answer(Reason.LIMIT_EXCEEDED, "exceeds name length limit");
  }
  if (checkMetadata(metadata, options) !== undefined) {
    return answer(Reason.LIMIT_EXCEEDED, "exceeds metadata size limit");
  }
  // What comes of it is bounded, not only what is sent at once.
  if (checkAttributes({ ...profile.attributes, ...attributes }, options) !== undefined) {
    return answer(Reason.LIMIT_EXCEEDED, "exceeds attributes size limit");
  }
  participant.updateProfile({ name, metadata, attributes });
  if (participant.traits.successResponses) answer(Reason.OK);
}

/** What a resuming client believes; a track it has and we do not means that it must join anew. */
function syncState(participant: Session, state: SyncState): void {
  const unknown = state.publishTracks.some(({ track }) =>
    track === undefined || !participant.announced(track.sid as TrackSid)
  );
  const unknownData = state.publishDataTracks.some(({ info }) =>
    info === undefined || !participant.dataTracks.has(info.sid)
  );
  if (unknown || unknownData) {
    return participant.close(DisconnectReason.STATE_MISMATCH, "reconnect");
  }
  participant.disableTracks(state.trackSidsDisabled);
  if (state.subscription !== undefined) participant.updateSubscription(state.subscription);
  if (state.dataSubscription !== undefined) {
    participant.updateDataSubscription(state.dataSubscription);
  }
}

function simulate(participant: Session, { scenario }: SimulateScenario): void {
  switch (scenario.case) {
    case "speakerUpdate":
      return participant.simulateSpeaker(scenario.value);
    case "nodeFailure":
      return participant.close(DisconnectReason.SERVER_SHUTDOWN, "none");
    case "migration":
      return participant.close(DisconnectReason.MIGRATION, "none");
    case "serverLeave":
      return participant.close(DisconnectReason.SERVER_SHUTDOWN, "disconnect");
    case "leaveRequestFullReconnect":
      return participant.close(DisconnectReason.STATE_MISMATCH, "reconnect");
    case "disconnectSignalOnResume":
    case "disconnectSignalOnResumeNoMessages":
      return participant.dropNextSocket(scenario.case === "disconnectSignalOnResumeNoMessages");
    case "subscriberBandwidth":
      return participant.capBandwidth(Number(scenario.value));
    case "switchCandidateProtocol":
      return participant.switchProtocol(PREFERENCE_BY_PROTOCOL[scenario.value] ?? "none");
    default:
      return;
  }
}

const PREFERENCE_BY_PROTOCOL: Readonly<Record<CandidateProtocol, IcePreference>> = {
  [CandidateProtocol.UDP]: "none",
  [CandidateProtocol.TCP]: "tcp",
  [CandidateProtocol.TLS]: "tls",
};

function respond(
  participant: Session,
  reason: Reason,
  request: RequestResponse["request"],
  requestId = 0,
  message = "",
): void {
  if (!participant.traits.requestResponses) return;
  const value = new RequestResponse({ requestId, reason, message, request: echoOf(request) });
  participant.send({ case: "requestResponse", value });
}
