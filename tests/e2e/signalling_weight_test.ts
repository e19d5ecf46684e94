/**
 * What members of a room may send without anybody else noticing: requests as heavy as they can be,
 * from several sessions at once, to a server that does everything on one thread. Needs no browser.
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { joinUrl } from "../support/process/join_url.ts";
import { PrometheusText } from "../support/process/prometheus_text.ts";
import {
  freeTcpPort,
  type RoomwireProcess,
  startRoomwire,
} from "../support/process/roomwire_process.ts";
import type { Attack, AttackOutcome } from "../support/hostile/signalling_attacker.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const SESSIONS = 8;
const ROUNDS = 2;
/** The main thread stands no longer than this, ms. */
const LONGEST_STALL_MS = 250;
/** Bystanders hear nothing for no longer than this, ms; a packet comes every 20. */
const LONGEST_GAP_MS = 100;
/** Between two looks at the server, ms. */
const LOOK_INTERVAL_MS = 15;
/**
 * What is noisy is measured until it is quiet. Beside the server that is attacked another one is
 * left alone: what its people feel is the machine's doing.
 */
const ATTEMPTS = 8;
/** What garbage the heap's lowest point may still hold in a server that keeps nothing, bytes. */
const UNCOLLECTED_BYTES = 16 * 1024 * 1024;

/** When each packet of a subscriber arrived, ms. */
function arrivals({ rtp }: { readonly rtp: unknown[] }): number[] {
  const times: number[] = [];
  rtp.push = (...packets: unknown[]) => {
    times.push(performance.now());
    return Array.prototype.push.apply(rtp, packets);
  };
  return times;
}

const longest = (times: readonly number[]) =>
  times.slice(1).reduce((most, time, at) => Math.max(most, time - times[at]!), 0);

/** Looks again and again until it is ended; gives everything seen. */
function watch<T>(look: () => Promise<T>): { end(): Promise<T[]> } {
  let ended = false;
  const done = (async () => {
    const seen: T[] = [];
    while (!ended) {
      seen.push(await look());
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
    }
    return seen;
  })();
  return {
    end: () => {
      ended = true;
      return done;
    },
  };
}

async function runAttack(urls: readonly string[]): Promise<AttackOutcome> {
  const module = new URL("../support/hostile/signalling_attacker.ts", import.meta.url);
  const worker = new Worker(module, { type: "module" });
  const outcome = new Promise<AttackOutcome>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = reject;
  });
  const attack: Attack = { urls, rounds: ROUNDS };
  worker.postMessage(attack);
  return await outcome.finally(() => worker.terminate());
}

/** Two in a call on a server, who feel what it does. */
class Call implements AsyncDisposable {
  readonly #times: number[];

  private constructor(
    readonly server: RoomwireProcess,
    readonly carol: WireParticipant,
    readonly dave: WireParticipant,
    readonly trackSid: string,
  ) {
    this.#times = arrivals(dave.subscriber.client!);
  }

  static async on(server: RoomwireProcess): Promise<Call> {
    const carol = await WireParticipant.open(server.url, await token("carol"));
    const dave = await WireParticipant.open(server.url, await token("dave"));
    await Promise.all([carol.connected(), dave.connected()]);
    const { sid } = await carol.publish("audio");
    await dave.track(sid);
    return new Call(server, carol, dave, sid);
  }

  /** @returns When called, the longest that an answer and a packet were waited for since, ms. */
  feel(): () => Promise<{ readonly stall: number; readonly gap: number }> {
    this.#times.length = 0;
    const answers = watch(async () => {
      const askedAt = performance.now();
      await (await fetch(this.server.httpUrl)).body?.cancel();
      return performance.now() - askedAt;
    });
    return async () => ({ stall: Math.max(...await answers.end()), gap: longest(this.#times) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.carol[Symbol.asyncDispose]();
    await this.dave[Symbol.asyncDispose]();
  }
}

const token = (identity: string) => mintToken({ room: "room", identity });

Deno.test({
  name: "members who send the heaviest requests hold up nobody, and leave nothing behind",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const metricsPort = await freeTcpPort("127.0.0.1");
    const config = { workers: 0, prometheus: { port: metricsPort } };
    await using server = await startRoomwire({ config, collectsEarly: true });
    await using other = await startRoomwire({ config: { workers: 0 } });
    await using call = await Call.on(server);
    await using neighbours = await Call.on(other);
    const urls = await Promise.all(
      Array.from({ length: SESSIONS }, async (_, i) => joinUrl(server.url, await token(`eve${i}`))),
    );
    const heap = async () => {
      const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
      const { samples } = new PrometheusText(await response.text());
      return samples.find(({ name }) => name === "roomwire_heap_used_bytes")!.value;
    };
    /** What an attack costs the others of the server, and to what its heap comes down meanwhile. */
    const measure = async () => {
      const [felt, noise, heaps] = [call.feel(), neighbours.feel(), watch(heap)];
      const { frames, closed } = await runAttack(urls);
      assert.ok(frames > 0 && closed > 0);
      const [here, there] = [await felt(), await noise()];
      return { here, there, heap: Math.min(...await heaps.end()) };
    };
    const first = await measure(); // everything is compiled then
    const runs: (typeof first)[] = [];
    const isQuiet = () =>
      runs.some(({ here, there }) =>
        here.stall - there.stall <= LONGEST_STALL_MS && here.gap - there.gap <= LONGEST_GAP_MS
      );
    // Whatever an attack leaves behind is there in each later run.
    const isFreed = () => runs.some(({ heap }) => heap <= first.heap + UNCOLLECTED_BYTES);
    do runs.push(await measure()); while (!(isQuiet() && isFreed()) && runs.length < ATTEMPTS);
    const seen = () => Deno.inspect({ first, runs }, { depth: 6 });
    assert.ok(isQuiet(), `somebody noticed: ${seen()}`);
    assert.ok(isFreed(), `something stays: ${seen()}`);
    await using late = await WireParticipant.open(server.url, await token("late"));
    await late.connected();
    await late.track(call.trackSid);
  },
});
