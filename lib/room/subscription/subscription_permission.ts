/**
 * Who may subscribe to one publisher's tracks, as the publisher last said
 * (`SubscriptionPermission`).
 *
 * Pure and immutable: each message replaces the whole rule. Never having sent one allows everybody.
 * A rule is for identities, so that it still holds for somebody who left and came back.
 *
 * @module
 */
import { SubscriptionPermission, TrackPermission } from "@livekit/protocol";
import { mayBeSid } from "../../base/ids.ts";

/** Nobody's identity is longer, whatever the configured limit, characters. */
const MAX_IDENTITY = 4_096;

/** The subscriber a rule is asked about. */
export interface SubscriberName {
  readonly identity: string;
  /** Recorders and egress see everything. */
  readonly exempt: boolean;
}

/** One publisher's rule in force. */
export interface SubscriptionRule {
  /** What says it, by identities alone; not to be changed. */
  readonly message: SubscriptionPermission;
  allows(subscriber: SubscriberName, trackSid: string): boolean;
}

export const everyoneMaySubscribe: SubscriptionRule = {
  message: new SubscriptionPermission({ allParticipants: true }),
  allows: () => true,
};

/**
 * Reads a publisher's message.
 *
 * @param identityOf Who has that sid now. An entry that names an identity means that one, whatever
 *   sid it names as well; one with an unknown sid alone means nobody.
 * @returns `undefined` if an entry names nobody; the whole message is then refused.
 */
export function readSubscriptionRule(
  message: SubscriptionPermission,
  identityOf: (sid: string) => string | undefined,
): SubscriptionRule | undefined {
  if (message.allParticipants) return everyoneMaySubscribe;
  const byIdentity = new Map<string, ReadonlySet<string> | "all">();
  for (const entry of message.trackPermissions) {
    const { participantIdentity, participantSid } = entry;
    if (participantIdentity === "" && participantSid === "") return undefined;
    const identity = participantIdentity || identityOf(participantSid);
    const tracks = entry.allTracks ? "all" as const : new Set(entry.trackSids.filter(mayBeSid));
    if (identity !== undefined && identity.length <= MAX_IDENTITY) byIdentity.set(identity, tracks);
  }
  return {
    message: new SubscriptionPermission({
      trackPermissions: Array.from(
        byIdentity,
        ([participantIdentity, tracks]) =>
          new TrackPermission({
            participantIdentity,
            ...(tracks === "all" ? { allTracks: true } : { trackSids: [...tracks] }),
          }),
      ),
    }),
    allows(subscriber, trackSid) {
      if (subscriber.exempt) return true;
      const tracks = byIdentity.get(subscriber.identity);
      return tracks !== undefined && (tracks === "all" || tracks.has(trackSid));
    },
  };
}
