/**
 * One participant driven through a real LiveKit SDK, the same interface whether the SDK runs in a
 * browser page or as native code, so that a scenario is written once for every pair of clients.
 *
 * @module
 */

export type TrackSource = "camera" | "microphone" | "screen_share" | "screen_share_audio";
export type Quality = "low" | "medium" | "high";

export interface ConnectOptions {
  /** Default true. */
  readonly autoSubscribe?: boolean;
  /** One connection or two; absent for the SDK's own default. */
  readonly singlePeerConnection?: boolean;
  readonly adaptiveStream?: boolean;
  readonly dynacast?: boolean;
  /** Waits no longer than the SDK does by itself, though the machine may be busy. */
  readonly ownPatience?: boolean;
  /** What it says it cannot decode, as `video/VP9`. Browsers only. */
  readonly refusedCodec?: string;
  /** Browsers only. */
  readonly rtcConfig?: {
    readonly iceTransportPolicy?: "relay" | "all";
    /** In place of those that the server names. */
    readonly iceServers?: readonly {
      readonly urls: readonly string[];
      readonly username?: string;
      readonly credential?: string;
    }[];
  };
  /** Media are encrypted from end to end with this key. rtc-node only. */
  readonly sharedKey?: string;
}

export interface VideoOptions {
  readonly source?: "camera" | "screen_share";
  readonly name?: string;
  /** Default 640 × 360 at 15 frames a second. Three layers need at least 960 × 540. */
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** Default false. */
  readonly simulcast?: boolean;
  /** Leaves layers, codec and bit rates to the SDK, as an application without opinions does. */
  readonly sdkDefaults?: boolean;
  /** Fill colour, RGB 0..255; a receiver can read it back. */
  readonly color?: readonly [number, number, number];
  /**
   * Noise in the picture, so that the encoder uses all the bits it may: in half of it, or a part
   * of its height. Browser only.
   */
  readonly noise?: boolean | number;
  /** Bits per second of the top layer. */
  readonly maxBitrate?: number;
  readonly codec?: "vp8" | "h264" | "vp9" | "av1";
  /** Who can decode the first codec goes on with it while others get the second. Browser only. */
  readonly bothCodecs?: boolean;
}

/** 190, 375 and 1,500 kbit/s, with as much noise as makes encoders use them, and no more. */
export const NOISY_CAMERA = {
  width: 960,
  height: 540,
  fps: 15,
  simulcast: true,
  noise: 0.06,
  maxBitrate: 1_500_000,
} as const satisfies VideoOptions;

export interface AudioOptions {
  readonly source?: "microphone" | "screen_share_audio";
  readonly name?: string;
  /** Frequency of the tone; a receiver can measure it. */
  readonly hz?: number;
  /** Whether it may be made redundant; as the SDK decides if absent. Browser only. */
  readonly red?: boolean;
}

export interface TrackSnapshot {
  readonly sid: string;
  readonly kind: "audio" | "video";
  readonly source: TrackSource | "unknown";
  readonly name: string;
  readonly muted: boolean;
  readonly subscribed: boolean;
  readonly simulcasted: boolean;
  readonly mimeType: string;
  /** Video only. */
  readonly dimensions?: { readonly width: number; readonly height: number };
}

export interface ParticipantSnapshot {
  readonly identity: string;
  readonly sid: string;
  readonly name: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** As the server last said; browser only. */
  readonly speaking?: boolean;
  /** `excellent`, `good`, `poor`, `lost`; `unknown` before the server said. Browser only. */
  readonly quality?: string;
  readonly tracks: readonly TrackSnapshot[];
}

/** `m=` lines of one peer connection's current local description. */
export interface MediaSections {
  readonly total: number;
  readonly application: number;
  readonly audio: number;
  readonly video: number;
  /** Length of the description, characters. */
  readonly sdpLength: number;
}

export interface RoomSnapshot {
  readonly state: string;
  readonly roomName: string;
  readonly roomSid: string;
  readonly local: ParticipantSnapshot;
  /** Sorted by identity. */
  readonly remotes: readonly ParticipantSnapshot[];
  /** TrackSubscribed events by track sid since the join. */
  readonly subscribedEvents: Readonly<Record<string, number>>;
  readonly unsubscribedEvents: Readonly<Record<string, number>>;
  /** Identities whose leaving was announced, in order. */
  readonly departed: readonly string[];
  /** The SDK's name of the reason once disconnected. */
  readonly disconnectReason?: string;
  /** Reconnects the SDK went through; a healthy call has none. */
  readonly reconnects: number;
  /** Browser only. */
  readonly mediaSections?: {
    readonly publisher?: MediaSections;
    readonly subscriber?: MediaSections;
  };
}

/** What arrived for one remote track; all counts grow from the subscription on. */
export interface ReceivedMedia {
  readonly framesDecoded: number;
  readonly frameWidth: number;
  readonly frameHeight: number;
  /** As `totalAudioEnergy` of webrtc-stats: squared level times seconds. */
  readonly audioEnergy: number;
  /** Browser only. */
  readonly packetsReceived?: number;
  readonly packetsLost: number;
  /** Mime type of what is decoded now, as `video/VP8`. Browser only. */
  readonly codec?: string;
  /** Average colour of the picture's corner, RGB; absent before the first frame. */
  readonly color?: readonly [number, number, number];
  /** Strongest frequency of the sound; absent when silent or not measurable. */
  readonly hz?: number;
}

export interface DataMessage {
  readonly from: string;
  readonly text: string;
  readonly topic: string;
  readonly reliable: boolean;
}

/** The selected candidate pair of one peer connection. */
export interface TransportSnapshot {
  readonly protocol: "udp" | "tcp" | "unknown";
  /** `host`, `srflx`, `prflx` or `relay`. */
  readonly candidateType: string;
  /** To the relay; empty if there is none. */
  readonly relayProtocol: string;
  readonly availableOutgoingBitrate: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** One participant. Dispose it to leave and free its page. */
export interface SdkClient extends AsyncDisposable {
  readonly identity: string;
  connect(url: string, token: string, options?: ConnectOptions): Promise<void>;
  disconnect(): Promise<void>;
  /** Resolves with the track's sid once the server published it. */
  publishVideo(options?: VideoOptions): Promise<string>;
  publishAudio(options?: AudioOptions): Promise<string>;
  unpublish(sid: string): Promise<void>;
  sendData(
    text: string,
    options: { reliable: boolean; topic?: string; to?: readonly string[] },
  ): Promise<void>;
  receivedData(): Promise<readonly DataMessage[]>;
  snapshot(): Promise<RoomSnapshot>;
  /** @param sid of a subscribed remote track; rejects when there is none. */
  media(sid: string): Promise<ReceivedMedia>;
  /** Uncaught errors and console errors so far. */
  errors(): Promise<readonly string[]>;
}
