/**
 * What the client of a session asks for, apart from coming and going: one method a request.
 *
 * @module
 */
import type {
  AddTrackRequest,
  AudioTrackFeature,
  DataTrackInfo,
  PublishDataTrackRequest,
  ReconnectReason,
  SessionDescription,
  StoreDataBlobRequest,
  UpdateDataSubscription,
  UpdateSubscription,
  UpdateTrackSettings,
} from "@livekit/protocol";
import type { TrackSid } from "../../base/ids.ts";
import type { IceCredentials } from "../../base/media_vocabulary.ts";
import type { LocalParameters } from "../../negotiation/local_description.ts";
import type { IceState, PublishingSide, SubscribingSide } from "../connection/connection_sides.ts";
import { RelayedAddresses } from "../context/client_summary.ts";
import type { IcePreference } from "../context/ice_preference.ts";
import type { BlobRefusal } from "../data/data_blobs.ts";
import type { DataTrackPublication } from "../data/published_data_tracks.ts";
import type { Subscriptions } from "../subscription/subscriptions.ts";
import type { IceSteering } from "./ice_steering.ts";
import type { Member } from "./member.ts";
import { PublishingMember } from "./publishing_member.ts";
import type { RoomPort } from "./room_port.ts";
import type { SignalLink } from "./signal_link.ts";

/**
 * A member with a client here that asks. What a request is about may be unknown, and then nothing
 * changes; whether it is allowed, who takes the request off the wire has asked before.
 */
export abstract class ClientRequests extends PublishingMember {
  readonly relayed: RelayedAddresses = new RelayedAddresses();

  abstract override readonly host: RoomPort<this>;
  abstract override readonly publisher: PublishingSide;
  abstract readonly subscriber: SubscribingSide;
  abstract readonly subscriptions: Subscriptions;
  abstract readonly link: SignalLink;
  abstract readonly steering: IceSteering;

  get allowPause(): boolean | undefined {
    return this.init.allowPause;
  }

  get icePreference(): IcePreference {
    return this.steering.preference;
  }

  get roomName(): string {
    return this.host.name;
  }

  /** Handles one `offer` of the client. */
  offer(description: SessionDescription): Promise<void> {
    this.relayed.noteDescription(description.sdp);
    return this.publisher.offer(description);
  }

  /** Handles one `answer` of the client. */
  answer(description: SessionDescription): void {
    this.relayed.noteDescription(description.sdp);
    this.subscriber.answer(description);
  }

  /** A candidate the client trickled. */
  noteCandidate(candidate: Parameters<RelayedAddresses["note"]>[0]): void {
    this.relayed.note(candidate);
  }

  /** How ICE stands where it publishes; absent before its first offer. */
  get iceState(): IceState | undefined {
    return this.publisher.iceState;
  }

  /** See {@linkcode PublishingSide.restartIce}. */
  restartIce(remote: IceCredentials): LocalParameters {
    return this.publisher.restartIce(remote);
  }

  /** `AddTrack`, answered by itself. */
  announce(request: AddTrackRequest): Promise<void> {
    return this.registry.announce(request);
  }

  /** Whether it has announced or published the track. */
  announced(trackSid: TrackSid): boolean {
    return this.registry.has(trackSid);
  }

  // The next three await what they do not ask for, so that the next request finds it told.

  async muteTrack(trackSid: TrackSid, muted: boolean): Promise<void> {
    await this.registry.setMuted(trackSid, muted, "publisher");
  }

  async updateAudioTrack(trackSid: TrackSid, features: AudioTrackFeature[]): Promise<void> {
    await this.registry.updateAudio(trackSid, features);
  }

  async updateVideoTrack(trackSid: TrackSid, width: number, height: number): Promise<void> {
    await this.registry.updateVideo(trackSid, width, height);
  }

  updateSubscription(message: UpdateSubscription): void {
    this.subscriptions.update(message);
  }

  setTrackSettings(message: UpdateTrackSettings): void {
    this.subscriptions.setTrackSettings(message);
  }

  /** Tracks it wants nothing of until it says more (`track_sids_disabled`). */
  disableTracks(trackSids: readonly string[]): void {
    this.subscriptions.disable(trackSids);
  }

  /** Wants tracks on behalf of a client that cannot ask. */
  subscribeTo(trackSids: readonly string[]): void {
    this.subscriptions.desire(trackSids);
  }

  /** Whether a track is in what its client accepted. */
  receives(trackSid: string): boolean {
    return this.subscriptions.isAccepted(trackSid);
  }

  publishDataTrack(request: PublishDataTrackRequest): DataTrackPublication {
    return this.host.dataTracks.publish(this, request);
  }

  /** @returns What ended; `undefined` if there is no such track. */
  unpublishDataTrack(pubHandle: number): DataTrackInfo | undefined {
    return this.host.dataTracks.unpublish(this, pubHandle);
  }

  updateDataSubscription(message: UpdateDataSubscription): void {
    this.host.dataTracks.update(this, message);
  }

  /** @returns Why the blob was not stored; `undefined` if it was. */
  storeBlob(request: StoreDataBlobRequest): BlobRefusal | undefined {
    return this.data.blobs.store(request);
  }

  /** Anybody in its room, itself included. */
  othersByIdentity(identity: string): Member | undefined {
    return this.host.byIdentity(identity);
  }

  simulateSpeaker(seconds: number): void {
    this.host.simulateSpeaker(this, seconds);
  }

  /** Sends it no more than so many bits per second, as a client under test asks; 0 ends that. */
  capBandwidth(bps: number): void {
    const connection = this.subscriber.id;
    this.context.router.send({ type: "cap_bandwidth", connection, bps });
  }

  /** As a client under test asks; see {@linkcode SignalLink.dropNext}. */
  dropNextSocket(withoutMessages: boolean): void {
    this.link.dropNext(withoutMessages);
  }

  /** Leads the client to another protocol, as one under test asks. */
  switchProtocol(preference: IcePreference): void {
    this.steering.prefer(preference);
    this.subscriber.restart();
  }

  /** Something came on its socket. */
  heard(isPing: boolean): void {
    this.link.heard(isPing);
  }

  /** Its client measured the round trip of signalling, ms. */
  signalMeasured(rttMs: number): void {
    this.link.measured(rttMs);
  }

  /** The client is back. @param reason What made it do so. */
  returns(reason: ReconnectReason): void {
    this.steering.resumed(reason);
  }
}
