/**
 * A failed remote procedure call as an answer of the server API. Pure.
 *
 * @module
 */
import { AdminFailure, type AdminFailureCode } from "./admin_failure.ts";
import { RPC_ERROR, type RpcOutcome } from "../room/data/server_rpc.ts";

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

/** Codes of the application itself are internal errors to the caller. */
export function rpcFailure({ code, message, data }: RpcOutcome & { ok: false }): AdminFailure {
  const detail = data === "" ? "" : `: ${data}`;
  return new AdminFailure(CODES[code] ?? "internal", `RpcError ${code}: ${message}${detail}`);
}
