/**
 * Why a participant's session ends, and what its client and the others are told about it.
 *
 * Pure. `DisconnectReason` is the only vocabulary; whether the client should come back is a second,
 * independent word ({@linkcode Farewell}).
 *
 * @module
 */
import {
  DisconnectReason,
  LeaveRequest,
  LeaveRequest_Action,
  type RegionSettings,
} from "@livekit/protocol";
import type { ClientTraits } from "./client_traits.ts";
import type { SignalMessage } from "./signal_message.ts";

/** `disconnect`: stay away; `reconnect`: join anew; `none`: say nothing. */
export type Farewell = "disconnect" | "reconnect" | "none";

/**
 * The `leave` for a client; old ones read only `can_reconnect`.
 *
 * @param regions Where else it may join anew.
 */
export function leaveMessage(
  traits: ClientTraits,
  reason: DisconnectReason,
  farewell: Exclude<Farewell, "none">,
  regions?: RegionSettings,
): LeaveRequest {
  const reconnect = farewell === "reconnect";
  if (!traits.leaveAction) return new LeaveRequest({ reason, canReconnect: reconnect });
  return new LeaveRequest({
    reason,
    action: reconnect ? LeaveRequest_Action.RECONNECT : LeaveRequest_Action.DISCONNECT,
    ...(reconnect && regions !== undefined ? { regions } : {}),
  });
}

/**
 * Asks a client to resume its session; `undefined` for old ones, which do so when the socket ends.
 *
 * @param regions Where else it may do so.
 */
export function resumeRequest(
  traits: ClientTraits,
  reason: DisconnectReason,
  regions?: RegionSettings,
): SignalMessage | undefined {
  if (!traits.leaveAction) return undefined;
  const value = new LeaveRequest({
    reason,
    action: LeaveRequest_Action.RESUME,
    ...(regions === undefined ? {} : { regions }),
  });
  return { case: "leave", value };
}

/** What a client's own `leave` means; everything but three named reasons is its own wish. */
export function reasonOfClientLeave(leave: LeaveRequest): DisconnectReason {
  switch (leave.reason) {
    case DisconnectReason.USER_UNAVAILABLE:
    case DisconnectReason.USER_REJECTED:
    case DisconnectReason.AGENT_ERROR:
      return leave.reason;
    default:
      return DisconnectReason.CLIENT_INITIATED;
  }
}

/** A bug's message and place for the log, without anything a client sent. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
