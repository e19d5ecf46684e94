/**
 * Tells the participants of one room how good their own connection is, and those of the
 * participants they receive tracks of: at first, and when it has changed.
 *
 * A participant's quality is that of its worst track, published or received.
 *
 * @module
 */
import {
  ConnectionQuality,
  ConnectionQualityInfo,
  ConnectionQualityUpdate,
  VideoQuality,
} from "@livekit/protocol";
import type { HeardQuality } from "../context/node_ports.ts";
import type { QualityReport } from "../context/engine_router.ts";
import { ParticipantQuality } from "./participant_quality.ts";
import type { Member } from "../participant/member.ts";
import type { Session } from "../participant/session.ts";
import { receivesFrom } from "./room_speakers.ts";
import { declaredLayers } from "../subscription/track_settings.ts";

/** Clients up to this protocol know nothing of connection quality. */
const LAST_PROTOCOL_WITHOUT_QUALITY = 4;
/** Clients up to this protocol have no word for LOST. */
const LAST_PROTOCOL_WITHOUT_LOST = 10;

/** What this needs of the room. */
export interface QualityRoom {
  /** Whose clients are here. */
  participants(): Iterable<Session>;
  /** The highest quality the publisher was asked to send; `undefined` if it was not asked. */
  askedQuality(trackSid: string, mime: string): VideoQuality | undefined;
  /** A participant was measured here. */
  measured(participant: Session, worst: HeardQuality): void;
}

/** What is known of one member. */
interface Known {
  worst: HeardQuality;
  /** Who was told what. */
  readonly told: WeakMap<Session, ConnectionQuality>;
}

/**
 * One room's qualities: whoever receives a track of a participant is told its quality at first and
 * when it has changed, and each participant its own.
 */
export class RoomQuality {
  readonly #measured = new WeakMap<Session, ParticipantQuality>();
  readonly #members = new WeakMap<Member, Known>();

  constructor(readonly room: QualityRoom) {}

  /** One of the participant's connections was measured. */
  report(participant: Session, report: QualityReport, now: number): void {
    if (!participant.active) return;
    const measured = this.#measured.get(participant) ?? new ParticipantQuality();
    this.#measured.set(participant, measured);
    measured.report(report, now, (upTrack) => this.#expectation(participant, upTrack));
    const worst = measured.worst();
    const self = participant.tracks.length === 0 ? [participant] : undefined;
    this.heard(participant, worst, self);
    this.room.measured(participant, worst);
  }

  /** This is how good the connection of a member is, wherever it was measured. */
  heard(participant: Member, worst: HeardQuality, audience = this.#audience(participant)): void {
    const known = this.#members.get(participant) ?? { worst, told: new WeakMap() };
    known.worst = worst;
    this.#members.set(participant, known);
    for (const receiver of audience) this.#tell(participant, known, receiver);
  }

  /** How good the connection of a member was when that was last known. */
  of(participant: Member): HeardQuality | undefined {
    return this.#members.get(participant)?.worst;
  }

  /** `receiver` receives a track of `participant` from now on. */
  introduce(participant: Member, receiver: Session): void {
    const member = this.#members.get(participant);
    if (member !== undefined) this.#tell(participant, member, receiver);
  }

  #tell(participant: Member, { worst, told }: Known, receiver: Session): void {
    const { protocol } = receiver.traits;
    // One that is away for a moment is told when it is back.
    if (protocol <= LAST_PROTOCOL_WITHOUT_QUALITY || !receiver.reachable) return;
    const quality =
      worst.quality === ConnectionQuality.LOST && protocol <= LAST_PROTOCOL_WITHOUT_LOST
        ? ConnectionQuality.POOR
        : worst.quality;
    if (told.get(receiver) === quality) return;
    told.set(receiver, quality);
    const { sid: participantSid } = participant;
    const info = new ConnectionQualityInfo({ participantSid, quality, score: worst.opinion });
    receiver.send({
      case: "connectionQuality",
      value: new ConnectionQualityUpdate({ updates: [info] }),
    });
  }

  #audience(participant: Member): Session[] {
    return [...this.room.participants()].filter((other) =>
      other === participant || other.active && receivesFrom(other, participant)
    );
  }

  #expectation(participant: Session, upTrack: string): number | "nothing" {
    const track = participant.tracks.find(({ upTracks }) =>
      upTracks.some((candidate) => candidate.upTrack === upTrack)
    );
    if (track === undefined || track.kind === "audio") return 0;
    const { mime } = track.upTracks.find((candidate) => candidate.upTrack === upTrack)!;
    const asked = this.room.askedQuality(track.sid, mime);
    if (asked === VideoQuality.OFF) return "nothing";
    if (!track.info.simulcast) return 0;
    const layers = declaredLayers(track.info).filter(({ quality }) =>
      asked === undefined || quality <= asked
    );
    return Math.max(0, ...layers.map(({ spatialLayer }) => spatialLayer));
  }
}
