/**
 * The data tracks of one room: who publishes which, who receives which, and the media plane's routes
 * between them.
 *
 * Contract: after each call subscriptions, what clients were told and the routes agree. A participant
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
import type { DataTrackHost } from "./data_track_host.ts";
import type { DataTrackSource } from "./data_track_subscriptions.ts";
import type { Participant } from "./participant.ts";
import type { DataTrackPublication } from "./published_data_tracks.ts";
import type { RoomMembers } from "./room_members.ts";

/** See the module text. */
export class RoomDataTracks implements DataTrackHost<Participant> {
  /** Who publishes a track, by its sid. */
  readonly #publishers = new Map<string, Participant>();

  constructor(
    readonly members: RoomMembers,
    /** The infos of a participant have changed: everybody is told at once. */
    readonly changed: (participant: Participant) => void,
  ) {}

  /** A `PublishDataTrackRequest`. */
  publish(publisher: Participant, request: PublishDataTrackRequest): DataTrackPublication {
    if (!publisher.canPublishData || !publisher.context.options.data.dataTracks) {
      const message = "does not have permission to publish data";
      return { ok: false, reason: Reason.NOT_ALLOWED, message };
    }
    const publication = publisher.data.tracks.publish(request);
    if (!publication.ok) return publication;
    publisher.profile.becomePublisher();
    this.changed(publisher);
    this.#offer(publisher, [publication.info]);
    return publication;
  }

  /** An `UnpublishDataTrackRequest`. @returns what ended. */
  unpublish(publisher: Participant, pubHandle: number): DataTrackInfo | undefined {
    const info = publisher.data.tracks.unpublish(pubHandle);
    if (info !== undefined) this.#ended(publisher, [info]);
    return info;
  }

  /** An `UpdateDataSubscription`. */
  update(subscriber: Participant, { updates }: UpdateDataSubscription): void {
    const { subscriptions } = subscriber.data;
    for (const { trackSid, subscribe } of updates) subscriptions.desire(trackSid, subscribe);
    this.#reconcile(subscriber);
  }

  mirror(copy: Participant, infos: readonly DataTrackInfo[]): void {
    const { added, ended } = copy.data.tracks.mirror(infos);
    this.#ended(copy, ended);
    if (added.length === 0) return;
    copy.profile.becomePublisher();
    this.changed(copy);
    this.#offer(copy, added);
  }

  /** A participant can receive now, or is new in this room. */
  entered(participant: Participant): void {
    const own = participant.data.tracks.infos();
    if (own.some(({ sid }) => !this.#publishers.has(sid))) this.#offer(participant, own);
    if (participant.active && participant.init.autoSubscribeDataTrack) {
      for (const [sid, publisher] of this.#publishers) {
        if (publisher !== participant) participant.data.subscriptions.desire(sid, true);
      }
    }
    this.#reconcile(participant);
  }

  /** What it may do has changed. */
  permissionChanged(participant: Participant): void {
    if (!participant.canPublishData) this.#ended(participant, participant.data.tracks.clear());
    this.#reconcile(participant);
  }

  /** It was hidden, or is no longer. */
  visibilityChanged(participant: Participant): void {
    if (participant.hidden) this.reconcileAll();
    else this.#offer(participant, participant.data.tracks.infos());
  }

  /** A publisher's rule has changed. */
  reconcileAll(): void {
    for (const participant of this.members.all()) this.#reconcile(participant);
  }

  /** A participant is no longer here; what it publishes may go on in another room. */
  left(participant: Participant): void {
    const infos = participant.data.tracks.infos();
    for (const { sid } of infos) this.#publishers.delete(sid);
    if (infos.length > 0) {
      this.reconcileAll();
      participant.data.routes.set(participant.sid, []);
    }
    const had = participant.data.subscriptions.clear();
    if (had.length === 0) return;
    participant.send({ case: "dataTrackSubscriberHandles", value: this.#handles(participant) });
    this.#route(had);
  }

  #offer(publisher: Participant, infos: readonly DataTrackInfo[]): void {
    for (const { sid } of infos) this.#publishers.set(sid, publisher);
    for (const other of this.members.others(publisher)) {
      if (other.active && other.init.autoSubscribeDataTrack) {
        for (const { sid } of infos) other.data.subscriptions.desire(sid, true);
      }
      this.#reconcile(other);
    }
  }

  #ended(publisher: Participant, infos: readonly DataTrackInfo[]): void {
    if (infos.length === 0) return;
    for (const { sid } of infos) this.#publishers.delete(sid);
    publisher.profile.touch();
    this.changed(publisher);
    this.reconcileAll();
    this.#routeFrom(publisher);
  }

  #reconcile(subscriber: Participant): void {
    const { permission } = subscriber.profile;
    const { permissions, changed } = subscriber.data.subscriptions.reconcile(
      permission.canSubscribe && !subscriber.closed,
      (sid) => this.#resolve(sid, subscriber),
    );
    for (const value of permissions) {
      subscriber.send({ case: "subscriptionPermissionUpdate", value });
    }
    if (changed.length === 0) return;
    subscriber.send({ case: "dataTrackSubscriberHandles", value: this.#handles(subscriber) });
    this.#route(changed);
  }

  #handles(subscriber: Participant) {
    return subscriber.data.subscriptions.handles();
  }

  #resolve(trackSid: string, subscriber: Participant): DataTrackSource | undefined {
    const publisher = this.#publishers.get(trackSid);
    if (publisher === undefined || publisher === subscriber || publisher.hidden) return undefined;
    return {
      publisherSid: publisher.sid,
      publisherIdentity: publisher.identity,
      allowed: publisher.allowsSubscription(trackSid, subscriber),
    };
  }

  /** Renews the routes of everybody who publishes one of these tracks. */
  #route(trackSids: readonly string[]): void {
    const publishers = new Set(trackSids.map((sid) => this.#publishers.get(sid)));
    for (const publisher of publishers) if (publisher !== undefined) this.#routeFrom(publisher);
  }

  #routeFrom(publisher: Participant): void {
    const others = this.members.others(publisher);
    const { sid: publisherSid, data } = publisher;
    data.routes.set(
      publisherSid,
      data.tracks.infos().map(({ sid, pubHandle }) => ({
        handle: pubHandle,
        receivers: others.flatMap(({ data, dataConnection: connection }) => {
          const handle = data.subscriptions.handleOf(sid);
          return handle === undefined || connection === undefined ? [] : [{ connection, handle }];
        }),
      })),
    );
  }
}
