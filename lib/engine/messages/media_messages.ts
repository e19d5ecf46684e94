/**
 * The border between the control plane and the media plane: all that rooms say to it and hear of
 * it.
 *
 * Everything that crosses it is plain structured-cloneable data and nothing is shared, so the same
 * engine can run in this thread or in a worker. Commands are carried out in the order they are
 * sent; a command for a connection or track that no longer exists is ignored, because closing races
 * with everything. Events keep their order, too.
 *
 * @module
 */
import type { ConnectionId, DownTrackId, UpTrackId } from "../../base/ids.ts";
import type {
  DataChannelPolicy,
  DtlsFingerprint,
  DtlsRole,
  IceCredentials,
  LayerTarget,
  MediaAddress,
  ReceiveSection,
  SendSection,
  SpatialLayer,
} from "../../base/media_vocabulary.ts";
import type {
  DownTrackIntervalFigures,
  UpTrackIntervalFigures,
} from "../../media/layer/interval_figures.ts";
import type { UpTrackLayerStats } from "../../media/layer/up_track_layer.ts";
import type { CaptureCommand, CaptureEvent } from "./capture_messages.ts";
import type { DataCommand, DataEvent } from "./data_messages.ts";
import type { NodeCommand, NodeEvent, RelayEndpoint, RelayStats } from "./node_messages.ts";
import type { RecordingCommand, RecordingEvent } from "./recording_messages.ts";

/**
 * What the control plane has the media plane do; names of connections and tracks are the control
 * plane's to give.
 */
export type MediaCommand =
  | {
    /** Makes a peer connection that waits for STUN with these local credentials. */
    readonly type: "open_connection";
    readonly connection: ConnectionId;
    readonly local: IceCredentials;
    /** `accept`: the client opens the channels; `create`: we open LiveKit's. */
    readonly dataChannels: "accept" | "create";
    /** Absent: no data tracks, and nobody is too slow. */
    readonly dataPolicy?: DataChannelPolicy;
    /** Connections with the same word are best together: their room's. */
    readonly placement?: string;
    /** Whether videos may be paused for want of bandwidth; absent: as configured. */
    readonly allowPause?: boolean;
    /** It has no peer: its packets come by `source_packets`, and what is sent goes nowhere. */
    readonly isSource?: boolean;
  }
  | {
    /** What a connection without a peer receives, once it is connected. */
    readonly type: "source_packets";
    readonly connection: ConnectionId;
    /** Whole packets of RTP or RTCP, each behind its length in two bytes. */
    readonly packets: Uint8Array<ArrayBuffer>;
  }
  | {
    /** The client's side of the description; sent again for each description that changes it. */
    readonly type: "set_remote";
    readonly connection: ConnectionId;
    readonly remote: IceCredentials;
    readonly fingerprints: readonly DtlsFingerprint[];
    /** Ours in the DTLS handshake, the same in all of them; absent: server. */
    readonly dtlsRole?: DtlsRole;
    /** SCTP parameters of the application section, if it has one. */
    readonly sctp?: { readonly port: number; readonly maxMessageSize: number };
  }
  | {
    /** ICE restart: new local credentials for the same DTLS session (RFC 8445 §9, ICE-lite). */
    readonly type: "restart_ice";
    readonly connection: ConnectionId;
    readonly local: IceCredentials;
  }
  /** Ends it, and with it what it receives and sends; no event of it follows but of a capture. */
  | { readonly type: "close_connection"; readonly connection: ConnectionId }
  | {
    /** Replaces the whole list of received sections of a connection. */
    readonly type: "set_receive";
    readonly connection: ConnectionId;
    readonly sections: readonly ReceiveSection[];
  }
  /** Its publisher has muted it, or the server has: nothing is expected of a muted track. */
  | { readonly type: "set_up_track_muted"; readonly upTrack: UpTrackId; readonly muted: boolean }
  | {
    /** Starts forwarding `upTrack` on `connection`; ignored if `downTrack` exists. */
    readonly type: "add_down_track";
    readonly connection: ConnectionId;
    readonly downTrack: DownTrackId;
    readonly upTrack: UpTrackId;
    readonly section: SendSection;
    readonly target: LayerTarget;
  }
  | {
    /** Forwards other layers of the track from now on, or none. */
    readonly type: "set_down_track_target";
    readonly downTrack: DownTrackId;
    readonly target: LayerTarget;
  }
  | {
    /**
     * Forwards another up-track of the same publisher from now on, which may have another of the
     * section's codecs. What the subscriber sees goes on: numbers and time continue.
     */
    readonly type: "set_down_track_source";
    readonly downTrack: DownTrackId;
    readonly upTrack: UpTrackId;
  }
  | { readonly type: "remove_down_track"; readonly downTrack: DownTrackId }
  | {
    /** Sends no more than this, bits per second, whatever the path carries; 0 ends it. */
    readonly type: "cap_bandwidth";
    readonly connection: ConnectionId;
    readonly bps: number;
  }
  | {
    /**
     * A video shows somebody who speaks, or no longer: it comes before others that are wanted as
     * much where bandwidth does not suffice. Known until it is taken back.
     */
    readonly type: "set_speaker";
    readonly upTrack: UpTrackId;
    readonly speaks: boolean;
  }
  | {
    /**
     * Of the audio that is wanted only while it is among the loudest of this room
     * ({@linkcode LayerTarget.loudestOf}) so many tracks are forwarded; 0, as it is at first: all.
     */
    readonly type: "limit_audio";
    readonly room: string;
    readonly tracks: number;
  }
  | DataCommand
  | NodeCommand
  | RecordingCommand
  | CaptureCommand
  /** Answered by `stats` with the same number. */
  | { readonly type: "request_stats"; readonly request: number };

/** Why a connection ended by itself. */
export type ConnectionFailure =
  | "ice_timeout"
  | "dtls_failed"
  | "dtls_timeout"
  | "fingerprint_mismatch"
  | "closed_by_peer"
  | "internal_error"
  /** The worker it lived on is gone, or there is none. */
  | "worker_lost";

/** What the media plane tells the control plane, in the order in which it happened. */
export type MediaEvent =
  | {
    /** A path was found for the first time; DTLS begins. */
    readonly type: "ice_connected";
    readonly connection: ConnectionId;
  }
  | {
    /** ICE has a pair and DTLS is up: media flows. Again after an ICE restart or a path change. */
    readonly type: "connection_connected";
    readonly connection: ConnectionId;
    readonly protocol: "udp" | "tcp";
    /** Where the peer's packets come from; absent if nobody looked. */
    readonly remote?: { readonly hostname: string; readonly port: number };
  }
  | {
    /** No valid STUN for a while, though it may come back (RFC 7675 §5.1 in spirit). */
    readonly type: "connection_interrupted";
    readonly connection: ConnectionId;
  }
  | {
    /**
     * No valid STUN for so long that the client must act, or a path but no DTLS in time. The engine
     * keeps the connection a while longer: after `restart_ice`, or when the path comes back,
     * `connection_connected` can follow. Again if a restart is not followed.
     */
    readonly type: "connection_lost";
    readonly connection: ConnectionId;
  }
  | {
    /** Final; the engine has freed the connection. */
    readonly type: "connection_failed";
    readonly connection: ConnectionId;
    readonly reason: ConnectionFailure;
  }
  | {
    /** A channel can be used; again if the client opens another one with this label. */
    readonly type: "data_channel_open";
    readonly connection: ConnectionId;
    readonly label: string;
  }
  | {
    /** Every data channel is gone for good, though the connection lives on. */
    readonly type: "data_channels_failed";
    readonly connection: ConnectionId;
  }
  | DataEvent
  | NodeEvent
  | RecordingEvent
  | CaptureEvent
  | {
    /** First packet of a layer (each simulcast layer once, whenever it comes). */
    readonly type: "layer_arrived";
    readonly connection: ConnectionId;
    readonly upTrack: UpTrackId;
    readonly mid: string;
    /** Absent without simulcast. */
    readonly rid?: string;
    readonly spatial: SpatialLayer;
    readonly ssrc: number;
    readonly rtxSsrc?: number;
    readonly mime: string;
  }
  | {
    /** How large a layer's pictures are, pixels; when that is known or changes, within a second. */
    readonly type: "layer_size";
    readonly connection: ConnectionId;
    readonly upTrack: UpTrackId;
    /** The simulcast id of the stream they came in. */
    readonly rid?: string;
    readonly spatial: SpatialLayer;
    readonly width: number;
    readonly height: number;
  }
  | {
    /** The first packet was forwarded, or the forwarded layer changed. */
    readonly type: "down_track_layer";
    readonly downTrack: DownTrackId;
    readonly spatial: SpatialLayer;
  }
  | {
    /** A video is held back for want of bandwidth, or goes on. */
    readonly type: "down_track_paused";
    readonly downTrack: DownTrackId;
    readonly paused: boolean;
  }
  | {
    /** Microphone levels, every `audio.update_interval`; only those that are active or changed. */
    readonly type: "audio_levels";
    readonly levels: readonly AudioLevelEntry[];
  }
  | {
    /**
     * How the tracks of a connection that is up fared, every {@linkcode QUALITY_INTERVAL_MS}, and
     * sooner when packets come again of a track of which nothing came in the interval before.
     */
    readonly type: "quality_report";
    readonly connection: ConnectionId;
    readonly intervalMs: number;
    readonly upTracks: readonly UpTrackInterval[];
    readonly downTracks: readonly DownTrackInterval[];
  }
  | { readonly type: "stats"; readonly request: number; readonly stats: EngineStats }
  | ({
    /** The machine's addresses, or how they are seen from outside, are others than before. */
    readonly type: "addresses_changed";
    /** Where other nodes reach each engine, by its index. */
    readonly relays: readonly RelayEndpoint[];
  } & EngineAddresses);

/** How often each connection's quality is reported, ms. */
export const QUALITY_INTERVAL_MS = 5_000;

/** One up-track's loudness. */
export interface AudioLevelEntry {
  readonly upTrack: UpTrackId;
  /** Linear, 0–1. */
  readonly level: number;
  /** Somebody speaks. */
  readonly active: boolean;
}

/** A publisher's path to us. */
export interface UpTrackInterval extends UpTrackIntervalFigures {
  readonly upTrack: UpTrackId;
  /** Absent if it could not be measured. */
  readonly rttMs?: number;
}

/** Our path to a subscriber. */
export interface DownTrackInterval extends DownTrackIntervalFigures {
  readonly downTrack: DownTrackId;
}

/** Totals since start, and what is alive now. Byte counts are RTP bytes without SRTP overhead. */
export interface EngineStats {
  readonly connections: number;
  readonly upTracks: readonly UpTrackStats[];
  readonly downTracks: readonly DownTrackStats[];
  /** To subscribers of video. */
  readonly sendPaths: readonly SendPathStats[];
  /** UDP sockets, and clients' TCP connections. */
  readonly sockets: number;
  /** Datagrams handed to the operating system. */
  readonly datagramsSent: number;
  /** Messages given to clients' data channels, packets of data tracks left out. */
  readonly messagesSent: number;
  /** How long some packets since the last request took through the engine, µs. */
  readonly forwardLatencyUs: readonly number[];
  /** To engines of other nodes. */
  readonly relays: readonly RelayStats[];
  /** Input that was not used, by reason. */
  readonly drops: Readonly<Record<string, number>>;
}

/** What was received of a track, layer by layer: totals since each layer began. */
export interface UpTrackStats {
  readonly upTrack: UpTrackId;
  readonly layers: readonly UpTrackLayerStats[];
}

/** What was sent of a track to one subscriber, and asked for by it: totals since its start. */
export interface DownTrackStats {
  readonly downTrack: DownTrackId;
  readonly upTrack: UpTrackId;
  readonly spatial: SpatialLayer | undefined;
  readonly packets: number;
  readonly bytes: number;
  readonly retransmitted: number;
  readonly nacksReceived: number;
  readonly plisReceived: number;
  readonly firsReceived: number;
}

/** What is known of the path to one subscriber. */
export interface SendPathStats {
  readonly connection: ConnectionId;
  /** What may be sent, and what arrived lately (0 if the subscriber does not say), bits/s. */
  readonly bps: number;
  readonly ackedBps: number;
  /** What keeps the estimate where it is. */
  readonly limitedBy: "start" | "delay" | "loss" | "remb" | "tcp" | "demand" | "none";
  /** Smoothed part of what is lost. */
  readonly loss: number;
  /** How long packets wait on their way. */
  readonly queueMs: number;
  /** -1 before it was measured. */
  readonly rttMs: number;
}

/** Where clients reach the media plane. */
export interface EngineAddresses {
  /** Every address clients reach; {@linkcode MediaEngine.addressesOf} says which for whom. */
  readonly addresses: readonly MediaAddress[];
  /** The literal addresses among them, in order of preference; never empty. */
  readonly hosts: readonly string[];
}

/** What the control plane must know to write descriptions. */
export interface EngineReady extends EngineAddresses {
  /** Fingerprint of the one certificate of this process. */
  readonly fingerprint: DtlsFingerprint;
  /** Which sockets and ciphers run, in words. */
  readonly ports: string;
  /** Where other nodes reach each engine, by its index. */
  readonly relays: readonly RelayEndpoint[];
}

/** The media plane, wherever it runs. */
export interface MediaEngine {
  /** Opens sockets; rejects with `SfuError` (`address_in_use`, `address_not_available`). */
  start(): Promise<EngineReady>;
  /** Never throws and never blocks. */
  send(command: MediaCommand): void;
  /**
   * Where the client of this connection reaches it: each becomes an `a=candidate` line. To be asked
   * after `open_connection`.
   */
  addressesOf(connection: ConnectionId): readonly MediaAddress[];
  /** One listener; set before `start`. */
  onEvent: (event: MediaEvent) => void;
  /** Says goodbye to every connection (DTLS close_notify), closes sockets. Idempotent. */
  close(): Promise<void>;
}
