/**
 * How a session's media sides and subscriptions are made, and tied to its room, its client and the
 * media plane.
 *
 * Everything is looked up when it happens, because the room changes when a session is moved.
 *
 * @module
 */
import { DisconnectReason } from "@livekit/protocol";
import type { ConnectionHost } from "../connection/connection_host.ts";
import type { PublishingSide, SubscribingSide } from "../connection/connection_sides.ts";
import { mediaSides } from "../connection/media_sides.ts";
import { SubscriptionTimes } from "../subscription/subscription_times.ts";
import { type SubscriptionHost, Subscriptions } from "../subscription/subscriptions.ts";
import type { RoomPort } from "./room_port.ts";
import type { SessionFacts } from "./session_facts.ts";

/** A session with the room it is in. */
type Hosted<Self> = SessionFacts & { readonly host: RoomPort<Self> };

/** What a session is given to send, to receive, and to wish for tracks. */
export interface SessionParts {
  readonly publisher: PublishingSide;
  readonly subscriber: SubscribingSide;
  readonly subscriptions: Subscriptions;
}

/** Makes them for `session`; nothing is opened before the first description. */
export function sessionParts<Self extends Hosted<Self> & ConnectionHost>(
  session: Self,
): SessionParts {
  const { context, registry, traits, init } = session;
  const sides = mediaSides(context, session, registry, traits, session, {
    accepted: (id, connection, section) => subscriptions.accepted(id, connection, section),
    rejected: (id) => subscriptions.rejected(id),
  });
  const subscriptions = new Subscriptions(
    subscriptionHost(session),
    context.platform,
    init.adaptiveStream,
    context.options.subscriptionLimits,
  );
  return { ...sides, subscriptions };
}

/** What `participant`'s subscriptions see of the world. */
function subscriptionHost<Self extends Hosted<Self>>(
  participant: Self,
): SubscriptionHost {
  const { router } = participant.context;
  const times = new SubscriptionTimes(
    participant.context,
    participant.init,
    (trackSid) => participant.host.tracks.resolve(trackSid, participant)?.track.info,
  );
  return {
    maySubscribe: () => participant.profile.permission.canSubscribe,
    // Who cannot be offered anything else has no choice.
    followsCodecChange: () => participant.traits.followsCodecChange || participant.oneShot,
    openAfterMs: () => {
      // A player that has its sections waits for pictures, and aiortc (1.16) decodes no H.264 any
      // more once it got a packet without any.
      if (participant.holdsSections) return Infinity;
      return participant.singlePeerConnection ? participant.traits.openAfterAnswerMs : undefined;
    },
    // Who records, or acts for others, has everything; who cannot ask for anything, too.
    loudestOf: () => {
      const { host, profile, oneShot } = participant;
      const isSpared = !host.forwardsLoudest || profile.isDependent || oneShot;
      return isSpared ? undefined : host.sid;
    },
    canAnswer: () => participant.reachable,
    resolve: (trackSid) => participant.host.tracks.resolve(trackSid, participant),
    sourceState: (trackSid) => participant.host.tracks.sourceState(trackSid, participant),
    send: (message) => participant.send(message),
    introduce: (trackSid) => participant.host.introduce(trackSid, participant),
    subscriptionAccepted: (trackSid) =>
      participant.host.subscriptionAccepted(trackSid, participant),
    wish: (trackSid, wish) => participant.host.tracks.wish(trackSid, participant, wish),
    addToOffer: (request) => participant.subscriber.addTrack(request),
    removeFromOffer: (id) => participant.subscriber.removeTrack(id),
    newDownTrackId: () => router.newDownTrackId(),
    engine: (command) => router.send(command),
    outcome: (outcome, id, trackSid) => times.outcome(outcome, id, trackSid),
    ended: (id) => {
      times.ended(id);
      router.unwatchPauses(id);
    },
    watchPauses: (id, listener) => router.watchPauses(id, listener),
    failed: () => {
      if (!participant.context.options.reconnectOnSubscriptionError) return;
      participant.close(DisconnectReason.STATE_MISMATCH, "reconnect");
    },
  };
}
