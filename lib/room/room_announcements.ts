/**
 * What a room tells its participants about each other and about itself, and when.
 *
 * Urgent changes go out at once, or together where they come too fast to be told one by one
 * (`update_pace.ts`), and the rest in batches; room counts are sent at most every few seconds.
 * Hidden participants are announced to nobody but themselves.
 *
 * @module
 */
import {
  DisconnectReason,
  ParticipantInfo,
  ParticipantInfo_State,
  type Room as RoomInfo,
  RoomUpdate,
  SpeakerInfo,
  SpeakersChanged,
} from "@livekit/protocol";
import type { Cancel, Platform } from "../base/platform.ts";
import type { SignalMessage } from "./context/signal_message.ts";
import type { Member } from "./participant/member.ts";
import { sharedInfo } from "./context/participant_facts.ts";
import type { Session } from "./participant/session.ts";
import {
  encodedInfo,
  ParticipantUpdateQueue,
  type QueuedUpdate,
  UPDATE_BATCH_INTERVAL_MS,
} from "./participant/participant_updates.ts";
import { UpdatePace } from "./participant/update_pace.ts";

/** Counts are sent at most this often, ms. */
const ROOM_UPDATE_INTERVAL_MS = 5_000;

/** How long, and for how many, it is remembered who left, for clients that missed it. */
const DEPARTURE_MEMORY_MS = 5 * 60_000;
const MAX_DEPARTURES = 512;

/** Loudness of a simulated speaker, and how long it may speak, s. */
const SIMULATED_LEVEL = 0.9;
const MAX_SIMULATED_S = 60;
/** What a message about one speaker takes, about. */
const SPEAKER_BYTES = 32;

/** What is to be told of a participant, and to whom. */
interface Change {
  immediate: boolean;
  toItself: boolean;
  readonly cancel: Cancel;
}

/** The audience. */
export interface AnnouncementSource {
  /** Whose clients are here. */
  sessions(): Iterable<Session>;
  byIdentity(identity: string): Member | undefined;
  info(): RoomInfo;
}

/**
 * One room's updates. Nobody hears of a hidden participant but itself, and nobody hears an older
 * info after a newer one.
 */
export class RoomAnnouncements {
  readonly #queue = new ParticipantUpdateQueue();
  readonly #pace = new UpdatePace();
  /** Changes that wait to be told together. */
  readonly #gathered = new Map<Member, Change>();
  #cancelBatch: Cancel | undefined;
  #cancelRoomUpdate: Cancel | undefined;
  /** Ends of simulated speech; each of several has its own. */
  readonly #simulated = new Map<Member, Cancel>();
  #lastRoomUpdateAt = -Infinity;
  /** Oldest first. */
  #departed: { readonly at: number; readonly info: ParticipantInfo }[] = [];

  constructor(readonly source: AnnouncementSource, readonly platform: Platform) {}

  /**
   * Announces `participant` as it is now.
   *
   * @param toItself Whether it is told, too, and at once.
   */
  participant(participant: Member, immediate: boolean, toItself: boolean): void {
    const waiting = this.#gathered.get(participant);
    if (waiting !== undefined) {
      waiting.immediate ||= immediate;
      waiting.toItself ||= toItself;
      return;
    }
    const waitMs = this.#pace.waitMs(participant.identity, this.platform.clock.now());
    if (waitMs === 0) return this.#tell(participant, immediate, toItself);
    const cancel = this.platform.timers.after(waitMs, () => {
      const { immediate, toItself } = this.#gathered.get(participant)!;
      this.#gathered.delete(participant);
      this.#tell(participant, immediate, toItself);
    });
    this.#gathered.set(participant, { immediate, toItself, cancel });
  }

  /**
   * Announces that `participant` is gone from this room, whatever its own session does now, and
   * remembers it for a while.
   *
   * @param vanished It is still here but has become hidden.
   */
  departed(participant: Member, vanished = false): void {
    const waiting = this.#gathered.get(participant);
    waiting?.cancel();
    this.#gathered.delete(participant);
    if (waiting?.toItself) {
      participant.sendUpdates([{ info: sharedInfo(participant), synthesizedDisconnect: false }]);
    }
    if (participant.hidden && !vanished) return;
    const at = this.platform.clock.now();
    const info = participant.info();
    if (!participant.closed) {
      info.state = ParticipantInfo_State.DISCONNECTED;
      info.disconnectReason = DisconnectReason.MIGRATION;
    }
    const { sid, identity, version, state, joinedAt, joinedAtMs } = info;
    this.#departed = this.#departed.filter((entry) => entry.at > at - DEPARTURE_MEMORY_MS)
      .slice(1 - MAX_DEPARTURES);
    this.#departed.push({ at, info: new ParticipantInfo({ sid, identity, version, state }) });
    // Who comes and goes in a loop is told to be gone, and no more than that: of which session, and
    // when that began, as a later one of the same identity may be waiting to be told of.
    const { disconnectReason } = info;
    const short = { sid, identity, version, state, joinedAt, joinedAtMs, disconnectReason };
    const told = this.#pace.waitMs(identity, at) === 0 ? info : new ParticipantInfo(short);
    this.#told(told, this.#announce(participant, told, vanished));
    if (!vanished) return;
    // If it is shown again it has the same sid, which must not count as gone then.
    for (const receiver of this.source.sessions()) receiver.told.forget(sid);
  }

  /**
   * A session of which it may have been said that it has left is shown again, as it may be after
   * its node was out of reach.
   */
  returned({ sid, identity }: Member): void {
    const held = this.#queue.take(identity, sid);
    if (held !== undefined) this.#send([held], undefined);
    this.#departed = this.#departed.filter((entry) => entry.info.sid !== sid);
    for (const receiver of this.source.sessions()) receiver.told.forget(sid);
  }

  /**
   * Who has left since the client of `receiver` was last heard, as little as it needs to know.
   * Where it tells sessions of one identity apart, one that is back is not named: it would take the
   * end of the old session for that of the new.
   */
  missedDepartures(receiver: Session): ParticipantInfo[] {
    const { traits, link } = receiver;
    if (!traits.disconnectedUpdatesOnResume) return [];
    return this.#departed
      .filter(({ at, info }) =>
        at >= link.heardAt &&
        !(traits.identityBasedReconnection && this.source.byIdentity(info.identity) !== undefined)
      )
      .map(({ info }) => info);
  }

  /**
   * Tells everybody how loud `participant` is; `active` ends with a last message.
   *
   * @returns How many were told.
   */
  speaker(participant: Member, level: number, active: boolean): number {
    let told = 0;
    const speaker = new SpeakerInfo({ sid: participant.sid, level, active });
    const value = new SpeakersChanged({ speakers: [speaker] });
    const message: SignalMessage = { case: "speakersChanged", value };
    for (const receiver of this.source.sessions()) {
      if (participant.hidden && receiver !== participant) continue;
      // Older ones know speakers only by updates that are no longer sent.
      if (!receiver.traits.speakerChanges) continue;
      receiver.send(message);
      told++;
    }
    return told;
  }

  /**
   * Shows `participant` as speaking for a while, as a client under test asks.
   *
   * @returns `false` if it asks for that too often.
   */
  simulateSpeaker(participant: Member, seconds: number): boolean {
    const { identity } = participant;
    const now = this.platform.clock.now();
    if (this.#pace.waitMs(identity, now) > 0) return false;
    const told = this.speaker(participant, SIMULATED_LEVEL, true);
    // Once more when it ends.
    this.#pace.told(identity, SPEAKER_BYTES, 2 * told, now);
    const ms = Math.min(Math.max(seconds, 0), MAX_SIMULATED_S) * 1000;
    this.#simulated.get(participant)?.();
    const cancel = this.platform.timers.after(ms, () => {
      this.#simulated.delete(participant);
      this.speaker(participant, 0, false);
    });
    this.#simulated.set(participant, cancel);
    return true;
  }

  /** Tells `receiver` of `participant` now, if it does not know yet. */
  introduce(participant: Member, receiver: Session): void {
    if (participant.hidden || participant === receiver) return;
    if (receiver.told.knows(participant.sid, participant.profile.version)) return;
    receiver.sendUpdates([{ info: sharedInfo(participant), synthesizedDisconnect: false }]);
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
    for (const cancel of this.#simulated.values()) cancel();
    this.#simulated.clear();
    for (const { cancel } of this.#gathered.values()) cancel();
    this.#gathered.clear();
  }

  #tell(participant: Member, immediate: boolean, toItself: boolean): void {
    const info = sharedInfo(participant);
    if (toItself) participant.sendUpdates([{ info, synthesizedDisconnect: false }]);
    const others = participant.hidden ? 0 : this.#announce(participant, info, immediate);
    this.#told(info, others + (toItself ? 1 : 0));
  }

  /** @param receivers Who is told later, with the batch, is not counted. */
  #told(info: ParticipantInfo, receivers: number): void {
    const { length } = encodedInfo(info);
    this.#pace.told(info.identity, length, receivers, this.platform.clock.now());
  }

  /** @returns How many were told now. */
  #announce(participant: Member, info: ParticipantInfo, immediate: boolean): number {
    const holder = this.source.byIdentity(participant.identity);
    const current = holder === undefined || holder === participant ? undefined : sharedInfo(holder);
    const isUrgent = immediate || participant.profile.hasPublished;
    const told = this.#send(this.#queue.push(info, isUrgent, current), participant);
    if (this.#queue.size > 0) this.#scheduleBatch();
    return told;
  }

  #sendRoomUpdate(): void {
    this.#cancelRoomUpdate?.();
    this.#cancelRoomUpdate = undefined;
    this.#lastRoomUpdateAt = this.platform.clock.now();
    this.#everybody({ case: "roomUpdate", value: new RoomUpdate({ room: this.source.info() }) });
  }

  #everybody(message: SignalMessage): void {
    for (const receiver of this.source.sessions()) receiver.send(message);
  }

  #scheduleBatch(): void {
    this.#cancelBatch ??= this.platform.timers.after(UPDATE_BATCH_INTERVAL_MS, () => {
      this.#cancelBatch = undefined;
      this.#send(this.#queue.flush(), undefined);
    });
  }

  #send(updates: readonly QueuedUpdate[], about: Member | undefined): number {
    if (updates.length === 0) return 0;
    let told = 0;
    for (const receiver of this.source.sessions()) {
      if (receiver === about) continue;
      told++;
      receiver.sendUpdates(updates.filter(({ info }) => isFor(info, receiver)));
    }
    return told;
  }
}

/** Its own changes are sent to a participant when they happen, not with the batch. */
function isFor(info: ParticipantInfo, receiver: Session): boolean {
  return info.sid !== receiver.sid;
}
