/**
 * What a room tells its participants about each other and about itself, and when.
 *
 * Urgent changes go out at once and the rest in batches; room counts are sent at most every few
 * seconds. Hidden participants are announced to nobody but themselves.
 *
 * @module
 */
import {
  ParticipantInfo,
  type Room as RoomInfo,
  RoomUpdate,
  SpeakerInfo,
  SpeakersChanged,
} from "@livekit/protocol";
import type { Cancel, Platform } from "../base/platform.ts";
import type { Participant } from "./participant.ts";
import {
  ParticipantUpdateQueue,
  type QueuedUpdate,
  UPDATE_BATCH_INTERVAL_MS,
} from "./participant_updates.ts";

/** Counts are sent at most this often, ms. */
const ROOM_UPDATE_INTERVAL_MS = 5_000;

/** How long, and for how many, it is remembered who left, for clients that missed it. */
const DEPARTURE_MEMORY_MS = 5 * 60_000;
const MAX_DEPARTURES = 512;

/** The audience. */
export interface AnnouncementSource {
  participants(): Iterable<Participant>;
  byIdentity(identity: string): Participant | undefined;
  info(): RoomInfo;
}

/** See the module text. */
export class RoomAnnouncements {
  readonly #queue = new ParticipantUpdateQueue();
  #cancelBatch: Cancel | undefined;
  #cancelRoomUpdate: Cancel | undefined;
  #lastRoomUpdateAt = -Infinity;
  /** Oldest first. */
  #departed: { readonly at: number; readonly info: ParticipantInfo }[] = [];

  constructor(readonly source: AnnouncementSource, readonly platform: Platform) {}

  /**
   * Announces `participant` as it is now.
   *
   * @param toItself Whether it is told, too, and at once.
   */
  participant(participant: Participant, immediate: boolean, toItself: boolean): void {
    const info = participant.info();
    const own: QueuedUpdate = { info, synthesizedDisconnect: false };
    if (toItself) participant.sendUpdates([own]);
    if (participant.hidden) return;
    const holder = this.source.byIdentity(participant.identity);
    const current = holder === participant ? undefined : holder?.info();
    const updates = this.#queue.push(info, immediate, current);
    this.#send(updates, participant);
    if (this.#queue.size > 0) this.#scheduleBatch();
  }

  /** Announces that `participant` has left, and remembers it for a while. */
  departed(participant: Participant): void {
    if (!participant.hidden) {
      const at = this.platform.clock.now();
      const { sid, identity, version, state } = participant.info();
      const info = new ParticipantInfo({ sid, identity, version, state });
      this.#departed = this.#departed.filter((entry) => entry.at > at - DEPARTURE_MEMORY_MS)
        .slice(1 - MAX_DEPARTURES);
      this.#departed.push({ at, info });
    }
    this.participant(participant, false, false);
  }

  /** Who has left since `at` (monotonic ms), as little as a client needs to know. */
  departedSince(at: number): ParticipantInfo[] {
    return this.#departed.filter((entry) => entry.at >= at).map(({ info }) => info);
  }

  /** Tells everybody how loud `participant` is; `active` ends with a last message. */
  speaker(participant: Participant, level: number, active: boolean): void {
    const speaker = new SpeakerInfo({ sid: participant.sid, level, active });
    const value = new SpeakersChanged({ speakers: [speaker] });
    for (const receiver of this.source.participants()) {
      receiver.send({ case: "speakersChanged", value });
    }
  }

  /** Tells `receiver` of `participant` now, if it does not know yet. */
  introduce(participant: Participant, receiver: Participant): void {
    if (participant.hidden || participant === receiver) return;
    receiver.sendUpdates([{ info: participant.info(), synthesizedDisconnect: false }]);
  }

  /** The room's counts (soon) or metadata (`immediate`) changed. */
  roomChanged(immediate: boolean): void {
    const now = this.platform.clock.now();
    const wait = immediate ? 0 : this.#lastRoomUpdateAt + ROOM_UPDATE_INTERVAL_MS - now;
    if (wait <= 0) return this.#sendRoomUpdate();
    this.#cancelRoomUpdate ??= this.platform.timers.after(wait, () => this.#sendRoomUpdate());
  }

  close(): void {
    this.#cancelBatch?.();
    this.#cancelRoomUpdate?.();
  }

  #sendRoomUpdate(): void {
    this.#cancelRoomUpdate?.();
    this.#cancelRoomUpdate = undefined;
    this.#lastRoomUpdateAt = this.platform.clock.now();
    const value = new RoomUpdate({ room: this.source.info() });
    for (const participant of this.source.participants()) {
      participant.send({ case: "roomUpdate", value });
    }
  }

  #scheduleBatch(): void {
    this.#cancelBatch ??= this.platform.timers.after(UPDATE_BATCH_INTERVAL_MS, () => {
      this.#cancelBatch = undefined;
      this.#send(this.#queue.flush(), undefined);
    });
  }

  #send(updates: readonly QueuedUpdate[], about: Participant | undefined): void {
    if (updates.length === 0) return;
    for (const receiver of this.source.participants()) {
      if (receiver === about) continue;
      receiver.sendUpdates(updates.filter(({ info }) => isFor(info, receiver)));
    }
  }
}

/** Its own changes are sent to a participant when they happen, not with the batch. */
function isFor(info: ParticipantInfo, receiver: Participant): boolean {
  return info.sid !== receiver.sid;
}
