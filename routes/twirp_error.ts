/**
 * Twirp's errors as values: code, message and details, and the HTTP answer each one is
 * (Twirp specification, version 7, "Error Codes").
 *
 * @module
 */

/** HTTP status of each code. */
const STATUS = {
  canceled: 408,
  unknown: 500,
  invalid_argument: 400,
  malformed: 400,
  deadline_exceeded: 408,
  not_found: 404,
  bad_route: 404,
  already_exists: 409,
  permission_denied: 403,
  unauthenticated: 401,
  resource_exhausted: 429,
  failed_precondition: 412,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  dataloss: 500,
} as const;

/** Twirp's codes, each with a status of HTTP. */
export type TwirpCode = keyof typeof STATUS;

/** What a method answers instead of its message. Returned, never thrown. */
export class TwirpError {
  constructor(
    readonly code: TwirpCode,
    readonly msg: string,
    readonly meta?: Readonly<Record<string, string>>,
  ) {}

  /** The HTTP answer: always JSON, whatever the request was in. */
  toResponse(): Response {
    const { code, msg, meta } = this;
    const body = JSON.stringify({ code, msg, ...(meta === undefined ? {} : { meta }) });
    return new Response(body, {
      status: STATUS[code],
      headers: { "Content-Type": "application/json" },
    });
  }
}

/**
 * An error as LiveKit 1.13.5 (psrpc, `errors.go`) words those that come from behind its API layer:
 * SDKs and applications compare the text, prefix included.
 */
export function relayedError(code: TwirpCode, msg: string): TwirpError {
  return new TwirpError(code, `twirp error unknown: ${msg}`);
}

/** Every failed permission check. */
export function permissionsDenied(): TwirpError {
  return new TwirpError("unauthenticated", "permissions denied");
}
