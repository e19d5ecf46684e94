/**
 * What a participant has published, kept as its registry says, and who is told of each change: its
 * client, its room, and the media plane.
 *
 * The room is looked up when something happens, because it changes when a participant is moved.
 *
 * @module
 */
import type { DisconnectReason } from "@livekit/protocol";
import type { TrackSid } from "../../base/ids.ts";
import { publishableCodecs } from "../connection/room_codecs.ts";
import { canPublishSource } from "../context/participant_profile.ts";
import { PublicationWatch } from "./publication_watch.ts";
import type { PublishedTrack, RegistryEffect } from "../registry/registry_messages.ts";
import { TrackRegistry } from "../registry/track_registry.ts";
import type { MemberPort } from "./room_port.ts";
import { muteCommands, publisherMessage } from "./track_messages.ts";
import type { SessionFacts } from "./session_facts.ts";

/** Whose tracks they are, as far as is needed here. */
type Publisher =
  & Omit<
    SessionFacts,
    | "link"
    | "registry"
    | "subscriber"
    | "subscriberPrimary"
    | "singlePeerConnection"
    | "oneShot"
    | "holdsSections"
  >
  & { readonly host: MemberPort; bug(error: unknown): void };

/**
 * One participant's published tracks, changed by the registry's effects alone, in their order;
 * client, room and media plane are told of each change once. A throw there is the participant's.
 */
export class ParticipantTracks {
  readonly registry: TrackRegistry;
  readonly #tracks = new Map<TrackSid, PublishedTrack>();
  readonly #publications: PublicationWatch;

  constructor(readonly participant: Publisher) {
    const { context, traits, log, profile } = participant;
    const { platform, options, counters } = context;
    this.registry = new TrackRegistry({
      random: platform.random,
      wallMs: () => platform.clock.wallMs(),
      canPublishSource: (...media) => canPublishSource(profile.permission, ...media),
      enabledCodecs: publishableCodecs(options.enabledCodecs, traits).map(({ mime }) => mime),
      incompleteSenderReports: traits.incompleteSenderReports,
      deliver: (effect) => this.#deliver(effect),
      log,
      counters,
    });
    this.#publications = new PublicationWatch(participant, this.registry);
  }

  /** The publisher's connection is up; before that no media is expected. */
  connected(): void {
    this.#publications.connected();
  }

  /** The session is over, and nothing comes of what was announced. */
  stop(reason: DisconnectReason): void {
    this.#publications.stop(reason);
  }

  /** In the order they were published. */
  list(): readonly PublishedTrack[] {
    return [...this.#tracks.values()];
  }

  clear(): void {
    this.#tracks.clear();
  }

  #deliver(effect: RegistryEffect): void {
    try {
      this.#carryOut(effect);
    } catch (error) {
      this.participant.bug(error);
    }
  }

  #carryOut(effect: RegistryEffect): void {
    switch (effect.type) {
      case "published":
      case "updated":
      case "unpublished":
        return this.#changed(effect.type, effect.track);
      default: {
        this.#publications.announced();
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
    this.#publications.published(track);
    profile.becomePublisher();
    host.trackPublished(participant, track);
  }
}
