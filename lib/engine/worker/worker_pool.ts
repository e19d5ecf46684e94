/**
 * The media engine on several cores: a pool of engines in workers, with one certificate and one TCP
 * port for all and a UDP port for each.
 *
 * @module
 */
import { DropCounters } from "../../base/drop_counters.ts";
import { createCertificate, type DtlsCertificate } from "../../transport/dtls/dtls_certificate.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { MediaEngine } from "../messages/media_messages.ts";
import { EnginePool } from "../pool/engine_pool.ts";
import { type ListenAddress, requireAddress } from "../messages/listen_address.ts";
import type { LocalEngineOptions } from "../local/local_engine_options.ts";
import type { PlacementPolicy } from "../pool/placement.ts";
import { TcpListener } from "../pool/pool_tcp.ts";
import type { PooledEngine } from "../pool/pooled_engine.ts";
import { openThreadBell } from "../../transport/datagrams/thread_bell.ts";
import { WorkerProxy, type WorkerThread } from "./worker_proxy.ts";

/**
 * What the workers' engines are made of: as an engine in this thread, but for the UDP addresses.
 */
export interface WorkerPoolOptions extends
  Pick<
    LocalEngineOptions,
    | "platform"
    | "tcp"
    | "tcpProxies"
    | "advertised"
    | "discovery"
    | "drops"
    | "audioLevel"
    | "congestion"
    | "pliThrottleMs"
    | "tellsFarLoss"
    | "native"
    | "marks"
    | "addressRule"
    | "turn"
  > {
  /** For each worker the addresses it binds for UDP; their number is that of the workers. */
  readonly udpOf: readonly (readonly ListenAddress[])[];
  /**
   * What a worker may bind instead when it is started anew. The runtime (Deno 2.9) cannot end a
   * thread that loops for ever, so that the sockets of one that hangs stay open.
   */
  readonly spareUdp?: readonly (readonly ListenAddress[])[];
  readonly placement?: PlacementPolicy;
  /** Starts a thread; for tests that want to see it. */
  readonly spawn?: (index: number) => WorkerThread;
}

/** An engine of workers that has not opened anything yet. */
export function createWorkerPool(options: WorkerPoolOptions): MediaEngine {
  const { platform, tcp, advertised, discovery, audioLevel, congestion, native, marks } = options;
  const { placement, spawn, turn, pliThrottleMs, tellsFarLoss, tcpProxies } = options;
  const ofMain = {
    ...(tcpProxies === undefined ? {} : { tcpProxies }),
    ...(turn === undefined ? {} : { turn }),
    ...(native === undefined ? {} : { native }),
  };
  const addresses = options.addressRule && { addressRule: options.addressRule };
  const udpOf = [...options.udpOf];
  const spares = [...options.spareUdp ?? []];
  const drops = options.drops ?? new DropCounters<EngineDrop>();
  let certificate: DtlsCertificate | undefined;
  const waits = native !== undefined && native !== "off";
  // Of the places, not of the workers: neighbours ring it, whoever is there.
  const bells = udpOf.map(() => waits ? openThreadBell() : undefined);
  const createEngine = (index: number): PooledEngine => {
    const bell = bells[index];
    bell?.newWaiter();
    return new WorkerProxy({
      platform,
      drops,
      ...(bell === undefined ? {} : { bell }),
      setup: {
        udp: udpOf[index]!,
        advertised,
        ...(discovery === undefined ? {} : { discovery }),
        ...addresses,
        relays: { index, peers: [], ...(bell === undefined ? {} : { bell: bell.fd }) },
        ...(certificate === undefined ? {} : { certificate }),
        ...(audioLevel === undefined ? {} : { audioLevel }),
        ...(congestion === undefined ? {} : { congestion }),
        ...(pliThrottleMs === undefined ? {} : { pliThrottleMs }),
        ...(tellsFarLoss === undefined ? {} : { tellsFarLoss }),
        ...(native === undefined ? {} : { native }),
        ...(marks === undefined ? {} : { marks }),
      },
      ...(spawn === undefined ? {} : { spawn: () => spawn(index) }),
    });
  };
  return new EnginePool({
    platform,
    size: udpOf.length,
    prepare: async () => {
      requireAddress([...udpOf.flat(), ...tcp]);
      certificate = createCertificate();
    },
    createEngine,
    addressTaken: (index) => {
      spares.push(udpOf[index]!);
      udpOf[index] = spares.shift()!;
    },
    createTcp: (host) => new TcpListener({ platform, drops, tcp, ...addresses, ...ofMain }, host),
    drops,
    bellOf: (index) => bells[index]?.fd,
    closed: () => bells.forEach((bell) => bell?.close()),
    ...(placement === undefined ? {} : { placement }),
  });
}
