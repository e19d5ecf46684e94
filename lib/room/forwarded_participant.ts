/**
 * A participant of another room, shown in this one with its tracks (`ForwardParticipant`).
 *
 * It has a sid of its own here and no client: what this room's participants receive is forwarded
 * straight from the origin's media and data tracks, as far as the origin's rule lets them. It follows every change of its origin and ends with it, or when it
 * is removed here.
 *
 * @module
 */
import {
  DisconnectReason,
  ParticipantInfo_KindDetail as KindDetail,
  ParticipantInfo_State as State,
} from "@livekit/protocol";
import type { Log } from "../base/platform.ts";
import type { SignalMessage, SignalSink } from "./connection_host.ts";
import { Participant } from "./participant.ts";
import type { ParticipantHost } from "./participant_host.ts";
import type { ParticipantInit } from "./participant_profile.ts";
import type { RoomContext } from "./room_context.ts";
import type { CodecWish } from "./subscribed_codecs.ts";
import type { PublishedTrack } from "./track_effects.ts";

/** One wish of this room that the origin's room has been told of. */
interface Wish {
  readonly trackSid: string;
  readonly subscriber: Participant;
}

/** See the module text. */
export class ForwardedParticipant extends Participant {
  readonly #mirrored = new Map<string, PublishedTrack>();
  readonly #wishes = new Map<string, Wish>();

  constructor(
    context: RoomContext,
    host: ParticipantHost<Participant>,
    readonly origin: Participant,
    log: Log,
  ) {
    super(context, host, initOf(origin), originSink(origin), log);
    this.data.share(origin.data);
    this.profile.advance(State.JOINED);
    this.profile.advance(State.ACTIVE);
  }

  override get tracks(): readonly PublishedTrack[] {
    return [...this.#mirrored.values()];
  }

  /** Its client has another session. */
  override get resumable(): boolean {
    return false;
  }

  override get receivesData(): boolean {
    return false;
  }

  /** What a publisher allows is allowed by identity, whatever the room. */
  override allowsSubscription(trackSid: string, subscriber: Participant): boolean {
    return this.origin.allowsSubscription(trackSid, subscriber);
  }

  /** Takes over what its origin is now. */
  follow(): void {
    if (this.closed) return;
    this.#followProfile();
    const now = new Map(this.origin.tracks.map((track) => [track.sid as string, track]));
    for (const [sid, track] of [...this.#mirrored]) {
      if (now.has(sid)) continue;
      this.#mirrored.delete(sid);
      this.profile.touch();
      this.host.trackUnpublished(this, track);
      this.#withdraw(({ trackSid }) => trackSid === sid);
    }
    for (const [sid, track] of now) {
      const before = this.#mirrored.get(sid);
      if (before === track) continue;
      this.#mirrored.set(sid, track);
      this.profile.becomePublisher();
      if (before === undefined) this.host.trackPublished(this, track);
      else this.host.trackUpdated(this, track);
    }
    this.host.dataTracks.mirror(this, this.origin.data.tracks.infos());
  }

  /** What `subscriber`, of this room, wants of a track is told where its media comes from. */
  relayWish(trackSid: string, subscriber: Participant, wish: CodecWish | undefined): void {
    const key = `${trackSid} ${subscriber.sid}`;
    if (wish === undefined) this.#wishes.delete(key);
    else this.#wishes.set(key, { trackSid, subscriber });
    this.origin.host.wish(trackSid, subscriber, wish);
  }

  /** Its origin is gone. */
  end(): void {
    this.close(DisconnectReason.CLIENT_INITIATED, "none");
  }

  override close(...[reason, farewell]: Parameters<Participant["close"]>): void {
    if (this.closed) return;
    super.close(reason, farewell);
    this.#withdraw(() => true);
    this.#mirrored.clear();
  }

  #withdraw(concerned: (wish: Wish) => boolean): void {
    for (const [key, wish] of [...this.#wishes]) {
      if (!concerned(wish)) continue;
      this.#wishes.delete(key);
      this.origin.host.wish(wish.trackSid, wish.subscriber, undefined);
    }
  }

  #followProfile(): void {
    const { name, metadata, attributes, permission } = this.origin.profile;
    const removed = Object.keys(this.profile.attributes).filter((key) => !(key in attributes));
    const gone = Object.fromEntries(removed.map((key) => [key, ""]));
    this.updateProfile({ name, metadata, attributes: { ...gone, ...attributes } });
    this.setPermission(permission).catch((error) => this.bug(error));
  }
}

function initOf(origin: Participant): ParticipantInit {
  const { init, profile } = origin;
  return {
    ...init,
    name: profile.name,
    metadata: profile.metadata,
    attributes: profile.attributes,
    permission: profile.permission,
    kindDetails: [...new Set([...init.kindDetails, KindDetail.FORWARDED])],
    autoSubscribe: false,
    oneShot: false,
    autoSubscribeDataTrack: false,
  };
}

/** The origin's client is told that somebody receives a track, and nothing else of this room. */
function originSink(origin: Participant): SignalSink {
  return {
    send(message: SignalMessage) {
      if (message.case === "trackSubscribed") origin.send(message);
    },
    close() {},
  };
}
