/**
 * The data tracks of one room: who publishes which, who receives which, and the media plane's
 * routes between them.
 *
 * Contract: after each call subscriptions, what clients were told and the routes agree, but for a
 * client whose tracks change faster than can be told one by one (`update_pace.ts`). A participant
 * hears of a track (in the publisher's info) before it hears of its handle. The packets themselves
 * never come here.
 *
 * @module
 */
import {
  type DataTrackInfo,
  type PublishDataTrackRequest,
  RequestResponse_Reason as Reason,
  type UpdateDataSubscription,
} from "@livekit/protocol";
import type { Cancel, Platform } from "../base/platform.ts";
import type { DataTrackHost } from "./participant/room_port.ts";
import type { DataTrackSource } from "./data/data_track_subscriptions.ts";
import type { Member } from "./participant/member.ts";
import type { Session } from "./participant/session.ts";
import type { DataTrackPublication } from "./data/published_data_tracks.ts";
import type { RoomMembers } from "./participant/room_members.ts";
import { UpdatePace } from "./participant/update_pace.ts";

/** What one handle takes in a message, to a client or to the media plane, about. */
const HANDLE_BYTES = 64;

/**
 * One room's data tracks. Subscriptions, what clients were told and the routes agree after each
 * call, but for changes that wait for their pace.
 */
export class RoomDataTracks implements DataTrackHost<Session> {
  /** Who publishes a track, by its sid. */
  readonly #publishers = new Map<string, Member>();
  readonly #handlePace = new UpdatePace();
  /** Who will be told its handles when it is time. */
  readonly #waiting = new Map<Session, Cancel>();
  /** Whose routes are to be renewed, once for all that a call changes. */
  readonly #unrouted = new Set<Member>();
  readonly #routePace = new UpdatePace();
  /** Whose routes will be renewed when it is time. */
  readonly #routing = new Map<Member, Cancel>();

  constructor(
    readonly members: RoomMembers,
    readonly platform: Pick<Platform, "clock" | "timers">,
    /** The infos of a participant have changed: everybody is told at once. */
    readonly changed: (member: Member) => void,
    /** It is a publisher now, or has its first tracks: there may be one publisher more. */
    readonly begun: () => void,
  ) {}

  /** A `PublishDataTrackRequest`. */
  publish(publisher: Session, request: PublishDataTrackRequest): DataTrackPublication {
    if (!publisher.canPublishData || !publisher.context.options.data.dataTracks) {
      const message = "does not have permission to publish data";
      return { ok: false, reason: Reason.NOT_ALLOWED, message };
    }
    const publication = publisher.data.tracks.publish(request);
    if (!publication.ok) return publication;
    this.#began(publisher, [publication.info]);
    this.#route();
    return publication;
  }

  /** An `UnpublishDataTrackRequest`. @returns what ended. */
  unpublish(publisher: Session, pubHandle: number): DataTrackInfo | undefined {
    const info = publisher.data.tracks.unpublish(pubHandle);
    if (info !== undefined) this.#ended(publisher, [info]);
    this.#route();
    return info;
  }

  /** An `UpdateDataSubscription`. */
  update(subscriber: Session, { updates }: UpdateDataSubscription): void {
    const { subscriptions } = subscriber.data;
    for (const { trackSid, subscribe } of updates) subscriptions.desire(trackSid, subscribe);
    this.#reconcile(subscriber, updates.map(({ trackSid }) => trackSid));
    this.#route();
  }

  mirror(copy: Member, infos: readonly DataTrackInfo[]): void {
    const { added, ended } = copy.dataTracks.mirror(infos);
    this.#ended(copy, ended);
    if (added.length > 0) this.#began(copy, added);
    this.#route();
  }

  /** A participant can receive now, or is new in this room. */
  entered(participant: Session): void {
    const own = participant.data.tracks.infos();
    if (own.some(({ sid }) => !this.#publishers.has(sid))) this.#offer(participant, own);
    if (participant.active && participant.init.autoSubscribeDataTrack) {
      for (const [sid, publisher] of this.#publishers) {
        if (publisher !== participant) participant.data.subscriptions.desire(sid, true);
      }
    }
    this.#reconcile(participant);
    this.#route();
  }

  /** What it may do has changed. */
  permissionChanged(member: Member): void {
    if (!member.canPublishData) this.#ended(member, member.dataTracks.clear());
    const session = this.members.sessionOf(member);
    if (session !== undefined) this.#reconcile(session);
    this.#route();
  }

  /** It was hidden, or is no longer. */
  visibilityChanged(member: Member): void {
    const infos = member.dataTracks.infos();
    if (member.hidden) this.#reconcileAll(infos);
    else this.#offer(member, infos);
    this.#route();
  }

  /** Who may have what `publisher` publishes has changed. */
  ruleChanged(publisher: Member): void {
    this.#reconcileAll(publisher.dataTracks.infos());
    this.#route();
  }

  /**
   * A member is no longer here; what it publishes may go on in another room.
   *
   * @param session Its session, if its client was served here.
   */
  left(member: Member, session: Session | undefined): void {
    const infos = member.dataTracks.infos();
    for (const { sid } of infos) this.#publishers.delete(sid);
    this.#routing.get(member)?.();
    // (What waited to be told may be that its last track has ended.)
    const waited = this.#routing.delete(member);
    if (infos.length > 0) this.#reconcileAll(infos);
    if (infos.length > 0 || waited) member.setDataRoutes([]);
    if (session !== undefined) this.#forget(session);
    this.#route();
  }

  #forget(session: Session): void {
    this.#waiting.get(session)?.();
    this.#waiting.delete(session);
    const had = session.data.subscriptions.clear();
    if (had.length === 0) return;
    this.#sendHandles(session);
    this.#noteUnrouted(had);
  }

  #began(publisher: Member, infos: readonly DataTrackInfo[]): void {
    const { profile, dataTracks } = publisher;
    // Data tracks outlast the permission to publish media, with which their owner counted.
    const isNew = !profile.isPublisher || dataTracks.infos().length === infos.length;
    profile.becomePublisher();
    this.changed(publisher);
    if (isNew) this.begun();
    this.#offer(publisher, infos);
  }

  #offer(publisher: Member, infos: readonly DataTrackInfo[]): void {
    for (const { sid } of infos) this.#publishers.set(sid, publisher);
    for (const other of this.members.othersThan(publisher)) {
      if (other.active && other.init.autoSubscribeDataTrack) {
        for (const { sid } of infos) other.data.subscriptions.desire(sid, true);
      }
      this.#reconcile(other, infos.map(({ sid }) => sid));
    }
    // Other nodes may want what nobody here does.
    this.#unrouted.add(publisher);
  }

  #ended(publisher: Member, infos: readonly DataTrackInfo[]): void {
    if (infos.length === 0) return;
    for (const { sid } of infos) this.#publishers.delete(sid);
    publisher.profile.touch();
    this.changed(publisher);
    this.#reconcileAll(infos);
    this.#unrouted.add(publisher);
  }

  #reconcileAll(infos: readonly DataTrackInfo[]): void {
    if (infos.length === 0) return;
    const sids = infos.map(({ sid }) => sid);
    for (const session of this.members.allSessions()) this.#reconcile(session, sids);
  }

  /** @param trackSids Those of which something has changed; all if absent. */
  #reconcile(subscriber: Session, trackSids?: readonly string[]): void {
    const { permission } = subscriber.profile;
    const { permissions, changed } = subscriber.data.subscriptions.reconcile(
      permission.canSubscribe && !subscriber.closed,
      (sid) => this.#resolve(sid, subscriber),
      trackSids,
    );
    for (const value of permissions) {
      subscriber.send({ case: "subscriptionPermissionUpdate", value });
    }
    if (changed.length === 0) return;
    this.#tellHandles(subscriber);
    this.#noteUnrouted(changed);
  }

  /** All of them are told each time, so that the last time is enough. */
  #tellHandles(subscriber: Session): void {
    this.#inPace(subscriber, this.#handlePace, this.#waiting, () => this.#sendHandles(subscriber));
  }

  /** Does something about `member` now or, once for all calls until then, when its pace has it. */
  #inPace<M extends Member>(
    member: M,
    pace: UpdatePace,
    waiting: Map<M, Cancel>,
    act: () => void,
  ): void {
    if (waiting.has(member)) return;
    const { clock, timers } = this.platform;
    const waitMs = pace.waitMs(member.identity, clock.now());
    if (waitMs === 0) return act();
    const cancel = timers.after(waitMs, () => {
      waiting.delete(member);
      act();
    });
    waiting.set(member, cancel);
  }

  #sendHandles(subscriber: Session): void {
    const value = subscriber.data.subscriptions.handles();
    subscriber.send({ case: "dataTrackSubscriberHandles", value });
    const bytes = Object.keys(value.subHandles).length * HANDLE_BYTES;
    this.#handlePace.told(subscriber.identity, bytes, 1, this.platform.clock.now());
  }

  #resolve(trackSid: string, subscriber: Session): DataTrackSource | undefined {
    const publisher = this.#publishers.get(trackSid);
    if (publisher === undefined || publisher === subscriber || publisher.hidden) return undefined;
    return {
      publisherSid: publisher.sid,
      publisherIdentity: publisher.identity,
      allowed: publisher.allowsSubscription(trackSid, subscriber),
    };
  }

  #noteUnrouted(trackSids: readonly string[]): void {
    for (const sid of trackSids) {
      const publisher = this.#publishers.get(sid);
      if (publisher !== undefined) this.#unrouted.add(publisher);
    }
  }

  /** Renews the routes of everybody of whose tracks somebody else has another handle now. */
  #route(): void {
    const publishers = [...this.#unrouted];
    this.#unrouted.clear();
    for (const publisher of publishers) this.#routeSoon(publisher);
  }

  /** All of them are told each time, as handles are. */
  #routeSoon(publisher: Member): void {
    this.#inPace(publisher, this.#routePace, this.#routing, () => this.#routeFrom(publisher));
  }

  #routeFrom(publisher: Member): void {
    const others = this.members.othersThan(publisher);
    let count = 0;
    publisher.setDataRoutes(
      publisher.dataTracks.infos().map(({ sid, pubHandle }) => {
        const receivers = others.flatMap(({ data, dataConnection: connection }) => {
          const handle = data.subscriptions.handleOf(sid);
          return handle === undefined || connection === undefined ? [] : [{ connection, handle }];
        });
        count += receivers.length;
        return { handle: pubHandle, receivers };
      }),
    );
    const now = this.platform.clock.now();
    this.#routePace.told(publisher.identity, count * HANDLE_BYTES, 1, now);
  }
}
