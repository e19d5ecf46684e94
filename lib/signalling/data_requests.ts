/**
 * What a client's requests about data tracks and data blobs do.
 *
 * @module
 */
import {
  type GetDataBlobRequest,
  GetDataBlobResponse,
  PublishDataTrackResponse,
  RequestResponse,
  RequestResponse_Reason as Reason,
  type SignalRequest,
  type StoreDataBlobRequest,
  StoreDataBlobResponse,
  UnpublishDataTrackResponse,
} from "@livekit/protocol";
import { echoOf } from "../room/registry/request_echo.ts";
import type { Session } from "../room/participant/session.ts";

/** Carries out `request` if it is about data tracks or blobs; does nothing else. */
export function handleDataRequest(
  participant: Session,
  request: SignalRequest["message"],
): void | Promise<void> {
  switch (request.case) {
    case "publishDataTrackRequest": {
      const { value } = request;
      const result = participant.publishDataTrack(value);
      if (result.ok) {
        const response = new PublishDataTrackResponse({ info: result.info });
        participant.send({ case: "publishDataTrackResponse", value: response });
      } else {
        const { reason, message } = result;
        refuse(participant, { reason, message, request: { case: "publishDataTrack", value } });
      }
      return;
    }
    case "unpublishDataTrackRequest": {
      const { value } = request;
      const info = participant.unpublishDataTrack(value.pubHandle);
      if (info === undefined) {
        const about = { case: "unpublishDataTrack", value } as const;
        refuse(participant, { reason: Reason.NOT_FOUND, request: about });
      } else {
        const response = new UnpublishDataTrackResponse({ info });
        participant.send({ case: "unpublishDataTrackResponse", value: response });
      }
      return;
    }
    case "updateDataSubscription":
      return participant.updateDataSubscription(request.value);
    case "storeDataBlobRequest":
      return storeBlob(participant, request.value);
    case "getDataBlobRequest":
      return getBlob(participant, request.value);
  }
}

function storeBlob(participant: Session, request: StoreDataBlobRequest): void {
  const { requestId, blob } = request;
  const refusal = participant.storeBlob(request);
  if (refusal !== undefined) return refuse(participant, { requestId, ...refusal });
  const value = new StoreDataBlobResponse({ requestId });
  if (blob?.key !== undefined) value.key = blob.key;
  participant.send({ case: "storeDataBlobResponse", value });
}

async function getBlob(participant: Session, request: GetDataBlobRequest): Promise<void> {
  const { requestId, participantIdentity, key } = request;
  if (key === undefined) {
    const message = "data blob key is required";
    return refuse(participant, { requestId, reason: Reason.INVALID_REQUEST, message });
  }
  const notFound = (message: string) =>
    refuse(participant, { requestId, reason: Reason.NOT_FOUND, message });
  const owner = participant.othersByIdentity(participantIdentity);
  if (owner === undefined || owner.hidden && owner !== participant) {
    return notFound("participant not found");
  }
  const blob = await owner.blob(key);
  if (blob === undefined) return notFound("data blob not found");
  const value = new GetDataBlobResponse({ requestId, blob });
  participant.send({ case: "getDataBlobResponse", value });
}

function refuse(
  participant: Session,
  { request = { case: undefined }, ...response }: {
    readonly reason: Reason;
    readonly message?: string;
    readonly requestId?: number;
    readonly request?: RequestResponse["request"];
  },
): void {
  if (!participant.traits.requestResponses) return;
  const value = new RequestResponse({ ...response, request: echoOf(request) });
  participant.send({ case: "requestResponse", value });
}
