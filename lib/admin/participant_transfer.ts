/**
 * Taking a participant to another room, or showing it in a second one.
 *
 * Moving is all or nothing: whatever can refuse it is asked before the participant leaves its room,
 * and again after the one wait in between.
 *
 * @module
 */
import { AdminFailure, participantNotFound } from "./admin_failure.ts";
import type { Member } from "../room/participant/member.ts";
import type { Session } from "../room/participant/session.ts";
import type { Room } from "../room/room.ts";

/** Clients understand `room_moved` from this protocol on. */
const PROTOCOL_MOVE = 16;

/**
 * Moves a participant from its room; its client is told by one message and keeps its connections.
 *
 * @param destination Gives the room to go to, made now if need be.
 */
export async function moveParticipant(
  member: Member,
  from: Room,
  destination: () => Room,
): Promise<AdminFailure | undefined> {
  if (member.origin !== undefined) {
    return new AdminFailure("failed_precondition", "participant is forwarded from another room");
  }
  const session = from.session(member.identity);
  if (session === undefined) return participantNotFound();
  const refusal = () => whyNotMove(session, from) ?? whyNotEnter(session, destination());
  const before = refusal();
  if (before !== undefined) return before;
  const token = await session.tokenFor(destination().name);
  const after = refusal();
  if (after !== undefined) return after;
  const to = destination();
  session.log.info("participant moves", { from: from.name, to: to.name });
  from.release(session);
  to.takeOver(session, token);
  session.onClaimsChanged();
  return undefined;
}

/** Shows a participant in another room; doing it twice is as doing it once. */
export function forwardParticipant(
  member: Member,
  from: Room,
  destination: () => Room,
): AdminFailure | undefined {
  if (member.origin !== undefined) {
    return new AdminFailure("failed_precondition", "participant is itself forwarded");
  }
  const session = from.session(member.identity);
  if (!session?.ready) return participantNotFound();
  const to = destination();
  const present = to.byIdentity(session.identity);
  if (present?.origin === session) return undefined;
  if (present !== undefined) {
    return new AdminFailure("already_exists", "participant identity exists in destination room");
  }
  const refused = whyNotEnter(session, to);
  if (refused !== undefined) return refused;
  to.showForwarded(session, from);
  return undefined;
}

function whyNotMove(session: Session, from: Room): AdminFailure | undefined {
  if (from.session(session.identity) !== session || !session.ready) return participantNotFound();
  if (session.traits.protocol >= PROTOCOL_MOVE && !session.oneShot) return undefined;
  return new AdminFailure("failed_precondition", "participant does not support moving");
}

function whyNotEnter(member: Member, to: Room): AdminFailure | undefined {
  const refusal = to.admits(member.identity, member.profile.isDependent);
  if (refusal === undefined) return undefined;
  return refusal === "room_full"
    ? new AdminFailure("resource_exhausted", "room has exceeded its max participants")
    : new AdminFailure("failed_precondition", "destination room is closed");
}
