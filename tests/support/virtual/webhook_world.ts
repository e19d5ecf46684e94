/**
 * One webhook URL's queues on virtual time, in front of a receiver that behaves as told.
 *
 * @module
 */
import { Room, WebhookEvent } from "@livekit/protocol";
import { denoPlatform } from "../../../lib/base/deno_platform.ts";
import { signWebhook } from "../../../lib/server/webhooks/webhook_attempt.ts";
import {
  WebhookEndpoint,
  type WebhookEndpointOptions,
} from "../../../lib/server/webhooks/webhook_endpoint.ts";
import { TEST_KEY, TEST_SECRET } from "../process/roomwire_process.ts";
import { settle, VirtualPlatform } from "./virtual_platform.ts";

/**
 * How the receiver takes a request: a status, `down` refuses the connection, `hang` says nothing.
 */
export type ReceiverState = number | "down" | "hang";

export interface Delivery {
  readonly at: number;
  readonly event: WebhookEvent;
}

/**
 * One endpoint and its receiver. Unless it is `real`, time moves in `pass` alone; requests are kept
 * in order.
 */
export class WebhookWorld {
  readonly platform = new VirtualPlatform();
  readonly delivered: Delivery[] = [];
  /** Every request, whatever came of it. */
  readonly requests: Delivery[] = [];
  readonly counts: Record<string, number> = {};
  readonly queueLengths: number[] = [];
  readonly endpoint: WebhookEndpoint;
  behave: (event: WebhookEvent) => ReceiverState = () => 200;
  open = 0;
  mostOpen = 0;

  constructor(options: Partial<WebhookEndpointOptions> = {}) {
    const count = (name: string) => this.counts[name] = (this.counts[name] ?? 0) + 1;
    this.endpoint = new WebhookEndpoint({
      url: "http://receiver.test/hook",
      position: 0,
      sign: () => "signed",
      filter: { include: [], exclude: [] },
      maxAgeMs: 30_000,
      maxDepth: 200,
      platform: this.platform,
      fetch: (_url, init) => this.#receive(init),
      telemetry: {
        webhook: count,
        webhookQueue: (length) => this.queueLengths.push(length),
      },
      ...options,
    });
  }

  /** Real time, signatures and requests, to that URL. */
  static real(url: string): WebhookWorld {
    const key = { apiKey: TEST_KEY, secret: TEST_SECRET };
    return new WebhookWorld({
      url,
      platform: denoPlatform(),
      fetch,
      sign: (body) => signWebhook(key, body, Date.now()),
    });
  }

  get now(): number {
    return this.platform.clock.now();
  }

  /** Waits for what is on its way, 5 s at most. */
  close(): Promise<void> {
    return this.endpoint.close(5_000);
  }

  accept(room: string, id: string, event = "room_started"): void {
    this.endpoint.accept(new WebhookEvent({ event, id, room: new Room({ name: room }) }));
  }

  /** Lets `ms` pass; promises that wait only for each other settle before, between and after. */
  async pass(ms: number, stepMs = 100): Promise<void> {
    for (let turn = 0; turn < 50; turn++) await settle();
    await this.platform.advanceAsync(ms, stepMs);
  }

  ids(room?: string): string[] {
    return this.delivered.filter(({ event }) => room === undefined || event.room!.name === room)
      .map(({ event }) => event.id);
  }

  async #receive(init: RequestInit): Promise<Response> {
    const event = WebhookEvent.fromJsonString(new TextDecoder().decode(init.body as Uint8Array));
    const delivery = { at: this.platform.clock.now(), event };
    this.requests.push(delivery);
    const behaviour = this.behave(event);
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    try {
      if (behaviour === "down") throw new TypeError("connection refused");
      if (behaviour === "hang") {
        await new Promise((_, reject) => init.signal!.addEventListener("abort", reject));
      }
    } finally {
      this.open--;
    }
    if (behaviour === 200) this.delivered.push(delivery);
    return new Response(null, { status: behaviour as number });
  }
}
