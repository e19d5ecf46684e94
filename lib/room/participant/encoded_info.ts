/**
 * The wire form of a participant's info, made once however many are told.
 *
 * Contract: an info is not changed any more once it was encoded.
 *
 * @module
 */
import type { ParticipantInfo } from "@livekit/protocol";

/** An info and its bytes go together. */
const encoded = new WeakMap<ParticipantInfo, Uint8Array>();

/** The protobuf form of `info`; not to be written to. */
export function encodedInfo(info: ParticipantInfo): Uint8Array {
  const known = encoded.get(info);
  if (known !== undefined) return known;
  const bytes = info.toBinary();
  encoded.set(info, bytes);
  return bytes;
}
