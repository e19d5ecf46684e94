/**
 * What is below a connection's RTP: its peer's transport, or what stands for one where there is no
 * peer.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Platform } from "../../base/platform.ts";
import type { DtlsCertificate } from "../../transport/dtls/dtls_certificate.ts";
import type { IceDirectory } from "../../transport/ice/ice_directory.ts";
import type { MediaCrypto } from "../../transport/media_crypto.ts";
import { PeerTransport, type PeerTransportListener } from "../../transport/peer_transport.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { MediaCommand } from "../messages/media_messages.ts";
import type { DeferredWork } from "./deferred_work.ts";
import type { ForwardLatency } from "./forward_latency.ts";
import { type MediaTransport, SourceTransport } from "./source_transport.ts";

/** What the transports of an engine share. */
export interface TransportShared {
  readonly platform: Platform;
  readonly directory: IceDirectory;
  readonly certificate: DtlsCertificate;
  readonly latency: ForwardLatency;
  readonly crypto: MediaCrypto;
  readonly drops: DropSink<EngineDrop>;
  /** Somebody waits for what comes next; see {@linkcode SocketLoop.active}. */
  readonly active: (nowUs: number) => void;
  /** Somebody waits for acknowledgements; see {@linkcode SocketLoop.prompt}. */
  readonly held: (nowUs: number) => void;
  /** For what media must not wait for. */
  readonly deferred: DeferredWork;
}

type OpenConnection = Extract<MediaCommand, { readonly type: "open_connection" }>;

/** The transport of a connection that is opened. */
export function connectionTransport(
  { local, dataChannels, dataPolicy, isSource = false }: OpenConnection,
  shared: TransportShared,
  listener: PeerTransportListener,
): MediaTransport {
  const { platform, directory, certificate, drops, crypto } = shared;
  if (isSource) return new SourceTransport(listener, drops);
  return new PeerTransport({
    platform,
    directory,
    certificate,
    local,
    dataChannels,
    listener,
    copies: shared.latency,
    active: shared.active,
    held: shared.held,
    drops,
    crypto,
    defer: (step) => shared.deferred.defer(step),
    ...(dataPolicy === undefined ? {} : { dataPolicy }),
  });
}
