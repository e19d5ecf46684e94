/**
 * Which rooms forward only their loudest audio tracks, and how many: by the configuration, or by a
 * tag of the room. The media plane is told how many it is now; who of a room is concerned, and by
 * which of its wishes, is said in each subscription.
 *
 * @module
 */
import type { MediaCommand } from "../engine/messages/media_messages.ts";
import type { LoudestAudioOptions } from "./context/room_options.ts";

/**
 * A tag of this name says how many audio tracks its room forwards, instead of the configuration: a
 * number, 0 for all, and after an `@` above how many participants.
 */
const LOUDEST_TAG = "roomwire.loudest_audio";
const TAG_VALUE = /^(\d{1,4})(?:@(\d{1,6}))?$/;
/** A room that is as large as this part of what began it goes on, so that it does not flap. */
const STAYS = 0.9;

/** What a room with these tags does; a tag that cannot be read is none. */
export function loudestRule(
  tags: Readonly<Record<string, string>>,
  usual: LoudestAudioOptions,
): LoudestAudioOptions {
  const [text, tracks, above] = TAG_VALUE.exec(tags[LOUDEST_TAG] ?? "") ?? [];
  if (text === undefined) return usual;
  return { tracks: Number(tracks), aboveParticipants: Number(above ?? 0) };
}

/** One room's limit, told when it changes. */
export class LoudestRule {
  #tracks = 0;

  /** @param room Its sid. */
  constructor(readonly room: string, readonly send: (command: MediaCommand) => void) {}

  /** There are so many participants, and this is the rule. */
  look({ tracks: wanted, aboveParticipants }: LoudestAudioOptions, participants: number): void {
    const least = this.#tracks > 0 ? aboveParticipants * STAYS : aboveParticipants;
    const tracks = participants > least ? wanted : 0;
    if (tracks === this.#tracks) return;
    this.#tracks = tracks;
    this.send({ type: "limit_audio", room: this.room, tracks });
  }

  /** The room is no more. */
  end(): void {
    this.look({ tracks: 0, aboveParticipants: 0 }, 0);
  }
}
