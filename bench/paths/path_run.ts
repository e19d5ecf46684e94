/**
 * One server, a Chromium that publishes on a clean path, and subscribers of all kinds, each behind
 * an impaired path of its own: what they see and hear, and how soon the whole picture is back.
 *
 * @module
 */
import { mintToken } from "../../tests/support/process/access_tokens.ts";
import { eventually } from "../../tests/support/process/eventually.ts";
import type { RoomwireProcess } from "../../tests/support/process/roomwire_process.ts";
import type { BrowserClient } from "../../tests/support/sdk/browser_client.ts";
import type { ConnectionMode } from "../../tests/support/sdk/call_fixture.ts";
import { ChromiumBrowser } from "../../tests/support/sdk/chromium.ts";
import { serveClientPage } from "../../tests/support/sdk/client_page_server.ts";
import {
  type DistantSubscriber,
  openDistantSubscriber,
  type SubscriberKind,
} from "../../tests/support/sdk/distant_client.ts";
import { figuresBetween, type StreamFigures } from "../../tests/support/sdk/stream_totals.ts";
import { NOISY_CAMERA, type VideoOptions } from "../../tests/support/sdk/sdk_client.ts";
import { ImpairedPaths } from "../../tests/support/wire/impaired_paths.ts";
import { type NamedCondition, WIDE } from "./path_conditions.ts";
import { startPathServer } from "./path_server.ts";

/** Beside the one that is measured. */
const OTHER_CAMERA: VideoOptions = {
  ...NOISY_CAMERA,
  width: 640,
  height: 360,
  maxBitrate: 600_000,
};
/** From the first picture until it is measured, and for how long, ms. */
const SETTLE_MS = 10_000;
const MEASURED_MS = 10_000;
const FIRST_PICTURE_MS = 30_000;
/** Who has not the whole picture back by then does not get it, ms. */
const RECOVERY_MS = 60_000;
const ROOM = "paths";

/** One subscriber behind one condition. */
export interface PathRow {
  readonly condition: string;
  readonly server: string;
  readonly subscriber: SubscriberKind;
  /** Absent: no picture came. */
  readonly picture?: StreamFigures;
  readonly sound?: StreamFigures;
  /** From the beginning of the join to the first decoded picture, over the impaired path, ms. */
  readonly firstPictureMs?: number;
  /** From the end of the bottleneck to the whole picture, ms; absent: not measured, or never. */
  readonly backMs?: number;
  /** Part of this machine's processors that was used. */
  readonly busy: number;
}

/** What is measured. */
export interface PathPlan {
  /** Of the server, in rows. */
  readonly server: string;
  /** Another server's program. */
  readonly program?: string | undefined;
  readonly conditions: readonly NamedCondition[];
  readonly subscribers: readonly SubscriberKind[];
  readonly mode: ConnectionMode;
  readonly onRow: (row: PathRow) => void;
}

/** Measures one condition after the other. @throws {Error} without root, Chromium or Go. */
export async function measurePaths(plan: PathPlan): Promise<void> {
  await using paths = await ImpairedPaths.create(plan.subscribers.length);
  await using server = await startPathServer(paths.hostAddress, plan.program);
  await using pages = serveClientPage();
  await using browser = await ChromiumBrowser.launch();
  await using publisher = await browser.openClient("publisher", pages.url);
  await publisher.connect(server.url, await mintToken({ identity: "publisher", room: ROOM }));
  const published = new Published(publisher);
  for (const condition of plan.conditions) {
    await published.want(condition.videos);
    await new PathRun(plan, paths, server, published).measure(condition);
  }
}

/** What there is to subscribe to. */
class Published {
  readonly #publisher: BrowserClient;
  readonly #others: string[] = [];
  voice = "";
  camera = "";

  constructor(publisher: BrowserClient) {
    this.#publisher = publisher;
  }

  async want(videos: number): Promise<void> {
    if (this.camera === "") {
      this.voice = await this.#publisher.publishAudio();
      this.camera = await this.#publisher.publishVideo(NOISY_CAMERA);
    }
    while (this.#others.length < videos - 1) {
      this.#others.push(await this.#publisher.publishVideo(OTHER_CAMERA));
    }
    while (this.#others.length > videos - 1) await this.#publisher.unpublish(this.#others.pop()!);
  }
}

class PathRun {
  readonly #plan: PathPlan;
  readonly #paths: ImpairedPaths;
  readonly #server: RoomwireProcess;
  readonly #published: Published;

  constructor(
    plan: PathPlan,
    paths: ImpairedPaths,
    server: RoomwireProcess,
    published: Published,
  ) {
    this.#plan = plan;
    this.#paths = paths;
    this.#server = server;
    this.#published = published;
  }

  async measure(condition: NamedCondition): Promise<void> {
    const { subscribers } = this.#plan;
    const { camera, voice } = this.#published;
    await using joined = new AsyncDisposableStack();
    const all = await Promise.all(
      subscribers.map((kind, path) => openDistantSubscriber(this.#paths, path, kind)),
    );
    for (const one of all) joined.use(one);
    for (const path of subscribers.keys()) await this.#paths.set(path, condition);
    const firstPictures = await Promise.all(all.map((one) => this.#join(one)));
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const look = () =>
      Promise.all(
        all.map(async (one) => ({
          picture: await one.totals(camera),
          sound: await one.totals(voice),
        })),
      );
    const [before, usedBefore] = [await look(), processorTime()];
    await new Promise((resolve) => setTimeout(resolve, MEASURED_MS));
    const [after, usedAfter] = [await look(), processorTime()];
    const busy = 1 - (usedAfter.idle - usedBefore.idle) / (usedAfter.all - usedBefore.all);
    const backs = condition.recovers ? await this.#widen(all) : [];
    for (const [index, { kind }] of all.entries()) {
      const [one, other] = [before[index]!, after[index]!];
      const [firstPictureMs, backMs] = [firstPictures[index], backs[index]];
      this.#plan.onRow({
        condition: condition.name,
        server: this.#plan.server,
        subscriber: kind,
        ...(firstPictureMs === undefined ? {} : { firstPictureMs }),
        ...(one.picture && other.picture
          ? { picture: figuresBetween(one.picture, other.picture) }
          : {}),
        ...(one.sound && other.sound ? { sound: figuresBetween(one.sound, other.sound) } : {}),
        ...(backMs === undefined ? {} : { backMs }),
        busy,
      });
    }
  }

  /** @returns when the first picture was there, ms after the join began; `undefined` if never. */
  async #join(one: DistantSubscriber): Promise<number | undefined> {
    const token = await mintToken({ identity: one.kind, room: ROOM });
    const began = performance.now();
    try {
      await one.connect(this.#server.url, token, this.#plan.mode);
      await eventually("a picture", async () => {
        return ((await one.totals(this.#published.camera))?.frames ?? 0) > 0;
      }, { deadlineMs: FIRST_PICTURE_MS });
      return performance.now() - began;
    } catch (error) {
      console.error(`${one.kind}: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Ends the bottleneck; @returns when each has the whole picture, ms later. */
  async #widen(all: readonly DistantSubscriber[]): Promise<(number | undefined)[]> {
    for (const path of all.keys()) await this.#paths.set(path, WIDE);
    const began = performance.now();
    return await Promise.all(
      all.map((one) =>
        eventually("the whole picture", async () => {
          return (await one.totals(this.#published.camera))?.height === NOISY_CAMERA.height;
        }, { deadlineMs: RECOVERY_MS }).then(() => performance.now() - began, () => undefined)
      ),
    );
  }
}

/** Of all processors since the machine started, in the system's own units. */
function processorTime(): { readonly all: number; readonly idle: number } {
  const [line = ""] = Deno.readTextFileSync("/proc/stat").split("\n");
  const times = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = times.reduce((sum, time) => sum + time, 0);
  // Idle, and waiting for a disk.
  return { all, idle: times[3]! + times[4]! };
}
