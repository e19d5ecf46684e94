/**
 * Calls of one other node to methods here.
 *
 * Contract: a call runs once, however often it comes; its answer is kept until its caller has given
 * up, to be sent again. What runs and what is kept is bounded: a call beyond that is refused, and
 * one whose answer was given up for others is answered `lost`.
 *
 * @module
 */
import type { Clock } from "../../base/platform.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import { type AnswerCode, encodeFrame, type LinkFrame, writeFrame } from "./link_frames.ts";

/** Calls of one node that may run at once. */
export const MAX_RUNNING = 512;
/** Answers that are kept, and their bytes. */
const MAX_ANSWERS = 2048;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** A caller does not wait longer, whatever it says, ms. */
const MAX_WITHIN_MS = 60_000;

/** Runs a method: its answer, or why there is none. Never rejects. */
export type CallRunner = (
  method: string,
  payload: PackedValue,
  withinMs: number,
) => Promise<{ readonly code: AnswerCode; readonly payload: PackedValue }>;

interface ServedCall {
  /** When its caller has given up, monotonic ms. */
  readonly until: number;
  /** The encoded frame, once it is known. */
  answer: Uint8Array | undefined;
}

/** The calls of one node. */
export class IncomingCalls {
  /** By id, in the order in which they came first. */
  #served = new Map<number, ServedCall>();
  #running = 0;
  #answerBytes = 0;
  /** Calls up to this id that are not known any more may have run. */
  #forgotten = 0;

  /** @param send Sends an encoded frame if there is a connection. */
  constructor(
    readonly clock: Clock,
    readonly run: CallRunner,
    readonly send: (message: Uint8Array) => void,
  ) {}

  /** A call came, perhaps again. */
  receive({ id, method, payload, withinMs }: Extract<LinkFrame, { readonly kind: "call" }>): void {
    const known = this.#served.get(id);
    if (known !== undefined) {
      if (known.answer !== undefined) this.send(known.answer);
      return;
    }
    if (id <= this.#forgotten) return this.#refuse(id, "lost");
    if (this.#running >= MAX_RUNNING) return this.#refuse(id, "busy");
    const within = Math.min(withinMs, MAX_WITHIN_MS);
    const call: ServedCall = { until: this.clock.now() + within, answer: undefined };
    const served = this.#served;
    served.set(id, call);
    this.#running++;
    this.run(method, payload, within).then((answer) => {
      this.#running--;
      if (served === this.#served) this.#answer(id, call, answer.code, answer.payload);
    });
  }

  /** Forgets what nobody waits for. */
  sweep(now: number): void {
    for (const [id, { answer, until }] of this.#served) {
      if (until > now) break;
      if (answer !== undefined) this.#forget(id, answer);
    }
  }

  /** The other side has a new memory: its ids begin anew. */
  reset(): void {
    this.#served = new Map();
    this.#answerBytes = 0;
    this.#forgotten = 0;
  }

  #answer(id: number, call: ServedCall, code: AnswerCode, payload: PackedValue): void {
    const answer = encodeFrame({ kind: "answer", id, code, payload }) ??
      writeFrame({ kind: "answer", id, code: "failed", payload: null });
    call.answer = answer;
    this.#answerBytes += answer.length;
    this.send(answer);
    for (const [first, { answer }] of this.#served) {
      if (this.#served.size <= MAX_ANSWERS && this.#answerBytes <= MAX_ANSWER_BYTES) break;
      if (answer !== undefined) this.#forget(first, answer);
    }
  }

  #refuse(id: number, code: AnswerCode): void {
    this.send(writeFrame({ kind: "answer", id, code, payload: null }));
  }

  #forget(id: number, answer: Uint8Array): void {
    this.#served.delete(id);
    this.#answerBytes -= answer.length;
    this.#forgotten = Math.max(this.#forgotten, id);
  }
}
