/**
 * The terminal of this process: drawn on as a whole, and given back as it was.
 *
 * @module
 */
import type { TerminalSize } from "./top_screen.ts";

/** Another screen, which leaves what was there before; and no cursor. */
const BEGIN = "\x1b[?1049h\x1b[?25l";
const END = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_BELOW = "\x1b[J";

/** A terminal. */
export interface Terminal extends Disposable {
  size(): TerminalSize;
  draw(lines: readonly string[]): void;
  /** Called with what is typed. */
  onInput: (text: string) => void;
  /** Called when it has another size. */
  onResize: () => void;
  /** Called when somebody ends the process. */
  onEnd: () => void;
}

const FALLBACK: TerminalSize = { columns: 80, rows: 24 };
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Takes the terminal; dispose it to give it back. */
export function openTerminal(write: (text: string) => void): Terminal {
  return new ProcessTerminal(write);
}

class ProcessTerminal implements Terminal {
  onInput: Terminal["onInput"] = () => {};
  onResize: Terminal["onResize"] = () => {};
  onEnd: Terminal["onEnd"] = () => {};
  readonly #write: (text: string) => void;
  readonly #takesKeys = Deno.stdin.isTerminal();
  readonly #ended = () => this.onEnd();
  readonly #resized = () => this.onResize();

  constructor(write: (text: string) => void) {
    this.#write = write;
    if (this.#takesKeys) {
      Deno.stdin.setRaw(true);
      void this.#readInput();
    }
    for (const signal of SIGNALS) Deno.addSignalListener(signal, this.#ended);
    Deno.addSignalListener("SIGWINCH", this.#resized);
    write(BEGIN);
  }

  size(): TerminalSize {
    try {
      const { columns, rows } = Deno.consoleSize();
      return columns > 0 && rows > 0 ? { columns, rows } : FALLBACK;
    } catch {
      return FALLBACK;
    }
  }

  draw(lines: readonly string[]): void {
    this.#write(`${HOME}${lines.join("\r\n")}${CLEAR_BELOW}`);
  }

  [Symbol.dispose](): void {
    this.#write(END);
    if (this.#takesKeys) Deno.stdin.setRaw(false);
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, this.#ended);
    Deno.removeSignalListener("SIGWINCH", this.#resized);
  }

  async #readInput(): Promise<void> {
    const decoder = new TextDecoder();
    const bytes = new Uint8Array(256);
    for (;;) {
      const length = await Deno.stdin.read(bytes).catch(() => null);
      if (length === null) return;
      this.onInput(decoder.decode(bytes.subarray(0, length), { stream: true }));
    }
  }
}
