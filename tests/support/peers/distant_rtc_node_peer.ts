/**
 * LiveKit's native SDK in a process of its own, which can be stopped without its test.
 *
 * @module
 */
import type { Arrival, Burst, DataPeer } from "./data_peer.ts";
import { PeerProcess } from "./peer_process.ts";
import type { RawJoin } from "./raw_data_peer.ts";

const PROGRAM = new URL("./distant_rtc_node_main.ts", import.meta.url).pathname;

/** What the program is started with, as JSON. */
export type DistantJoin = Pick<RawJoin, "identity" | "server" | "token" | "single">;

/** A line of its input. */
export type DistantDataCall =
  & { readonly id: number }
  & (
    | { readonly method: "meet"; readonly argument: readonly string[] }
    | { readonly method: "send"; readonly argument: Burst }
    | { readonly method: "arrivals" | "story"; readonly argument: null }
    /** Keeps its event loop for so many ms. */
    | { readonly method: "block"; readonly argument: number }
  );

/** A line of its output. */
export type DistantDataAnswer =
  | { readonly event: "joined" }
  | {
    readonly event: "answer";
    readonly id: number;
    readonly value?: unknown;
    readonly error?: string;
  };

/** A participant on `@livekit/rtc-node`. */
export class DistantRtcNodePeer implements DataPeer {
  readonly stack = "rtc-node";
  readonly identity: string;
  readonly #process: PeerProcess<DistantDataAnswer>;
  #calls = 0;

  private constructor(identity: string, process: PeerProcess<DistantDataAnswer>) {
    this.identity = identity;
    this.#process = process;
  }

  static async join({ identity, server, token, single }: RawJoin): Promise<DistantRtcNodePeer> {
    const join: DistantJoin = { identity, server, token, single };
    const args = ["run", "--no-check", "--allow-all", PROGRAM, JSON.stringify(join)];
    const process = new PeerProcess<DistantDataAnswer>(identity, {
      program: Deno.execPath(),
      args,
    });
    await process.event("joined");
    return new DistantRtcNodePeer(identity, process);
  }

  async meet(identities: readonly string[]): Promise<void> {
    await this.#call({ method: "meet", argument: identities });
  }

  async send(burst: Burst): Promise<void> {
    await this.#call({ method: "send", argument: burst });
  }

  async arrivals(): Promise<readonly Arrival[]> {
    return await this.#call({ method: "arrivals", argument: null }) as readonly Arrival[];
  }

  /** Nothing of the SDK's reaches JavaScript for so long. */
  async block(ms: number): Promise<void> {
    await this.#call({ method: "block", argument: ms });
  }

  story(): Promise<unknown> {
    return this.#call({ method: "story", argument: null });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }

  async #call(call: CallWithoutId<DistantDataCall>): Promise<unknown> {
    const id = ++this.#calls;
    await this.#process.write({ id, ...call });
    const { value, error } = await this.#process.event("answer", (answer) => answer.id === id);
    if (error !== undefined) throw new Error(`${call.method}: ${error}`);
    return value;
  }
}

type CallWithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
