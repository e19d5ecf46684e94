/**
 * How a track registry's effects are worded to the publisher itself, and to the media plane. Pure.
 *
 * @module
 */
import {
  MuteTrackRequest,
  TrackPublishedResponse,
  TrackUnpublishedResponse,
} from "@livekit/protocol";
import type { MediaCommand } from "../../engine/messages/media_messages.ts";
import type { ClientTraits } from "../context/client_traits.ts";
import type { SignalMessage } from "../context/signal_message.ts";
import type { PublishedTrack, RegistryEffect } from "../registry/registry_messages.ts";

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

/** What the media plane must be told of `track`'s mute state; it takes new up-tracks as unmuted. */
export function muteCommands(
  before: PublishedTrack | undefined,
  track: PublishedTrack,
): MediaCommand[] {
  const { muted } = track.info;
  return track.upTracks
    .filter(({ upTrack }) => {
      const known = before?.upTracks.some((other) => other.upTrack === upTrack) ?? false;
      return known ? before?.info.muted !== muted : muted;
    })
    .map(({ upTrack }) => ({ type: "set_up_track_muted", upTrack, muted }));
}
