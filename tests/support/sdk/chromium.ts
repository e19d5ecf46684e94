/**
 * Headless Chromium through Playwright, set up for WebRTC tests: fake devices, no permission
 * dialogs, no traffic of its own, no throttling of pages in the background.
 *
 * @module
 */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { BrowserClient } from "./browser_client.ts";
import { chromiumPath } from "../process/e2e_requirements.ts";

const FLAGS = [
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
    await page.goto(url);
    return { page, context };
  }

  /** A participant that has loaded the client page but has not connected. */
  async openClient(identity: string, clientPageUrl: string): Promise<BrowserClient> {
    const { page, context } = await this.openPage(clientPageUrl);
    // What is on its way while a test makes an interface ends with ERR_NETWORK_CHANGED.
    for (let loads = 1; await page.evaluate("scriptsMissing") !== 0; loads++) {
      if (loads === MAX_LOADS) throw new Error(`${clientPageUrl} does not load whole`);
      await page.reload();
    }
    return new BrowserClient(identity, {
      evaluate: (expression) => page.evaluate(expression),
      close: () => context.close(),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
