/**
 * Why a route does not use a request.
 *
 * @module
 */
import type { DropReasons } from "../lib/base/drop_counters.ts";

/** By counter name. */
export const ROUTES_DROPS = {
  forwarded_header_ignored: "a header names a client's address, and no proxy of ours sent it",
  http_body_too_large: "a body is larger than is taken",
  http_body_too_slow: "a body did not come in time",
  http_body_aborted: "the connection ended before the body did",
  http_body_busy: "too much is being read already",
  http_internal_error: "a bug of ours ended a request",
  admin_password_wrong: "an operator's password was wrong",
  admin_password_too_often: "an operator's password was tried too often from one network",
  twirp_internal_error: "a bug of ours ended a call of the server API",
} as const satisfies DropReasons;

/** One of {@linkcode ROUTES_DROPS}. */
export type RoutesDrop = keyof typeof ROUTES_DROPS;
