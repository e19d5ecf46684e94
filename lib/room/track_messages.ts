/**
 * How a track registry's effects are worded to the publisher itself. Pure.
 *
 * @module
 */
import {
  MuteTrackRequest,
  TrackPublishedResponse,
  TrackUnpublishedResponse,
} from "@livekit/protocol";
import type { ClientTraits } from "./client_traits.ts";
import type { SignalMessage } from "./connection_host.ts";
import type { RegistryEffect } from "./track_effects.ts";

/** Effects that concern the publisher alone. */
export type PublisherEffect = Exclude<
  RegistryEffect,
  { readonly type: "published" | "updated" | "unpublished" }
>;

/** The message for `effect`, or `undefined` if this client must not get it. */
export function publisherMessage(
  effect: PublisherEffect,
  traits: ClientTraits,
): SignalMessage | undefined {
  switch (effect.type) {
    case "track_published": {
      const { cid, track } = effect;
      return { case: "trackPublished", value: new TrackPublishedResponse({ cid, track }) };
    }
    case "request_response":
      return traits.requestResponses
        ? { case: "requestResponse", value: effect.response }
        : undefined;
    case "mute": {
      const { sid, muted } = effect;
      return { case: "mute", value: new MuteTrackRequest({ sid, muted }) };
    }
    case "track_unpublished": {
      const { sid } = effect;
      return traits.trackUnpublished
        ? { case: "trackUnpublished", value: new TrackUnpublishedResponse({ trackSid: sid }) }
        : { case: "mute", value: new MuteTrackRequest({ sid, muted: true }) };
    }
  }
}
