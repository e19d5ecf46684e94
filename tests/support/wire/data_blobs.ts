/**
 * A participant's requests about data blobs, and what they are refused with.
 *
 * @module
 */
import {
  DataBlob,
  DataBlobKey,
  GetDataBlobRequest,
  type RequestResponse_Reason,
  StoreDataBlobRequest,
} from "@livekit/protocol";
import type { WireParticipant } from "./wire_participant.ts";

/** What {@linkcode storeBlob} stores. */
export const BLOB_CONTENTS = new TextEncoder().encode("definition-bytes");

export function blobKey(value: string): DataBlobKey {
  return new DataBlobKey({ key: { case: "generic", value } });
}

export function storeBlob(client: WireParticipant, requestId: number, key?: DataBlobKey): void {
  const blob = new DataBlob({ contents: BLOB_CONTENTS, ...(key === undefined ? {} : { key }) });
  const value = new StoreDataBlobRequest({ requestId, blob });
  client.signal.send({ case: "storeDataBlobRequest", value });
}

export function getBlob(
  client: WireParticipant,
  requestId: number,
  participantIdentity: string,
  key: DataBlobKey,
): void {
  const value = new GetDataBlobRequest({ requestId, participantIdentity, key });
  client.signal.send({ case: "getDataBlobRequest", value });
}

/** Why a request was refused, once it is. */
export async function blobRefusal(
  client: WireParticipant,
  requestId: number,
): Promise<RequestResponse_Reason> {
  const isAnswer = (response: { readonly requestId: number }) => response.requestId === requestId;
  return (await client.signal.message("requestResponse", isAnswer)).reason;
}
