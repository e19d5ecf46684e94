/**
 * Keeps a connection to Redis: what is asked is answered within {@linkcode ANSWER_MS} or fails, and
 * a connection that failed is made anew, for ever.
 *
 * Contract: a script is sent again if the connection ended before its answer, so it has to bear
 * that; nothing is sent after its question has failed. A question that is late ends the connection
 * only if nothing at all is answered: a Redis that has much to do is not left. While it is down for
 * longer than a question waits, questions fail at once. Listeners hear of each change, after the
 * questions that it fails.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { SfuError } from "../../base/errors.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import { AnswerPace } from "./answer_pace.ts";
import type { DirectoryStatus } from "./cluster_directory.ts";
import type { RedisConnection } from "./redis_connection.ts";
import type { Reply } from "./redis_replies.ts";
import type { Script } from "./redis_scripts.ts";

/** A question that is not answered so long has failed, ms; with what follows, within a second. */
export const ANSWER_MS = 700;
/**
 * After that a process that stood still itself reads what arrived meanwhile, ms: its timers run
 * before its sockets.
 */
const GRACE_MS = 100;
/** Pauses between attempts to connect, ms: the first, and the longest; half of each is random. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/** Redis cannot answer now, and will be asked again: its errors that go by. */
const AWAY =
  /^(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|NOREPLICAS|NOSCRIPT)\b/;

/** Makes a connection; `lost` is called when it ends by itself. */
export type Connect = (
  lost: (cause: unknown) => void,
  signal: AbortSignal,
) => Promise<RedisConnection>;

/** One node's connection to Redis. */
export class RedisLink {
  readonly #platform: Platform;
  readonly #connect: Connect;
  readonly #attemptMs: number;
  readonly #listeners = new Set<(status: DirectoryStatus) => void>();
  readonly #digests = new Map<Script, string>();
  /** Scripts that are on their way to a server that had forgotten them, by name and lane. */
  readonly #sending = new Map<string, Promise<unknown>>();
  #connection: RedisConnection | undefined;
  /** How soon it answers, as the same. */
  readonly #paces = new Map<string, AnswerPace>();
  /** When the connection answered last, by tag where those may be on several servers; ms. */
  readonly #answeredAt = new Map<string, number>();
  /** Woken when a connection is there, or the link has ended. */
  #waiting = new Set<() => void>();
  #downSince: number;
  #attempts = 0;
  #cancelAttempt: Cancel = () => {};
  #hasEnded = false;

  /** @param attemptMs An attempt to connect takes no longer. */
  constructor(platform: Platform, connect: Connect, attemptMs: number) {
    this.#platform = platform;
    this.#connect = connect;
    this.#attemptMs = attemptMs;
    this.#downSince = platform.clock.now();
    void this.#attempt();
  }

  get status(): DirectoryStatus {
    return this.#connection === undefined ? "down" : "up";
  }

  onStatus(listener: (status: DirectoryStatus) => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether answers about a tag take so long that who can wait should. */
  isSlow(tag: string): boolean {
    const connection = this.#connection;
    if (connection === undefined) return false;
    const pace = this.#paces.get(laneOf(connection, tag));
    return pace?.isSlow(this.#platform.clock.now()) ?? false;
  }

  /**
   * Runs a script.
   *
   * @param tag What the keys of the script begin with; its only key.
   * @throws {SfuError} `directory_down`.
   */
  async run(script: Script, tag: string, args: readonly string[]): Promise<Reply> {
    return await this.#ask(tag, (connection) => this.#evaluate(connection, script, tag, args));
  }

  /** Sends a command that may be sent again: one that only reads, or does no more by then. */
  async send(tag: string, key: string, command: readonly string[]): Promise<Reply> {
    return await this.#ask(tag, (connection) => connection.send(key, command));
  }

  end(): void {
    this.#hasEnded = true;
    this.#cancelAttempt();
    this.#connection?.close();
    this.#connection = undefined;
    this.#listeners.clear();
    this.#wake();
  }

  async #ask(
    tag: string,
    send: (connection: RedisConnection) => Promise<Reply>,
  ): Promise<Reply> {
    const { clock } = this.#platform;
    const until = clock.now() + ANSWER_MS;
    for (;;) {
      const connection = this.#connection ?? await this.#connected(until);
      const lane = laneOf(connection, tag);
      const answered = this.#pace(lane).asked(clock.now());
      try {
        const reply = await this.#answered(send(connection), until);
        this.#answeredAt.set(lane, clock.now());
        return reply;
      } catch (error) {
        const cause = causeOf(error);
        if (cause === "refused") throw away("Redis refused to carry it out", error);
        const silentMs = clock.now() - (this.#answeredAt.get(lane) ?? -Infinity);
        if (cause === "gone" || silentMs >= ANSWER_MS / 2) this.#lost(connection, error);
        if (cause === "late" || clock.now() >= until) throw away("Redis does not answer", error);
      } finally {
        answered(clock.now());
      }
    }
  }

  #pace(lane: string): AnswerPace {
    let pace = this.#paces.get(lane);
    if (pace === undefined) this.#paces.set(lane, pace = new AnswerPace());
    return pace;
  }

  async #evaluate(
    connection: RedisConnection,
    script: Script,
    tag: string,
    args: readonly string[],
  ): Promise<Reply> {
    let digest = this.#digests.get(script);
    if (digest === undefined) {
      digest = createHash("sha1").update(script.source).digest("hex");
      this.#digests.set(script, digest);
    }
    const byDigest = ["EVALSHA", digest, "1", tag, ...args];
    try {
      return await connection.send(tag, byDigest);
    } catch (error) {
      if (!isForgotten(error)) throw error;
    }
    // It was started anew, or somebody emptied its cache of scripts: EVAL fills that again, once.
    const name = `${script.name} ${laneOf(connection, tag)}`;
    const sending = this.#sending.get(name);
    if (sending === undefined) {
      const sent = connection.send(tag, ["EVAL", script.source, "1", tag, ...args]);
      this.#sending.set(name, sent);
      try {
        return await sent;
      } finally {
        this.#sending.delete(name);
      }
    }
    await sending.catch(() => {});
    return await connection.send(tag, byDigest);
  }

  /** The connection, as soon as there is one. */
  #connected(until: number): Promise<RedisConnection> {
    const { clock, timers } = this.#platform;
    const now = clock.now();
    if (this.#hasEnded) return Promise.reject(new SfuError("closed", "the directory has ended"));
    if (now - this.#downSince > ANSWER_MS) return Promise.reject(away("Redis is away"));
    return new Promise((resolve, reject) => {
      const settle = () => {
        cancel();
        this.#waiting.delete(settle);
        if (this.#connection !== undefined) resolve(this.#connection);
        else reject(away("Redis is away"));
      };
      const cancel = timers.after(until - now, settle);
      this.#waiting.add(settle);
    });
  }

  #wake(): void {
    for (const settle of [...this.#waiting]) settle();
  }

  /** Fails when it takes too long. */
  #answered(answer: Promise<Reply>, until: number): Promise<Reply> {
    const { clock, timers } = this.#platform;
    return new Promise((resolve, reject) => {
      let cancel = timers.after(until - clock.now(), () => {
        cancel = timers.after(GRACE_MS, () => reject(new LateAnswer()));
      });
      answer.then(resolve, reject).finally(() => cancel());
    });
  }

  #lost(connection: RedisConnection, cause: unknown): void {
    if (this.#connection !== connection) return;
    connection.close();
    this.#connection = undefined;
    this.#downSince = this.#platform.clock.now();
    this.#attempts = 0;
    this.#platform.log.warn("the directory is away", { cause: nameOf(cause) });
    void this.#attempt();
    this.#tell("down");
  }

  async #attempt(): Promise<void> {
    const { timers, log } = this.#platform;
    const controller = new AbortController();
    const cancelLimit = timers.after(this.#attemptMs, () => controller.abort(new LateAnswer()));
    this.#cancelAttempt = () => {
      cancelLimit();
      controller.abort(new LateAnswer());
    };
    let connection: RedisConnection | undefined;
    let isLost = false;
    try {
      connection = await this.#connect((cause) => {
        isLost = true;
        if (connection !== undefined) this.#lost(connection, cause);
      }, controller.signal);
      if (isLost) throw new Error("it ended at once");
    } catch (error) {
      connection = undefined;
      if (this.#attempts === 0 || (this.#attempts & (this.#attempts - 1)) === 0) {
        log.warn("the directory cannot be reached", { cause: nameOf(error) });
      }
    } finally {
      cancelLimit();
    }
    if (this.#hasEnded) connection?.close();
    else if (connection === undefined) this.#attemptLater();
    else this.#use(connection);
  }

  #attemptLater(): void {
    const { random, timers } = this.#platform;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#attempts++, 10), LONGEST_PAUSE_MS);
    const jittered = pause / 2 + random.uint32() / 2 ** 32 * pause / 2;
    this.#cancelAttempt = timers.after(jittered, () => void this.#attempt());
  }

  #use(connection: RedisConnection): void {
    this.#connection = connection;
    this.#platform.log.info("the directory is there");
    this.#wake();
    this.#tell("up");
  }

  #tell(status: DirectoryStatus): void {
    for (const listener of [...this.#listeners]) listener(status);
  }
}

/** Questions of one lane are answered in order. */
function laneOf({ isOneServer }: RedisConnection, tag: string): string {
  return isOneServer ? "" : tag;
}

function isForgotten(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

class LateAnswer extends Error {
  override readonly name = "LateAnswer";
}

/** What a failure says of Redis: it is gone, it is too slow, or it is there and refuses. */
function causeOf(error: unknown): "gone" | "late" | "refused" {
  if (error instanceof LateAnswer) return "late";
  // The package names errors that Redis answers so, and those of connections otherwise.
  const isAnswer = error instanceof Error &&
    ["SimpleError", "ErrorReply", "BlobError"].includes(error.constructor.name);
  return isAnswer && !AWAY.test(error.message) ? "refused" : "gone";
}

function away(message: string, cause?: unknown): SfuError {
  return new SfuError("directory_down", message, cause === undefined ? {} : { cause });
}

/** The kind of a failure, for the log: its text may hold addresses. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = "code" in error ? ` ${String(error.code)}` : "";
  const answer = /^[A-Z]{3,}\b/.exec(error.message)?.[0];
  return `${error.constructor.name}${code}${answer === undefined ? "" : ` ${answer}`}`;
}
