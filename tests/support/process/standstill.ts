/**
 * How long a server kept somebody waiting while something went on: its main thread whoever asks it,
 * and its media a subscriber. For how long of that a thread of the server's had no processor, or
 * this process had other work, is left out: on a busy machine it may be all there is to see.
 *
 * @module
 */
import type { WireParticipant } from "../wire/wire_participant.ts";
import type { RoomwireProcess } from "./roomwire_process.ts";
import { busySince, ownTime, threadTimes, waitedSince } from "./thread_times.ts";

const ASK_EVERY_MS = 20;

/** The longest waits, ms. */
export interface Standstill {
  /** From a request to its answer. */
  readonly mainThreadMs: number;
  /** Between two packets of a track with one every 20 ms. */
  readonly mediaMs: number;
  /** The same with what the machine caused. */
  readonly withMachine: { readonly mainThreadMs: number; readonly mediaMs: number };
}

/** The longest of the waits on a server that were noted, with and without what others caused. */
class LongestWait {
  ms = 0;
  withMachineMs = 0;
  readonly #pid: number;
  #startedAt = 0;
  #own = ownTime();
  #servers = threadTimes(0);

  constructor(pid: number) {
    this.#pid = pid;
    this.begin();
  }

  begin(): void {
    this.#own = ownTime();
    this.#servers = threadTimes(this.#pid);
    this.#startedAt = performance.now();
  }

  end(): void {
    const ms = performance.now() - this.#startedAt;
    this.withMachineMs = Math.max(this.withMachineMs, ms);
    // Cheap where it makes no difference.
    if (ms <= this.ms) return;
    const others = busySince(this.#own) + waitedSince(this.#servers, this.#pid);
    this.ms = Math.max(this.ms, ms - others);
  }
}

/**
 * Measures while `action` runs.
 *
 * @param server Of which `/` is asked over one connection after another.
 */
export async function standstillDuring(
  server: Pick<RoomwireProcess, "httpUrl" | "pid">,
  subscriber: WireParticipant,
  action: () => Promise<void>,
): Promise<Standstill> {
  const mainThread = new LongestWait(server.pid);
  const media = new LongestWait(server.pid);
  let over = false;
  const client = subscriber.subscriber.client!;
  const { onRtp } = client;
  client.onRtp = (packet) => {
    media.end();
    media.begin();
    onRtp(packet);
  };
  const asking = (async () => {
    while (!over) {
      mainThread.begin();
      const response = await fetch(`${server.httpUrl}/`);
      await response.text();
      if (!response.ok) throw new Error(`"/" was answered with ${response.status}`);
      mainThread.end();
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  })();
  // Awaited below, at the end of the action: until then nobody else takes its failure.
  asking.catch(() => {});
  try {
    await action();
  } finally {
    over = true;
    await asking;
    client.onRtp = onRtp;
  }
  media.end();
  return {
    mainThreadMs: mainThread.ms,
    mediaMs: media.ms,
    withMachine: { mainThreadMs: mainThread.withMachineMs, mediaMs: media.withMachineMs },
  };
}
