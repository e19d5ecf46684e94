/**
 * The clients of a flood: somebody who writes as many tiny messages as there is room for, somebody
 * who writes a few meanwhile, and whoever reads both. They are the clients of loads.
 *
 * @module
 */
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { createCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { answerCalls } from "../bench_child.ts";
import { outliveClientFaults } from "../load/client_faults.ts";
import { openNativeSockets } from "../load/native_sockets.ts";
import { openPortableSockets } from "../load/portable_sockets.ts";
import { LoadParticipant, type SharedParts } from "../real_loads/client_participant.ts";
import { clientProfile } from "../real_loads/client_profiles.ts";
import { LoadCounts } from "../real_loads/load_counts.ts";
import type { FloodCalls, FloodFigures, FloodOptions } from "./control_calls.ts";

const SWEEP_MS = 1;
/** Of the flood, what waits in the client: enough that its association never rests. */
const MAX_WAITING_BYTES = 256 * 1024;
/** The time in front, and two bytes more. */
const FLOOD_BYTES = 10;
/** What is written meanwhile. */
const TALK_BYTES = 100;
const TALK_EVERY_MS = 20;
/** Until somebody's channel is open, ms. */
const OPEN_LIMIT_MS = 10_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const shared = {
  sockets: openNativeSockets() ?? openPortableSockets(),
  platform: denoPlatform(),
  certificate: createCertificate(),
  profile: clientProfile("libwebrtc"),
  draw: Math.random,
  published: new Map(),
};
let everybody: LoadParticipant[] = [];
let onTurn = (_now: number): void => {};

/** For the process's life. */
async function run(): Promise<void> {
  for (;;) {
    await pause(SWEEP_MS);
    onTurn(performance.now());
    shared.sockets.sweep();
    const now = performance.now();
    for (const participant of everybody) participant.poll(now);
  }
}

async function join(
  { server, room }: FloodOptions,
  identity: string,
  counted: Pick<SharedParts, "counts" | "countsOf">,
): Promise<LoadParticipant> {
  const participant = await LoadParticipant.join(
    { server, signalling: "v1", room, identity, autoSubscribe: false },
    { ...shared, ...counted },
  );
  everybody.push(participant);
  await participant.begin([]);
  const giveUpAt = performance.now() + OPEN_LIMIT_MS;
  while (!participant.canSendData) {
    if (performance.now() > giveUpAt) throw new Error(`${identity}'s data channel did not open`);
    await pause(SWEEP_MS);
  }
  return participant;
}

/** Everybody joins, talks for a while and on through a flood until all of it has come, and leaves. */
async function flood(options: FloodOptions): Promise<FloodFigures> {
  const [flooded, talked] = [new LoadCounts(), new LoadCounts()];
  const reading = {
    counts: flooded,
    countsOf: (bytes: number) => bytes === TALK_BYTES ? talked : flooded,
  };
  await join(options, "reader", reading);
  const talker = await join(options, "talker", { counts: new LoadCounts() });
  const flooder = await join(options, "flooder", { counts: new LoadCounts() });
  let [talkAt, written, sent] = [performance.now(), 0, 0];
  let floodAt = Infinity;
  onTurn = (now) => {
    for (; talkAt <= now; talkAt += TALK_EVERY_MS) {
      if (talker.sendMessage(TALK_BYTES, now)) written++;
    }
    // What it says of when it was sent is to be true.
    talker.poll(now);
    const due = Math.min(options.count, (now - floodAt) / options.overMs * options.count);
    while (sent < due && flooder.waitingBytes < MAX_WAITING_BYTES) {
      if (!flooder.sendMessage(FLOOD_BYTES, now)) break;
      sent++;
    }
  };
  await pause(options.quietMs);
  const quietTalk = talked.latency.percentiles();
  talked.restart();
  floodAt = performance.now();
  while (flooded.messages < options.count) {
    if (performance.now() - floodAt > options.limitMs) break;
    await pause(SWEEP_MS);
  }
  const wallMs = performance.now() - floodAt;
  const talk = talked.latency.percentiles();
  onTurn = () => {};
  const leaving = everybody;
  everybody = [];
  await Promise.all(leaving.map((participant) => participant.leave().catch(() => {})));
  return { sent, arrived: flooded.messages, wallMs, quietTalk, talk, written };
}

outliveClientFaults();
run();
await answerCalls<FloodCalls>({ flood });
