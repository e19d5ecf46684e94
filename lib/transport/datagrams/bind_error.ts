/**
 * Turns a failed bind into the {@linkcode SfuError} an operator can act on.
 *
 * @module
 */
import { SfuError } from "../../base/errors.ts";

/**
 * The error for `error`, thrown by Deno (by class) or Node (by `code`) while binding.
 *
 * Anything unknown is `address_not_available`, the mildest: the text and `cause` tell more.
 */
export function bindError(
  error: unknown,
  protocol: "udp" | "tcp",
  hostname: string,
  port: number,
): SfuError {
  const what = `Cannot listen on ${protocol} ${
    hostname.includes(":") ? `[${hostname}]` : hostname
  }:${port}`;
  const nodeCode = (error as { code?: unknown } | null)?.code;
  const options = { cause: error };
  if (error instanceof Deno.errors.AddrInUse || nodeCode === "EADDRINUSE") {
    const text = `${what}: another program uses this port, choose a different one or stop it`;
    return new SfuError("address_in_use", text, options);
  }
  if (
    error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable ||
    nodeCode === "EACCES" || nodeCode === "EPERM"
  ) {
    const text =
      `${what}: not permitted, run with --allow-net and use a port the system lets this user bind`;
    return new SfuError("permission_denied", text, options);
  }
  if (error instanceof Deno.errors.AddrNotAvailable || nodeCode === "EADDRNOTAVAIL") {
    const text = `${what}: no interface of this machine has this address`;
    return new SfuError("address_not_available", text, options);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new SfuError("address_not_available", `${what}: ${reason}`, options);
}
