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
  StreamState,
  StreamStateInfo,
  StreamStateUpdate,
  SubscriptionError,
  SubscriptionResponse,
  type UpdateSubscription,
  type UpdateTrackSettings,
} from "@livekit/protocol";
import type { ConnectionId, DownTrackId } from "../../base/ids.ts";
import type { CodecParameters, LayerTarget, SendSection } from "../../base/media_vocabulary.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { MediaCommand } from "../../engine/messages/media_messages.ts";
import { chooseCodec, type CodecOption, type SubscribableTrack } from "./codec_choice.ts";
import type { SignalMessage } from "../context/signal_message.ts";
import { permissionMessage } from "./permission_messages.ts";
import type { SubscriptionOutcome } from "../context/telemetry.ts";
import type { CodecWish } from "./wanted_codecs.ts";
import {
  RECONCILE_INTERVAL_MS,
  type SourceState,
  type SubscriptionAction,
  SubscriptionTable,
} from "./subscription_table.ts";
import type { SubscriptionLimits } from "../context/room_options.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";
import { qualityOfSpatial } from "../registry/track_info.ts";
import { declaredLayers, sameTarget, targetFor } from "./track_settings.ts";

/**
 * Settings are applied this long after the last change, ms; a client resizing a tile sends many.
 */
const SETTINGS_DEBOUNCE_MS = 100;

/** A down-track to be put into the subscriber's description. */
export interface DownTrackRequest {
  readonly downTrack: DownTrackId;
  readonly publisherSid: string;
  readonly track: PublishedTrack;
  /** What the track can be had in, preferred first. */
  readonly codecs: readonly CodecParameters[];
}

/** Where subscriptions take effect. */
export interface SubscriptionHost {
  maySubscribe(): boolean;
  /** The client has a socket, so that it could answer an offer. */
  canAnswer(): boolean;
  /** The client goes on with a track whose codec changes. */
  followsCodecChange(): boolean;
  /** The room of whose loudest audio is to be, unless it is asked for by name; absent: none. */
  loudestOf(): string | undefined;
  /** See {@linkcode SendSection.openAfterMs}. */
  openAfterMs(): number | undefined;
  resolve(trackSid: string): SubscribableTrack | undefined;
  /** As much of {@linkcode SubscriptionHost.resolve} as decides whether the track can be had. */
  sourceState(trackSid: string): SourceState;
  send(message: SignalMessage): void;
  /** Before a track is offered its subscriber must know the publisher. */
  introduce(trackSid: string): void;
  /** The subscriber's answer accepted the track. */
  subscriptionAccepted(trackSid: string): void;
  /** How an attempt to subscribe goes on; for counting only. */
  outcome(outcome: SubscriptionOutcome, downTrack: DownTrackId, trackSid: string): void;
  /** A down-track is gone. */
  ended(downTrack: DownTrackId): void;
  /** Tells `listener` when a down-track is paused for want of bandwidth, until it has ended. */
  watchPauses(downTrack: DownTrackId, listener: (paused: boolean) => void): void;
  /** What this subscriber wants of a track; `undefined` when it ends, or is paused. */
  wish(trackSid: string, wish: CodecWish | undefined): void;
  /** Puts a down-track into the next offer. */
  addToOffer(request: DownTrackRequest): void;
  /** Takes a down-track out of the next offer. */
  removeFromOffer(downTrack: DownTrackId): void;
  newDownTrackId(): DownTrackId;
  engine(command: MediaCommand): void;
  /** A subscription came to nothing, though the client is there and nothing forbids it. */
  failed(): void;
}

interface DownTrack {
  readonly id: DownTrackId;
  readonly trackSid: string;
  /**
   * The codec the client is sent, or is to be sent; before its answer the best of those offered.
   */
  codec: CodecOption;
  /** Where the client accepted it. */
  accepted: { readonly connection: ConnectionId; readonly section: SendSection } | undefined;
  /** The target in force; absent while nothing is forwarded. */
  sent: LayerTarget | undefined;
}

/**
 * One subscriber's subscriptions: the table agrees with the room after each `reconcile`, and a
 * published track has one down-track here at most.
 */
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
    const named = message.participantTracks.flatMap(({ trackSids }) => trackSids);
    const trackSids = [...message.trackSids, ...named];
    for (const sid of trackSids) {
      this.#table.desire(sid, message.subscribe, now);
      if (this.#table.insist(sid, message.subscribe)) this.#apply(sid);
    }
    this.reconcile(trackSids);
  }

  /** What the room forwards without being asked by name has changed. */
  wishAgain(): void {
    for (const { trackSid } of this.#downTracks.values()) this.#apply(trackSid);
  }

  /** Wants tracks without being asked, as auto-subscription does. */
  desire(trackSids: readonly string[]): void {
    for (const sid of trackSids) this.#table.desire(sid, true, this.#now());
    this.reconcile(trackSids);
  }

  /** An `UpdateTrackSettings` of the client; may come before the subscription. */
  setTrackSettings(message: UpdateTrackSettings): void {
    const { disabled, quality, width, height, fps, priority } = message;
    for (const sid of message.trackSids) {
      const enables = this.#table.settings(sid).disabled && !disabled;
      const wanted = { disabled, quality, width, height, fps, priority };
      if (!this.#table.setSettings(sid, wanted, this.#now())) continue;
      // Of audio nothing else can be meant.
      if (!disabled) this.#table.insist(sid, true);
      this.#applySoon(sid, enables ? 0 : SETTINGS_DEBOUNCE_MS);
    }
    // What is set for tracks that nobody comes to want is forgotten after a while.
    this.#rest();
  }

  /** `track_sids_disabled` of a resuming client. */
  disable(trackSids: Iterable<string>): void {
    for (const sid of trackSids) {
      const settings = this.#table.settings(sid);
      if (!this.#table.setSettings(sid, { ...settings, disabled: true }, this.#now())) continue;
      this.#applySoon(sid, 0);
    }
  }

  /** A track was published or changed. */
  sourceChanged(trackSid: string): void {
    const down = this.#of(trackSid);
    if (down === undefined) {
      if (this.#table.isDesired(trackSid)) this.reconcile([trackSid]);
      return;
    }
    if (this.#follow(down)) return;
    this.#end(down);
    this.reconcile([trackSid]);
  }

  /** A track was unpublished, or its publisher left. */
  sourceRemoved(trackSid: string): void {
    this.#end(this.#of(trackSid));
    this.#table.sourceRemoved(trackSid);
    this.#cancelSettings(trackSid);
    this.reconcile([trackSid]);
  }

  /** The answer took the down-track: it is forwarded from now on. */
  accepted(id: DownTrackId, connection: ConnectionId, section: SendSection): void {
    const down = this.#downTracks.get(id);
    if (down === undefined) return;
    const source = this.host.resolve(down.trackSid);
    if (source === undefined) return;
    const codec = chooseCodec(source.options, section.codecs);
    if (codec === undefined) return;
    // What is accepted a second time has other parameters, which the media plane takes only anew.
    this.#stop(down);
    if (down.accepted === undefined) this.host.outcome("success", id, down.trackSid);
    const openAfterMs = this.host.openAfterMs();
    down.accepted = {
      connection,
      section: openAfterMs === undefined ? section : { ...section, openAfterMs },
    };
    down.codec = codec;
    this.#table.accepted(down.trackSid);
    this.host.watchPauses(id, (paused) => this.#tellPaused(down.trackSid, paused));
    this.#apply(down.trackSid);
    this.host.subscriptionAccepted(down.trackSid);
  }

  /** The answer refused the down-track: the subscriber knows none of its codecs. */
  rejected(id: DownTrackId): void {
    const down = this.#downTracks.get(id);
    if (down === undefined) return;
    this.#table.desire(down.trackSid, false, this.#now());
    this.#end(down, "failure");
    this.#respond(down.trackSid, SubscriptionError.SE_CODEC_UNSUPPORTED);
    this.reconcile([down.trackSid]);
  }

  /** Tracks that are subscribed to, accepted or not. */
  subscribedTracks(): string[] {
    return this.#table.subscribedTracks();
  }

  /** What there is of them to be forwarded. */
  downTracks(): Iterable<{ readonly id: DownTrackId; readonly trackSid: string }> {
    return this.#downTracks.values();
  }

  isAccepted(trackSid: string): boolean {
    return this.#table.isAccepted(trackSid);
  }

  isDesired(trackSid: string): boolean {
    return this.#table.isDesired(trackSid);
  }

  /**
   * Makes facts agree with wishes as far as is possible now.
   *
   * @param trackSids Those of which something has changed; all if absent.
   */
  reconcile(trackSids?: Iterable<string>): void {
    if (this.#closed) return;
    const actions = this.#table.reconcile(
      this.#now(),
      (sid) => this.host.sourceState(sid),
      this.host.maySubscribe(),
      trackSids,
    );
    for (const action of actions) this.#carryOut(action);
    // A failed subscription may have ended the session.
    if (!this.#closed) this.#rest();
  }

  /** Looks again after a while if something is not as it is to stay. */
  #rest(): void {
    const { unsettled } = this.#table;
    if (this.#closed || this.#cancelTick !== undefined || unsettled.size === 0) return;
    this.#cancelTick = this.platform.timers.after(RECONCILE_INTERVAL_MS, () => {
      this.#cancelTick = undefined;
      this.reconcile(unsettled);
    });
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
    for (const { id, trackSid, accepted } of this.#downTracks.values()) {
      if (accepted === undefined) this.host.outcome("cancel", id, trackSid);
      this.host.ended(id);
      this.host.wish(trackSid, undefined);
    }
    this.#downTracks.clear();
  }

  #carryOut(action: SubscriptionAction): void {
    if (this.#closed) return;
    const { trackSid } = action;
    switch (action.type) {
      case "subscribe":
        return this.#subscribe(trackSid);
      case "unsubscribe":
        return this.#end(this.#downTracks.get(action.downTrack));
      case "not_found":
        return this.#respond(trackSid, SubscriptionError.SE_TRACK_NOTFOUND);
      case "not_accepted":
        // A client that is cut off for a while gets its tracks when it resumes.
        if (!this.host.canAnswer()) return this.#table.waitLonger(trackSid, this.#now());
        this.#table.desire(trackSid, false, this.#now());
        this.#respond(trackSid, SubscriptionError.SE_UNKNOWN);
        this.#end(this.#of(trackSid), "failure");
        return this.host.failed();
      case "permission": {
        const source = this.host.resolve(trackSid);
        if (source === undefined) return;
        return this.host.send(permissionMessage(source, action.allowed));
      }
    }
  }

  #subscribe(trackSid: string): void {
    const source = this.host.resolve(trackSid);
    const codec = source?.options[0];
    if (source === undefined || codec === undefined) return;
    const id = this.host.newDownTrackId();
    const down: DownTrack = { id, trackSid, codec, accepted: undefined, sent: undefined };
    this.#downTracks.set(id, down);
    this.#table.subscribed(trackSid, id, source.track.kind, this.#now());
    this.host.introduce(trackSid);
    const { publisherSid, track } = source;
    const codecs = source.options.flatMap((option) => source.codecsOf(option));
    this.host.outcome("attempt", id, trackSid);
    this.host.addToOffer({ downTrack: id, publisherSid, track, codecs });
  }

  /** Goes along with a change of the track. @returns `false` if it takes another down-track. */
  #follow(down: DownTrack): boolean {
    const source = this.host.resolve(down.trackSid);
    const { accepted, codec: before } = down;
    const same = (option: CodecOption) =>
      option.mime === before.mime && option.upTrack === before.upTrack;
    if (source === undefined) return false;
    if (accepted === undefined) return source.options.some(same);
    const codec = chooseCodec(source.options, accepted.section.codecs);
    if (codec === undefined) return false;
    // What waits for its first packet may still get any codec.
    if (!same(codec) && down.sent !== undefined) {
      const { upTrack, mime } = codec;
      if (upTrack === undefined || mime === before.mime) return false;
      if (!this.host.followsCodecChange()) return false;
      this.host.engine({ type: "set_down_track_source", downTrack: down.id, upTrack });
    }
    down.codec = codec;
    this.#apply(down.trackSid);
    return true;
  }

  #end(down: DownTrack | undefined, outcome: SubscriptionOutcome = "cancel"): void {
    if (down === undefined) return;
    if (down.accepted === undefined) this.host.outcome(outcome, down.id, down.trackSid);
    this.host.ended(down.id);
    this.#downTracks.delete(down.id);
    this.#table.closed(down.trackSid, this.#now());
    this.#stop(down);
    this.host.removeFromOffer(down.id);
    this.host.wish(down.trackSid, undefined);
  }

  #stop(down: DownTrack): void {
    if (down.sent !== undefined) {
      this.host.engine({ type: "remove_down_track", downTrack: down.id });
    }
    down.sent = undefined;
  }

  #of(trackSid: string): DownTrack | undefined {
    const id = this.#table.downTrack(trackSid);
    return id === undefined ? undefined : this.#downTracks.get(id);
  }

  #applySoon(trackSid: string, delayMs: number): void {
    this.#cancelSettings(trackSid);
    if (delayMs === 0) return this.#apply(trackSid);
    const cancel = this.platform.timers.after(delayMs, () => {
      this.#settingsTimers.delete(trackSid);
      this.#apply(trackSid);
    });
    this.#settingsTimers.set(trackSid, cancel);
  }

  #cancelSettings(trackSid: string): void {
    this.#settingsTimers.get(trackSid)?.();
    this.#settingsTimers.delete(trackSid);
  }

  /**
   * Forwards an accepted down-track once there is media, under the target that is to be in force.
   */
  #apply(trackSid: string): void {
    const down = this.#of(trackSid);
    const source = this.host.resolve(trackSid);
    if (down?.accepted === undefined || source === undefined) return;
    const { accepted: { connection, section }, codec: { mime, upTrack }, id: downTrack } = down;
    const target = targetFor(
      this.#table.settings(trackSid),
      source.track.info,
      this.#table.insists(trackSid) ? undefined : this.host.loudestOf(),
    );
    const quality = qualityOfSpatial(target.maxSpatial, declaredLayers(source.track.info));
    // A paused track is wanted by nobody here: its publisher may stop sending it.
    this.host.wish(trackSid, target.enabled ? { mime, quality } : undefined);
    if (upTrack === undefined || sameTarget(target, down.sent)) return;
    this.host.engine(
      down.sent === undefined
        ? { type: "add_down_track", connection, downTrack, upTrack, section, target }
        : { type: "set_down_track_target", downTrack, target },
    );
    down.sent = target;
  }

  #tellPaused(trackSid: string, paused: boolean): void {
    const source = this.host.resolve(trackSid);
    if (source === undefined) return;
    const { publisherSid: participantSid } = source;
    const state = paused ? StreamState.PAUSED : StreamState.ACTIVE;
    const streamStates = [new StreamStateInfo({ participantSid, trackSid, state })];
    this.host.send({ case: "streamStateUpdate", value: new StreamStateUpdate({ streamStates }) });
  }

  #respond(trackSid: string, err: SubscriptionError): void {
    const value = new SubscriptionResponse({ trackSid, err });
    this.host.send({ case: "subscriptionResponse", value });
  }

  #now(): number {
    return this.platform.clock.now();
  }
}
