/**
 * Defaults of new rooms and limits of all, as the configuration gives them.
 *
 * @module
 */
import type { Codec, ICEServer, RoomConfiguration } from "@livekit/protocol";
import { DEFAULT_ENABLED_MIMES } from "../../negotiation/codec_catalog.ts";
import { type DataOptions, DEFAULT_DATA_OPTIONS } from "./data_options.ts";
import type { TurnOffer } from "./turn_offer.ts";

/** Limits per kind; 0 is no limit. */
export interface SubscriptionLimits {
  readonly audio: number;
  readonly video: number;
}

/** Which rooms forward only their loudest audio tracks. */
export interface LoudestAudioOptions {
  /** How many of them; 0: all audio is forwarded. */
  readonly tracks: number;
  /** In rooms with more participants than this. */
  readonly aboveParticipants: number;
}

/**
 * Defaults of new rooms and limits of all; times in the units of LiveKit's configuration (1.13.5,
 * `pkg/config/config.go`).
 */
export interface RoomOptions {
  readonly emptyTimeoutS: number;
  readonly departureTimeoutS: number;
  /** 0 is no limit. */
  readonly maxParticipants: number;
  /** Codecs rooms accept and offer, with RTX listed like the others. */
  readonly enabledCodecs: readonly Pick<Codec, "mime" | "fmtpLine">[];
  readonly enableRemoteUnmute: boolean;
  readonly syncStreams: boolean;
  /** Milliseconds (`room.playout_delay`). */
  readonly playoutDelay?: { readonly enabled: boolean; readonly min: number; readonly max: number };
  /** Receivers of video are told to wait for what is sent again, where nothing else is told. */
  readonly waitsForRepairs?: boolean;
  /** `room.room_configurations`, by name. */
  readonly roomPresets?: Readonly<Record<string, RoomConfiguration>>;
  /** `cluster.room_regions`: to which region a new room is pinned, by its name. */
  readonly roomRegions?: Readonly<Record<string, string>>;
  readonly subscriptionLimits: SubscriptionLimits;
  readonly loudestAudio: LoudestAudioOptions;
  readonly data: DataOptions;
  /** Told to clients; must not be empty, some SDKs fail without any. */
  readonly iceServers: readonly Pick<ICEServer, "urls" | "username" | "credential">[];
  /** Servers whose credentials are a client's own, told before the others; absent if none are. */
  readonly turn?: TurnOffer;
  /** Bytes of participant updates put into one message. */
  readonly updateBatchTargetSize: number;
  readonly dynacastPauseDelayMs: number;
  /**
   * Fewer participants than this, and a track whose publisher does not mind is sent in its backup
   * codec alone once that is needed; 0 is always.
   */
  readonly codecRegressionThreshold: number;
  /** How often the media plane reports how loud microphones are, ms. */
  readonly audioUpdateIntervalMs: number;
  /** A client whose UDP keeps failing is led to TCP, or to TURN over TLS. */
  readonly allowTcpFallback: boolean;
  /** A client farther away than this, by signalling, is not led to TCP, ms; 0 is no limit. */
  readonly tcpFallbackRttThresholdMs: number;
  /** `rtc.reconnect_on_…_error`: a client to which that happens is made to join anew. */
  readonly reconnectOnPublicationError: boolean;
  readonly reconnectOnSubscriptionError: boolean;
  readonly reconnectOnDataChannelError: boolean;
  /** Bytes; 0 is no limit. */
  readonly maxParticipantNameLength: number;
  readonly maxMetadataSize: number;
  readonly maxAttributesSize: number;
}

/** Public STUN servers named where the operator names none. */
export const DEFAULT_ICE_SERVERS: RoomOptions["iceServers"] = [{
  urls: ["stun:global.stun.twilio.com:3478", "stun:stun.l.google.com:19302"],
  username: "",
  credential: "",
}];

export const DEFAULT_ROOM_OPTIONS: RoomOptions = {
  emptyTimeoutS: 300,
  departureTimeoutS: 20,
  maxParticipants: 0,
  enabledCodecs: DEFAULT_ENABLED_MIMES.map((mime) => ({ mime, fmtpLine: "" })),
  enableRemoteUnmute: false,
  syncStreams: false,
  subscriptionLimits: { audio: 0, video: 0 },
  loudestAudio: { tracks: 0, aboveParticipants: 0 },
  data: DEFAULT_DATA_OPTIONS,
  iceServers: DEFAULT_ICE_SERVERS,
  updateBatchTargetSize: 131_072,
  dynacastPauseDelayMs: 5_000,
  codecRegressionThreshold: 5,
  audioUpdateIntervalMs: 400,
  allowTcpFallback: true,
  tcpFallbackRttThresholdMs: 0,
  reconnectOnPublicationError: false,
  reconnectOnSubscriptionError: false,
  reconnectOnDataChannelError: false,
  maxParticipantNameLength: 256,
  maxMetadataSize: 64_000,
  maxAttributesSize: 64_000,
};
