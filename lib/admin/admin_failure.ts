/**
 * Why a call of the server API did nothing, as a value. The words are LiveKit's, because
 * applications compare them.
 *
 * @module
 */
import { RPC_ERROR, type RpcOutcome } from "../room/data/server_rpc.ts";

const FAILURE_CODES = [
  "invalid_argument",
  "not_found",
  "already_exists",
  "permission_denied",
  "failed_precondition",
  "resource_exhausted",
  "unavailable",
  "canceled",
  "malformed",
  "dataloss",
  "unimplemented",
  "internal",
] as const;

/** Codes of Twirp, in which LiveKit's server API answers. */
export type AdminFailureCode = typeof FAILURE_CODES[number];

/** Whether another node's word is one of ours. */
export function isFailureCode(code: string): code is AdminFailureCode {
  return FAILURE_CODES.some((known) => known === code);
}

/** A call that changed nothing: its code, and LiveKit's words for it. */
export class AdminFailure {
  constructor(
    readonly code: AdminFailureCode,
    readonly message: string,
    /** What is wrong with an argument that `message` names, such as the limit it exceeds. */
    readonly detail?: number | string,
  ) {}
}

export function roomNotFound(): AdminFailure {
  return new AdminFailure("not_found", "requested room does not exist");
}

export function participantNotFound(): AdminFailure {
  return new AdminFailure("not_found", "participant does not exist");
}

/** Calls that are routed to a participant or an open room end like this when nobody is there. */
export function nobodyServes(): AdminFailure {
  return new AdminFailure("unavailable", "no response from servers");
}

const CODES: Readonly<Record<number, AdminFailureCode>> = {
  [RPC_ERROR.unsupportedMethod]: "invalid_argument",
  [RPC_ERROR.recipientNotFound]: "not_found",
  [RPC_ERROR.requestTooLarge]: "malformed",
  [RPC_ERROR.unsupportedServer]: "unimplemented",
  [RPC_ERROR.unsupportedVersion]: "unimplemented",
  [RPC_ERROR.application]: "internal",
  [RPC_ERROR.connectionTimeout]: "canceled",
  [RPC_ERROR.responseTimeout]: "canceled",
  [RPC_ERROR.recipientDisconnected]: "unavailable",
  [RPC_ERROR.responseTooLarge]: "dataloss",
  [RPC_ERROR.sendFailed]: "internal",
};

/**
 * A failed remote procedure call. Codes of the application itself are internal errors to the
 * caller.
 */
export function rpcFailure({ code, message, data }: RpcOutcome & { ok: false }): AdminFailure {
  const detail = data === "" ? "" : `: ${data}`;
  return new AdminFailure(CODES[code] ?? "internal", `RpcError ${code}: ${message}${detail}`);
}
