/**
 * Headless Chromium through Playwright, set up for WebRTC tests: fake devices, no permission
 * dialogs, no traffic of its own, no throttling of pages in the background.
 *
 * @module
 */
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Page,
  type Request,
} from "playwright-core";
import { BrowserClient } from "./browser_client.ts";
import { chromiumPath } from "../process/e2e_requirements.ts";

/**
 * What Chromium does without. It takes the last such list alone, so those that Playwright (1.65)
 * leaves out are here, too.
 */
const DISABLED_FEATURES = [
  // Each page would start two pages of its address bar and a process in reserve: with them a
  // participant costs a second of a processor, without a third of that.
  "WebUIOmniboxAimPopup",
  "WebUIOmniboxFullPopup",
  "WebUIOmniboxPopup",
  "SpareRendererForSitePerProcess",
  // Playwright's:
  "AvoidUnnecessaryBeforeUnloadCheckSync",
  "DestroyProfileOnBrowserClose",
  "HttpsUpgrades",
  "HttpsFirstBalancedModeAutoEnable",
  "LensOverlay",
  "MediaRouter",
  "PaintHolding",
  "ThirdPartyStoragePartitioning",
  "AvoidCorsURLLoaderRestartOnRedirect",
  "OptimizationHints",
  "NetworkTimeServiceQuerying",
  "AimEnabled",
  "PreconnectToSearch",
];

const FLAGS = [
  `--disable-features=${DISABLED_FEATURES.join(",")}`,
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // The second camera gives depths, which nobody can encode; the third is one again.
  "--use-fake-device-for-media-stream=device-count=3",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
];

export interface ChromiumOptions {
  /** Another program to start, for instance one that enters a network namespace first. */
  readonly executablePath?: string;
  readonly extraFlags?: readonly string[];
}

/** What Chromium says of all that is on its way when the machine gets or loses an interface. */
const NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED";
/** How often a page is loaded that did not come whole. */
const MAX_LOADS = 5;

/** One Chromium; every participant gets a context of its own. */
export class ChromiumBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** @throws {Error} when there is no Chromium or it does not start. */
  static async launch(options: ChromiumOptions = {}): Promise<ChromiumBrowser> {
    const executablePath = options.executablePath ?? chromiumPath();
    if (executablePath === undefined) throw new Error("Chromium is not installed");
    const args = [...FLAGS, ...(options.extraFlags ?? [])];
    return new ChromiumBrowser(await chromium.launch({ executablePath, args, headless: true }));
  }

  /** A page in a fresh context, for tests that drive a page of their own. */
  async openPage(
    url: string,
    options: Parameters<Browser["newContext"]>[0] = {},
  ): Promise<{ page: Page; context: BrowserContext }> {
    const context = await this.#browser.newContext(options);
    const page = await context.newPage();
    await loadWhole(page, url);
    return { page, context };
  }

  /** A participant that has loaded the client page but has not connected. */
  async openClient(identity: string, clientPageUrl: string): Promise<BrowserClient> {
    const { page, context } = await this.openPage(clientPageUrl);
    return new BrowserClient(identity, {
      evaluate: (expression) => page.evaluate(expression),
      close: () => context.close(),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** Loads a page anew of which a part ended because a test, this one or another, made an interface. */
export async function loadWhole(page: Page, url: string): Promise<void> {
  let isWhole = false;
  const onFailed = (request: Request) => {
    if (request.failure()?.errorText === NETWORK_CHANGED) isWhole = false;
  };
  page.on("requestfailed", onFailed);
  for (let loads = 1; !isWhole && loads <= MAX_LOADS; loads++) {
    isWhole = true;
    try {
      await (loads === 1 || page.url() !== url ? page.goto(url) : page.reload());
    } catch (error) {
      if (!String(error).includes(NETWORK_CHANGED)) throw error;
      isWhole = false;
    }
  }
  page.off("requestfailed", onFailed);
}
