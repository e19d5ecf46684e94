/**
 * What operators see and do, as a part of a server: what this node answers, what all nodes answer
 * together, the streams of it, and what the routes of `/admin` need.
 *
 * @module
 */
import type { DropCounters } from "../base/drop_counters.ts";
import type { NodeId } from "../base/ids.ts";
import type { Platform } from "../base/platform.ts";
import type { EngineRouter, QualityReport } from "../room/context/engine_router.ts";
import type { CarriedCall, CarriedReply } from "../room/context/node_ports.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import type { ApiKeys } from "../signalling/access_token.ts";
import { ClusterWatch, type WatchPeers } from "../watch/cluster_watch.ts";
import type { LinkFigures } from "../watch/figures.ts";
import { NodeWatch, type SelfFigures } from "../watch/node_watch.ts";
import { WatchStreams } from "../watch/watch_stream.ts";
import type { AdminRouteOptions } from "../../routes/admin.ts";
import { adminEntry } from "./admin_settings.ts";
import type { Config } from "./config/config_parsing.ts";
import type { AnyDrop } from "./drop_reasons.ts";
import { operatorTokens } from "./operator_tokens.ts";
import { ProcessorMeter } from "./processor_meter.ts";
import { servesReplay } from "./replay_links.ts";
import { VERSION } from "./version.ts";

/** What it is given of its server. */
export interface OperatorsWorld {
  readonly config: Config;
  readonly keys: ApiKeys;
  readonly platform: Platform;
  readonly counters: DropCounters<AnyDrop>;
  readonly nodeId: NodeId;
  readonly cores: number;
  readonly router: Pick<EngineRouter, "stats">;
  readonly rooms: () => Pick<LocalRooms, "all" | "get">;
  readonly takesNewcomers: () => boolean;
  readonly peers: () => ClusterPeers | undefined;
}

/** The other nodes. */
export interface ClusterPeers extends WatchPeers {
  readonly links: () => readonly (Omit<LinkFigures, "rttMs"> & {
    readonly peer: NodeId;
    readonly rttMs: number | undefined;
  })[];
}

/** Operators, as a server has them. */
export class ServerOperators {
  readonly #world: OperatorsWorld;
  readonly #own: NodeWatch;
  readonly #watch: ClusterWatch;
  readonly #streams: WatchStreams;
  readonly #entry: ReturnType<typeof adminEntry>;

  constructor(world: OperatorsWorld) {
    this.#world = world;
    this.#entry = adminEntry(world.config);
    const { platform: { clock, timers }, nodeId, rooms, router, counters, platform, peers } = world;
    this.#own = new NodeWatch({
      clock,
      timers,
      nodeId,
      rooms: () => rooms().all(),
      room: (name) => rooms().get(name),
      stats: () => router.stats(),
      self: this.#selfFigures(),
    });
    this.#watch = new ClusterWatch({ clock, nodeId, own: this.#own, peers });
    this.#streams = new WatchStreams({ platform, counters, watch: this.#watch });
  }

  qualityReport(report: QualityReport): void {
    this.#own.qualityReport(report);
  }

  /** Answers another node; `undefined` if it asks for something else. */
  answerCall(call: CarriedCall): Promise<CarriedReply | undefined> {
    return this.#watch.answerCall(call);
  }

  /** What the routes need; nothing where there is no page. */
  routes(bodies: AdminRouteOptions["bodies"], upgrade: AdminRouteOptions["upgrade"]) {
    if (this.#entry === undefined) return {};
    const { config, keys, counters, platform: { clock } } = this.#world;
    const { password } = config.admin;
    const admin: AdminRouteOptions = {
      bodies,
      upgrade,
      streams: this.#streams,
      ...operatorTokens(this.#entry, password, { keys, clock, counters }),
      configuration: async () => {
        // Knows the whole schema, which takes memory while somebody looks.
        const { shownConfig } = await import("./config/config_redaction.ts");
        return { version: VERSION, hasReplay: servesReplay(config), keys: shownConfig(config) };
      },
    };
    return { admin };
  }

  /** Ends the streams. Idempotent. */
  close(): void {
    this.#streams.close();
    this.#own.forget();
  }

  #selfFigures(): () => SelfFigures {
    const { config: { region }, platform: { clock }, cores, takesNewcomers, peers } = this.#world;
    const processor = new ProcessorMeter(clock, cores);
    const startedAtMs = clock.wallMs();
    return () => {
      const links = peers()?.links() ?? [];
      return {
        region,
        state: takesNewcomers() ? "serving" : "draining",
        version: VERSION,
        startedAtMs,
        cpu: Math.round(processor.measure() * 1000) / 1000,
        memoryBytes: Math.round(Deno.memoryUsage().rss / 1e6) * 1e6,
        ...(links.length === 0 ? {} : { links: linkFigures(links) }),
      };
    };
  }
}

function linkFigures(
  links: ReturnType<ClusterPeers["links"]>,
): Readonly<Record<string, LinkFigures>> {
  return Object.fromEntries(links.map(({ peer, isUp, rttMs, queuedBytes }) => [peer, {
    isUp,
    queuedBytes,
    ...(rttMs === undefined ? {} : { rttMs: Math.round(rttMs) }),
  }]));
}
