/**
 * All clients of one room that spans nodes: a publisher at the first, and subscribers at each. Real
 * signalling, ICE, DTLS and SRTP.
 *
 * @module
 */
import process from "node:process";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { createCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";
import { answerCalls } from "../bench_child.ts";
import { kernelDrops } from "../kernel_drops.ts";
import { measureBaseline } from "../load/baseline.ts";
import { packetsDue } from "../load/frame_pacer.ts";
import { openNativeSockets } from "../load/native_sockets.ts";
import { openPortableSockets } from "../load/portable_sockets.ts";
import type { PublishedTrack } from "../load/published_track.ts";
import type { SentLog } from "../load/sent_log.ts";
import { LoadParticipant } from "./client_participant.ts";
import { clientProfile } from "./client_profiles.ts";
import { LoadCounts } from "./load_counts.ts";
import { MICROPHONE, SIMULCAST } from "./load_scenarios.ts";
import type { ServerAccess } from "./loads_calls.ts";
import type { NodeFigures, RelayCalls, Wants } from "./relay_calls.ts";

const SWEEP_MS = 1;
const BATCH = 8;
const STREAMS_LIMIT_MS = 30_000;
const SEED = 10;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Subscribers of one node. */
interface NodeClients {
  readonly access: ServerAccess;
  readonly counts: LoadCounts;
  readonly subscribers: LoadParticipant[];
}

const sockets = openNativeSockets() ?? openPortableSockets();
const random = new SeededRandom(SEED);
const certificate = createCertificate();
const published = new Map<string, SentLog | null>();
const platform = denoPlatform();
let nodes: NodeClients[] = [];
let publisher: LoadParticipant | undefined;
let sending: { readonly track: PublishedTrack; readonly since: number }[] = [];
let markedAt = 0;
let cpu = process.cpuUsage();
let drops = 0;

/** Sends what is due, reads what has come, and lets everybody say what is to be said. */
async function loop(): Promise<never> {
  for (;;) {
    await pause(SWEEP_MS);
    const now = performance.now();
    for (const { track, since } of sending) {
      track.sendUpTo(packetsDue(track.shape, 1, now - since));
    }
    sockets.sweep();
    publisher?.poll(now);
    for (const { subscribers } of nodes) for (const one of subscribers) one.poll(now);
  }
}

function join(server: ServerAccess, counts: LoadCounts, identity: string, subscribes: boolean) {
  return LoadParticipant.join({
    server,
    signalling: "v0",
    room: "across",
    identity,
    autoSubscribe: subscribes,
  }, {
    sockets,
    platform,
    certificate,
    profile: clientProfile("libwebrtc"),
    draw: () => random.uint32() / 2 ** 32,
    counts,
    published,
  });
}

async function begin(servers: readonly ServerAccess[]): Promise<void> {
  nodes = servers.map((access) => ({ access, counts: new LoadCounts(), subscribers: [] }));
  publisher = await join(servers[0]!, new LoadCounts(), "publisher", false);
  await publisher.begin([SIMULCAST, MICROPHONE]);
  const since = performance.now();
  sending = publisher.tracks.map((track) => ({ track, since }));
}

const streams = () =>
  nodes.reduce(
    (sum, { subscribers }) => sum + subscribers.reduce((all, one) => all + one.streams(true), 0),
    0,
  );

async function more(count: number): Promise<void> {
  for (const [index, { access, counts, subscribers }] of nodes.entries()) {
    const numbers = Array.from({ length: count }, () => random.uint32());
    for (let i = 0; i < count; i += BATCH) {
      await Promise.all(
        numbers.slice(i, i + BATCH).map(async (number) => {
          const one = await join(access, counts, `subscriber${index}-${number}`, true);
          subscribers.push(one);
          await one.begin([]);
        }),
      );
    }
  }
  const wanted = 2 * nodes.reduce((sum, { subscribers }) => sum + subscribers.length, 0);
  const giveUpAt = performance.now() + STREAMS_LIMIT_MS;
  while (streams() < wanted) {
    if (performance.now() > giveUpAt) throw new Error(`of ${wanted} streams ${streams()} came`);
    await pause(SWEEP_MS);
  }
}

/** The layer that a node's subscriber number `i` asks for. */
function layerOf(i: number, wants: Wants): number {
  if (wants === "best") return 2;
  return wants === "all" ? i % SIMULCAST.layers.length : Math.max(0, 2 - i % 10);
}

function figures({ counts, subscribers }: NodeClients): NodeFigures {
  let [expected, lost] = [0, 0];
  for (const one of subscribers) {
    const reception = one.takeReception();
    expected += reception.expected;
    lost += reception.lost;
  }
  const { received, bytes, latency } = counts;
  const taken = { received, bytes, expected, lost, voice: latency.percentiles() };
  counts.restart();
  return taken;
}

loop();
await answerCalls<RelayCalls>({
  baseline: () => measureBaseline(sockets),
  gather: async ({ servers, subscribers }) => {
    const startedAt = performance.now();
    if (publisher === undefined) await begin(servers);
    await more(subscribers);
    return { streams: streams(), ms: performance.now() - startedAt };
  },
  want: async ({ wants }) => {
    const sid = publisher!.videoSid!;
    for (const { subscribers } of nodes) {
      for (const [i, one] of subscribers.entries()) {
        one.ask(sid, SIMULCAST.layers[layerOf(i, wants)]!);
      }
    }
    return {};
  },
  mark: async () => {
    const { user, system } = process.cpuUsage(cpu);
    const dropped = kernelDrops();
    const answer = {
      wallMs: performance.now() - markedAt,
      cpuMicros: user + system,
      kernelDrops: dropped - drops,
      nodes: nodes.map(figures),
    };
    cpu = process.cpuUsage();
    drops = dropped;
    markedAt = performance.now();
    return answer;
  },
  leave: async () => {
    sending = [];
    const everybody = [publisher!, ...nodes.flatMap(({ subscribers }) => subscribers)];
    nodes = [];
    publisher = undefined;
    await Promise.all(everybody.map((one) => one.leave().catch(() => {})));
    return {};
  },
});
