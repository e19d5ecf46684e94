/**
 * One operator's stream: a snapshot, then changes, as JSON texts on a WebSocket. `docs/admin.md`
 * describes it.
 *
 * Contract: what a reader has not taken yet is all that waits for it: while something does, nothing
 * is made, and the next change says what is different from what it was sent last. Who takes nothing
 * for a while is let go.
 *
 * @module
 */
import type { DropSink } from "../base/drop_counters.ts";
import type { Cancel, Platform } from "../base/platform.ts";
import type { AccessToken } from "../signalling/access_token.ts";
import { CLOSE_CODE, type SignalSocket } from "../signalling/signal_socket.ts";
import { type ClusterWatch, parsed, readQuestion } from "./cluster_watch.ts";
import type { WatchDrop } from "./drop_reasons.ts";
import type { WatchQuestion } from "./figures.ts";
import { type JsonObject, mergePatch } from "./merge_patch.ts";

/** How often changes are told, ms; less often where looking costs much. */
const INTERVAL_MS = 1_000;
/** All streams together take no more than one part in so many of the time. */
const PACE = 20;
/** Two questions of one reader are answered no closer than this, ms. */
const QUESTION_GAP_MS = 250;
/** A reader that has taken nothing for so long is let go, ms. */
const SLOW_AFTER_MS = 15_000;
/** Characters of a question. */
const MAX_QUESTION = 4_096;
/** Streams at once; each costs a look a second. */
const MOST_STREAMS = 32;
/** Timers take no longer delay, ms. */
const MAX_DELAY_MS = 0x7fff_ffff;

/** What streams work with. */
export interface WatchStreamOptions {
  readonly platform: Pick<Platform, "clock" | "timers" | "log">;
  readonly counters: DropSink<WatchDrop>;
  readonly watch: Pick<ClusterWatch, "look" | "paceMs">;
}

/** All streams of this node. */
export class WatchStreams {
  readonly #options: WatchStreamOptions;
  readonly #open = new Set<WatchStream>();
  #isClosed = false;

  constructor(options: WatchStreamOptions) {
    this.#options = options;
  }

  /** Whether there may be another. */
  get isFull(): boolean {
    return this.#isClosed || this.#open.size >= MOST_STREAMS;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Tells an operator what it wants to see, until its token expires. */
  open(socket: SignalSocket, { expiresAt }: Pick<AccessToken, "expiresAt">): void {
    if (this.isFull) return socket.close(CLOSE_CODE.policy, "too many streams");
    const stream = new WatchStream(this.#options, socket, expiresAt, {
      share: () => PACE * this.#open.size,
      onEnd: () => void this.#open.delete(stream),
    });
    this.#open.add(stream);
    stream.begin();
  }

  /** Ends all of them. Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const stream of this.#open) stream.end(1001, "the server closes");
  }
}

/** What a stream has to do with the others. */
interface AmongStreams {
  /** What telling takes, times this, is how long nothing more is told. */
  readonly share: () => number;
  readonly onEnd: () => void;
}

class WatchStream {
  readonly #options: WatchStreamOptions;
  readonly #socket: SignalSocket;
  readonly #among: AmongStreams;
  readonly #cancelExpiry: Cancel;
  #cancelTick: Cancel | undefined;
  #question: WatchQuestion = {};
  /** What the reader has; absent: it needs a snapshot. */
  #told: JsonObject | undefined;
  /** What telling the last time took, ms. */
  #costMs = 0;
  #isLooking = false;
  #lookedAt = -Infinity;
  /** When it was found that the reader has not taken what it was sent. */
  #behindSince: number | undefined;
  #hasEnded = false;

  constructor(
    options: WatchStreamOptions,
    socket: SignalSocket,
    expiresAt: number,
    among: AmongStreams,
  ) {
    this.#options = options;
    this.#socket = socket;
    this.#among = among;
    const { clock, timers } = options.platform;
    const leftMs = Math.min(MAX_DELAY_MS, Math.max(0, expiresAt - clock.wallMs()));
    this.#cancelExpiry = timers.after(leftMs, () => {
      this.end(CLOSE_CODE.policy, "the token has expired");
    });
  }

  begin(): void {
    this.#socket.onClose = () => this.#ended();
    this.#socket.onMessage = (data) => this.#ask(data);
    this.#tickIn(0);
  }

  end(code: number, reason: string): void {
    if (this.#hasEnded) return;
    this.#socket.close(code, reason);
    this.#ended();
  }

  #ended(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#cancelExpiry();
    this.#cancelTick?.();
    this.#among.onEnd();
  }

  /** The reader wants to see something else. */
  #ask(data: Uint8Array | string): void {
    if (this.#hasEnded) return;
    const isText = typeof data === "string" && data.length <= MAX_QUESTION;
    const question = isText ? readQuestion(parsed(data)) : undefined;
    if (question === undefined) {
      this.#options.counters.count("watch_question_malformed");
      return this.end(CLOSE_CODE.invalidPayload, "a question is a JSON object of texts");
    }
    this.#question = question;
    this.#told = undefined;
    const sinceMs = this.#options.platform.clock.now() - this.#lookedAt;
    this.#tickIn(Math.max(0, this.#questionGapMs - sinceMs));
  }

  /** Whoever asks time and again takes no more of it than others. */
  get #questionGapMs(): number {
    return Math.max(QUESTION_GAP_MS, this.#costMs * this.#among.share());
  }

  #tickIn(delayMs: number): void {
    this.#cancelTick?.();
    this.#cancelTick = this.#options.platform.timers.after(delayMs, () => void this.#tick());
  }

  /** Tells what is new, if the reader takes it; never rejects. */
  async #tick(): Promise<void> {
    // One that is under way is followed by the next.
    if (this.#hasEnded || this.#isLooking) return;
    this.#lookedAt = this.#options.platform.clock.now();
    if (this.#socket.bufferedAmount > 0) {
      if (this.#isTooSlow()) return;
      return this.#tickIn(INTERVAL_MS);
    }
    this.#behindSince = undefined;
    this.#isLooking = true;
    const question = this.#question;
    try {
      const figures = await this.#options.watch.look(question);
      // Meanwhile it may want something else.
      if (!this.#hasEnded && question === this.#question) {
        this.#tell(figures as unknown as JsonObject);
      }
    } catch (error) {
      this.#options.platform.log.error("looking for an operator failed", { error });
    }
    this.#isLooking = false;
    if (this.#hasEnded) return;
    const gapMs = this.#questionGapMs;
    const pace = Math.max(INTERVAL_MS, gapMs, this.#options.watch.paceMs);
    this.#tickIn(question === this.#question ? pace : gapMs);
  }

  #tell(state: JsonObject): void {
    const { clock } = this.#options.platform;
    const startedUs = clock.nowUs();
    if (this.#told === undefined) this.#send({ type: "snapshot", state });
    else this.#send({ type: "change", patch: mergePatch(this.#told, state) ?? {} });
    this.#told = state;
    this.#costMs = (clock.nowUs() - startedUs) / 1000;
  }

  #send(message: JsonObject): void {
    this.#socket.send(JSON.stringify(message));
  }

  #isTooSlow(): boolean {
    const { clock } = this.#options.platform;
    this.#behindSince ??= clock.now();
    if (clock.now() - this.#behindSince < SLOW_AFTER_MS) return false;
    this.#options.counters.count("watch_reader_too_slow");
    this.end(CLOSE_CODE.policy, "the reader is too slow");
    return true;
  }
}
