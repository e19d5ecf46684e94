/**
 * One signed POST of one webhook body to one URL, and what to make of its outcome.
 *
 * Source: livekit/protocol 1.50, `webhook/url_notifier.go`: a bare JSON Web Token in
 * `Authorization` whose `sha256` claim is the standard base64 SHA-256 of the body.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Timers } from "../../base/platform.ts";
import { signToken } from "../../signalling/json_web_token.ts";

/** How long a signature is good for, s. */
const SIGNATURE_LIFE_S = 5 * 60;
/**
 * Not the type of the JSON inside, so that no framework parses it before the signature is checked.
 */
const CONTENT_TYPE = "application/webhook+json";
/** Receivers' firewalls know LiveKit by this name. */
const USER_AGENT = "LiveKit";

/** The key that signs, one of the configured API keys. */
export interface WebhookKey {
  readonly apiKey: string;
  readonly secret: string;
}

/** `fetch`, as far as it is used here. */
export type WebhookFetch = (url: string, init: RequestInit) => Promise<Response>;

/** What came of an attempt. */
export type AttemptOutcome =
  | { readonly type: "delivered" }
  /** The receiver answered and will not answer otherwise to the same request. */
  | { readonly type: "refused"; readonly status: number }
  /** It may work later. `retryAfterMs` is what the receiver asked for, 0 if nothing. */
  | { readonly type: "failed"; readonly why: FailureReason; readonly retryAfterMs: number };

/** `status`: it answered, but not with a 2xx; `stopped`: the server ends. */
export type FailureReason = "status" | "connection" | "timeout" | "stopped";

/**
 * The value of the `Authorization` header.
 *
 * @param nowMs Unix milliseconds.
 */
export function signWebhook(
  { apiKey, secret }: WebhookKey,
  body: Uint8Array<ArrayBuffer>,
  nowMs: number,
): string {
  const sha256 = createHash("sha256").update(body).digest("base64");
  const nbf = Math.trunc(nowMs / 1000);
  return signToken({ sha256, iss: apiKey, nbf, exp: nbf + SIGNATURE_LIFE_S }, secret);
}

/**
 * Posts `body` once; resolves within `timeoutMs` whatever the receiver does, and never rejects.
 *
 * @param stop Ends the attempt early, as `failed` with `stopped`.
 */
export async function postWebhook(
  url: string,
  request: { readonly body: Uint8Array<ArrayBuffer>; readonly authorization: string },
  timeoutMs: number,
  { fetch, timers, stop }: {
    readonly fetch: WebhookFetch;
    readonly timers: Timers;
    readonly stop: AbortSignal;
  },
): Promise<AttemptOutcome> {
  const connection = new AbortController();
  const ended = Promise.withResolvers<AttemptOutcome>();
  const end = (why: FailureReason) => {
    ended.resolve({ type: "failed", why, retryAfterMs: 0 });
    connection.abort();
  };
  const onStop = () => end("stopped");
  const cancelTimeout = timers.after(timeoutMs, () => end("timeout"));
  stop.addEventListener("abort", onStop);
  if (stop.aborted) onStop();
  const answer = post(fetch, url, request, connection.signal);
  const outcome = await Promise.race([answer, ended.promise]);
  cancelTimeout();
  stop.removeEventListener("abort", onStop);
  return outcome;
}

async function post(
  fetch: WebhookFetch,
  url: string,
  { body, authorization }: {
    readonly body: Uint8Array<ArrayBuffer>;
    readonly authorization: string;
  },
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "Authorization": authorization,
        "Content-Type": CONTENT_TYPE,
        "User-Agent": USER_AGENT,
      },
      body,
      signal,
    });
    // What the receiver says is of no interest, and a body left unread would hold its connection.
    response.body?.cancel().catch(() => {});
    return outcomeOf(response.status, response.headers.get("Retry-After"));
  } catch {
    return { type: "failed", why: "connection", retryAfterMs: 0 };
  }
}

function outcomeOf(status: number, retryAfter: string | null): AttemptOutcome {
  if (status >= 200 && status < 300) return { type: "delivered" };
  // 501 is the one server error that says "never".
  if (status !== 429 && (status < 500 || status === 501)) return { type: "refused", status };
  const seconds = /^\d{1,6}$/.test(retryAfter ?? "") ? Number(retryAfter) : 0;
  return { type: "failed", why: "status", retryAfterMs: seconds * 1000 };
}
