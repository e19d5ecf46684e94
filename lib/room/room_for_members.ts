/**
 * One room as those who are in it use it: they ask and tell it ({@linkcode RoomPort}), and it keeps
 * its lists and tells the others.
 *
 * Contract: an identity is in the room at most once; a participant that has closed is in no list
 * when the others hear of it.
 *
 * @module
 */
import { DisconnectReason, type Room as RoomInfo } from "@livekit/protocol";
import type { NodeId, RoomSid } from "../base/ids.ts";
import type { Log } from "../base/platform.ts";
import { guardedPlatform } from "../base/wake_timer.ts";
import {
  ALONE,
  type HeardQuality,
  type NodePorts,
  type RoomLink,
  type RoomRecord,
} from "./context/node_ports.ts";
import type { RoomContext } from "./context/room_context.ts";
import { RoomEvents } from "./context/room_events.ts";
import type { DataEvent } from "../engine/messages/data_messages.ts";
import { RoomData } from "./data/room_data.ts";
import { RoomReports } from "./measure/room_reports.ts";
import { isOwn, type Member } from "./participant/member.ts";
import { RoomMembers } from "./participant/room_members.ts";
import type { RoomPort } from "./participant/room_port.ts";
import type { Session } from "./participant/session.ts";
import type { PublishedTrack } from "./registry/registry_messages.ts";
import { RoomAnnouncements } from "./room_announcements.ts";
import { RoomDataTracks } from "./room_data_tracks.ts";
import { RoomForwards } from "./room_forwards.ts";
import { type RemotesHost, RoomRemotes } from "./room_remotes.ts";
import { RoomTracks } from "./subscription/room_tracks.ts";

/** A room's members and what they publish, with who is told of it. */
export abstract class RoomForMembers implements RoomPort<Session>, RemotesHost {
  readonly sid: RoomSid;
  readonly createdAtMs: number;
  readonly log: Log;
  /** A throw of its timers ends nothing: it is logged and counted. */
  readonly context: RoomContext;
  readonly tracks: RoomTracks<Member>;
  readonly dataTracks: RoomDataTracks;
  readonly data: RoomData;
  /** What observers outside are told. */
  readonly events: RoomEvents;
  /** Unix seconds; 0 before the first join. */
  firstJoinedAt = 0;
  /** Unix seconds; 0 before the first leave. */
  lastLeftAt = 0;
  protected readonly members: RoomMembers = new RoomMembers();
  protected readonly announcements: RoomAnnouncements;
  protected readonly reports: RoomReports;
  protected readonly forwards: RoomForwards = new RoomForwards();
  protected readonly ports: NodePorts;
  /** Other nodes that follow this room. */
  protected readonly link: RoomLink;

  constructor(readonly name: string, record: RoomRecord, context: RoomContext) {
    const { counters } = context;
    const platform = guardedPlatform(context.platform, (error) => this.noteBug(error));
    this.context = { ...context, platform };
    this.sid = record.sid;
    this.createdAtMs = record.createdAtMs;
    this.log = platform.log.child({ room: name, roomSid: this.sid });
    this.ports = context.ports ?? ALONE;
    this.events = new RoomEvents(context.observers ?? [], () => this.info(), this.log, counters);
    this.tracks = new RoomTracks(this.context, this.events, this.members);
    const witnessFailed = (error: unknown) => this.events.failed("witness", error);
    this.data = new RoomData(name, context, platform, () => this.link, witnessFailed);
    const tell = (member: Member) => this.participantChanged(member, true);
    const count = () => this.announcements.roomChanged(false);
    this.dataTracks = new RoomDataTracks(this.members, platform, tell, count);
    this.announcements = new RoomAnnouncements(this, platform);
    this.reports = new RoomReports(
      this.context,
      () => this.sessions(),
      this.tracks,
      () => this.link,
      this.data.witnesses,
    );
    this.link = this.ports.remoteMembers.open(
      new RoomRemotes(this, {
        members: this.members,
        reports: this.reports,
        announcements: this.announcements,
      }),
    );
  }

  abstract info(): RoomInfo;
  abstract readonly closed: boolean;
  abstract readonly forwardsLoudest: boolean;
  abstract readonly record: RoomRecord;
  abstract adopt(record: RoomRecord, isAgreed?: boolean): void;
  abstract abandon(reason: DisconnectReason): void;
  abstract supersede(isReplaced: boolean): void;
  abstract meet(nodes: readonly NodeId[]): Promise<void>;

  protected abstract noteBug(error: unknown): void;

  /** There may be fewer or more who keep the room open. */
  protected abstract occupancyChanged(): void;

  /** Everybody, wherever their clients are. */
  participants(): Iterable<Member> {
    return this.members.values();
  }

  byIdentity(identity: string): Member | undefined {
    return this.members.get(identity);
  }

  /** Those whose clients are served here. */
  sessions(): Iterable<Session> {
    return this.members.sessions();
  }

  session(identity: string): Session | undefined {
    return this.members.session(identity);
  }

  /** How good the connection of a member is; absent before it was measured. */
  qualityOf(member: Member): HeardQuality | undefined {
    return this.reports.qualityOf(member);
  }

  participantChanged(member: Member, immediate: boolean): void {
    const session = this.members.sessionOf(member);
    if (session !== undefined) this.data.changed(session);
    this.announcements.participant(member, immediate, true);
    this.forwards.changed(member);
    this.tellOthers(member);
  }

  participantActive(participant: Session): void {
    this.data.changed(participant);
    this.#joined(participant);
    this.events.joined(participant);
    this.tellOthers(participant);
    this.announcements.participant(participant, false, false);
    this.autoSubscribe(participant);
    this.dataTracks.entered(participant);
  }

  participantResumed(participant: Session): void {
    this.tracks.restart(participant);
  }

  permissionChanged(member: Member): void {
    this.occupancyChanged();
    const session = this.members.sessionOf(member);
    if (session !== undefined) {
      this.autoSubscribe(session);
      session.subscriptions.reconcile();
    }
    this.dataTracks.permissionChanged(member);
    // There may be one publisher more, or fewer.
    if (member.profile.hasPublished) this.announcements.roomChanged(false);
  }

  visibilityChanged(member: Member): void {
    this.dataTracks.visibilityChanged(member);
    if (member.hidden) this.announcements.departed(member, true);
    for (const sid of this.tracks.of(member)) {
      if (member.hidden) this.members.withdrawTrack(sid);
      else this.members.offerTrack(member, sid);
    }
  }

  participantClosed(member: Member): void {
    this.context.tracing?.ended(member);
    if (this.members.has(member)) this.remove(member);
  }

  trackPublished(member: Member, track: PublishedTrack): void {
    this.tracks.add(member, track);
    this.participantChanged(member, true);
    this.announcements.roomChanged(false);
    this.members.offerTrack(member, track.sid);
  }

  trackUpdated(member: Member, track: PublishedTrack): void {
    this.tracks.update(track);
    this.participantChanged(member, true);
    for (const { subscriptions } of this.members.othersThan(member)) {
      subscriptions.sourceChanged(track.sid);
    }
  }

  trackUnpublished(member: Member, track: PublishedTrack): void {
    this.#removeTrack(track.sid);
    this.participantChanged(member, true);
  }

  subscriptionRuleChanged(member: Member): void {
    const sids = this.tracks.of(member);
    for (const { subscriptions } of this.members.allSessions()) subscriptions.reconcile(sids);
    this.dataTracks.ruleChanged(member);
    this.forwards.ruleChanged(member);
    this.tellOthers(member);
  }

  introduce(trackSid: string, receiver: Session): void {
    const publisher = this.tracks.get(trackSid)?.publisher;
    if (publisher !== undefined) this.announcements.introduce(publisher, receiver);
  }

  subscriptionAccepted(trackSid: string, subscriber: Session): void {
    this.reports.subscribed(trackSid, subscriber);
    if (subscriber.hidden || !this.tracks.announceSubscribed(trackSid)) return;
    this.tracks.get(trackSid)?.publisher.tellSubscribed(trackSid);
  }

  /** Takes in a member of another node. */
  show(member: Member): void {
    this.add(member);
    this.announcements.returned(member);
    this.announcements.participant(member, false, false);
    this.announcements.roomChanged(false);
  }

  dataEvent(participant: Session, event: DataEvent): void {
    this.data.handle(participant, event);
  }

  /** Shows everybody `participant` as speaking for a while, as a client under test asks. */
  simulateSpeaker(participant: Session, seconds: number): void {
    if (this.announcements.simulateSpeaker(participant, seconds)) {
      this.link.speakerSimulated(participant.sid, seconds);
    } else this.context.counters.count("simulated_speech_too_often");
  }

  /** Takes `member` out of every list, then tells the others. */
  protected remove(member: Member): void {
    const session = this.members.sessionOf(member);
    this.forwards.end(member);
    if (session !== undefined) this.data.left(session);
    this.members.delete(member);
    if (member.elsewhere) this.data.remoteLeft(member.sid);
    else this.link.left(member);
    this.dataTracks.left(member, session);
    if (session !== undefined) this.reports.left(session);
    for (const trackSid of this.tracks.of(member)) this.#removeTrack(trackSid);
    this.lastLeftAt = Math.trunc(this.context.platform.clock.wallMs() / 1000);
    this.context.departures?.note(this.name, member.init);
    this.context.census?.left(this.name, member.init);
    this.announcements.departed(member);
    this.announcements.roomChanged(false);
    this.occupancyChanged();
    this.events.gone(member);
    if (member.elsewhere || member.claim === undefined) return;
    this.ports.placement?.release(this.name, member.identity, member.claim);
  }

  /**
   * Adds a member; an older one of its identity is ended first.
   *
   * @param session The same, if its client is served here.
   */
  protected add(member: Member, session?: Session): void {
    const former = this.members.get(member.identity);
    if (former !== undefined) {
      member.profile.joinedAfter(former.profile);
      former.giveWay(member);
    }
    this.members.set(member, session);
    this.context.census?.entered(this.name, member.init);
    this.tellOthers(member);
    if (session !== undefined) this.reports.joined(session);
    this.firstJoinedAt ||= Math.trunc(this.context.platform.clock.wallMs() / 1000);
    this.occupancyChanged();
    if (member.active) this.#joined(member);
    this.events.entered(member);
  }

  /** Before the world is: who has joined is told to have left, whatever happens to this node. */
  #joined(member: Member): void {
    if (member.elsewhere || member.claim === undefined) return;
    this.ports.placement?.joined(this.name, member.claim);
  }

  /** Tells the other nodes of a member that is served here. */
  protected tellOthers(member: Member): void {
    if (isOwn(member)) this.link.changed(member);
  }

  #removeTrack(trackSid: string): void {
    this.tracks.remove(trackSid);
    this.members.withdrawTrack(trackSid);
  }

  protected autoSubscribe(participant: Session): void {
    if (!participant.active || !participant.init.autoSubscribe) return;
    participant.subscriptions.desire(this.tracks.notOf(participant));
  }
}
