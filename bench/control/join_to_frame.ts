/**
 * The time from a join to the first decoded frame, as a person who opens a tab waits for it: a real
 * server process, a real Chromium that publishes, another that joins.
 *
 * @module
 */
import { mintToken } from "../../tests/support/process/access_tokens.ts";
import { ChromiumBrowser } from "../../tests/support/sdk/chromium.ts";
import { serveClientPage } from "../../tests/support/sdk/client_page_server.ts";
import { chromiumPath } from "../../tests/support/process/e2e_requirements.ts";
import { eventually } from "../../tests/support/process/eventually.ts";
import { startRoomwire } from "../../tests/support/process/roomwire_process.ts";

/** Joins measured; the first one warms everything up and does not count. */
const JOINS = 6;

/** Times of the single joins, ms since `connect` was called. */
export interface JoinTimes {
  readonly connectedMs: readonly number[];
  readonly firstFrameMs: readonly number[];
}

/** One join is not begun with less than this left, ms. */
const JOIN_MS = 8_000;

/**
 * Measures, or tells `undefined` where there is no Chromium. Joins fewer times when time runs out.
 *
 * @throws {Error} if not even one join could be measured.
 */
export async function measureJoins(leftMs: () => number): Promise<JoinTimes | undefined> {
  if (chromiumPath() === undefined) return undefined;
  await using server = await startRoomwire();
  await using pages = serveClientPage();
  await using browser = await ChromiumBrowser.launch();
  const join = async (identity: string) => {
    const client = await browser.openClient(identity, pages.url);
    await client.connect(server.url, await mintToken({ identity, room: "bench" }));
    return client;
  };
  await using publisher = await join("publisher");
  await publisher.publishVideo();
  const connectedMs: number[] = [];
  const firstFrameMs: number[] = [];
  for (let i = 0; i < JOINS && leftMs() > JOIN_MS; i++) {
    await using subscriber = await join(`subscriber${i}`);
    const times = await eventually("the first frame", async () => {
      const timings = await subscriber.timings();
      return timings.firstFrameMs === undefined ? undefined : timings;
    });
    if (i === 0) continue;
    connectedMs.push(Math.round(times.connectedMs!));
    firstFrameMs.push(Math.round(times.firstFrameMs!));
  }
  if (firstFrameMs.length === 0) throw new Error("no time left");
  return { connectedMs, firstFrameMs };
}

/** The middle one of some numbers. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
