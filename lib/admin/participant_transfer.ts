/**
 * Taking a participant to another room, or showing it in a second one.
 *
 * Moving is all or nothing: whatever can refuse it is asked before the participant leaves its room,
 * and again after the one wait in between.
 *
 * @module
 */
import { AdminFailure, nobodyServes, participantNotFound } from "./admin_failure.ts";
import type { Newcomer } from "../room/context/node_ports.ts";
import type { Claim } from "../room/context/room_claim.ts";
import type { Entrance, EntryRefused } from "../room/local_rooms.ts";
import type { Member } from "../room/participant/member.ts";
import type { Session } from "../room/participant/session.ts";
import type { Room } from "../room/room.ts";

/** Clients understand `room_moved` from this protocol on. */
const PROTOCOL_MOVE = 16;

/** How a participant comes into the room it is to go to. */
export interface DestinationEntry {
  /** Has the room served here, made now if need be. */
  enter(newcomer?: Newcomer): Promise<Entrance | EntryRefused>;
  /** Nothing came of it. */
  forgo(claim: Claim | undefined): void;
}

/** Moves a participant from its room; its client is told once and keeps its connections. */
export async function moveParticipant(
  member: Member,
  from: Room,
  destination: DestinationEntry,
): Promise<AdminFailure | undefined> {
  if (member.origin !== undefined) {
    return new AdminFailure("failed_precondition", "participant is forwarded from another room");
  }
  const session = from.session(member.identity);
  if (session === undefined) return participantNotFound();
  const unmovable = whyNotMove(session, from);
  if (unmovable !== undefined) return unmovable;
  const entrance = await destination.enter(newcomer(session));
  if (!entrance.ok) return whyNotEntered(entrance);
  const { room: to, claim } = entrance;
  const refusal = () => whyNotMove(session, from) ?? whyNotEnter(session, to);
  let refused = refusal();
  const token = refused === undefined ? await session.tokenFor(to.name) : "";
  refused ??= refusal();
  if (refused !== undefined) {
    destination.forgo(claim);
    return refused;
  }
  session.log.info("participant moves", { from: from.name, to: to.name });
  from.release(session);
  to.takeOver(session, token, claim);
  session.onClaimsChanged();
  return undefined;
}

/** Shows a participant in another room; doing it twice is as doing it once. */
export async function forwardParticipant(
  member: Member,
  from: Room,
  destination: DestinationEntry,
): Promise<AdminFailure | undefined> {
  if (member.origin !== undefined) {
    return new AdminFailure("failed_precondition", "participant is itself forwarded");
  }
  const session = from.session(member.identity);
  if (!session?.ready) return participantNotFound();
  // Nobody is replaced, so the room is looked at before a place in it is taken.
  const before = await destination.enter();
  if (!before.ok) return whyNotEntered(before);
  const present = before.room.byIdentity(session.identity);
  if (present?.origin === session) return undefined;
  if (present !== undefined) {
    return new AdminFailure("already_exists", "participant identity exists in destination room");
  }
  const entrance = await destination.enter(newcomer(session));
  if (!entrance.ok) return whyNotEntered(entrance);
  const { room: to, claim } = entrance;
  const refused = session.ready ? whyNotEnter(session, to) : participantNotFound();
  if (refused !== undefined) {
    destination.forgo(claim);
    return refused;
  }
  to.showForwarded(session, from, claim);
  return undefined;
}

function newcomer({ identity, profile }: Session): Newcomer {
  return { identity, counted: !profile.isDependent, passesLock: true };
}

function whyNotEntered({ reason }: EntryRefused): AdminFailure {
  return reason === "room_full" ? roomFull() : nobodyServes();
}

function roomFull(): AdminFailure {
  return new AdminFailure("resource_exhausted", "room has exceeded its max participants");
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
    ? roomFull()
    : new AdminFailure("failed_precondition", "destination room is closed");
}
