/**
 * What a local engine is made of, and what it is to those who run one.
 *
 * @module
 */
import type { DropCounters } from "../../base/drop_counters.ts";
import type { Platform } from "../../base/platform.ts";
import { DEFAULT_PROBES, type ProbeGoals } from "../../bandwidth/estimate_options.ts";
import type { AudioLevelOptions } from "../../media/up/audio_level.ts";
import type { PacketMarks } from "../../transport/datagrams/datagrams.ts";
import type { SocketLoop } from "../../transport/datagrams/socket_loop.ts";
import type { DtlsCertificate } from "../../transport/dtls/dtls_certificate.ts";
import type { MediaCrypto, NativeUse } from "../../transport/media_crypto.ts";
import type { IpNetwork } from "../../wire/ip_network.ts";
import type { DistantTcp } from "../../transport/tcp/distant_tcp.ts";
import type { TurnSetup } from "../../transport/turn/turn_listeners.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { AddressDiscovery } from "../messages/advertised_hosts.ts";
import type { SingleEngine } from "../messages/engine_messages.ts";
import type { AddressChoice, ListenAddress } from "../messages/listen_address.ts";
import type { RelayNeighbours } from "../relay/engine_relays.ts";

/** Where the engine listens and how clients reach it. */
export interface LocalEngineOptions extends AddressChoice {
  readonly platform: Platform;
  /** Addresses to bind for UDP; a wildcard is a socket for each address. Port 0 takes any. */
  readonly udp: readonly ListenAddress[];
  /** Addresses to bind for ICE over TCP; may be empty. */
  readonly tcp: readonly ListenAddress[];
  /** Whose TCP connections begin with a header of the PROXY protocol; nobody's if absent. */
  readonly tcpProxies?: readonly IpNetwork[];
  /** Literal addresses for candidates, in order of preference, each valid for all sockets. */
  readonly advertised: readonly string[];
  /** In place of `advertised`: how such addresses are found out, and followed. */
  readonly discovery?: AddressDiscovery;
  readonly drops?: DropCounters<EngineDrop>;
  /** How loudness is measured; LiveKit's defaults if absent. */
  readonly audioLevel?: AudioLevelOptions;
  /** LiveKit's defaults if absent. */
  readonly congestion?: CongestionRules;
  /** Least time between two key-frame requests, by spatial layer; LiveKit's defaults if absent. */
  readonly pliThrottleMs?: readonly number[];
  /** Whether publishers of audio are told what gets lost behind this engine; `false` if absent. */
  readonly tellsFarLoss?: boolean;
  /** Whether sockets and ciphers use native code; `off` if absent. */
  readonly native?: NativeUse;
  /** How packets are marked; not at all if absent. */
  readonly marks?: PacketMarks;
  /** What this thread waits in, if it is the engine's own; `platform.timers` are of it then. */
  readonly loop?: SocketLoop;
  /** What seals and shakes hands, in place of what `native` means. */
  readonly crypto?: MediaCrypto;
  /** The other engines of this process, for rooms that span several; absent if it is alone. */
  readonly relays?: RelayNeighbours;
  /** Made here if absent. Engines that one client may meet share it. */
  readonly certificate?: DtlsCertificate;
  /** ICE over TCP that another thread listens for. */
  readonly distantTcp?: DistantTcp;
  /** The TURN server in this process; there is none if absent. */
  readonly turn?: TurnSetup;
}

/** How what subscribers get is fitted to their bandwidth (`rtc.congestion_control`). */
export interface CongestionRules {
  /** `false` sends everything that is wanted. */
  readonly enabled: boolean;
  /** Whether a video may be paused for want of bandwidth, unless the client says otherwise. */
  readonly allowPause: boolean;
  /** A path is taken to carry this at least, bits per second. */
  readonly minChannelBps: number;
  /** How far it is probed whether more can be sent. */
  readonly probes: ProbeGoals;
}

/** LiveKit's defaults (1.13.5, `pkg/config/config.go`). */
export const DEFAULT_CONGESTION: CongestionRules = {
  enabled: true,
  allowPause: false,
  minChannelBps: 0,
  probes: DEFAULT_PROBES,
};

/** How much an engine has done since it started. */
export interface EngineTotals {
  /** Time spent on packets and timed work, µs. */
  readonly busyUs: number;
  /** Datagrams handed to the system. */
  readonly packetsOut: number;
}

/** An engine in this thread. */
export interface ThreadEngine extends SingleEngine {
  totals(): EngineTotals;
}
