/**
 * What a participant has published, kept as its registry says, and who is told of each change: its
 * client, its room, and the media plane.
 *
 * The room is looked up when something happens, because it changes when a participant is moved.
 *
 * @module
 */
import type { TrackSid } from "../../base/ids.ts";
import type { PublicationWatch } from "./publication_watch.ts";
import type { PublishedTrack, RegistryEffect } from "../registry/registry_messages.ts";
import { muteCommands, publisherMessage } from "./track_messages.ts";
import type { HostedSession } from "./session_facts.ts";

/**
 * One participant's published tracks, changed by the registry's effects alone, in their order;
 * client, room and media plane are told of each change once.
 */
export class ParticipantTracks<Self extends HostedSession<Self>> {
  readonly #tracks = new Map<TrackSid, PublishedTrack>();

  constructor(
    readonly participant: Self,
    readonly publications: Pick<PublicationWatch, "announced" | "published">,
  ) {}

  /** In the order they were published. */
  list(): readonly PublishedTrack[] {
    return [...this.#tracks.values()];
  }

  clear(): void {
    this.#tracks.clear();
  }

  /** Carries out one effect of the registry. */
  deliver(effect: RegistryEffect): void {
    switch (effect.type) {
      case "published":
      case "updated":
      case "unpublished":
        return this.#changed(effect.type, effect.track);
      default: {
        this.publications.announced();
        const message = publisherMessage(effect, this.participant.traits);
        if (message !== undefined) this.participant.send(message);
      }
    }
  }

  #changed(change: "published" | "updated" | "unpublished", track: PublishedTrack): void {
    const { participant } = this;
    const { host, profile, context } = participant;
    if (participant.closed) return;
    profile.touch();
    if (change === "unpublished") {
      this.#tracks.delete(track.sid);
      return host.trackUnpublished(participant, track);
    }
    const before = this.#tracks.get(track.sid);
    this.#tracks.set(track.sid, track);
    for (const command of muteCommands(before, track)) context.router.send(command);
    if (change === "updated") return host.trackUpdated(participant, track);
    this.publications.published(track);
    profile.becomePublisher();
    host.trackPublished(participant, track);
  }
}
