/**
 * What subscribers are told of their permission for a track: the same for all of them, so it is one
 * message however many they are.
 *
 * @module
 */
import { SubscriptionPermissionUpdate } from "@livekit/protocol";
import type { SubscribableTrack } from "./codec_choice.ts";
import type { SignalMessage } from "../context/signal_message.ts";
import { keepEncoded } from "../context/encoded_message.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";

interface Wording {
  /** One track has several where it is shown in several rooms. */
  readonly publisherSid: string;
  readonly allowed: boolean;
  readonly message: SignalMessage;
}

/** The newest of each track. */
const wordings = new WeakMap<PublishedTrack, Wording>();

/** Tells a subscriber whether it may have the track. */
export function permissionMessage(
  { publisherSid, track }: Pick<SubscribableTrack, "publisherSid" | "track">,
  allowed: boolean,
): SignalMessage {
  const known = wordings.get(track);
  if (known?.publisherSid === publisherSid && known.allowed === allowed) return known.message;
  const value = new SubscriptionPermissionUpdate({
    participantSid: publisherSid,
    trackSid: track.sid,
    allowed,
  });
  const message = keepEncoded({ case: "subscriptionPermissionUpdate", value });
  wordings.set(track, { publisherSid, allowed, message });
  return message;
}
