/**
 * A webhook receiver on a free loopback port, as an application has one: every request is checked
 * by the server SDK's own `WebhookReceiver`, so that our signer is never checked by our own code.
 *
 * @module
 */
import type { WebhookEvent } from "@livekit/protocol";
import { WebhookReceiver as SdkReceiver } from "livekit-server-sdk";
import { TEST_KEY, TEST_SECRET } from "./roomwire_process.ts";
import { until } from "../wire/until.ts";

/** What the receiver answers; the request counts as received only with a status below 300. */
export type ReceiverBehaviour = (event: WebhookEvent) => number | Promise<number>;

/**
 * A receiver that ends with this object. `events` holds only what the SDK's own receiver accepted;
 * the rest is in `failures`.
 */
export class WebhookReceiver implements AsyncDisposable {
  /** Verified events in the order in which they came. */
  readonly events: WebhookEvent[] = [];
  /** Bodies and headers of all requests, received or not. */
  readonly requests: { readonly headers: Headers; readonly body: string }[] = [];
  /** What did not verify. */
  readonly failures: unknown[] = [];
  behave: ReceiverBehaviour = () => 200;
  readonly #sdk = new SdkReceiver(TEST_KEY, TEST_SECRET);
  readonly #http: Deno.HttpServer<Deno.NetAddr>;

  constructor(port = 0, readonly hostname = "127.0.0.1") {
    this.#http = Deno.serve(
      { hostname, port, onListen() {} },
      (request) => this.#receive(request),
    );
  }

  get url(): string {
    return `http://${this.hostname}:${this.#http.addr.port}/hook`;
  }

  /** Names of the received events about that room. */
  names(room: string): string[] {
    return this.events.filter((event) => event.room?.name === room).map(({ event }) => event);
  }

  /** The first event of that name that `matches`, past or to come. */
  event(
    name: string,
    matches: (event: WebhookEvent) => boolean = () => true,
  ): Promise<WebhookEvent> {
    return until(
      `the webhook ${name}`,
      () => this.events.find((event) => event.event === name && matches(event)),
      () => this.events.map(({ event }) => event),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http.shutdown();
  }

  async #receive(request: Request): Promise<Response> {
    const body = await request.text();
    this.requests.push({ headers: request.headers, body });
    try {
      const authorization = request.headers.get("Authorization") ?? undefined;
      const event = await this.#sdk.receive(body, authorization);
      const status = await this.behave(event);
      if (status < 300) this.events.push(event);
      return new Response(null, { status });
    } catch (error) {
      this.failures.push(error);
      return new Response(null, { status: 401 });
    }
  }
}
