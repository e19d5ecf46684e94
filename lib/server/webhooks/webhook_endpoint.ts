/**
 * One webhook URL: a queue for each resource, so that the events of one room arrive in order and a
 * room whose events are stuck holds up no other.
 *
 * Contract: {@linkcode WebhookEndpoint.accept} returns at once and never throws. An event leaves
 * its queue delivered, refused by the receiver, or dropped; what was dropped is counted, and the
 * next event to this URL says how many there were (`num_dropped`). A queue exists only while it has
 * something to do. The log names the receiver's host, never the rest of its URL.
 *
 * @module
 */
import { WebhookEvent } from "@livekit/protocol";
import type { Cancel, Log, Platform } from "../../base/platform.ts";
import { describeError } from "../../room/context/close_reason.ts";
import type { WebhookDrop, WebhookTelemetry } from "../../room/context/telemetry.ts";
import { ownAddress } from "../log/redaction.ts";
import { type AttemptOutcome, postWebhook, type WebhookFetch } from "./webhook_attempt.ts";
import { isWanted, resourceKey } from "./webhook_events.ts";
import { retryDelayMs } from "./webhook_retry.ts";

/** A receiver that does not answer by then is tried again, ms. */
export const REQUEST_TIMEOUT_MS = 10_000;
/** Requests under way at once: a receiver that hangs must not use up this process's sockets. */
const MAX_REQUESTS = 128;

/** What one endpoint needs. */
export interface WebhookEndpointOptions {
  readonly url: string;
  /** Place in the configuration, from 0; tells endpoints on one host apart in logs. */
  readonly position: number;
  /** Makes the `Authorization` of a body, as of now. */
  readonly sign: (body: Uint8Array<ArrayBuffer>) => string;
  readonly filter: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  readonly maxAgeMs: number;
  /** Events that may wait in one queue. */
  readonly maxDepth: number;
  readonly platform: Pick<Platform, "clock" | "timers" | "log">;
  readonly fetch: WebhookFetch;
  readonly telemetry: WebhookTelemetry;
}

interface QueuedEvent {
  readonly event: WebhookEvent;
  /** Monotonic ms. */
  readonly queuedAt: number;
}

/**
 * One URL's queues. `accept` returns at once and never throws; events of one resource arrive in
 * order, and what is dropped is counted and told.
 */
export class WebhookEndpoint {
  /**
   * Events of each resource that wait; a resource is here exactly while its events are worked on.
   */
  readonly #queues = new Map<string, QueuedEvent[]>();
  /** Dropped, and not yet told of in a delivered event. */
  #dropped = 0;
  /** Not delivered since deliveries began to fail, whatever became of them. */
  #lost = 0;
  #requests = 0;
  readonly #forSlot: (() => void)[] = [];
  readonly #stop = new AbortController();
  /** Ends the waits between retries. */
  readonly #sleepers = new Set<() => void>();
  #closing = false;
  #failing = false;
  #onEmpty: () => void = () => {};

  constructor(readonly options: WebhookEndpointOptions) {}

  /** Resources with events that wait or are being sent. */
  get busyQueues(): number {
    return this.#queues.size;
  }

  /** Takes `event` in; what the filter excludes is forgotten. */
  accept(event: WebhookEvent): void {
    const { filter, maxDepth, platform } = this.options;
    if (!isWanted(event.event, filter)) return;
    if (this.#closing) return this.#drop(0, "shutdown");
    const queued = { event, queuedAt: platform.clock.now() };
    const key = resourceKey(event);
    const queue = this.#queues.get(key);
    if (queue === undefined) {
      const started = [queued];
      this.#queues.set(key, started);
      this.#work(key, started).catch((error) => this.#bug(key, error));
    } else if (queue.length >= maxDepth) this.#drop(0, "queue is full");
    else queue.push(queued);
  }

  /**
   * Takes nothing more in and sends what there is, without waiting for receivers that fail; what is
   * not sent after `timeoutMs` is dropped. Never rejects.
   */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    for (const wake of [...this.#sleepers]) wake();
    if (this.#queues.size === 0) return;
    const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
    const cancel = this.options.platform.timers.after(timeoutMs, () => this.#stop.abort());
    await empty;
    cancel();
    if (this.#lost > 0) this.#log.warn("webhook events were lost", this.#where());
  }

  async #work(key: string, queue: QueuedEvent[]): Promise<void> {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (this.#stop.signal.aborted) this.#drop(0, "shutdown");
      else await this.#deliver(next, queue.length);
    }
    this.#forget(key);
  }

  #forget(key: string): void {
    this.#queues.delete(key);
    if (this.#queues.size === 0) this.#onEmpty();
  }

  async #deliver({ event, queuedAt }: QueuedEvent, waiting: number): Promise<void> {
    const { maxAgeMs, platform: { clock }, telemetry } = this.options;
    let body: Uint8Array<ArrayBuffer> | undefined;
    let numDropped = 0;
    for (let retries = 0;; retries++) {
      await this.#takeSlot();
      let outcome: AttemptOutcome;
      try {
        if (body === undefined) {
          if (clock.now() - queuedAt > maxAgeMs) return this.#drop(0, "age");
          telemetry.webhookQueue(waiting);
          numDropped = this.#dropped;
          this.#dropped = 0;
          body = encode(event, numDropped);
        }
        outcome = await this.#attempt(body);
      } finally {
        this.#freeSlot();
      }
      this.#note(outcome, event.event);
      if (outcome.type === "delivered") return telemetry.webhook("delivered");
      if (outcome.type === "refused") {
        this.#lose();
        return telemetry.webhook("failed");
      }
      if (this.#closing) return this.#drop(numDropped, "shutdown");
      const age = clock.now() - queuedAt;
      const wait = retryDelayMs(retries, age, maxAgeMs, outcome.retryAfterMs);
      if (wait === undefined) {
        this.#dropped += numDropped + 1;
        this.#lose();
        return telemetry.webhook("failed");
      }
      await this.#sleep(wait);
    }
  }

  async #attempt(body: Uint8Array<ArrayBuffer>): Promise<AttemptOutcome> {
    const { url, sign, platform: { timers }, fetch } = this.options;
    const authorization = sign(body);
    return await postWebhook(url, { body, authorization }, REQUEST_TIMEOUT_MS, {
      fetch,
      timers,
      stop: this.#stop.signal,
    });
  }

  /**
   * One line when deliveries begin to fail and one when they work again, not one for each event.
   */
  #note(outcome: AttemptOutcome, event: string): void {
    if (outcome.type === "delivered") {
      if (this.#failing) this.#log.info("webhooks are delivered again", this.#where());
      this.#failing = false;
      this.#lost = 0;
      return;
    }
    if (!this.#failing) {
      this.#log.warn("webhook not delivered", { ...this.#where(), event, ...outcome });
    }
    this.#failing = true;
  }

  /** @param alsoLost Drops that this event would have told of. */
  #drop(alsoLost: number, reason: WebhookDrop): void {
    this.#dropped += alsoLost + 1;
    this.#lose();
    this.options.telemetry.webhook(reason);
  }

  /** Says so at the first, the tenth, the hundredth and so on. */
  #lose(): void {
    this.#lost++;
    if (Number.isInteger(Math.log10(this.#lost))) {
      this.#log.warn("webhook events are lost", this.#where());
    }
  }

  get #log(): Log {
    return this.options.platform.log;
  }

  /** Neither user nor path nor query, which may hold secrets. */
  #where(): { readonly webhook: number; readonly host: unknown; readonly lost: number } {
    const { url, position } = this.options;
    return { webhook: position, host: ownAddress(new URL(url).host), lost: this.#lost };
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      let cancel: Cancel | undefined = undefined;
      const wake = () => {
        cancel?.();
        this.#sleepers.delete(wake);
        resolve();
      };
      cancel = this.options.platform.timers.after(ms, wake);
      this.#sleepers.add(wake);
    });
  }

  async #takeSlot(): Promise<void> {
    if (this.#requests < MAX_REQUESTS) {
      this.#requests++;
      return;
    }
    // Whoever frees a slot hands it on, so that nobody who comes later is faster.
    await new Promise<void>((resolve) => this.#forSlot.push(resolve));
  }

  #freeSlot(): void {
    const next = this.#forSlot.shift();
    if (next === undefined) this.#requests--;
    else next();
  }

  #bug(key: string, error: unknown): void {
    this.options.platform.log.error("webhook queue failed", { error: describeError(error) });
    this.#forget(key);
  }
}

function encode(event: WebhookEvent, numDropped: number): Uint8Array<ArrayBuffer> {
  const told = new WebhookEvent({ ...event, numDropped });
  return new TextEncoder().encode(told.toJsonString());
}
