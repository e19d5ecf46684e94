/**
 * All that a running node says of itself when something is wrong with it, as one value for JSON:
 * the half of `roomwire report` that only the process knows.
 *
 * Contract: no secret of the configuration is in it, wherever it came from, and no address of a
 * client. It is bounded, however many people there are.
 *
 * @module
 */
import type { NodeId } from "../base/ids.ts";
import type { Platform } from "../base/platform.ts";
import type { EngineStats } from "../engine/messages/media_messages.ts";
import { clientSummary } from "../room/context/client_summary.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import type { Session } from "../room/participant/session.ts";
import { descriptorLimit } from "../transport/datagrams/descriptor_limit.ts";
import { openDescriptors } from "../transport/datagrams/open_descriptors.ts";
import type { Config } from "./config/config_parsing.ts";
import { reportedConfig, withoutSecrets } from "./config/config_redaction.ts";
import type { MediaSummary } from "./media_listeners.ts";
import { VERSION } from "./version.ts";

/** Participants that are told of one by one; the others are counted. */
const MAX_PARTICIPANTS = 1_000;
/** Tracks, each way, likewise. */
const MAX_TRACKS = 4_000;
/** A media plane that does not answer by then is left out. */
const STATS_TIMEOUT_MS = 2_000;

/** Where it comes from. */
export interface NodeReportWorld {
  readonly config: Config;
  readonly platform: Platform;
  readonly nodeId: NodeId;
  readonly startedAtMs: number;
  readonly takesNewcomers: () => boolean;
  readonly media: () => MediaSummary | undefined;
  readonly rooms: () => LocalRooms;
  readonly stats: () => Promise<EngineStats>;
  readonly drops: () => Readonly<Record<string, number>>;
  /** Prometheus' text; absent without metrics. */
  readonly metrics: (() => Promise<string>) | undefined;
  /** What is known of other nodes; absent for one that is alone. */
  readonly cluster: () => unknown;
  readonly recentLog: () => readonly string[];
}

/** Looks at everything once. What cannot be had is said to be missing. */
export async function nodeReport(world: NodeReportWorld): Promise<unknown> {
  const { config, platform: { clock }, nodeId, startedAtMs } = world;
  const stats = await statsOf(world);
  const report = {
    version: VERSION,
    at: new Date(clock.wallMs()).toISOString(),
    node: {
      id: nodeId,
      region: config.region,
      startedAt: new Date(startedAtMs).toISOString(),
      takesNewcomers: world.takesNewcomers(),
    },
    system: systemFacts(),
    media: world.media() ?? "not listening",
    configuration: reportedConfig(config),
    rooms: roomsOf(world.rooms()),
    engine: stats ?? "no answer",
    drops: { ...stats?.drops, ...world.drops() },
    cluster: world.cluster() ?? "alone",
    metrics: (await world.metrics?.())?.split("\n") ?? "off: set prometheus.port",
    log: world.recentLog(),
  };
  return JSON.parse(withoutSecrets(JSON.stringify(report), config));
}

async function statsOf(
  { stats, platform: { timers } }: NodeReportWorld,
): Promise<EngineStats | undefined> {
  const late = Promise.withResolvers<undefined>();
  const cancel = timers.after(STATS_TIMEOUT_MS, () => late.resolve(undefined));
  const answered = await Promise.race([stats(), late.promise]);
  cancel();
  if (answered === undefined) return undefined;
  return {
    ...answered,
    upTracks: answered.upTracks.slice(0, MAX_TRACKS),
    downTracks: answered.downTracks.slice(0, MAX_TRACKS),
    sendPaths: answered.sendPaths.slice(0, MAX_TRACKS),
  };
}

function systemFacts() {
  const limit = descriptorLimit();
  const { os, arch, target } = Deno.build;
  return {
    os,
    arch,
    target,
    runtime: Deno.version,
    cores: navigator.hardwareConcurrency,
    memory: Deno.memoryUsage(),
    descriptors: { open: openDescriptors(limit)() ?? "unknown", limit },
  };
}

function roomsOf(rooms: LocalRooms) {
  let left = MAX_PARTICIPANTS;
  return [...rooms.all()].map((room) => {
    const sessions = [...room.sessions()];
    const shown = sessions.slice(0, left);
    left -= shown.length;
    return {
      name: room.name,
      sid: room.sid,
      members: [...room.participants()].length,
      sessions: sessions.length,
      shown: shown.map(sessionFacts),
    };
  });
}

function sessionFacts(session: Session) {
  const { sid, identity, state, tracks, subscriptions, traits, publisher, subscriber } = session;
  return {
    sid,
    identity,
    state,
    client: clientSummary(traits.info),
    connections: [...new Set([publisher.id, subscriber.id])],
    tracks: [...tracks].map((
      { sid, info: { type, source, muted, mimeType, simulcast }, upTracks },
    ) => ({
      sid,
      type,
      source,
      muted,
      mimeType,
      simulcast,
      upTracks: [...upTracks].map(({ upTrack }) => upTrack),
    })),
    subscribedTo: [...subscriptions.subscribedTracks()],
  };
}
