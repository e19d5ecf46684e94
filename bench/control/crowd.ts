/**
 * Participants that come until each has its first RTP packet, and those who publish what they wait
 * for. They are the clients of loads (`bench/real_loads`), because they share the server's cores: a
 * crowd of dear ones would be measured instead of the server.
 *
 * @module
 */
import process from "node:process";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { createCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";
import { packetsDue, type StreamShape } from "../load/frame_pacer.ts";
import { openNativeSockets } from "../load/native_sockets.ts";
import { openPortableSockets } from "../load/portable_sockets.ts";
import {
  joinAddress,
  type JoiningParticipant,
  LoadParticipant,
  type SharedParts,
} from "../real_loads/client_participant.ts";
import { type ClientProfile, clientProfile } from "../real_loads/client_profiles.ts";
import { LoadCounts } from "../real_loads/load_counts.ts";
import type { ServerAccess } from "../real_loads/loads_calls.ts";
import type { ArrivalOptions, Arrivals, PublishOptions } from "./control_calls.ts";

/** How often sockets are read and first packets looked for, ms. */
const SWEEP_EVERY_MS = 2;
/** Whoever has come has little to say. */
const LOOK_AT_ALL_MS = 50;
/** A packet of 1,000 bytes every 20 ms; a publisher sends one in so many of them. */
const PACKETS_PER_SECOND = 50;
const PACKET_BYTES = 1_000;
const SEED = 5;
/** Whoever has come keeps its path, and says nothing of what it receives: others still come. */
const QUIET: ClientProfile = {
  ...clientProfile("libwebrtc"),
  videoReportMs: Infinity,
  audioReportMs: Infinity,
  transportFeedbackMs: Infinity,
  rembMs: Infinity,
};

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Somebody who waits for media. */
interface Arriving {
  readonly participant: LoadParticipant;
  readonly giveUpAt: number;
  readonly media: PromiseWithResolvers<void>;
}

/** What one publisher sends, at a rate of its own. */
interface Sending {
  readonly publisher: LoadParticipant;
  readonly since: number;
}

/** Everybody who came into this process. */
export class Crowd {
  readonly #sockets = openNativeSockets() ?? openPortableSockets();
  readonly #random = new SeededRandom(SEED);
  readonly #shared: SharedParts = {
    sockets: this.#sockets,
    platform: denoPlatform(),
    certificate: createCertificate(),
    profile: QUIET,
    draw: () => this.#random.uint32() / 2 ** 32,
    counts: new LoadCounts(),
    published: new Map(),
  };
  #everybody: LoadParticipant[] = [];
  readonly #arriving = new Set<Arriving>();
  #sending: Sending[] = [];
  #isRunning = false;

  /** Joins one that publishes a video track from then on. */
  async publish({ server, room, every }: PublishOptions): Promise<void> {
    // Its log of what left when is not for those who come: nobody asks how long packets take.
    const shared = { ...this.#shared, published: new Map() };
    const arriving = await this.#join(joiningAt(server, room, "publisher"), Infinity, shared);
    const { participant: publisher } = arriving;
    const shape = videoShape(every);
    const layer = {
      width: 640,
      height: 360,
      bitrateBps: shape.frameRate * PACKET_BYTES * 8,
      shape,
    };
    await publisher.begin([{ kind: "video", layers: [layer] }]);
    this.#arriving.delete(arriving);
    this.#sending.push({ publisher, since: performance.now() });
  }

  /** See {@linkcode ParticipantCalls.arrive}. Addresses are made before the first one comes. */
  async arrive({ server, rooms, count, atOnce, limitMs }: ArrivalOptions): Promise<Arrivals> {
    const newcomers = await Promise.all(Array.from({ length: count }, async (_, i) => {
      const newcomer = joiningAt(server, rooms[i % rooms.length]!, `newcomer${i}`);
      return { ...newcomer, address: await joinAddress(newcomer, QUIET.name) };
    }));
    const startedAt = performance.now();
    const cpu = process.cpuUsage();
    const firstMediaMs: number[] = [];
    const failures: string[] = [];
    const joinOneAfterTheOther = async () => {
      for (let newcomer = newcomers.pop(); newcomer !== undefined; newcomer = newcomers.pop()) {
        await this.#arrive(newcomer, limitMs).then(
          (ms) => firstMediaMs.push(ms),
          (error) => failures.push(String(error).split("\n")[0]!),
        );
      }
    };
    await Promise.all(Array.from({ length: atOnce }, joinOneAfterTheOther));
    const { user, system } = process.cpuUsage(cpu);
    const wallMs = performance.now() - startedAt;
    return { firstMediaMs, failures, wallMs, cpuMicros: user + system };
  }

  async leave(): Promise<void> {
    const everybody = this.#everybody;
    this.#everybody = [];
    this.#sending = [];
    await Promise.all(everybody.map((participant) => participant.leave().catch(() => {})));
  }

  /** Joins and resolves with the time until the first RTP packet, ms. */
  async #arrive(newcomer: JoiningParticipant, limitMs: number): Promise<number> {
    const startedAt = performance.now();
    const { participant, media } = await this.#join(newcomer, startedAt + limitMs);
    await Promise.all([participant.begin([]), media.promise]);
    return Math.round(performance.now() - startedAt);
  }

  async #join(
    joining: JoiningParticipant,
    giveUpAt: number,
    shared = this.#shared,
  ): Promise<Arriving> {
    this.#run();
    const participant = await LoadParticipant.join(joining, shared);
    const arriving = { participant, giveUpAt, media: Promise.withResolvers<void>() };
    this.#everybody.push(participant);
    this.#arriving.add(arriving);
    return arriving;
  }

  /** From the first one on, for the process's life. */
  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    let lookAt = 0;
    for (;;) {
      await pause(SWEEP_EVERY_MS);
      this.#sockets.sweep();
      const now = performance.now();
      for (const { publisher, since } of this.#sending) {
        for (const track of publisher.tracks) {
          track.sendUpTo(packetsDue(track.shape, 1, now - since));
        }
      }
      for (const arriving of this.#arriving) this.#follow(arriving, now);
      if (now < lookAt) continue;
      lookAt = now + LOOK_AT_ALL_MS;
      for (const participant of this.#everybody) participant.poll(now);
    }
  }

  #follow(arriving: Arriving, now: number): void {
    const { participant, giveUpAt, media } = arriving;
    participant.poll(now);
    const hasCome = participant.streams(true) > 0;
    if (!hasCome && now < giveUpAt) return;
    this.#arriving.delete(arriving);
    if (hasCome) media.resolve();
    else media.reject(new Error("no media came"));
  }
}

function joiningAt(server: ServerAccess, room: string, identity: string): JoiningParticipant {
  return { server, signalling: "v1", room, identity, autoSubscribe: true };
}

function videoShape(every: number): StreamShape {
  return {
    kind: "video",
    frameRate: PACKETS_PER_SECOND / every,
    packetsPerFrame: 1,
    packetBytes: PACKET_BYTES,
    lastPacketBytes: PACKET_BYTES,
    burst: 1,
    keyFrameEvery: PACKETS_PER_SECOND,
    keyFrameFactor: 1,
  };
}
