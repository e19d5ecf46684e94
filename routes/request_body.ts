/**
 * Reads bodies of requests, all within one budget of bytes, each within its own limit and time: a
 * stranger can make neither a large nor a slow one cost more than the other requests can spare.
 *
 * Contract: never throws for what a client does; what was read is counted until its use is over.
 *
 * @module
 */
import type { DropSink } from "../lib/base/drop_counters.ts";
import { joinBytes } from "../lib/base/joined_bytes.ts";
import type { Timers } from "../lib/base/platform.ts";
import type { RoutesDrop } from "./drop_reasons.ts";
import { plainText } from "./http_exchange.ts";

/** Why a body is not there. `aborted`: its sender is gone, so nobody reads the answer either. */
export type BodyFailure = "too_large" | "too_slow" | "busy" | "aborted";

/** What all bodies together may take. */
export interface BodyBudget {
  /** Bytes of bodies that are being read or used. */
  readonly bytesInFlight: number;
  /** A body must have come completely by then, ms. */
  readonly deadlineMs: number;
}

/**
 * Enough for several of the largest calls at once; a body comes within a second or is hardly sent.
 */
const BODY_BUDGET: BodyBudget = { bytesInFlight: 64 * 1024 * 1024, deadlineMs: 15_000 };

/** What the reader needs. */
export interface BodyReaderOptions {
  readonly timers: Timers;
  readonly counters: DropSink<RoutesDrop>;
  readonly budget?: BodyBudget;
}

/**
 * One budget for all requests of a server. What a client does is a value and never thrown; what was
 * read counts until its use is over.
 */
export class BodyReader {
  readonly #timers: Timers;
  readonly #counters: DropSink<RoutesDrop>;
  readonly #budget: BodyBudget;
  #inFlight = 0;

  constructor({ timers, counters, budget = BODY_BUDGET }: BodyReaderOptions) {
    this.#timers = timers;
    this.#counters = counters;
    this.#budget = budget;
  }

  /** Bytes of bodies that are being read or used. */
  get bytesInFlight(): number {
    return this.#inFlight;
  }

  /**
   * Reads a whole body, whatever its declared length, and gives it to `use`, which must not keep
   * it.
   *
   * @param limit Bytes; 0 means no limit. What is beyond is not read.
   * @returns What `use` gave, or why there is no body; that is counted.
   */
  async read<T>(
    request: Request,
    limit: number,
    use: (body: Uint8Array) => T,
  ): Promise<{ readonly ok: true; readonly value: T } | BodyRefusal> {
    const held = { bytes: 0 };
    try {
      const body = await this.#readAll(request, limit, held);
      if (typeof body !== "string") return { ok: true, value: use(body) };
      this.#counters.count(`http_body_${body}`);
      return { ok: false, failure: body };
    } finally {
      this.#inFlight -= held.bytes;
    }
  }

  async #readAll(
    request: Request,
    limit: number,
    held: { bytes: number },
  ): Promise<Uint8Array | BodyFailure> {
    if (declaresTooMuch(request, limit)) return "too_large";
    if (request.body === null) return new Uint8Array();
    const reader = request.body.getReader();
    const late = Promise.withResolvers<"too_slow">();
    const cancel = this.#timers.after(this.#budget.deadlineMs, () => late.resolve("too_slow"));
    const chunks: Uint8Array[] = [];
    let failure: BodyFailure | undefined;
    try {
      while (failure === undefined) {
        const read = await Promise.race([reader.read(), late.promise]);
        if (read === "too_slow") failure = read;
        else if (read.done) return chunks.length === 1 ? chunks[0]! : joinBytes(chunks);
        else failure = this.#take(read.value, limit, held, chunks);
      }
    } catch {
      // The stream fails when the connection does.
      failure = "aborted";
    } finally {
      cancel();
      if (failure !== undefined) reader.cancel().catch(() => {});
    }
    return failure!;
  }

  #take(
    chunk: Uint8Array,
    limit: number,
    held: { bytes: number },
    chunks: Uint8Array[],
  ): BodyFailure | undefined {
    if (limit !== 0 && held.bytes + chunk.length > limit) return "too_large";
    if (this.#inFlight + chunk.length > this.#budget.bytesInFlight) return "busy";
    held.bytes += chunk.length;
    this.#inFlight += chunk.length;
    chunks.push(chunk);
    return undefined;
  }
}

/** A body that is not there. */
export interface BodyRefusal {
  readonly ok: false;
  readonly failure: BodyFailure;
}

/** Whether the declared length is over the limit; `limit` in bytes, 0 means none. */
export function declaresTooMuch(request: Request, limit: number): boolean {
  const declared = request.headers.get("Content-Length");
  return limit !== 0 && declared !== null && Number(declared) > limit;
}

/** HTTP status of each failure. */
export const BODY_FAILURE_STATUS: Readonly<Record<BodyFailure, number>> = {
  too_large: 413,
  too_slow: 408,
  busy: 503,
  aborted: 400,
};

const WORDS: Readonly<Record<BodyFailure, string>> = {
  too_large: "request body too large",
  too_slow: "request body did not come in time",
  busy: "too many request bodies at once",
  aborted: "request body was not sent completely",
};

/** The failure in words; a body that is too large in LiveKit's. */
export function bodyFailureText(failure: BodyFailure): string {
  return WORDS[failure];
}

/** The failure as an answer. Nobody waits for the rest of the body, so the connection ends. */
export function bodyRefused({ failure }: Pick<BodyRefusal, "failure">): Response {
  return plainText(BODY_FAILURE_STATUS[failure], WORDS[failure], { "Connection": "close" });
}
