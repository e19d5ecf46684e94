/**
 * Who opens the DTLS association: our role, out of what a client's description says (RFC 8842 §5,
 * RFC 4145 §4).
 *
 * Contract: the first description decides, and no later one changes it: the association stays. What
 * cannot be followed is refused in words.
 *
 * @module
 */
import type { DtlsRole } from "../base/media_vocabulary.ts";
import type { DtlsSetup } from "../wire/session_description.ts";

/** Our role, or why there is none. */
export type RoleDecision =
  | { readonly ok: true; readonly role: DtlsRole }
  | { readonly ok: false; readonly message: string };

/**
 * Our role after an offer of the client. Where it leaves the choice to us it opens the association,
 * as every browser does; an offer without `a=setup` means `active`.
 *
 * @param current What was decided before.
 */
export function roleAfterOffer(
  setup: DtlsSetup | undefined,
  current: DtlsRole | undefined,
): RoleDecision {
  if (setup === "actpass" || setup === undefined) {
    return { ok: true, role: current ?? "server" };
  }
  return keep(setup, current);
}

/**
 * Our role after the client's answer to an offer with `actpass`; without `a=setup` it is `passive`.
 */
export function roleAfterAnswer(
  setup: DtlsSetup | undefined,
  current: DtlsRole | undefined,
): RoleDecision {
  if (setup === "actpass") {
    return { ok: false, message: "Cannot use answer: a=setup:actpass chooses no DTLS role" };
  }
  if (setup === undefined) return { ok: true, role: current ?? "client" };
  return keep(setup, current);
}

/** What an answer of ours says in `a=setup`. */
export function answeredSetup(role: DtlsRole | undefined): "active" | "passive" {
  return role === "client" ? "active" : "passive";
}

function keep(setup: "active" | "passive", current: DtlsRole | undefined): RoleDecision {
  const role = setup === "passive" ? "client" : "server";
  if (current === undefined || current === role) return { ok: true, role };
  return {
    ok: false,
    message: `Cannot use description: a=setup:${setup} changes the role of a DTLS association`,
  };
}
