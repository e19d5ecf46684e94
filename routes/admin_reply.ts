/**
 * The outcome of an administrative call as a Twirp reply, worded as LiveKit words it.
 *
 * @module
 */
import { AdminFailure } from "../lib/admin/admin_failure.ts";
import type { TwirpReply } from "./twirp.ts";
import { relayedError, TwirpError } from "./twirp_error.ts";

/**
 * A failure in LiveKit's words: bad arguments are named in `meta`, the rest comes with a prefix.
 */
export function said(outcome: Exclude<TwirpReply, TwirpError> | AdminFailure): TwirpReply {
  if (!(outcome instanceof AdminFailure)) return outcome;
  const { code, message, detail } = outcome;
  if (detail === undefined) return relayedError(code, message);
  return new TwirpError(code, `${message} ${detail}`, { argument: message });
}
