/**
 * A load at work: one loop that reads the sockets, sends media that is due, and lets every client
 * say what it has to say.
 *
 * @module
 */
import process from "node:process";
import {
  createCertificate,
  type DtlsCertificate,
} from "../../lib/transport/dtls/dtls_certificate.ts";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";
import { kernelDrops } from "../kernel_drops.ts";
import type { ClientSockets } from "../load/client_sockets.ts";
import { packetsDue } from "../load/frame_pacer.ts";
import type { PublishedTrack } from "../load/published_track.ts";
import type { SentLog } from "../load/sent_log.ts";
import { LoadParticipant } from "./client_participant.ts";
import { clientProfile } from "./client_profiles.ts";
import { LoadCounts } from "./load_counts.ts";
import { BEST, type LoadScenario, MIDDLE, streamsOf } from "./load_scenarios.ts";
import type { GatherOptions, LoadsFigures } from "./loads_calls.ts";

/** Sockets are read this often, ms, and less often when there are so many that looking costs. */
const SWEEP_MS = 1;
/** Of a sender that sends as fast as it can: less than what makes the server's answers wait. */
const MAX_WAITING_BYTES = 512 * 1024;
const SOCKETS_PER_MS = 100;
/** Clients join so many at once; of a large crowd, so many batches. */
const BATCH = 8;
const MAX_BATCHES = 50;
/** The longest wait for every stream to come, ms. */
const STREAMS_LIMIT_MS = 20_000;
const LOOK_EVERY_MS = 50;
/** Tracks start their frames at different times: this share of a frame apart. */
const PHASE_STEP = 0.618;
/** Somebody speaks for so long, ms, as loud as that; the others' microphones hear the room. */
const TURN_MS = 3_000;
const SPEECH = 0x80 | 25;
const ROOM_NOISE = 90;
const SEED = 9;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A track and when its first frame was due. */
interface Sending {
  readonly track: PublishedTrack;
  readonly since: number;
  /** Number of its publisher in the room. */
  readonly place: number;
}

/** One participant with its place in the scenario. */
interface Member {
  readonly participant: LoadParticipant;
  readonly room: number;
  /** Number among the room's publishers; -1 in the audience. */
  readonly place: number;
}

/** One load process at work. */
export class LoadsRun {
  readonly #counts = new LoadCounts();
  readonly #published = new Map<string, SentLog | null>();
  readonly #platform = denoPlatform();
  readonly #random = new SeededRandom(SEED);
  readonly #sending: Sending[] = [];
  #members: Member[] = [];
  #scenario: LoadScenario | undefined;
  #certificate: DtlsCertificate | undefined;
  #speaksSince = 0;
  /** Turns that have begun, -1 before everybody is there. */
  #turn = -1;
  #messagesSince = 0;
  #messages = 0;
  #markedAt = 0;
  #cpu = process.cpuUsage();
  #drops = 0;
  #longestGapMs = 0;

  constructor(private readonly sockets: ClientSockets) {}

  /** Runs for the process's life. */
  async start(): Promise<void> {
    let sweptAt = 0;
    for (let turnAt = performance.now();;) {
      await pause(SWEEP_MS);
      const now = performance.now();
      // With what the turn itself takes: clients that are too slow are not the server's fault.
      this.#longestGapMs = Math.max(this.#longestGapMs, now - turnAt);
      turnAt = now;
      for (let i = 0; i < this.#sending.length; i++) this.#send(this.#sending[i]!, now);
      if (this.#messagesSince > 0) this.#sendMessages(now);
      if (this.#turn >= 0) this.#followSpeakers(now);
      if (now - sweptAt >= Math.max(SWEEP_MS, this.#members.length * 2 / SOCKETS_PER_MS)) {
        sweptAt = now;
        this.sockets.sweep();
      }
      // What has come is answered in the same turn.
      for (let i = 0; i < this.#members.length; i++) this.#members[i]!.participant.poll(now);
    }
  }

  /** See {@linkcode LoadsCalls.gather}. */
  async gather(options: GatherOptions): Promise<{ streams: number; participants: number }> {
    const { scenario } = options;
    this.#scenario = scenario;
    this.#certificate ??= createCertificate();
    for (let room = 0; room < scenario.rooms; room++) {
      const publishers = scenario.publishers.map((_, place) => ({ room, place }));
      await this.#inBatches(publishers, ({ place }) => this.#join(options, room, place));
    }
    const audience = Array.from({ length: scenario.rooms * scenario.audience });
    await this.#inBatches(audience, (_, i) => {
      const number = i % scenario.audience;
      return this.#join(options, (i - number) / scenario.audience, -1, number);
    });
    await this.#allStreams(streamsOf(scenario));
    if (scenario.messages !== undefined) await this.#beginMessages();
    if (scenario.followsSpeakers) this.#turn = 0;
    return { streams: this.#streams(true), participants: this.#members.length };
  }

  mark(): LoadsFigures {
    const { received, bytes, messages, expectedMessages, latency, reports, checks } = this.#counts;
    const { user, system } = process.cpuUsage(this.#cpu);
    const drops = kernelDrops();
    let [expected, lost] = [0, 0];
    for (const { participant } of this.#members) {
      const reception = participant.takeReception();
      expected += reception.expected;
      lost += reception.lost;
    }
    const isData = this.#scenario?.messages !== undefined;
    const figures = {
      wallMs: performance.now() - this.#markedAt,
      received: isData ? messages : received,
      expected: isData ? expectedMessages : expected,
      lost: isData ? Math.max(0, expectedMessages - messages) : lost,
      bytes,
      latency: latency.percentiles(),
      reports,
      checks,
      cpuMicros: user + system,
      longestGapMs: this.#longestGapMs,
      kernelDrops: drops - this.#drops,
    };
    this.#counts.restart();
    this.#cpu = process.cpuUsage();
    this.#drops = drops;
    this.#markedAt = performance.now();
    this.#longestGapMs = 0;
    return figures;
  }

  async leave(): Promise<void> {
    const members = this.#members.splice(0);
    this.#sending.length = 0;
    this.#messagesSince = 0;
    this.#turn = -1;
    this.#published.clear();
    await Promise.all(members.map(({ participant }) => participant.leave().catch(() => {})));
  }

  async #join(options: GatherOptions, room: number, place: number, number = 0): Promise<void> {
    const { scenario, server, signalling } = options;
    const isPublisher = place >= 0;
    const participant = await LoadParticipant.join({
      server,
      signalling,
      room: `load${room}`,
      identity: isPublisher ? `publisher${place}` : `subscriber${number}`,
      autoSubscribe: !isPublisher || scenario.isMeeting,
    }, {
      sockets: this.sockets,
      platform: this.#platform,
      certificate: this.#certificate!,
      profile: clientProfile(options.profile, options.aheadMs),
      draw: () => this.#random.uint32() / 2 ** 32,
      counts: this.#counts,
      published: this.#published,
    });
    this.#members.push({ participant, room, place });
    await participant.begin(scenario.publishers[place] ?? []);
    for (const track of participant.tracks) {
      const frameMs = 1_000 / track.shape.frameRate;
      const since = performance.now() + (this.#sending.length * PHASE_STEP % 1) * frameMs;
      this.#sending.push({ track, since, place });
    }
    this.#speaksSince = performance.now();
  }

  async #inBatches<T>(items: readonly T[], step: (item: T, i: number) => Promise<void>) {
    const size = Math.max(BATCH, Math.ceil(items.length / MAX_BATCHES));
    for (let i = 0; i < items.length; i += size) {
      const batch = items.slice(i, i + size);
      await Promise.all(batch.map((item, place) => step(item, i + place)));
    }
  }

  async #allStreams(wanted: number): Promise<void> {
    const giveUpAt = performance.now() + STREAMS_LIMIT_MS;
    while (this.#streams(true) < wanted) {
      if (performance.now() > giveUpAt) {
        throw new Error(
          `of ${wanted} streams ${this.#streams(true)} came, ${
            this.#streams(false)
          } were described`,
        );
      }
      await pause(LOOK_EVERY_MS);
    }
  }

  async #beginMessages(): Promise<void> {
    const senders = this.#members.filter(({ place }) => place >= 0);
    const giveUpAt = performance.now() + STREAMS_LIMIT_MS;
    while (senders.some(({ participant }) => !participant.canSendData)) {
      if (performance.now() > giveUpAt) throw new Error("a data channel did not open");
      await pause(LOOK_EVERY_MS);
    }
    this.#messages = 0;
    this.#messagesSince = performance.now();
  }

  #streams(haveCome: boolean): number {
    return this.#members.reduce((sum, { participant }) => sum + participant.streams(haveCome), 0);
  }

  #send({ track, since, place }: Sending, now: number): void {
    if (track.shape.kind === "audio") {
      track.audioLevel = place === this.#speaker(now) ? SPEECH : ROOM_NOISE;
    }
    track.sendUpTo(packetsDue(track.shape, 1, now - since));
  }

  /** Place of whoever speaks, the same in every room. */
  #speaker(now: number): number {
    const turn = Math.floor((now - this.#speaksSince) / TURN_MS);
    return turn % this.#scenario!.publishers.length;
  }

  /** Once a turn: everybody shows the speaker large, and who spoke before small again. */
  #followSpeakers(now: number): void {
    const turn = 1 + Math.floor((now - this.#speaksSince) / TURN_MS);
    if (turn === this.#turn) return;
    const isFirst = this.#turn === 0;
    this.#turn = turn;
    const { length } = this.#scenario!.publishers;
    const [speaker, before] = [this.#speaker(now), (this.#speaker(now) + length - 1) % length];
    for (const shown of this.#members) {
      const sid = shown.participant.videoSid;
      if (sid === undefined || !(isFirst || shown.place === speaker || shown.place === before)) {
        continue;
      }
      for (const viewer of this.#members) {
        if (viewer.room !== shown.room || viewer === shown) continue;
        viewer.participant.ask(sid, shown.place === speaker ? BEST : MIDDLE);
      }
    }
  }

  /** Senders of all rooms in turns, so that the messages come evenly. */
  #sendMessages(now: number): void {
    const { messages, rooms, publishers, audience } = this.#scenario!;
    const senders = this.#members.filter(({ place }) => place >= 0);
    if (messages!.perSecond === "all") return this.#fill(senders, now);
    const perSecond = messages!.perSecond * rooms * publishers.length;
    const due = (now - this.#messagesSince) / 1_000 * perSecond;
    for (; this.#messages < due; this.#messages++) {
      const { participant } = senders[this.#messages % senders.length]!;
      participant.sendMessage(messages!.bytes, performance.now());
      // What it says of when it was sent is to be true.
      participant.poll(performance.now());
      this.#counts.expectedMessages += publishers.length - 1 + audience;
    }
  }

  /** As much as goes: each sender has always something left to send. */
  #fill(senders: readonly Member[], now: number): void {
    const { messages, publishers, audience } = this.#scenario!;
    for (const { participant } of senders) {
      while (participant.waitingBytes < MAX_WAITING_BYTES) {
        if (!participant.sendMessage(messages!.bytes, now)) break;
        this.#counts.expectedMessages += publishers.length - 1 + audience;
      }
    }
  }
}
