/**
 * What happens in rooms, told to observers outside (webhooks, metrics).
 *
 * Contract: an observer hears of a change after it was committed, in the order in which changes
 * were made, and gets values that are its own. One that throws harms neither the room nor the other
 * observers: it is logged and counted as `room_observer_bug`. Each participant that connects is
 * told of by `participantConnecting`, possibly `participantJoined`, and then either
 * `participantLeft` (it had joined) or `participantConnectionAborted`.
 *
 * Of a participant that another node serves, that node tells.
 *
 * @module
 */
import type {
  ClientInfo,
  DisconnectReason,
  ParticipantInfo,
  Room as RoomInfo,
  TrackInfo,
} from "@livekit/protocol";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Log } from "../../base/platform.ts";
import type { RoomDrop } from "../drop_reasons.ts";
import { describeError } from "./close_reason.ts";
import type { ParticipantFacts } from "./participant_facts.ts";

/** What an observer wants to hear; the rest is left out. */
export interface RoomObserver {
  /** It is served here from now on; `made` if it is new, and not one that others have. */
  roomOpened?(room: RoomInfo, made: boolean): void;
  /** Something was decided about it, here or elsewhere. */
  roomChanged?(room: RoomInfo): void;
  /** It is not served here any more; it may go on elsewhere. */
  roomClosed?(room: RoomInfo): void;
  roomStarted?(room: RoomInfo): void;
  /** Everybody has left. */
  roomFinished?(room: RoomInfo, reason: DisconnectReason): void;
  /** The session exists; nothing is connected yet. */
  participantConnecting?(room: RoomInfo, participant: ParticipantInfo, client: ClientInfo): void;
  /** Its primary connection was up for the first time: it is ACTIVE. */
  participantJoined?(room: RoomInfo, participant: ParticipantInfo): void;
  /** Gone after it had joined; `participant` names the reason, and no tracks. */
  participantLeft?(room: RoomInfo, participant: ParticipantInfo): void;
  /** Gone before it had joined. */
  participantConnectionAborted?(room: RoomInfo, participant: ParticipantInfo): void;
  trackPublished?(room: RoomInfo, publisher: ParticipantInfo, track: TrackInfo): void;
  /** Also for each track of a publisher that leaves, before the publisher's own event. */
  trackUnpublished?(room: RoomInfo, publisher: ParticipantInfo, track: TrackInfo): void;
}

/** As much of a participant as observers are told. */
type Observed =
  & Pick<ParticipantFacts, "active" | "info" | "elsewhere">
  & { readonly init: Pick<ParticipantFacts["init"], "clientInfo"> };

/** Names of the events about one participant that is there. */
type ParticipantEvent = "participantConnecting" | "participantJoined";

/**
 * One room's voice: tells each observer of each change once, in order, in values of its own; an
 * observer that throws harms nobody.
 */
export class RoomEvents {
  /** Those that have joined and not left. */
  readonly #joined = new Set<Observed>();

  constructor(
    readonly observers: readonly RoomObserver[],
    readonly info: () => RoomInfo,
    readonly log: Log,
    readonly counters: DropSink<RoomDrop>,
  ) {}

  opened(made: boolean): void {
    this.#each("roomOpened", (observer) => observer.roomOpened?.(this.info(), made));
  }

  changed(): void {
    this.#each("roomChanged", (observer) => observer.roomChanged?.(this.info()));
  }

  closed(): void {
    this.#each("roomClosed", (observer) => observer.roomClosed?.(this.info()));
  }

  started(): void {
    this.#each("roomStarted", (observer) => observer.roomStarted?.(this.info()));
  }

  finished(reason: DisconnectReason): void {
    this.#each("roomFinished", (observer) => observer.roomFinished?.(this.info(), reason));
  }

  /** It is in the room. One that comes from another room and is ACTIVE has joined at once. */
  entered(participant: Observed): void {
    if (participant.elsewhere) return;
    this.#about("participantConnecting", participant);
    if (participant.active) this.joined(participant);
  }

  joined(participant: Observed): void {
    if (this.#joined.has(participant)) return;
    this.#joined.add(participant);
    this.#about("participantJoined", participant);
  }

  /** It is no longer in the room. */
  gone(participant: Observed): void {
    if (participant.elsewhere) return;
    const had = this.#joined.delete(participant);
    const event = had ? "participantLeft" : "participantConnectionAborted";
    this.#each(event, (observer) => {
      const info = participant.info();
      // Each has been told of as unpublished, whatever the session itself goes on with.
      info.tracks = [];
      observer[event]?.(this.info(), info);
    });
  }

  published(publisher: Observed, track: TrackInfo): void {
    if (publisher.elsewhere) return;
    this.#each("trackPublished", (observer) => {
      observer.trackPublished?.(this.info(), publisher.info(), track.clone());
    });
  }

  unpublished(publisher: Observed, track: TrackInfo): void {
    if (publisher.elsewhere) return;
    this.#each("trackUnpublished", (observer) => {
      observer.trackUnpublished?.(this.info(), publisher.info(), track.clone());
    });
  }

  #about(event: ParticipantEvent, participant: Observed): void {
    this.#each(event, (observer) => {
      observer[event]?.(this.info(), participant.info(), participant.init.clientInfo.clone());
    });
  }

  /** Nothing is built for an observer that does not want the event. */
  #each(event: keyof RoomObserver, tell: (observer: RoomObserver) => void): void {
    for (const observer of this.observers) {
      if (observer[event] === undefined) continue;
      try {
        tell(observer);
      } catch (error) {
        this.failed(event, error);
      }
    }
  }

  /** Somebody who was told of something threw. */
  failed(event: string, error: unknown): void {
    this.counters.count("room_observer_bug");
    this.log.error("room observer failed", { event, error: describeError(error) });
  }
}
