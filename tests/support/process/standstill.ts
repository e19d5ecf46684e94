/**
 * How long a server kept somebody waiting while something went on: its main thread whoever asks it,
 * and its media a subscriber. What this process itself was late by is known, too, because on a busy
 * machine it may be all there is to see.
 *
 * @module
 */
import type { WireParticipant } from "../wire/wire_participant.ts";

const ASK_EVERY_MS = 20;
const TICK_MS = 5;

/** The longest waits, ms. */
export interface Standstill {
  /** From a request to its answer. */
  readonly mainThreadMs: number;
  /** Between two packets of a track with one every 20 ms. */
  readonly mediaMs: number;
  /** Of this process's own clock. */
  readonly ownMs: number;
}

/**
 * Measures while `action` runs.
 *
 * @param httpUrl Where `/` is asked over one connection after another.
 */
export async function standstillDuring(
  httpUrl: string,
  subscriber: WireParticipant,
  action: () => Promise<void>,
): Promise<Standstill> {
  let [mainThreadMs, mediaMs, ownMs] = [0, 0, 0];
  let over = false;
  let packetAt = performance.now();
  const client = subscriber.subscriber.client!;
  const { onRtp } = client;
  client.onRtp = (packet) => {
    const now = performance.now();
    mediaMs = Math.max(mediaMs, now - packetAt);
    packetAt = now;
    onRtp(packet);
  };
  let tickAt = packetAt;
  const tick = setInterval(() => {
    const now = performance.now();
    ownMs = Math.max(ownMs, now - tickAt - TICK_MS);
    tickAt = now;
  }, TICK_MS);
  const asking = (async () => {
    while (!over) {
      const askedAt = performance.now();
      const response = await fetch(`${httpUrl}/`);
      await response.text();
      if (!response.ok) throw new Error(`"/" was answered with ${response.status}`);
      mainThreadMs = Math.max(mainThreadMs, performance.now() - askedAt);
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  })();
  try {
    await action();
  } finally {
    over = true;
    await asking;
    clearInterval(tick);
    client.onRtp = onRtp;
  }
  mediaMs = Math.max(mediaMs, performance.now() - packetAt);
  return { mainThreadMs, mediaMs, ownMs };
}
