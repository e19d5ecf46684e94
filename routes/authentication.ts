/**
 * Finds and verifies the access token of a request. A request without a token goes on without one:
 * each route decides what it needs.
 *
 * @module
 */
import {
  type AccessToken,
  type ApiKeys,
  type Refusal,
  verifyAccessToken,
} from "../lib/signalling/access_token.ts";

const PREFIX = "Bearer ";
/** Browsers can give a WebSocket no header but this one, and an address is in many a log. */
const SUBPROTOCOL_PREFIX = "bearer.";

/**
 * The header wins over the `access_token` parameter, even when the header is wrong; last comes a
 * subprotocol `bearer.<token>` (RFC 6455 §11.3.4), which is for `/admin/stream`.
 *
 * @param nowMs Unix milliseconds.
 */
export async function authenticate(
  headers: Headers,
  query: URLSearchParams,
  keys: ApiKeys,
  nowMs: number,
): Promise<{ readonly ok: true; readonly token: AccessToken | undefined } | Refusal> {
  const header = headers.get("Authorization") ?? "";
  let jwt = query.get("access_token") ?? subprotocolToken(headers);
  if (header !== "") {
    // HTTP drops the space at the end of a header, so a bare "Bearer" arrives without it.
    if (!`${header} `.startsWith(PREFIX)) {
      return {
        ok: false,
        status: 401,
        body: "invalid authorization header. Must start with Bearer ",
      };
    }
    jwt = header.slice(PREFIX.length);
  }
  if (jwt === "") return { ok: true, token: undefined };
  return await verifyAccessToken(jwt, keys, nowMs);
}

function subprotocolToken(headers: Headers): string {
  const offered = (headers.get("Sec-WebSocket-Protocol") ?? "").split(",");
  const found = offered.map((name) => name.trim())
    .find((name) => name.startsWith(SUBPROTOCOL_PREFIX));
  return found?.slice(SUBPROTOCOL_PREFIX.length) ?? "";
}
