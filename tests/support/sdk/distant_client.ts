/**
 * Clients in processes of their own, so that they may be in another network namespace; and
 * subscribers of all kinds at the far ends of impaired paths, behind one interface: what they made
 * of a track is told in the same figures, whoever counts them.
 *
 * @module
 */
import { PeerProcess } from "../peers/peer_process.ts";
import { PionPeer } from "../peers/pion_peer.ts";
import type { ImpairedPaths } from "../wire/impaired_paths.ts";
import type { ConnectionMode } from "./call_fixture.ts";
import type {
  AudioOptions,
  ConnectOptions,
  ReceivedMedia,
  RoomSnapshot,
  SdkClient,
  VideoOptions,
} from "./sdk_client.ts";
import { type StreamTotals, totalsOf } from "./stream_totals.ts";

const PROGRAM = new URL("./distant_client_main.ts", import.meta.url).pathname;

/** Those that run in {@linkcode PROGRAM}. */
export type DistantKind = "chromium" | "firefox" | "rtc-node";
export type SubscriberKind = DistantKind | "pion";
export const SUBSCRIBER_KINDS: readonly SubscriberKind[] = [
  "chromium",
  "firefox",
  "rtc-node",
  "pion",
];

/** A line of the program's input. */
export interface DistantCall {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** A line of its output. */
export type DistantAnswer =
  | { readonly event: "ready" }
  | {
    readonly event: "answer";
    readonly id: number;
    readonly value?: unknown;
    readonly error?: string;
  };

/** A subscriber at the far end of a path. Dispose it to let it leave. */
export interface DistantSubscriber extends AsyncDisposable {
  readonly kind: SubscriberKind;
  connect(url: string, token: string, mode: ConnectionMode): Promise<void>;
  /** What it has received of a track; `undefined` before anything came. */
  totals(sid: string): Promise<StreamTotals | undefined>;
}

/** Argument list that runs a program somewhere else. */
export type Inside = (program: string, ...args: string[]) => readonly string[];

/** Starts a subscriber that has not connected. */
export async function openDistantSubscriber(
  paths: ImpairedPaths,
  path: number,
  kind: SubscriberKind,
): Promise<DistantSubscriber> {
  const inside: Inside = (program, ...args) => paths.command(path, program, ...args);
  if (kind === "pion") return new DistantPion(await PionPeer.start("pion", inside));
  return new SdkSubscriber(await DistantClient.start(kind, inside));
}

/** What a call needs of a client that is somewhere else. */
type DistantMethods = Pick<
  SdkClient,
  "identity" | "connect" | "publishVideo" | "publishAudio" | "snapshot" | "media" | "errors"
>;

/** An SDK's client in a process of ours. Dispose it to let it leave. */
export class DistantClient implements DistantMethods, AsyncDisposable {
  readonly identity: DistantKind;
  readonly #process: PeerProcess<DistantAnswer>;
  #calls = 0;

  private constructor(kind: DistantKind, process: PeerProcess<DistantAnswer>) {
    this.identity = kind;
    this.#process = process;
  }

  /**
   * @param options.anyCertificate Browsers do not look whose a server's certificate is.
   */
  static async start(
    kind: DistantKind,
    inside: Inside,
    { anyCertificate = false } = {},
  ): Promise<DistantClient> {
    const deno = ["run", "--no-check", "--unstable-net", "--allow-all", PROGRAM, kind];
    if (anyCertificate) deno.push("any-certificate");
    const [program, ...args] = inside(Deno.execPath(), ...deno);
    const process = new PeerProcess<DistantAnswer>(kind, { program: program!, args });
    await process.event("ready");
    return new DistantClient(kind, process);
  }

  connect(url: string, token: string, options: ConnectOptions = {}): Promise<void> {
    return this.call("connect", url, token, options);
  }
  publishVideo(options: VideoOptions): Promise<string> {
    return this.call("publishVideo", options);
  }
  publishAudio(options: AudioOptions): Promise<string> {
    return this.call("publishAudio", options);
  }
  snapshot(): Promise<RoomSnapshot> {
    return this.call("snapshot");
  }
  media(sid: string): Promise<ReceivedMedia> {
    return this.call("media", sid);
  }
  errors(): Promise<readonly string[]> {
    return this.call("errors");
  }
  /** The participant leaves, and there is a new one that has not connected. */
  renew(): Promise<void> {
    return this.call("renew");
  }

  /** Calls a method of the client, with JSON values. */
  async call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    const id = ++this.#calls;
    await this.#process.write({ id, method, args });
    const { value, error } = await this.#process.event("answer", (answer) => answer.id === id);
    if (error !== undefined) throw new Error(`${this.identity}.${method}: ${error}`);
    return value as T;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

class SdkSubscriber implements DistantSubscriber {
  readonly kind: DistantKind;
  readonly #client: DistantClient;

  constructor(client: DistantClient) {
    this.kind = client.identity;
    this.#client = client;
  }

  async connect(url: string, token: string, mode: ConnectionMode): Promise<void> {
    const options = mode === "dual" ? { singlePeerConnection: false } : {};
    await this.#client.connect(url, token, options);
  }

  async totals(sid: string): Promise<StreamTotals | undefined> {
    const inbound = await this.#client.call<Record<string, number>>("inbound", sid)
      .catch(() => undefined);
    return inbound === undefined ? undefined : totalsOf(inbound);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }
}

/** One on pion, which has no decoder: its program says what could have been shown. */
class DistantPion implements DistantSubscriber {
  readonly kind = "pion";
  readonly #peer: PionPeer;

  constructor(peer: PionPeer) {
    this.#peer = peer;
  }

  connect(url: string, token: string, mode: ConnectionMode): Promise<void> {
    return this.#peer.connect(url, token, { single: mode === "default" });
  }

  totals(sid: string): Promise<StreamTotals | undefined> {
    const counts = this.#peer.counts(sid);
    if (counts === undefined) return Promise.resolve(undefined);
    const { shown: frames, heard, concealed } = counts;
    const unbuffered = { dropped: 0, released: 0, heldMs: 0 };
    const at = performance.now();
    return Promise.resolve({ ...counts, ...unbuffered, at, frames, samples: heard + concealed });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#peer[Symbol.asyncDispose]();
  }
}
