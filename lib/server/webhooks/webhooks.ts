/**
 * Webhooks of a server: every configured URL gets every event its filter lets through.
 *
 * @module
 */
import type { WebhookEvent } from "@livekit/protocol";
import { SfuError } from "../../base/errors.ts";
import type { Platform } from "../../base/platform.ts";
import type { RoomObserver } from "../../room/context/room_events.ts";
import type { ApiKeys } from "../../signalling/access_token.ts";
import type { Config } from "../config/config_parsing.ts";
import { signWebhook, type WebhookFetch } from "./webhook_attempt.ts";
import type { WebhookTelemetry } from "../../room/context/telemetry.ts";
import { WebhookEndpoint } from "./webhook_endpoint.ts";
import { WebhookEvents } from "./webhook_events.ts";

/** LiveKit's values for keys that are 0. */
const DEFAULT_MAX_AGE_MS = 30_000;
const DEFAULT_MAX_DEPTH = 200;

/**
 * Every configured URL. Nothing that happens in a receiver, or is thrown on the way, reaches a
 * room.
 */
export class Webhooks {
  /** Give it to the rooms; absent without URLs, so that no event is even built. */
  readonly observer: RoomObserver | undefined;
  readonly #endpoints: readonly WebhookEndpoint[];

  /** @throws {SfuError} `invalid_config` for an unknown key or something that is no HTTP URL. */
  constructor(
    config: Pick<Config, "webhook" | "room">,
    keys: ApiKeys,
    platform: Platform,
    ports: {
      readonly fetch: WebhookFetch;
      readonly telemetry: WebhookTelemetry;
    },
  ) {
    const { webhook, room } = config;
    this.#endpoints = endpoints(webhook, keys, platform, ports);
    this.observer = this.#endpoints.length === 0 ? undefined : new WebhookEvents({
      clock: platform.clock,
      random: platform.random,
      fullRoomInTrackEvents: room.enable_full_room_in_webhooks,
      deliver: (event) => this.deliver(event),
    });
  }

  /** Queues `event` for every URL; also for events that are not about rooms. */
  deliver(event: WebhookEvent): void {
    for (const endpoint of this.#endpoints) endpoint.accept(event);
  }

  /**
   * Sends what waits, for at most `timeoutMs`, then drops the rest. Nothing is accepted any more.
   */
  async close(timeoutMs: number): Promise<void> {
    await Promise.all(this.#endpoints.map((endpoint) => endpoint.close(timeoutMs)));
  }
}

function endpoints(
  webhook: Config["webhook"],
  keys: ApiKeys,
  platform: Platform,
  ports: { readonly fetch: WebhookFetch; readonly telemetry: WebhookTelemetry },
): WebhookEndpoint[] {
  const { urls, api_key: apiKey, filter_params: filter, resource_url_notifier: queue } = webhook;
  if (urls.length === 0) return [];
  const secret = keys.get(apiKey);
  if (secret === undefined) {
    throw new SfuError("invalid_config", "webhook.api_key: expected one of the configured keys");
  }
  return urls.map((url, position) => {
    if (!/^https?:/i.test(url) || !URL.canParse(url)) {
      throw new SfuError("invalid_config", `webhook.urls[${position}]: expected an HTTP URL`);
    }
    return new WebhookEndpoint({
      url,
      position,
      sign: (body) => signWebhook({ apiKey, secret }, body, platform.clock.wallMs()),
      filter: { include: filter.include_events, exclude: filter.exclude_events },
      maxAgeMs: queue.max_age || DEFAULT_MAX_AGE_MS,
      maxDepth: queue.max_depth || DEFAULT_MAX_DEPTH,
      platform,
      ...ports,
    });
  });
}
