/**
 * Taking a participant to another room, or showing it in a second one.
 *
 * Moving is all or nothing: whatever can refuse it is asked before the participant leaves its room,
 * and again after the one wait in between.
 *
 * @module
 */
import { AdminFailure, participantNotFound } from "./admin_failure.ts";
import { ForwardedParticipant } from "./forwarded_participant.ts";
import type { Participant } from "./participant.ts";
import type { Room } from "./room.ts";

/** Clients understand `room_moved` from this protocol on. */
const PROTOCOL_MOVE = 16;

/**
 * Moves `participant` from its room; its client is told by one message and keeps its connections.
 *
 * @param destination Gives the room to go to, made now if need be.
 */
export async function moveParticipant(
  participant: Participant,
  from: Room,
  destination: () => Room,
): Promise<AdminFailure | undefined> {
  const refusal = () => whyNotMove(participant, from) ?? whyNotEnter(participant, destination());
  const before = refusal();
  if (before !== undefined) return before;
  const token = await participant.tokenFor(destination().name);
  const after = refusal();
  if (after !== undefined) return after;
  const to = destination();
  participant.log.info("participant moves", { from: from.name, to: to.name });
  to.takeOver(participant, from.release(participant), token);
  participant.onClaimsChanged();
  return undefined;
}

/** Shows `participant` in another room; doing it twice is as doing it once. */
export function forwardParticipant(
  participant: Participant,
  from: Room,
  destination: () => Room,
): AdminFailure | undefined {
  if (participant instanceof ForwardedParticipant) {
    return new AdminFailure("failed_precondition", "participant is itself forwarded");
  }
  if (!participant.ready) return participantNotFound();
  const to = destination();
  const present = to.byIdentity(participant.identity);
  if (present instanceof ForwardedParticipant && present.origin === participant) return undefined;
  if (present !== undefined) {
    return new AdminFailure("already_exists", "participant identity exists in destination room");
  }
  const refused = whyNotEnter(participant, to);
  if (refused !== undefined) return refused;
  to.showForwarded(participant, from);
  return undefined;
}

function whyNotMove(participant: Participant, from: Room): AdminFailure | undefined {
  if (from.byIdentity(participant.identity) !== participant || !participant.ready) {
    return participantNotFound();
  }
  if (participant instanceof ForwardedParticipant) {
    return new AdminFailure("failed_precondition", "participant is forwarded from another room");
  }
  if (participant.traits.protocol >= PROTOCOL_MOVE && !participant.oneShot) return undefined;
  return new AdminFailure("failed_precondition", "participant does not support moving");
}

function whyNotEnter(participant: Participant, to: Room): AdminFailure | undefined {
  const refusal = to.admits(participant.identity, participant.profile.isDependent);
  if (refusal === undefined) return undefined;
  return refusal === "room_full"
    ? new AdminFailure("resource_exhausted", "room has exceeded its max participants")
    : new AdminFailure("failed_precondition", "destination room is closed");
}
