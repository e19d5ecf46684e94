/**
 * All recordings of this node: what `livekit.Egress` asks for, what rooms ask for by themselves
 * (`RoomEgress`), and what is remembered of those that have ended.
 *
 * @module
 */
import {
  type EgressInfo,
  EgressStatus,
  ParticipantEgressRequest,
  type ParticipantInfo,
  type Room as RoomInfo,
  RoomCompositeEgressRequest,
  TrackEgressRequest,
  type TrackInfo,
} from "@livekit/protocol";
import { AdminFailure, roomNotFound } from "../admin/admin_failure.ts";
import { anchoredClock } from "../base/anchored_clock.ts";
import { randomId } from "../base/ids.ts";
import type { RoomObserver } from "../room/context/room_events.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import type { RecordingStorage } from "../recording/recording_storage.ts";
import type { UploadTarget } from "../recording/upload_target.ts";
import type { Room } from "../room/room.ts";
import { Egress } from "./egress.ts";
import type { EgressWorld } from "./egress_world.ts";
import { type EgressPlan, planAutoParticipant, planAutoTrack, planRoom } from "./egress_plan.ts";
import { planGoingOn } from "./egress_takeover.ts";

/** Ended ones that are remembered; the oldest are forgotten first. */
const MOST_ENDED = 1_000;
/** Running at once on one node: each costs a share of the thread that serves everybody. */
const MOST_RUNNING = 500;
/** What a recording says that goes on elsewhere. */
const TAKEN_OVER =
  "the other nodes took this one for gone, as it was out of reach, and told that it had ended";

/** What the service is given. */
export interface EgressServiceOptions extends Omit<EgressWorld<Egress>, "changed"> {
  /** A place that a request asks for, or why there is none; absent: there is never one. */
  readonly uploadTo?: (target: UploadTarget) => RecordingStorage | string;
  readonly rooms: () => Pick<LocalRooms, "get">;
  /** See `EgressCalls.isRecordedElsewhere`; absent for a node that is alone. */
  readonly isRecordedElsewhere?: (
    request: TrackEgressRequest | ParticipantEgressRequest,
  ) => Promise<boolean>;
  /** One is another than it was; told before {@linkcode tell}. */
  readonly noted?: (info: EgressInfo) => void;
  readonly tell: (event: EgressEvent, info: EgressInfo) => void;
}

/** Names of webhook events. */
export type EgressEvent = "egress_started" | "egress_updated" | "egress_ended";

/** Which recordings are asked for; empty texts are for all. */
export interface EgressFilter {
  readonly roomName: string;
  readonly egressId: string;
  readonly active: boolean;
}

/** What a room asks for by itself, as it is when that is looked at. */
interface OwnRecording {
  readonly isThere: () => boolean;
  readonly isRecorded: () => boolean;
  readonly planOf: () => EgressPlan | AdminFailure;
}

/** This node's recordings. */
export class EgressService implements RoomObserver {
  readonly #options: EgressServiceOptions;
  readonly #egresses = new Map<string, Egress>();
  /** Of nodes that died, as they were told of here. */
  readonly #lost = new Map<string, EgressInfo>();
  /** Of whose end others have told already. */
  readonly #untold = new Set<string>();
  #isClosed = false;

  constructor(options: EgressServiceOptions) {
    this.#options = options;
  }

  /** Begins a recording; `plan` may be the reason why there is none. */
  start(plan: EgressPlan | AdminFailure): EgressInfo | AdminFailure {
    if (plan instanceof AdminFailure) return plan;
    const room = this.#options.rooms().get(plan.roomName);
    if (room === undefined) return roomNotFound();
    return this.#begin(plan, room);
  }

  list({ roomName, egressId, active }: EgressFilter): EgressInfo[] {
    const own = [...this.#egresses.values()].filter((egress) =>
      (roomName === "" || egress.plan.roomName === roomName) &&
      (egressId === "" || egress.id === egressId) &&
      !(active && egress.hasEnded)
    ).map((egress) => egress.info());
    if (active) return own;
    const lost = [...this.#lost.values()].filter((info) =>
      (roomName === "" || info.roomName === roomName) &&
      (egressId === "" || info.egressId === egressId)
    );
    return [...own, ...lost];
  }

  stop(egressId: string): EgressInfo | AdminFailure {
    const egress = this.#egresses.get(egressId);
    if (egress === undefined) return egressNotFound();
    const status = EgressStatus[egress.status];
    if (egress.stop()) return egress.info();
    const message = `egress with status ${status} cannot be stopped`;
    return new AdminFailure("failed_precondition", message);
  }

  has(egressId: string): boolean {
    return this.#egresses.has(egressId);
  }

  /** The recording of a track, or of a participant, that goes on here. */
  recording(request: TrackEgressRequest | ParticipantEgressRequest): EgressInfo | AdminFailure {
    const room = this.#options.rooms().get(request.roomName);
    return (room && this.#find(room, request))?.info() ?? egressNotFound();
  }

  /** One of another node has ended with it. */
  lost(info: EgressInfo): void {
    this.#lost.set(info.egressId, info);
    for (const id of [...this.#lost.keys()].slice(0, -MOST_ENDED)) this.#lost.delete(id);
    this.#options.tell("egress_ended", info);
  }

  /**
   * Goes on with one of a node that is gone, in files of its own, where its room still is; or says
   * why not. What somebody who came back has begun meanwhile is what goes on, and so is what was
   * begun for another node that is gone as well by now, before it could tell.
   */
  async goOn(lost: EgressInfo): Promise<EgressInfo | AdminFailure> {
    const room = this.#options.rooms().get(lost.roomName);
    if (room === undefined || room.sid !== lost.roomId) return roomNotFound();
    const known = this.#running.find(({ continues }) =>
      continues !== "" && continues === lost.egressId
    );
    if (known !== undefined) return known.info();
    // It waits for those to come back who were on the other node, and nobody has.
    const [somebody] = room.participants();
    if (somebody === undefined) return roomNotFound();
    const plan = planGoingOn(lost, room.internal.egress);
    if (plan instanceof AdminFailure) return plan;
    const { request } = lost;
    if (request.case === "participant" || request.case === "track") {
      const { value } = request;
      const begun = this.#find(room, value);
      if (begun !== undefined) {
        begun.continues ||= lost.egressId;
        return begun.info();
      }
      const isElsewhere = await this.#options.isRecordedElsewhere?.(value).catch(() => false);
      const isThere = request.case === "participant"
        ? room.byIdentity(request.value.identity) !== undefined
        : room.tracks.all().some(({ track: { sid } }) => sid === request.value.trackId);
      if (isElsewhere || !isThere || room.closed || this.#find(room, value) !== undefined) {
        return new AdminFailure("failed_precondition", "it is recorded already, or there no more");
      }
    }
    return this.#begin(plan, room, lost.egressId);
  }

  /** Others have told that it has ended, because this node was out of reach. */
  standDown(egressId: string): void {
    const egress = this.#egresses.get(egressId);
    if (egress === undefined || egress.hasEnded) return;
    this.#untold.add(egressId);
    egress.fail(TAKEN_OVER);
  }

  roomStarted({ name }: RoomInfo): void {
    const room = this.#options.rooms().get(name);
    const composite = room?.internal.egress?.room;
    if (room === undefined || composite === undefined) return;
    this.#startOwn(
      planRoom(new RoomCompositeEgressRequest({ ...composite, roomName: name })),
      room,
    );
  }

  roomClosed({ name, sid }: RoomInfo): void {
    for (const egress of this.#running) {
      if (egress.room.name === name && egress.room.sid === sid) egress.roomClosed();
    }
  }

  trackPublished({ name }: RoomInfo, { identity, kind }: ParticipantInfo, track: TrackInfo): void {
    const room = this.#options.rooms().get(name);
    const wanted = room?.internal.egress;
    // Of agents and the like nobody asked for a recording.
    if (room === undefined || wanted === undefined || kind !== 0) return;
    // The recording of who came back goes on with the new track.
    const { tracks, participant } = wanted;
    if (tracks !== undefined) {
      this.#startOnce(
        room,
        new TrackEgressRequest({ roomName: name, trackId: track.sid }),
        {
          isThere: () => room.tracks.all().some(({ track: { sid } }) => sid === track.sid),
          isRecorded: () => this.#trackRecording(room, track.sid) !== undefined,
          planOf: () => planAutoTrack(name, track.sid, tracks),
        },
      );
    }
    if (participant === undefined) return;
    this.#startOnce(
      room,
      new ParticipantEgressRequest({ roomName: name, identity }),
      {
        isThere: () => room.byIdentity(identity) !== undefined,
        isRecorded: () => this.#participantRecording(room, identity) !== undefined,
        planOf: () => planAutoParticipant(name, identity, participant),
      },
    );
  }

  /** Ends all recordings, begins no other, and waits until they are kept. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const running = this.#running;
    this.#options.storage.hurry?.();
    for (const egress of running) egress.stop("its server ended");
    await Promise.all(running.map(({ ended }) => ended));
    await this.#options.storage.close();
  }

  get #running(): Egress[] {
    return [...this.#egresses.values()].filter(({ hasEnded }) => !hasEnded);
  }

  /** One that is ending takes nothing more. */
  #recording(room: Room): Egress[] {
    return this.#running.filter((egress) =>
      egress.room === room && egress.status <= EgressStatus.EGRESS_ACTIVE
    );
  }

  /** What a room asks for by itself is made by one node, also if who came back is at another. */
  #startOnce(
    room: Room,
    request: TrackEgressRequest | ParticipantEgressRequest,
    { isThere, isRecorded, planOf }: OwnRecording,
  ): void {
    const start = () => {
      // Others may have taken seconds to say so.
      if (!room.closed && isThere() && !isRecorded()) this.#startOwn(planOf(), room);
    };
    const { isRecordedElsewhere } = this.#options;
    if (isRecorded()) return;
    if (isRecordedElsewhere === undefined) return start();
    isRecordedElsewhere(request).catch(() => false).then((is) => is || start());
  }

  #find(room: Room, request: TrackEgressRequest | ParticipantEgressRequest): Egress | undefined {
    return request instanceof TrackEgressRequest
      ? this.#trackRecording(room, request.trackId)
      : this.#participantRecording(room, request.identity);
  }

  #participantRecording(room: Room, identity: string): Egress | undefined {
    return this.#recording(room).find(({ plan: { selector } }) =>
      selector.type === "participant" && selector.identity === identity
    );
  }

  #trackRecording(room: Room, sid: string): Egress | undefined {
    return this.#recording(room).find(({ plan: { selector }, tracks }) =>
      selector.type === "tracks" && tracks.all.some(({ currentSid }) => currentSid === sid)
    );
  }

  #startOwn(plan: EgressPlan | AdminFailure, room: Room): void {
    const begun = plan instanceof AdminFailure ? plan : this.#begin(plan, room);
    if (!(begun instanceof AdminFailure)) return;
    room.log.warn("the recording that the room asks for cannot be made", { why: begun.message });
  }

  #begin(plan: EgressPlan, room: Room, continues = ""): EgressInfo | AdminFailure {
    const { platform } = this.#options;
    if (this.#isClosed) return new AdminFailure("unavailable", "the server is ending");
    if (this.#running.length >= MOST_RUNNING) {
      return new AdminFailure("resource_exhausted", `${MOST_RUNNING} recordings are running here`);
    }
    const storage = this.#storageOf(plan);
    if (typeof storage === "string") return new AdminFailure("permission_denied", storage);
    const id = randomId(platform.random, "EG_");
    const egress = new Egress(id, plan, room, {
      ...this.#options,
      platform: { ...platform, clock: anchoredClock(platform.clock) },
      storage,
      // What goes into a request's bucket is not here to be composed.
      composer: plan.upload === undefined ? this.#options.composer : undefined,
      changed: (changed, what) => this.#changed(changed, what),
    }, continues);
    this.#egresses.set(id, egress);
    room.recordingChanged(1);
    egress.start();
    room.log.info("recording started", { egress: id });
    return egress.info();
  }

  #storageOf({ upload }: EgressPlan): RecordingStorage | string {
    const { storage, uploadTo } = this.#options;
    if (upload === undefined) return storage;
    return uploadTo?.(upload) ?? "this server uploads no recordings to where requests say";
  }

  #changed(egress: Egress, what: "started" | "updated" | "ended"): void {
    const info = egress.info();
    if (!this.#untold.has(egress.id)) {
      this.#options.noted?.(info);
      this.#options.tell(`egress_${what}`, info);
    }
    if (what !== "ended") return;
    this.#untold.delete(egress.id);
    egress.room.recordingChanged(-1);
    const status = EgressStatus[egress.status];
    egress.room.log.info("recording ended", { egress: egress.id, status, error: egress.error });
    this.#forgetOld();
  }

  #forgetOld(): void {
    const ended = [...this.#egresses.values()].filter(({ hasEnded }) => hasEnded);
    for (const { id } of ended.slice(0, Math.max(0, ended.length - MOST_ENDED))) {
      this.#egresses.delete(id);
    }
  }
}

/** No node knows of it. */
export function egressNotFound(): AdminFailure {
  return new AdminFailure("not_found", "egress does not exist");
}
