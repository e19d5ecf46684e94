/**
 * The demo in a browser, as a person uses it.
 *
 * @module
 */
import type { BrowserContext, Page } from "playwright-core";
import { eventually } from "../process/eventually.ts";
import { type ChromiumBrowser, loadWhole } from "./chromium.ts";

/** Where and how a page is opened. */
export interface DemoPageOptions {
  /** CSS pixels; 1,280 × 800 by default. */
  readonly size?: { readonly width: number; readonly height: number };
  readonly isPhone?: boolean;
  readonly colorScheme?: "light" | "dark";
  /** Runs before the page's own scripts. */
  readonly script?: string;
  /** Gets the page before it loads. */
  readonly prepare?: (page: Page) => void;
}

const SIZE = { width: 1280, height: 800 };
/** Counts how often the page asks for devices, as `globalThis.devicesAsked`. */
const COUNTING = `
  globalThis.devicesAsked = 0;
  {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (wanted) => { devicesAsked++; return open(wanted); };
  }`;

/** One tab with the demo. Closes with its context. */
export class DemoPage implements AsyncDisposable {
  readonly page: Page;
  readonly #context: BrowserContext;

  private constructor(page: Page, context: BrowserContext) {
    this.page = page;
    this.#context = context;
  }

  /** Opens `url` and waits until somebody could join. */
  static async open(
    browser: ChromiumBrowser,
    url: string,
    { size = SIZE, isPhone = false, colorScheme = "dark", script, prepare }: DemoPageOptions = {},
  ): Promise<DemoPage> {
    const { page, context } = await browser.openPage("about:blank", {
      viewport: { ...size },
      colorScheme,
      ...(isPhone ? { isMobile: true, hasTouch: true } : {}),
    });
    await context.addInitScript(COUNTING);
    if (script !== undefined) await context.addInitScript(script);
    prepare?.(page);
    await loadWhole(page, url);
    await page.locator('body[data-view="join"]').waitFor();
    return new DemoPage(page, context);
  }

  /** Joins with one click. */
  async join(how: "with camera and microphone" | "silently"): Promise<this> {
    const quiet = this.page.locator("#join-silently");
    const isQuiet = how === "silently" && await quiet.isVisible();
    await (isQuiet ? quiet : this.page.locator("#join-button")).click();
    return await this.inside();
  }

  /** Waits until the call is shown. */
  async inside(): Promise<this> {
    await this.page.locator('body[data-view="call"]').waitFor();
    return this;
  }

  /** Presses one of the buttons below the call. */
  async press(name: string | RegExp): Promise<void> {
    await this.page.locator("#controls").getByRole("button", { name }).click();
  }

  /** What the page tells as wrong, once it tells something. */
  async problem(): Promise<string> {
    return await eventually(
      "words about a problem",
      async () => await this.page.locator("#problem-banner p").textContent({ timeout: 1000 }),
    );
  }

  /** How often the page has asked for camera or microphone. */
  devicesAsked(): Promise<number> {
    return this.page.evaluate("devicesAsked");
  }

  /** Frames shown of somebody else so far; 0 without a picture. */
  framesOfOther(): Promise<number> {
    return this.page.evaluate(`
      document.querySelector('.tile[data-kind="person"][data-own="false"] video')
        ?.getVideoPlaybackQuality().totalVideoFrames ?? 0`);
  }

  /** Waits until the picture of somebody else goes on. */
  async seesOther(): Promise<void> {
    const before = await this.framesOfOther();
    await eventually(
      "a moving picture of the other",
      async () => (await this.framesOfOther()) > before + 5,
      { seen: () => this.page.evaluate(PICTURES) },
    );
  }

  /** Loudest sample heard from the others during a sixth of a second, 0..1. */
  loudnessOfOthers(): Promise<number> {
    return this.page.evaluate(`(async () => {
      const player = document.querySelector("#sounds audio");
      if (!player?.srcObject) return 0;
      globalThis.testContext ??= new AudioContext();
      const analyser = testContext.createAnalyser();
      analyser.fftSize = 8192;
      const source = testContext.createMediaStreamSource(player.srcObject);
      source.connect(analyser);
      await new Promise((resolve) => setTimeout(resolve, 170));
      const samples = new Float32Array(analyser.fftSize);
      analyser.getFloatTimeDomainData(samples);
      source.disconnect();
      return Math.max(...samples.map(Math.abs));
    })()`);
  }

  /** The tiles that are seen, once nothing moves any more. */
  async tiles(): Promise<readonly TileOnPage[]> {
    const look = () => this.page.evaluate<TileOnPage[]>(TILES);
    let before = await look();
    return await eventually("tiles that stand still", async () => {
      const now = await look();
      const isStill = JSON.stringify(now) === JSON.stringify(before);
      before = now;
      return isStill && now;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }
}

/** A tile as it stands in the window, CSS pixels. */
export interface TileOnPage {
  readonly identity: string;
  readonly kind: "person" | "screen";
  readonly text: string;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Of the own picture it shows whether the camera gives any; and whether the page draws at all.
 */
const PICTURES = `(async () => ({
  visibility: document.visibilityState,
  draws: await Promise.race([
    new Promise((resolve) => requestAnimationFrame(() => resolve(true))),
    new Promise((resolve) => setTimeout(resolve, 1000, false)),
  ]),
  tiles: [...document.querySelectorAll(".tile")].map((tile) => {
    const player = tile.querySelector("video");
    const [track] = player?.srcObject?.getVideoTracks() ?? [];
    return {
      text: tile.textContent,
      isHidden: tile.hidden,
      frames: player?.getVideoPlaybackQuality().totalVideoFrames,
      size: [player?.videoWidth, player?.videoHeight],
      readyState: player?.readyState,
      isPaused: player?.paused,
      isSilent: track?.muted,
      state: track?.readyState,
    };
  }),
}))()`;

const TILES = `[...document.querySelectorAll(".tile:not([hidden])")].map((tile) => {
  const { left, top, width, height } = tile.getBoundingClientRect();
  const { identity, kind } = tile.dataset;
  return { identity, kind, text: tile.textContent, left, top, width, height };
})`;
