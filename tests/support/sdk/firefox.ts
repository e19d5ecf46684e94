/**
 * Headless Firefox through Puppeteer's WebDriver BiDi. What concerns ICE is as people have it:
 * there is no candidate on loopback, so a server there is asked at the machine's own address.
 *
 * @module
 */
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { BrowserClient } from "./browser_client.ts";
import { firefoxPath } from "../process/e2e_requirements.ts";

const PREFERENCES = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  // Without a sound card a real AudioContext never starts; this one has a clock and no device.
  "media.cubeb.force_mock_context": true,
  "dom.min_background_timeout_value": 4,
  "dom.timeout.enable_budget_timer_throttling": false,
};

/** One Firefox; every participant gets a context of its own. */
export class FirefoxBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** @throws {Error} when there is no Firefox or it does not start. */
  static async launch({ anyCertificate = false } = {}): Promise<FirefoxBrowser> {
    const executablePath = firefoxPath();
    if (executablePath === undefined) throw new Error("Firefox is not installed");
    return new FirefoxBrowser(
      await puppeteer.launch({
        browser: "firefox",
        protocol: "webDriverBiDi",
        executablePath,
        headless: true,
        acceptInsecureCerts: anyCertificate,
        extraPrefsFirefox: PREFERENCES,
      }),
    );
  }

  /** A page in a fresh context, for tests that drive a page of their own. */
  async openPage(url: string): Promise<Page> {
    const context = await this.#browser.createBrowserContext();
    const page = await context.newPage();
    await page.goto(url);
    return page;
  }

  /** A participant that has loaded the client page but has not connected. */
  async openClient(identity: string, clientPageUrl: string): Promise<BrowserClient> {
    const page = await this.openPage(clientPageUrl);
    return new BrowserClient(identity, {
      evaluate: (expression) => page.evaluate(expression),
      close: () => page.browserContext().close(),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
