/**
 * What a participant is, as data: names, permission, state and version, and how it is shown to
 * others (`ParticipantInfo`).
 *
 * The version goes up with the first showing after a change, so that equal versions are equal
 * infos.
 *
 * @module
 */
import {
  type ClientInfo,
  type DataTrackInfo,
  DisconnectReason,
  ParticipantInfo,
  ParticipantInfo_Kind as Kind,
  type ParticipantInfo_KindDetail,
  ParticipantInfo_State as State,
  type ParticipantPermission,
  type TrackInfo,
  TrackSource,
  TrackType,
} from "@livekit/protocol";
import type { Claim } from "./room_claim.ts";

/** What a participant is made of when it joins. */
export interface ParticipantInit {
  readonly identity: string;
  /** Whose session it is, if it is a publish-only one beside the first; else absent or the same. */
  readonly userIdentity?: string;
  /** Which token it came with, and from which address; for counting alone. */
  readonly tokenId?: string;
  readonly addressBlock?: string;
  readonly name: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly permission: ParticipantPermission;
  readonly kind: Kind;
  readonly kindDetails: readonly ParticipantInfo_KindDetail[];
  readonly clientInfo: ClientInfo;
  readonly autoSubscribe: boolean;
  /** Absent: not subscribed to data tracks by itself. */
  readonly autoSubscribeDataTrack?: boolean;
  readonly adaptiveStream: boolean;
  /** Whether its videos may be paused for want of bandwidth; absent: as configured. */
  readonly allowPause?: boolean;
  /** It publishes and receives on one peer connection, on which it offers. */
  readonly singlePeerConnection?: boolean;
  /** It has no socket: its one offer is answered once (WHIP). Implies a single peer connection. */
  readonly oneShot?: boolean;
  /** The sections of that answer carry one track after the other (WHEP). Implies `oneShot`. */
  readonly holdsSections?: boolean;
  /** Its packets are made here, of what an encoder sends (RTMP). Implies `oneShot`. */
  readonly isSource?: boolean;
  /** When its client asked to join, monotonic ms; absent: now. */
  readonly requestedAt?: number;
  /** When the token it joined with expires, Unix milliseconds. */
  readonly tokenExpiresAt?: number;
  /** What lets it be in its room, where several nodes serve rooms. */
  readonly claim?: Claim;
}

/** What others are to see; see {@linkcode ParticipantProfile.update}. */
export interface ProfileChange {
  readonly name: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * One participant's data. Infos with equal versions are equal, and a sent one is not changed any
 * more.
 */
export class ParticipantProfile {
  #name: string;
  #metadata: string;
  #attributes: Record<string, string>;
  #permission: ParticipantPermission;
  #state = State.JOINING;
  #isPublisher = false;
  #hasPublished = false;
  #disconnectReason = DisconnectReason.UNKNOWN_REASON;
  #version = 0;
  #dirty = true;
  #shared: ParticipantInfo | undefined;

  constructor(
    private sid: string,
    readonly init: ParticipantInit,
    private joinedAtMs: number,
    readonly region: string,
  ) {
    this.#name = init.name;
    this.#metadata = init.metadata;
    this.#attributes = { ...init.attributes };
    this.#permission = init.permission;
  }

  /** The version of what is shown now. */
  get version(): number {
    return this.#version + (this.#dirty ? 1 : 0);
  }

  get state(): State {
    return this.#state;
  }

  get isActive(): boolean {
    return this.#state === State.ACTIVE;
  }

  get isClosed(): boolean {
    return this.#state === State.DISCONNECTED;
  }

  get permission(): ParticipantPermission {
    return this.#permission;
  }

  /** Has published and still may. */
  get isPublisher(): boolean {
    return this.#isPublisher;
  }

  /** Others hear of its changes at once, also of those that end its publishing. */
  get hasPublished(): boolean {
    return this.#hasPublished;
  }

  get isAgent(): boolean {
    return this.init.kind === Kind.AGENT || this.#permission.agent;
  }

  get isRecorder(): boolean {
    return this.init.kind === Kind.EGRESS || this.#permission.recorder;
  }

  /** Does not keep a room open and is not counted. */
  get isDependent(): boolean {
    return this.isAgent || this.isRecorder;
  }

  /** Unix milliseconds. */
  get joinedAt(): number {
    return this.joinedAtMs;
  }

  get name(): string {
    return this.#name;
  }

  get metadata(): string {
    return this.#metadata;
  }

  get attributes(): Readonly<Record<string, string>> {
    return this.#attributes;
  }

  /** It is in another room now, under another sid. */
  moved(sid: string, nowMs: number): void {
    this.sid = sid;
    this.joinedAtMs = nowMs;
    this.touch();
  }

  /** Goes to a later state; an earlier one is ignored. */
  advance(state: State): void {
    if (state <= this.#state) return;
    this.#state = state;
    this.touch();
  }

  disconnect(reason: DisconnectReason): void {
    this.#disconnectReason = reason;
    this.advance(State.DISCONNECTED);
  }

  becomePublisher(): void {
    this.#isPublisher = true;
    this.#hasPublished = true;
    this.touch();
  }

  setPermission(permission: ParticipantPermission): boolean {
    if (this.#permission.equals(permission)) return false;
    this.#permission = permission;
    this.#isPublisher = this.#hasPublished && permission.canPublish;
    this.touch();
    return true;
  }

  /**
   * Changes what others see: an empty name or metadata is "unchanged", an attribute with an empty
   * value is removed.
   *
   * @returns Whether something is different now.
   */
  update(change: ProfileChange): boolean {
    const attributes = mergeAttributes(this.#attributes, change.attributes);
    const name = change.name || this.#name;
    const metadata = change.metadata || this.#metadata;
    const same = name === this.#name && metadata === this.#metadata &&
      sameAttributes(attributes, this.#attributes);
    if (same) return false;
    this.#name = name;
    this.#metadata = metadata;
    this.#attributes = attributes;
    this.touch();
    return true;
  }

  /** Its predecessor under this identity came before it, whatever the clocks of nodes say. */
  joinedAfter(other: ParticipantProfile): void {
    if (this.joinedAtMs > other.joinedAtMs) return;
    this.joinedAtMs = other.joinedAtMs + 1;
    this.touch();
  }

  /**
   * Is what another node says it is, but for what is known of its end.
   *
   * @returns Whether something is different now.
   */
  mirror(info: ParticipantInfo): boolean {
    const { name, metadata, attributes, state, isPublisher } = info;
    const permission = info.permission ?? this.#permission;
    const same = name === this.#name && metadata === this.#metadata &&
      isPublisher === this.#isPublisher && (state === this.#state || this.isClosed) &&
      permission.equals(this.#permission) && sameAttributes(attributes, this.#attributes);
    if (same) return false;
    this.#name = name;
    this.#metadata = metadata;
    this.#attributes = { ...attributes };
    this.#permission = permission;
    // Its tracks may be known here before its node says that it publishes.
    this.#isPublisher = isPublisher || this.#isPublisher && permission.canPublish;
    this.#hasPublished ||= isPublisher;
    // It ends when its node says that it has left.
    if (state !== State.DISCONNECTED) this.advance(state);
    this.touch();
    return true;
  }

  /** Something shown elsewhere in the info (its tracks) changed. */
  touch(): void {
    this.#dirty = true;
  }

  /**
   * The info of the present version for whoever only passes it on: the same object as long as
   * nothing changes, so that it is built and encoded once. Not to be changed.
   *
   * @param make Builds it, by {@linkcode toInfo}.
   */
  sharedInfo(make: () => ParticipantInfo): ParticipantInfo {
    const known = this.#shared;
    return known?.version === this.version ? known : this.#shared = make();
  }

  toInfo(tracks: readonly TrackInfo[], dataTracks: readonly DataTrackInfo[] = []): ParticipantInfo {
    if (this.#dirty) {
      this.#dirty = false;
      this.#version++;
    }
    const { init } = this;
    // By assignment: the constructor would look at each part of each part.
    return Object.assign(new ParticipantInfo(), {
      sid: this.sid,
      identity: init.identity,
      name: this.#name,
      state: this.#state,
      metadata: this.#metadata,
      attributes: { ...this.#attributes },
      joinedAt: BigInt(Math.trunc(this.joinedAtMs / 1000)),
      joinedAtMs: BigInt(this.joinedAtMs),
      version: this.#version,
      permission: this.#permission.clone(),
      region: this.region,
      isPublisher: this.#isPublisher,
      kind: init.kind,
      kindDetails: [...init.kindDetails],
      disconnectReason: this.#disconnectReason,
      clientProtocol: init.clientInfo.clientProtocol,
      capabilities: [...init.clientInfo.capabilities],
      tracks: tracks.map((track) => track.clone()),
      dataTracks: [...dataTracks],
    });
  }
}

/** `current` with `changes` applied; an empty value removes its key. */
function mergeAttributes(
  current: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string>>,
): Record<string, string> {
  const merged = { ...current };
  for (const [key, value] of Object.entries(changes)) {
    if (value === "") delete merged[key];
    else merged[key] = value;
  }
  return merged;
}

function sameAttributes(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/** What comes from a source; where sources are listed, a picture is no microphone. */
const TYPE_OF: ReadonlyMap<TrackSource, TrackType> = new Map([
  [TrackSource.CAMERA, TrackType.VIDEO],
  [TrackSource.MICROPHONE, TrackType.AUDIO],
  [TrackSource.SCREEN_SHARE, TrackType.VIDEO],
  [TrackSource.SCREEN_SHARE_AUDIO, TrackType.AUDIO],
]);

/**
 * Whether tracks of `source` and `type` may be published: an empty list of sources means every
 * source with every type, else a source listed allows the type of track that comes from it.
 */
export function canPublishSource(
  { canPublish, canPublishSources }: ParticipantPermission,
  source: TrackSource,
  type: TrackType,
): boolean {
  if (!canPublish || canPublishSources.length === 0) return canPublish;
  return canPublishSources.includes(source) && (TYPE_OF.get(source) ?? type) === type;
}
