/**
 * Calls of one other node's methods that wait for their answers.
 *
 * Contract: each is settled once, by its answer or no later than its deadline; it is sent again
 * over each new connection until then, under the same id, by which the other side runs it once.
 *
 * @module
 */
import type { Cancel, Clock, Timers } from "../../base/platform.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import type { AnswerCode, LinkFrame } from "./link_frames.ts";
import { LinkError } from "./link_ports.ts";

/** Calls that may wait at once. */
export const MAX_CALLS = 1024;

interface Call {
  readonly method: string;
  readonly payload: PackedValue;
  readonly deadline: number;
  readonly cancel: Cancel;
  readonly settle: PromiseWithResolvers<PackedValue>;
  /** It may have reached the other side. */
  isSent: boolean;
}

/** Sends a frame if there is a connection and it can be said. */
export type FrameOutlet = (frame: LinkFrame) => "sent" | "no_connection" | "unsendable";

/** The calls to one node. */
export class OutgoingCalls {
  readonly #calls = new Map<number, Call>();
  #lastId = 0;

  constructor(
    readonly platform: { readonly clock: Clock; readonly timers: Timers },
    readonly send: FrameOutlet,
  ) {}

  get size(): number {
    return this.#calls.size;
  }

  /** See `NodeLinks.call`. */
  call(method: string, payload: PackedValue, withinMs: number): Promise<PackedValue> {
    if (this.#calls.size >= MAX_CALLS) {
      const text = `Cannot call "${method}": ${MAX_CALLS} calls wait`;
      return Promise.reject(new LinkError("busy", text));
    }
    const { clock, timers } = this.platform;
    const id = ++this.#lastId;
    const settle = Promise.withResolvers<PackedValue>();
    const cancel = timers.after(withinMs, () => this.#fail(id, "timeout"));
    const deadline = clock.now() + withinMs;
    const call = { method, payload, deadline, cancel, settle, isSent: false };
    this.#calls.set(id, call);
    this.#sendCall(id, call);
    return settle.promise;
  }

  /** There is a connection: whatever has no answer yet is sent again. */
  resume(): void {
    for (const [id, call] of [...this.#calls]) this.#sendCall(id, call);
  }

  /** The other side has a new memory: what it may have run already is not sent again. */
  forget(): void {
    for (const [id, { isSent }] of [...this.#calls]) if (isSent) this.#fail(id, "lost");
  }

  answered(id: number, code: AnswerCode, payload: PackedValue): void {
    if (code !== "ok") return this.#fail(id, code);
    const call = this.#take(id);
    call?.settle.resolve(payload);
  }

  /** Nothing will be answered any more. */
  close(): void {
    for (const id of [...this.#calls.keys()]) this.#fail(id, "closed");
  }

  #sendCall(id: number, call: Call): void {
    const { method, payload, deadline } = call;
    const withinMs = Math.max(0, Math.ceil(deadline - this.platform.clock.now()));
    const outcome = this.send({ kind: "call", id, method, withinMs, payload });
    if (outcome === "sent") call.isSent = true;
    if (outcome === "unsendable") this.#fail(id, "failed");
  }

  #fail(id: number, code: LinkError["code"]): void {
    const call = this.#take(id);
    call?.settle.reject(new LinkError(code, `Cannot call "${call.method}": ${code}`));
  }

  #take(id: number): Call | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    call?.cancel();
    return call;
  }
}
