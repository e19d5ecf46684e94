/**
 * The HTTP side of metrics: every path answers them, to whoever has the password if there is one.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { HttpHandler } from "../../../routes/http_handler.ts";
import type { SignalTelemetry } from "../../room/context/telemetry.ts";
import type { Metrics } from "./metrics.ts";

/** Where clients join, as opposed to asking whether they could. */
const JOIN_PATH = /^\/{1,2}rtc(?:\/v1)?$/;

/** Both, or neither. */
export interface BasicCredentials {
  readonly username: string;
  readonly password: string;
}

/**
 * Answers scrapes. Binds nothing.
 *
 * @param credentials Basic authentication (RFC 7617 §2), if wanted.
 */
export function metricsHandler(
  metrics: Pick<Metrics, "text" | "contentType">,
  credentials: BasicCredentials | undefined,
): (request: Request) => Promise<Response> {
  const expected = credentials && digest(basicAuthorization(credentials));
  return async (request) => {
    if (expected !== undefined && !isSame(request.headers.get("Authorization"), expected)) {
      return new Response(null, {
        status: 401,
        headers: { "WWW-Authenticate": 'Basic realm="Protected Area"' },
      });
    }
    return new Response(await metrics.text(), { headers: { "Content-Type": metrics.contentType } });
  };
}

/** The server's own handler, but joins that it refuses are counted. */
export function countingRefusals(
  handler: HttpHandler,
  telemetry: Pick<SignalTelemetry, "joinRefused">,
): HttpHandler {
  return async (request, info) => {
    const response = await handler(request, info);
    if (response.status >= 400 && JOIN_PATH.test(new URL(request.url).pathname)) {
      telemetry.joinRefused(response.status);
    }
    return response;
  };
}

/** What a client sends: base64 of UTF-8, as browsers and Prometheus write it. */
function basicAuthorization({ username, password }: BasicCredentials): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return btoa(String.fromCharCode(...bytes));
}

function isSame(header: string | null, expected: Uint8Array): boolean {
  const given = /^basic +(.*)$/i.exec(header ?? "")?.[1] ?? "";
  return timingSafeEqual(digest(given), expected);
}

/** What is compared: of one length for every password, so that time does not even tell that. */
function digest(authorization: string): Uint8Array {
  return createHash("sha256").update(authorization).digest();
}
