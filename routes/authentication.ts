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

/**
 * The header wins over the `access_token` parameter, even when the header is wrong.
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
  let jwt = query.get("access_token") ?? "";
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
