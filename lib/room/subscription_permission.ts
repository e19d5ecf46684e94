/**
 * Who may subscribe to one publisher's tracks, as the publisher last said (`SubscriptionPermission`).
 *
 * Pure and immutable: each message replaces the whole rule. Never having sent one allows everybody.
 *
 * @module
 */
import type { SubscriptionPermission } from "@livekit/protocol";

/** The subscriber a rule is asked about. */
export interface SubscriberName {
  readonly identity: string;
  readonly sid: string;
  /** Recorders and egress see everything. */
  readonly exempt: boolean;
}

/** One publisher's rule in force. */
export interface SubscriptionRule {
  allows(subscriber: SubscriberName, trackSid: string): boolean;
}

export const everyoneMaySubscribe: SubscriptionRule = { allows: () => true };

/**
 * Reads a publisher's message.
 *
 * @returns `undefined` if an entry names nobody; the whole message is then refused.
 */
export function readSubscriptionRule(
  message: SubscriptionPermission,
): SubscriptionRule | undefined {
  if (message.allParticipants) return everyoneMaySubscribe;
  const byIdentity = new Map<string, ReadonlySet<string> | "all">();
  const bySid = new Map<string, ReadonlySet<string> | "all">();
  for (const entry of message.trackPermissions) {
    const tracks = entry.allTracks ? "all" as const : new Set(entry.trackSids);
    if (entry.participantIdentity !== "") byIdentity.set(entry.participantIdentity, tracks);
    else if (entry.participantSid !== "") bySid.set(entry.participantSid, tracks);
    else return undefined;
  }
  return {
    allows(subscriber, trackSid) {
      if (subscriber.exempt) return true;
      const tracks = byIdentity.get(subscriber.identity) ?? bySid.get(subscriber.sid);
      return tracks !== undefined && (tracks === "all" || tracks.has(trackSid));
    },
  };
}
