/**
 * Ties a participant's subscriptions to its room, its client and the media plane.
 *
 * Everything is looked up when it happens, because the room changes when a participant is moved.
 *
 * @module
 */
import { DisconnectReason } from "@livekit/protocol";
import type { Farewell } from "./close_reason.ts";
import type { ClientTraits } from "./client_traits.ts";
import type { SignalMessage } from "./connection_host.ts";
import type { SubscribingSide } from "./connection_sides.ts";
import type { ParticipantHost } from "./participant_host.ts";
import type { ParticipantProfile } from "./participant_profile.ts";
import type { RoomContext } from "./room_context.ts";
import type { StreamParticipant } from "./session_figures.ts";
import { SubscriptionTimes } from "./subscription_times.ts";
import type { SubscriptionHost } from "./subscriptions.ts";

/** What is needed of a participant that subscribes; `Self` is its own type. */
export interface SubscribingParticipant<Self> {
  readonly context: RoomContext;
  readonly traits: ClientTraits;
  readonly host: ParticipantHost<Self>;
  readonly init: StreamParticipant;
  readonly profile: ParticipantProfile;
  readonly subscriber: SubscribingSide;
  readonly reachable: boolean;
  readonly oneShot: boolean;
  send(message: SignalMessage): void;
  close(reason: DisconnectReason, farewell: Farewell): void;
}

/** What `participant`'s subscriptions see of the world. */
export function subscriptionHost<Self extends SubscribingParticipant<Self>>(
  participant: Self,
): SubscriptionHost {
  const { router } = participant.context;
  const times = new SubscriptionTimes(
    participant.context,
    participant.init,
    (trackSid) => participant.host.resolveTrack(trackSid, participant)?.track.info,
  );
  return {
    maySubscribe: () => participant.profile.permission.canSubscribe,
    // Who cannot be offered anything else has no choice.
    followsCodecChange: () => participant.traits.followsCodecChange || participant.oneShot,
    canAnswer: () => participant.reachable,
    resolve: (trackSid) => participant.host.resolveTrack(trackSid, participant),
    sourceState: (trackSid) => participant.host.sourceState(trackSid, participant),
    send: (message) => participant.send(message),
    introduce: (trackSid) => participant.host.introduce(trackSid, participant),
    subscriptionBound: (trackSid) => participant.host.subscriptionBound(trackSid, participant),
    wish: (trackSid, wish) => participant.host.wish(trackSid, participant, wish),
    addToOffer: (request) => participant.subscriber.addTrack(request),
    removeFromOffer: (id) => participant.subscriber.removeTrack(id),
    newDownTrackId: () => router.newDownTrackId(),
    engine: (command) => router.send(command),
    outcome: (outcome, id, trackSid) => times.outcome(outcome, id, trackSid),
    ended: (id) => times.ended(id),
    failed: () => {
      if (!participant.context.options.reconnectOnSubscriptionError) return;
      participant.close(DisconnectReason.STATE_MISMATCH, "reconnect");
    },
  };
}
