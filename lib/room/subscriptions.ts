/**
 * Carries out one subscriber's wishes: keeps the {@linkcode SubscriptionTable} reconciled with the
 * room, opens and ends down-tracks, and turns settings into targets.
 *
 * Every published track has at most one down-track here. Nothing is sent to the client but through
 * the host, and nothing to the media plane but through the ports given.
 *
 * @module
 */
import {
  SubscriptionError,
  SubscriptionPermissionUpdate,
  SubscriptionResponse,
  type UpdateSubscription,
  type UpdateTrackSettings,
  type VideoQuality,
} from "@livekit/protocol";
import type { ConnectionId, DownTrackId, UpTrackId } from "../base/ids.ts";
import type { CodecParameters, SendSection } from "../base/media_vocabulary.ts";
import type { Cancel, Platform } from "../base/platform.ts";
import type { DownTrackTarget, EngineCommand } from "../engine/engine_messages.ts";
import type { SignalMessage } from "./connection_host.ts";
import {
  RECONCILE_INTERVAL_MS,
  type SourceState,
  type SubscriptionAction,
  type SubscriptionLimits,
  SubscriptionTable,
} from "./subscription_table.ts";
import type { PublishedTrack } from "./track_effects.ts";
import { qualityOfSpatial } from "./track_info.ts";
import { declaredLayers, targetFor } from "./track_settings.ts";

/** Settings are applied this long after the last change, ms; a client resizing a tile sends many. */
const SETTINGS_DEBOUNCE_MS = 100;

/** A track as its subscriber's host resolves it. */
export interface SubscribableTrack {
  readonly publisherSid: string;
  readonly track: PublishedTrack;
  /** The publisher's rule lets this subscriber have it. */
  readonly allowed: boolean;
  /** What one of the track's up-tracks can deliver, preferred first. */
  codecsOf(upTrack: UpTrackId): readonly CodecParameters[];
}

/** A down-track to be put into the subscriber's description. */
export interface DownTrackRequest {
  readonly downTrack: DownTrackId;
  readonly publisherSid: string;
  readonly track: PublishedTrack;
  /** What the up-track that will be forwarded can deliver, preferred first. */
  readonly codecs: readonly CodecParameters[];
}

/** Where subscriptions take effect. */
export interface SubscriptionHost {
  maySubscribe(): boolean;
  /** The client has a socket, so that it could answer an offer. */
  canAnswer(): boolean;
  resolve(trackSid: string): SubscribableTrack | undefined;
  send(message: SignalMessage): void;
  /** Before a track is offered its subscriber must know the publisher. */
  introduce(trackSid: string): void;
  /** The subscriber's answer accepted the track. */
  subscriptionBound(trackSid: string): void;
  /** What this subscriber wants at most of a video track; `undefined` when it ends. */
  wish(trackSid: string, quality: VideoQuality | undefined): void;
  /** Puts a down-track into the next offer. */
  addToOffer(request: DownTrackRequest): void;
  /** Takes a down-track out of the next offer. */
  removeFromOffer(downTrack: DownTrackId): void;
  newDownTrackId(): DownTrackId;
  engine(command: EngineCommand): void;
  /** A subscription came to nothing, though the client is there and nothing forbids it. */
  failed(): void;
  /** A callback of a timer threw. */
  bug(error: unknown): void;
}

interface DownTrack {
  readonly id: DownTrackId;
  readonly trackSid: string;
  readonly upTrack: UpTrackId;
  bound: boolean;
  sent: DownTrackTarget | undefined;
}

/** See the module text. */
export class Subscriptions {
  readonly #table: SubscriptionTable;
  readonly #downTracks = new Map<DownTrackId, DownTrack>();
  readonly #settingsTimers = new Map<string, Cancel>();
  #cancelTick: Cancel | undefined;
  #closed = false;

  constructor(
    readonly host: SubscriptionHost,
    readonly platform: Platform,
    adaptiveStream: boolean,
    limits: SubscriptionLimits,
  ) {
    this.#table = new SubscriptionTable(adaptiveStream, limits);
  }

  /** An `UpdateSubscription` of the client, or of the server API on its behalf. */
  update(message: UpdateSubscription): void {
    const now = this.#now();
    for (const sid of message.trackSids) this.#table.desire(sid, message.subscribe, now);
    for (const { trackSids } of message.participantTracks) {
      for (const sid of trackSids) this.#table.desire(sid, message.subscribe, now);
    }
    this.reconcile();
  }

  /** Wants tracks without being asked, as auto-subscription does. */
  desire(trackSids: Iterable<string>): void {
    for (const sid of trackSids) this.#table.desire(sid, true, this.#now());
    this.reconcile();
  }

  /** An `UpdateTrackSettings` of the client; may come before the subscription. */
  setTrackSettings(message: UpdateTrackSettings): void {
    const { disabled, quality, width, height, fps } = message;
    for (const sid of message.trackSids) {
      const enables = this.#table.settings(sid).disabled && !disabled;
      this.#table.setSettings(sid, { disabled, quality, width, height, fps }, this.#now());
      this.#applySoon(sid, enables ? 0 : SETTINGS_DEBOUNCE_MS);
    }
  }

  /** `track_sids_disabled` of a resuming client. */
  disable(trackSids: Iterable<string>): void {
    for (const sid of trackSids) {
      const settings = this.#table.settings(sid);
      this.#table.setSettings(sid, { ...settings, disabled: true }, this.#now());
      this.#applySoon(sid, 0);
    }
  }

  /** A track was published or changed. */
  sourceChanged(trackSid: string): void {
    const id = this.#table.downTrack(trackSid);
    const down = id === undefined ? undefined : this.#downTracks.get(id);
    if (down === undefined) {
      if (this.#table.isDesired(trackSid)) this.reconcile();
      return;
    }
    const source = this.host.resolve(trackSid);
    const alive = source?.track.upTracks.some(({ upTrack }) => upTrack === down.upTrack);
    if (alive) {
      this.#apply(trackSid);
    } else {
      this.#end(down);
      this.reconcile();
    }
  }

  /** A track was unpublished, or its publisher left. */
  sourceRemoved(trackSid: string): void {
    const id = this.#table.downTrack(trackSid);
    const down = id === undefined ? undefined : this.#downTracks.get(id);
    if (down !== undefined) this.#end(down);
    this.#table.sourceRemoved(trackSid);
    this.#cancelSettings(trackSid);
    this.reconcile();
  }

  /** The answer took the down-track: it is forwarded from now on. */
  bound(id: DownTrackId, connection: ConnectionId, section: SendSection): void {
    const down = this.#downTracks.get(id);
    if (down === undefined) return;
    const source = this.host.resolve(down.trackSid);
    if (source === undefined) return;
    // A second binding has other parameters, which the media plane takes only anew.
    if (down.bound) this.host.engine({ type: "remove_down_track", downTrack: id });
    down.bound = true;
    this.#table.bound(down.trackSid);
    const target = targetFor(this.#table.settings(down.trackSid), source.track.info);
    down.sent = target;
    this.host.engine({
      type: "add_down_track",
      connection,
      downTrack: id,
      upTrack: down.upTrack,
      section,
      target,
    });
    this.#wish(down, source.track, target);
    this.host.subscriptionBound(down.trackSid);
  }

  /** The answer refused the down-track: the subscriber knows none of its codecs. */
  rejected(id: DownTrackId): void {
    const down = this.#downTracks.get(id);
    if (down === undefined) return;
    this.#table.desire(down.trackSid, false, this.#now());
    this.#end(down);
    this.#respond(down.trackSid, SubscriptionError.SE_CODEC_UNSUPPORTED);
    this.reconcile();
  }

  /** Tracks that are subscribed to, bound or not. */
  subscribedTracks(): string[] {
    return this.#table.subscribedTracks();
  }

  isBound(trackSid: string): boolean {
    return this.#table.isBound(trackSid);
  }

  isDesired(trackSid: string): boolean {
    return this.#table.isDesired(trackSid);
  }

  /** Makes facts agree with wishes as far as is possible now. */
  reconcile(): void {
    if (this.#closed) return;
    const actions = this.#table.reconcile(
      this.#now(),
      (sid) => this.#sourceState(sid),
      this.host.maySubscribe(),
    );
    for (const action of actions) this.#carryOut(action);
    // A failed subscription may have ended the session.
    if (this.#closed) return;
    this.#cancelTick?.();
    this.#cancelTick = this.#table.unsettled
      ? this.#after(RECONCILE_INTERVAL_MS, () => this.reconcile())
      : undefined;
  }

  /** Ends everything and forgets every wish, to begin anew in another room. */
  reset(): void {
    for (const down of [...this.#downTracks.values()]) this.#end(down);
    for (const cancel of this.#settingsTimers.values()) cancel();
    this.#settingsTimers.clear();
    this.#table.clear();
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  /** Ends everything; the media plane forgets the down-tracks with their connection. */
  close(): void {
    this.#closed = true;
    this.#cancelTick?.();
    for (const cancel of this.#settingsTimers.values()) cancel();
    this.#settingsTimers.clear();
    for (const down of this.#downTracks.values()) this.host.wish(down.trackSid, undefined);
    this.#downTracks.clear();
  }

  #carryOut(action: SubscriptionAction): void {
    if (this.#closed) return;
    const { trackSid } = action;
    switch (action.type) {
      case "subscribe":
        return this.#subscribe(trackSid);
      case "unsubscribe": {
        const down = this.#downTracks.get(action.downTrack);
        if (down !== undefined) this.#end(down);
        return;
      }
      case "not_found":
        return this.#respond(trackSid, SubscriptionError.SE_TRACK_NOTFOUND);
      case "not_bound":
        // A client that is cut off for a while gets its tracks when it resumes.
        if (!this.host.canAnswer()) return this.#table.waitLonger(trackSid, this.#now());
        this.#table.desire(trackSid, false, this.#now());
        this.#respond(trackSid, SubscriptionError.SE_UNKNOWN);
        this.#endBySid(trackSid);
        return this.host.failed();
      case "permission": {
        const participantSid = this.host.resolve(trackSid)?.publisherSid ?? "";
        const value = new SubscriptionPermissionUpdate({
          participantSid,
          trackSid,
          allowed: action.allowed,
        });
        return this.host.send({ case: "subscriptionPermissionUpdate", value });
      }
    }
  }

  #subscribe(trackSid: string): void {
    const source = this.host.resolve(trackSid);
    const up = source?.track.upTracks[0];
    if (source === undefined || up === undefined) return;
    const id = this.host.newDownTrackId();
    const down: DownTrack = { id, trackSid, upTrack: up.upTrack, bound: false, sent: undefined };
    this.#downTracks.set(id, down);
    this.#table.subscribed(trackSid, id, source.track.kind, this.#now());
    this.host.introduce(trackSid);
    const { publisherSid, track } = source;
    const codecs = source.codecsOf(up.upTrack);
    this.host.addToOffer({ downTrack: id, publisherSid, track, codecs });
  }

  #end(down: DownTrack): void {
    this.#downTracks.delete(down.id);
    this.#table.closed(down.trackSid, this.#now());
    if (down.bound) this.host.engine({ type: "remove_down_track", downTrack: down.id });
    this.host.removeFromOffer(down.id);
    this.host.wish(down.trackSid, undefined);
  }

  #endBySid(trackSid: string): void {
    const id = this.#table.downTrack(trackSid);
    const down = id === undefined ? undefined : this.#downTracks.get(id);
    if (down !== undefined) this.#end(down);
  }

  #applySoon(trackSid: string, delayMs: number): void {
    this.#cancelSettings(trackSid);
    if (delayMs === 0) return this.#apply(trackSid);
    const cancel = this.#after(delayMs, () => {
      this.#settingsTimers.delete(trackSid);
      this.#apply(trackSid);
    });
    this.#settingsTimers.set(trackSid, cancel);
  }

  #cancelSettings(trackSid: string): void {
    this.#settingsTimers.get(trackSid)?.();
    this.#settingsTimers.delete(trackSid);
  }

  /** Sends the target of a bound down-track if it is not the one in force. */
  #apply(trackSid: string): void {
    const id = this.#table.downTrack(trackSid);
    const down = id === undefined ? undefined : this.#downTracks.get(id);
    const source = this.host.resolve(trackSid);
    if (down === undefined || !down.bound || source === undefined) return;
    const target = targetFor(this.#table.settings(trackSid), source.track.info);
    if (sameTarget(target, down.sent)) return;
    down.sent = target;
    this.host.engine({ type: "set_down_track_target", downTrack: down.id, target });
    this.#wish(down, source.track, target);
  }

  #wish(down: DownTrack, track: PublishedTrack, target: DownTrackTarget): void {
    // A paused track is wanted by nobody here: its publisher may stop sending it.
    const quality = target.enabled
      ? qualityOfSpatial(target.maxSpatial, declaredLayers(track.info))
      : undefined;
    this.host.wish(down.trackSid, quality);
  }

  #sourceState(trackSid: string): SourceState {
    const source = this.host.resolve(trackSid);
    if (source === undefined || source.track.upTracks.length === 0) return { exists: false };
    return { exists: true, kind: source.track.kind, allowed: source.allowed };
  }

  #respond(trackSid: string, err: SubscriptionError): void {
    const value = new SubscriptionResponse({ trackSid, err });
    this.host.send({ case: "subscriptionResponse", value });
  }

  #after(delayMs: number, callback: () => void): Cancel {
    return this.platform.timers.after(delayMs, () => {
      try {
        callback();
      } catch (error) {
        this.host.bug(error);
      }
    });
  }

  #now(): number {
    return this.platform.clock.now();
  }
}

function sameTarget(a: DownTrackTarget, b: DownTrackTarget | undefined): boolean {
  return b !== undefined && a.enabled === b.enabled && a.maxSpatial === b.maxSpatial &&
    a.maxTemporal === b.maxTemporal;
}
