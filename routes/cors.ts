/**
 * Cross-origin rules: every origin may call, without credentials, because access tokens and not
 * origins guard the server (Fetch standard, CORS protocol).
 *
 * @module
 */

const METHODS: ReadonlySet<string> = new Set(["OPTIONS", "HEAD", "GET", "POST", "PATCH", "DELETE"]);
/** A preflight may be cached for a day. */
const MAX_AGE_S = 86_400;

/** The answer to a preflight request, or `undefined` if `request` is none. */
export function answerPreflight(request: Request): Response | undefined {
  const method = request.headers.get("Access-Control-Request-Method");
  if (request.method !== "OPTIONS" || method === null) return undefined;
  const headers = new Headers({
    "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
  });
  const origin = request.headers.get("Origin");
  if (origin !== null && METHODS.has(method)) {
    headers.set("Access-Control-Allow-Origin", origin);
    headers.set("Access-Control-Allow-Methods", method);
    const asked = request.headers.get("Access-Control-Request-Headers");
    if (asked) headers.set("Access-Control-Allow-Headers", asked);
    headers.set("Access-Control-Max-Age", String(MAX_AGE_S));
  }
  return new Response(null, { status: 204, headers });
}

/**
 * Adds the headers of an actual answer, in place, and returns it. A WebSocket upgrade (101) is left
 * as it is: the runtime owns it, and browsers apply no CORS to it.
 */
export function allowOrigin(request: Request, response: Response): Response {
  if (response.status === 101) return response;
  response.headers.append("Vary", "Origin");
  const origin = request.headers.get("Origin");
  if (origin === null || !METHODS.has(request.method)) return response;
  // `/rtc/validate` has set `*` already, before anything could fail.
  if (!response.headers.has("Access-Control-Allow-Origin")) {
    response.headers.set("Access-Control-Allow-Origin", origin);
  }
  response.headers.set("Access-Control-Expose-Headers", "*");
  return response;
}
