/**
 * Publishing and receiving: one loop that sweeps the sockets and sends what is due.
 *
 * @module
 */
import process from "node:process";
import type { LoadFigures, PlannedStream, PlannedTrack } from "../forwarding/forwarding_calls.ts";
import { kernelDrops } from "../kernel_drops.ts";
import type { ClientSockets } from "./client_sockets.ts";
import { packetsDue, type StreamShape } from "./frame_pacer.ts";
import { LatencyHistogram } from "./latency_histogram.ts";
import type { LoadClients } from "./load_clients.ts";
import { DataMessages } from "./data_messages.ts";
import { PublishedTrack } from "./published_track.ts";
import { ReceivedStream } from "./sent_log.ts";

/** Sockets are read this often, ms, and less often when there are so many that looking costs. */
const SWEEP_MS = 1;
const SOCKETS_PER_MS = 125;
/** Silence after which nothing more is expected, ms. */
const SETTLED_MS = 300;
/** The longest wait for what is on its way: an SFU that drowns sends for long. */
const SETTLE_LIMIT_MS = 3_000;
/** Probing: pause between two packets, and how long the last first packet may take, ms. */
const PROBE_EVERY_MS = 200;
const PROBE_MS = 6_000;
/** Tracks of a room start their frames at different times: this share of a frame apart. */
const PHASE_STEP = 0.618;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** One load process at work: counts and times hold what happened between two marks. */
export class LoadRun {
  readonly #tracks: PublishedTrack[] = [];
  readonly #streams = new Map<number, { stream: ReceivedStream; planned: PlannedStream }>();
  readonly #latency = new LatencyHistogram();
  readonly #data: DataMessages;
  /** Datagrams to {@linkcode LoadRun.listen}'s sockets and to nobody. */
  #others = 0;
  #listening = 0;
  #scale = 0;
  #startedAt = 0;
  #markedAt = 0;
  #cpu = process.cpuUsage();
  #longestGapMs = 0;

  constructor(private readonly sockets: ClientSockets, private readonly clients: LoadClients) {
    this.#data = new DataMessages(clients, this.#latency);
    sockets.onRtp = (bytes, offset, _length, arrivedAt) => this.#arrive(bytes, offset, arrivedAt);
  }

  /** Runs for the process's life. */
  async start(): Promise<void> {
    let sweptAt = 0;
    for (let turnAt = performance.now();; turnAt = performance.now()) {
      await pause(SWEEP_MS);
      const now = performance.now();
      this.#longestGapMs = Math.max(this.#longestGapMs, now - turnAt);
      if (this.#scale > 0) this.#send(now - this.#startedAt);
      this.#data.sendDue(now);
      this.clients.poll(now);
      const sockets = this.clients.connected.size + this.#listening;
      if (now - sweptAt < Math.max(SWEEP_MS, sockets / SOCKETS_PER_MS)) continue;
      sweptAt = now;
      this.sockets.sweep();
    }
  }

  /** Replaces all published tracks. */
  publish(tracks: readonly (PlannedTrack & { readonly shape: StreamShape })[]): void {
    this.#tracks.length = 0;
    for (const { client, ssrc, mid, shape } of tracks) {
      this.#tracks.push(new PublishedTrack(this.clients.publisher(client), ssrc, mid, shape));
    }
  }

  expect(streams: readonly PlannedStream[]): void {
    for (const planned of streams) {
      const stream = new ReceivedStream(this.#tracks[planned.track]!.sent, planned.client);
      this.#streams.set(planned.ssrc, { stream, planned });
    }
  }

  /** Streams that no packet reaches. */
  async probe(): Promise<PlannedStream[]> {
    const silent = () => [...this.#streams.values()].filter(({ stream }) => stream.received === 0);
    this.#restart();
    const giveUpAt = performance.now() + PROBE_MS;
    do {
      for (const track of this.#tracks) track.sendProbe();
      await pause(PROBE_EVERY_MS);
    } while (silent().length > 0 && performance.now() < giveUpAt);
    return silent().map(({ planned }) => planned);
  }

  begin(scale: number): void {
    this.#restart();
    this.#startedAt = performance.now();
    this.#scale = scale;
  }

  beginData(perSecond: number, bytes: number): void {
    this.#restart();
    this.#data.begin(perSecond, bytes);
  }

  mark(): LoadFigures {
    const figures = this.#figures();
    this.#latency.clear();
    this.#cpu = process.cpuUsage();
    this.#markedAt = performance.now();
    this.#longestGapMs = 0;
    return figures;
  }

  async stop(): Promise<LoadFigures> {
    this.#scale = 0;
    this.#data.end();
    const figures = this.#figures();
    let { received, expected } = figures;
    const giveUpAt = performance.now() + SETTLE_LIMIT_MS;
    const isDone = () =>
      (this.#listening === 0 && received >= expected) || performance.now() > giveUpAt;
    for (let before = -1; !isDone() && before < received;) {
      before = received;
      await pause(SETTLED_MS);
      ({ received, expected } = this.#figures());
    }
    return { ...figures, received, expected };
  }

  async listen(count: number): Promise<number[]> {
    const ports: number[] = [];
    for (; ports.length < count; this.#listening++) {
      ports.push((await this.sockets.open(undefined)).localPort);
    }
    return ports;
  }

  #restart(): void {
    for (const track of this.#tracks) track.restart();
    for (const { stream } of this.#streams.values()) stream.restart();
    this.#others = 0;
    this.mark();
  }

  #send(elapsedMs: number): void {
    for (let i = 0; i < this.#tracks.length; i++) {
      const track = this.#tracks[i]!;
      const frameMs = 1000 / (track.shape.frameRate * this.#scale);
      const phaseMs = (i * PHASE_STEP % 1) * frameMs;
      track.sendUpTo(packetsDue(track.shape, this.#scale, elapsedMs - phaseMs));
    }
  }

  #arrive(bytes: Uint8Array, offset: number, arrivedAt: number): void {
    const word = (at: number) =>
      ((bytes[offset + at]! << 24) | (bytes[offset + at + 1]! << 16) |
        (bytes[offset + at + 2]! << 8) | bytes[offset + at + 3]!) >>> 0;
    const known = this.#streams.get(word(8));
    if (known === undefined) {
      this.#others++;
      return;
    }
    const sequence = (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
    const micros = known.stream.arrive(sequence, word(4), arrivedAt);
    if (micros >= 0) this.#latency.add(micros);
  }

  #figures(): LoadFigures {
    let [published, expected, received, unmatched] = [0, 0, 0, 0];
    for (const track of this.#tracks) published += track.published;
    for (const { stream, planned } of this.#streams.values()) {
      expected += this.#tracks[planned.track]!.published;
      received += stream.received;
      unmatched += stream.unmatched;
    }
    const { user, system } = process.cpuUsage(this.#cpu);
    return {
      published: published + this.#data.published,
      expected: expected + this.#data.expected,
      received: received + this.#data.received + (this.#listening > 0 ? this.#others : 0),
      unmatched,
      kernelDrops: kernelDrops(),
      latency: this.#latency.percentiles(),
      cpuMicros: user + system,
      wallMs: performance.now() - this.#markedAt,
      longestGapMs: this.#longestGapMs,
    };
  }
}
