/**
 * The WebRTC half of a participant on one stack, which knows nothing of signalling: descriptions go
 * in and out, channels are opened and closed, messages sent and kept. All stacks take the same calls.
 *
 * @module
 */
import type { BrowserClient } from "../sdk/browser_client.ts";
import { type PeerCommand, PeerProcess } from "./peer_process.ts";
import type { Burst, ChannelInit } from "./data_peer.ts";

/** An {@linkcode Arrival} as a stack tells it; `text` is how it was sent. */
export interface RawArrival {
  readonly from: string;
  readonly label: string;
  readonly size: number;
  readonly crc: number;
  readonly number: number;
  readonly text: boolean;
}

/** Where a stack stands. */
export interface StackState {
  /** By the connection's name, as `connected`. */
  readonly connections: Readonly<Record<string, string>>;
  /** Labels of channels that can be used, ours and the server's, each as often as there are such. */
  readonly open: readonly string[];
  /** Labels of channels that were closed, in that order. */
  readonly closed: readonly string[];
  /** Stream ids of ours. */
  readonly ids: Readonly<Record<string, number>>;
  /** Messages handed to the stack. */
  readonly sent: number;
  readonly arrived: number;
  /** Bytes that the stack has still to send. */
  readonly buffered: number;
}

type ConnectionName = "publisher" | "subscriber";

/** Calls and what they take; each fails with the stack's own words. */
export interface StackCalls {
  /** Before all others: bytes that a sender may have on their way to us. Some cannot choose. */
  configure: { readonly window: number };
  /** Gives our description, with all candidates. */
  offer: { readonly connection: ConnectionName };
  /** Takes an offer and gives the answer. */
  answer: { readonly connection: ConnectionName; readonly sdp: string };
  /** Takes an answer. */
  accept: { readonly connection: ConnectionName; readonly sdp: string };
  /** Does not wait until it is open. */
  open: { readonly connection: ConnectionName; readonly channel: ChannelInit };
  close: { readonly label: string };
  /** Returns when all is sent. `head` goes before each payload, in hexadecimal digits. */
  send: { readonly burst: Burst & { readonly head: string } };
  /** How fast to read from now on: 0 is not at all, −1 without a limit. Some cannot choose. */
  read: { readonly bitsPerSecond: number };
  /** Keeps the application for so long from whatever its stack has for it. Not on pion. */
  block: { readonly ms: number };
  state: Readonly<Record<never, never>>;
  arrivals: { readonly from: number };
}

/** One stack, for one participant. */
export interface RawStack extends AsyncDisposable {
  call<M extends keyof StackCalls, T = unknown>(method: M, fields: StackCalls[M]): Promise<T>;
  /** What happened last, for the message of a failing test. */
  story(): unknown;
}

/** The program's answer to a call. */
interface Done {
  readonly event: "done";
  readonly id: number;
  readonly value: unknown;
  readonly error?: string;
}

/** The longest a call may take, ms: sending to somebody who does not read. */
const CALL_DEADLINE_MS = 120_000;

/** A stack in a process of its own. */
export class ProcessStack implements RawStack {
  readonly #process: PeerProcess<Done>;
  readonly #waiting = new Map<number, (done: Done) => void>();
  #calls = 0;

  /** @param name of the participant in messages. */
  constructor(name: string, command: PeerCommand) {
    this.#process = new PeerProcess(name, command);
    this.#process.onEvent = (event) => {
      // What has been answered is not kept: it may be all that ever arrived.
      this.#process.events.length = 0;
      if (event.event !== "done") return;
      this.#waiting.get(event.id)?.(event);
      this.#waiting.delete(event.id);
    };
  }

  async call<M extends keyof StackCalls, T>(method: M, fields: StackCalls[M]): Promise<T> {
    const id = ++this.#calls;
    const { promise, resolve, reject } = Promise.withResolvers<Done>();
    this.#waiting.set(id, resolve);
    const late = () => reject(new Error(`${method}: no answer; ${Deno.inspect(this.story())}`));
    const timer = setTimeout(late, CALL_DEADLINE_MS);
    try {
      await this.#process.write({ id, do: method, ...fields });
      const { value, error } = await promise;
      if (error !== undefined) throw new Error(`${method}: ${error}`);
      return value as T;
    } finally {
      clearTimeout(timer);
    }
  }

  story(): unknown {
    return this.#process.story();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

/** A browser's own stack, in a page. */
export class PageStack implements RawStack {
  /** @param page has loaded `data_peer.html`. */
  constructor(readonly page: BrowserClient) {}

  call<M extends keyof StackCalls, T>(method: M, fields: StackCalls[M]): Promise<T> {
    return this.page.call<T>(method, fields);
  }

  story(): unknown {
    return [];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.page[Symbol.asyncDispose]();
  }
}
