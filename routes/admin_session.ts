/**
 * `/admin/api/session`: how an operator gets in. `GET` says which way there is; `POST` with
 * `{"password": "…"}`, or in development with `{}`, gives an operator's token.
 *
 * @module
 */
import type { DropSink } from "../lib/base/drop_counters.ts";
import type { RoutesDrop } from "./drop_reasons.ts";
import { plainText, type RouteHandler } from "./http_exchange.ts";
import { type BodyReader, bodyRefused } from "./request_body.ts";

/** `open`: whoever asks gets in, in development alone. `token`: by a token from elsewhere. */
export type AdminEntry = "open" | "password" | "token";

/** What the route is made with. */
export interface AdminSessionOptions {
  readonly entry: AdminEntry;
  /** Whether somebody who needs no password comes from this machine. */
  readonly isHere: (address: string) => boolean;
  /** Whether whoever comes from that address may try once more now. */
  readonly mayTry: (address: string) => boolean;
  /** That one knew the password. */
  readonly succeeded: (address: string) => void;
  /** Compares in a time that tells nothing. */
  readonly isPassword: (given: string) => boolean;
  readonly issue: () => Promise<AdminSession>;
  readonly counters: DropSink<RoutesDrop>;
}

/** What the page gets. */
export interface AdminSession {
  readonly token: string;
  /** Unix ms. */
  readonly expiresAtMs: number;
}

const MAX_BODY_BYTES = 4_096;
/** When it is worth another try, s. */
const RETRY_AFTER_S = 15;

/** The route. */
export function sessionRoute(options: AdminSessionOptions, bodies: BodyReader): RouteHandler {
  const { entry } = options;
  return async ({ request, socketAddress }) => {
    if (request.method === "GET") return unstored({ entry });
    if (request.method !== "POST") {
      return plainText(405, "method not allowed", { "Allow": "GET, POST" });
    }
    if (entry === "token") return plainText(403, "there is no password here: bring a token");
    if (entry === "open") {
      return options.isHere(socketAddress)
        ? unstored(await options.issue())
        : plainText(403, "from this machine alone: set admin.password, or bring a token");
    }
    // Before the body is read: who tries too often costs nothing.
    if (!options.mayTry(socketAddress)) {
      options.counters.count("admin_password_too_often");
      const headers = { "Retry-After": String(RETRY_AFTER_S) };
      return plainText(429, "too many attempts", headers);
    }
    const body = await bodies.read(request, MAX_BODY_BYTES, readPassword);
    if (!body.ok) return bodyRefused(body);
    if (body.value === undefined) return plainText(400, "a password is expected");
    if (!options.isPassword(body.value)) {
      options.counters.count("admin_password_wrong");
      return plainText(401, "wrong password");
    }
    options.succeeded(socketAddress);
    return unstored(await options.issue());
  };
}

function unstored(value: unknown): Response {
  return Response.json(value, { headers: { "Cache-Control": "no-store" } });
}

function readPassword(body: Uint8Array): string | undefined {
  try {
    const { password } = JSON.parse(new TextDecoder().decode(body));
    return typeof password === "string" ? password : undefined;
  } catch {
    return undefined;
  }
}
