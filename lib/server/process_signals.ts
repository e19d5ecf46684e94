/**
 * What the signals that a server process got add up to: it serves, drains and stays, or is to stop.
 *
 * Contract: SIGINT, SIGTERM and SIGQUIT stop, the second of them waits for nobody, and a third ends
 * the process. SIGUSR2 drains, or takes back what drains; nothing once it stops in a hurry.
 * (SIGUSR1 is the runtime's, which opens its debugger.)
 *
 * @module
 */

/** Shells report a process ended by a signal as 128 and its number; 2 is SIGINT. */
export const SECOND_SIGNAL_STATUS = 130;

/** What the process is to do. */
export type Wish = "serve" | "drain" | "stop";

const isWindows = Deno.build.os === "windows";
const MEANT: Readonly<Partial<Record<Deno.Signal, "stop" | "turn">>> = {
  SIGINT: "stop",
  ...(isWindows ? {} : { SIGTERM: "stop", SIGQUIT: "stop", SIGUSR2: "turn" }),
};

/** Listens to the signals of this process until {@linkcode ProcessSignals.ignore}. */
export class ProcessSignals {
  readonly #hurry = Promise.withResolvers<void>();
  readonly #listeners: readonly (readonly [Deno.Signal, () => void])[];
  #wish: Wish = "serve";
  #isHurried = false;
  #waiting = new Set<() => void>();

  constructor() {
    this.#listeners = Object.entries(MEANT).map(([signal, meant]) =>
      [signal as Deno.Signal, () => this.#heard(meant)] as const
    );
    for (const [signal, listener] of this.#listeners) Deno.addSignalListener(signal, listener);
  }

  get wish(): Wish {
    return this.#wish;
  }

  get isToStop(): boolean {
    return this.#wish === "stop";
  }

  /** Nobody is to be waited for. */
  get isHurried(): boolean {
    return this.#isHurried;
  }

  /** Resolves once it is so. */
  get hurried(): Promise<void> {
    return this.#hurry.promise;
  }

  /** Resolves when the wish is another one than `from`. */
  async changed(from: Wish): Promise<void> {
    while (this.#wish === from) await this.#next();
  }

  /** Aborted when whoever drains is to wait no longer: it is hurried, or serves again. */
  endOfWait(): AbortSignal {
    const controller = new AbortController();
    const look = () => {
      if (this.#isHurried || this.#wish === "serve") controller.abort();
      else void this.#next().then(look);
    };
    look();
    return controller.signal;
  }

  ignore(): void {
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }

  #heard(meant: "stop" | "turn"): void {
    if (this.#isHurried) {
      if (meant === "stop") Deno.exit(SECOND_SIGNAL_STATUS);
      return;
    }
    if (meant === "stop" && this.#wish === "stop") {
      this.#isHurried = true;
      this.#hurry.resolve();
    }
    this.#wish = meant === "stop" ? "stop" : this.#wish === "serve" ? "drain" : "serve";
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const resolve of waiting) resolve();
  }

  #next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }
}
