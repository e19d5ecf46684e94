/**
 * Which recording goes on with one whose node is gone: one of a whole room, and what a room asks
 * for by itself. Of anything else only the application knows whether it still wants it, and it is
 * told that the recording has ended. Pure.
 *
 * @module
 */
import {
  type EgressInfo,
  EgressStatus,
  RoomCompositeEgressRequest,
  type RoomEgress,
} from "@livekit/protocol";
import { AdminFailure } from "../admin/admin_failure.ts";
import {
  type EgressPlan,
  planAutoParticipant,
  planAutoTrack,
  planEgress,
  planRoom,
} from "./egress_plan.ts";

/** Whether somebody should go on with it: nobody had stopped it. */
export function mayGoOn({ status, request }: EgressInfo): boolean {
  return status <= EgressStatus.EGRESS_ACTIVE && request.case !== undefined;
}

/**
 * The plan of what goes on, or why nothing does.
 *
 * @param lost As it was last; its request is without secrets.
 * @param own What its room asks for by itself.
 */
export function planGoingOn(
  { roomName, request }: EgressInfo,
  own: RoomEgress | undefined,
): EgressPlan | AdminFailure {
  switch (request.case) {
    case "roomComposite":
      return ownRoomPlan(roomName, request.value, own) ?? withoutSecrets(planRoom(request.value));
    case "egress": {
      const plan = planEgress(request.value);
      const isRoom = plan instanceof AdminFailure || plan.selector.type === "room";
      return isRoom ? withoutSecrets(plan) : notOwn();
    }
    case "participant":
      return own?.participant === undefined
        ? notOwn()
        : planAutoParticipant(roomName, request.value.identity, own.participant);
    case "track":
      return own?.tracks === undefined
        ? notOwn()
        : planAutoTrack(roomName, request.value.trackId, own.tracks);
    default:
      return notOwn();
  }
}

/** The room's own, whose secrets the room has; `undefined` if the lost one was another. */
function ownRoomPlan(
  roomName: string,
  lost: RoomCompositeEgressRequest,
  own: RoomEgress | undefined,
): EgressPlan | undefined {
  if (own?.room === undefined) return undefined;
  const plan = planRoom(new RoomCompositeEgressRequest({ ...own.room, roomName }));
  if (plan instanceof AdminFailure || plan.request.case !== "roomComposite") return undefined;
  return plan.request.value.equals(lost) ? plan : undefined;
}

function withoutSecrets(plan: EgressPlan | AdminFailure): EgressPlan | AdminFailure {
  if (plan instanceof AdminFailure || plan.upload === undefined) return plan;
  const why = "the credentials of its bucket were in the memory of the node that is gone";
  return new AdminFailure("failed_precondition", why);
}

function notOwn(): AdminFailure {
  const why = "only recordings of rooms, and what rooms ask for by themselves, are gone on with";
  return new AdminFailure("failed_precondition", why);
}
