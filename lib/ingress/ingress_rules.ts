/**
 * Which ingresses can be had, and in words why others cannot.
 *
 * Pure.
 *
 * @module
 */
import {
  type CreateIngressRequest,
  type IngressAudioOptions,
  IngressInfo,
  IngressInput,
  type IngressVideoOptions,
  TrackSource,
  type UpdateIngressRequest,
} from "@livekit/protocol";
import { AdminFailure } from "../admin/admin_failure.ts";
import {
  type AdminLimits,
  checkMetadata,
  checkName,
  checkRoomName,
} from "../admin/admin_limits.ts";
import { exceeds } from "../signalling/join_parameters.ts";

/** What is measured. */
export interface IngressLimits extends AdminLimits {
  readonly maxParticipantIdentityLength: number;
}

/** Names of ingresses and of their tracks, bytes. */
const MAX_NAME_BYTES = 256;
const NO_TRANSCODING = "nothing is transcoded here: leave out enable_transcoding and encoding " +
  "options, and send what viewers can decode";

const AUDIO_SOURCES: readonly TrackSource[] = [
  TrackSource.UNKNOWN,
  TrackSource.MICROPHONE,
  TrackSource.SCREEN_SHARE_AUDIO,
];
const VIDEO_SOURCES: readonly TrackSource[] = [
  TrackSource.UNKNOWN,
  TrackSource.CAMERA,
  TrackSource.SCREEN_SHARE,
];

/** A request that is fit to become an ingress, but for its id and key. */
export function newIngress(
  request: CreateIngressRequest,
  limits: IngressLimits,
  hasRtmp: boolean,
): IngressInfo | AdminFailure {
  const { inputType } = request;
  if (inputType === IngressInput.URL_INPUT) {
    const message = "nothing is fetched from a URL here: publish with WHIP or RTMP";
    return new AdminFailure("unimplemented", message);
  }
  if (inputType !== IngressInput.RTMP_INPUT && inputType !== IngressInput.WHIP_INPUT) {
    return invalid("invalid ingress type");
  }
  if (inputType === IngressInput.RTMP_INPUT && !hasRtmp) {
    const message = "RTMP is not listened for here: set ingress.rtmp_port";
    return new AdminFailure("failed_precondition", message);
  }
  if (request.url !== "") return invalid("url is for URL input alone");
  const failure = checkIngress(request, limits);
  if (failure !== undefined) return failure;
  const { enableTranscoding, audio, video, enabled } = request;
  return new IngressInfo({
    name: request.name,
    inputType,
    bypassTranscoding: true,
    ...(enableTranscoding === undefined ? {} : { enableTranscoding }),
    ...(audio === undefined ? {} : { audio }),
    ...(video === undefined ? {} : { video }),
    roomName: request.roomName,
    participantIdentity: request.participantIdentity,
    participantName: request.participantName,
    participantMetadata: request.participantMetadata,
    reusable: true,
    ...(enabled === undefined ? {} : { enabled }),
  });
}

/** What becomes of an ingress by a request; what that leaves empty stays as it is. */
export function changedIngress(
  info: IngressInfo,
  request: UpdateIngressRequest,
  limits: IngressLimits,
): IngressInfo | AdminFailure {
  const failure = checkIngress(request, limits);
  if (failure !== undefined) return failure;
  const { audio, video, enabled } = request;
  const changed = info.clone();
  changed.name = request.name || info.name;
  changed.roomName = request.roomName || info.roomName;
  changed.participantIdentity = request.participantIdentity || info.participantIdentity;
  changed.participantName = request.participantName || info.participantName;
  changed.participantMetadata = request.participantMetadata || info.participantMetadata;
  if (audio !== undefined) changed.audio = audio.clone();
  if (video !== undefined) changed.video = video.clone();
  if (enabled !== undefined) changed.enabled = enabled;
  return changed;
}

function checkIngress(
  request: CreateIngressRequest | UpdateIngressRequest,
  limits: IngressLimits,
): AdminFailure | undefined {
  const { name, roomName, participantIdentity, participantName, participantMetadata } = request;
  const { audio, video } = request;
  if (request.enableTranscoding === true) return invalid(NO_TRANSCODING);
  for (const text of [name, audio?.name ?? "", video?.name ?? ""]) {
    if (exceeds(text, MAX_NAME_BYTES)) {
      return invalid(`name length exceeds limits: max length ${MAX_NAME_BYTES}`);
    }
  }
  if (exceeds(participantIdentity, limits.maxParticipantIdentityLength)) {
    const limit = limits.maxParticipantIdentityLength;
    return invalid(`participant identity length exceeds limits: max length ${limit}`);
  }
  return (roomName === "" ? undefined : checkRoomName(roomName, limits)) ??
    checkName(participantName, limits) ?? checkMetadata(participantMetadata, limits) ??
    checkOptions(audio, AUDIO_SOURCES) ?? checkOptions(video, VIDEO_SOURCES);
}

function checkOptions(
  options: IngressAudioOptions | IngressVideoOptions | undefined,
  sources: readonly TrackSource[],
): AdminFailure | undefined {
  if (options === undefined) return undefined;
  if (options.encodingOptions.case !== undefined) return invalid(NO_TRANSCODING);
  return sources.includes(options.source) ? undefined : invalid("invalid track source");
}

function invalid(message: string): AdminFailure {
  return new AdminFailure("invalid_argument", message);
}
