/**
 * How an encoder with a stream key becomes a participant: by the one offer that a WHIP client
 * makes, or that is written for it.
 *
 * @module
 */
import {
  type AddTrackRequest,
  type IngressInfo,
  ParticipantInfo_Kind,
  TrackSource,
  TrackType,
} from "@livekit/protocol";
import type { Session } from "../room/participant/session.ts";
import type { AccessToken } from "../signalling/access_token.ts";
import type { WhipExtras } from "../signalling/whip_service.ts";
import type { IngressRun } from "./ingress_run.ts";
import type { IngressService } from "./ingress_service.ts";

/** How long what stands for a token is valid, ms: nobody ever sees it. */
const VALID_MS = 86_400_000;

/** What somebody with the ingress's key may do, as if a token said so. */
export function ingressToken(info: IngressInfo, nowMs: number): AccessToken {
  return {
    apiKey: "",
    identity: info.participantIdentity,
    name: info.participantName,
    kind: ParticipantInfo_Kind.INGRESS,
    kindDetails: [],
    metadata: info.participantMetadata,
    attributes: {},
    video: {
      roomCreate: false,
      roomList: false,
      roomRecord: false,
      roomAdmin: false,
      roomJoin: true,
      room: info.roomName,
      canPublish: true,
      canPublishSources: [],
      canSubscribe: false,
      canPublishData: true,
      canUpdateOwnMetadata: true,
      canSubscribeMetrics: false,
      canManageAgentSession: false,
      ingressAdmin: false,
      hidden: false,
      recorder: false,
      agent: false,
      destinationRoom: "",
    },
    sip: { admin: false, call: false },
    roomPreset: "",
    sha256: "",
    expiresAt: nowMs + VALID_MS,
    notBefore: nowMs,
  };
}

/** Who has to do with a publishing's beginning and end. */
export interface PublishingWatch {
  readonly began: (run: IngressRun, participant: Session) => void;
  readonly ended: () => void;
}

/** What makes a WHIP session the publishing of an ingress. */
export function ingressExtras(
  ingresses: IngressService,
  info: IngressInfo,
  { began = () => {}, ended = () => {} }: Partial<PublishingWatch> = {},
): WhipExtras {
  return {
    announced: (request) => named(request, info),
    begun: (room, participant) => {
      const { run, end } = ingresses.began(info, room.sid, participant);
      began(run, participant);
      return () => {
        end();
        ended();
      };
    },
  };
}

/** Its tracks have the names and sources that the ingress says. */
function named(request: AddTrackRequest, { audio, video }: IngressInfo): AddTrackRequest {
  const options = request.type === TrackType.AUDIO ? audio : video;
  if (options === undefined) return request;
  if (options.name !== "") request.name = options.name;
  if (options.source !== TrackSource.UNKNOWN) request.source = options.source;
  return request;
}
