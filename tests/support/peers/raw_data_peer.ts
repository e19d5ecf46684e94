/**
 * A {@linkcode DataPeer} on a bare WebRTC stack: LiveKit's signalling is spoken here, in both
 * versions, and descriptions are handed to and fro.
 *
 * @module
 */
import {
  ClientInfo_SDK,
  Ping,
  SessionDescription,
  SignalTarget,
  type TrickleRequest,
} from "@livekit/protocol";
import { eventually } from "../process/eventually.ts";
import { joinUrl } from "../process/join_url.ts";
import { type ResponseMessage, SignalClient } from "../wire/signal_client.ts";
import {
  type Arrival,
  type Burst,
  type ChannelInit,
  type DataPeer,
  LOSSY,
  type OwnChannels,
  packetHead,
  RELIABLE,
  type StackName,
} from "./data_peer.ts";
import type { RawArrival, RawStack, StackState } from "./raw_stack.ts";

const PING_INTERVAL_MS = 5_000;

/** How a participant joins. */
export interface RawJoin {
  readonly identity: string;
  readonly stack: StackName;
  readonly server: string;
  readonly token: string;
  /** One peer connection (`/rtc/v1`) or two (`/rtc`). */
  readonly single: boolean;
  /** Where to find the server in place of one of its addresses, as behind a proxy. */
  readonly reach?: (hostname: string, port: number) => Promise<number>;
  /** Bytes a sender may have on their way to us, where the stack lets us choose. */
  readonly window?: number;
  /** Reads nothing until told to, where the stack lets us choose; default false. */
  readonly isStopped?: boolean;
}

/** What LiveKit's clients open. */
const LIVEKIT_CHANNELS: readonly ChannelInit[] = [
  { label: RELIABLE, ordered: true },
  { label: LOSSY, ordered: false, maxRetransmits: 0 },
];

/** One participant on a bare stack. */
export class RawDataPeer implements DataPeer {
  readonly identity: string;
  readonly stack: StackName;
  readonly own: OwnChannels;
  readonly #raw: RawStack;
  readonly #signal: SignalClient;
  readonly #join: RawJoin;
  readonly #arrived: Arrival[] = [];
  readonly #ping: ReturnType<typeof setInterval>;
  /** Reads and negotiations go one after the other. */
  #reading: Promise<unknown> = Promise.resolve();
  #negotiating: Promise<unknown> = Promise.resolve();
  #failure: unknown;

  private constructor(join: RawJoin, raw: RawStack, signal: SignalClient) {
    this.identity = join.identity;
    this.stack = join.stack;
    this.#join = join;
    this.#raw = raw;
    this.#signal = signal;
    this.own = {
      open: (channel) => this.#open(channel),
      close: (label) => this.#close(label),
      idOf: async (label) => (await this.state()).ids[label],
    };
    this.#ping = setInterval(() => {
      if (signal.closed !== undefined) return;
      const value = new Ping({ timestamp: BigInt(Date.now()) });
      signal.send({ case: "pingReq", value });
    }, PING_INTERVAL_MS);
  }

  /** Joins with a stack that has not been used, and resolves when data goes both ways. */
  static async join(join: RawJoin, raw: RawStack): Promise<RawDataPeer> {
    const { server, token, single, window, isStopped = false } = join;
    // Versions of clients that take their offer's answer as they find it.
    const clientInfo = { sdk: ClientInfo_SDK.GO, version: "2.4.0" };
    const flavour = single ? "v1" : "v0";
    const url = joinUrl(server, token, { flavour, autoSubscribe: false, clientInfo });
    const signal = await SignalClient.open(url);
    const peer = new RawDataPeer(join, raw, signal);
    try {
      await signal.message("join");
      if (window !== undefined) await raw.call("configure", { window });
      if (isStopped) await raw.call("read", { bitsPerSecond: 0 });
      for (const channel of LIVEKIT_CHANNELS) {
        await raw.call("open", { connection: "publisher", channel });
      }
      const received = [...signal.received];
      signal.onMessage = (message) => peer.#receive(message);
      received.forEach((message) => peer.#receive(message));
      await peer.#offer();
      await eventually(`${join.identity}'s connections`, async () => {
        if (peer.#failure !== undefined) return true;
        const { connections, open } = await peer.state();
        const names = single ? ["publisher"] : ["publisher", "subscriber"];
        const count = (label: string) => open.filter((one) => one === label).length;
        // What comes before the server's channels are open would wait there, and not all of it.
        return names.every((name) => connections[name] === "connected") &&
          [RELIABLE, LOSSY].every((label) => count(label) === names.length);
      }, { seen: () => peer.story() });
      if (peer.#failure !== undefined) throw peer.#failure;
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
    return peer;
  }

  /** At once: it takes data from anybody. */
  meet(): Promise<void> {
    return Promise.resolve();
  }

  async send(burst: Burst): Promise<void> {
    const { label, size, to } = burst;
    const packed = label === RELIABLE || label === LOSSY;
    const head = packed ? packetHead(size, to) : new Uint8Array(0);
    const digits = [...head].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    await this.#raw.call("send", { burst: { ...burst, head: digits } });
  }

  async arrivals(): Promise<readonly Arrival[]> {
    const read = this.#reading.then(async () => {
      const from = this.#arrived.length;
      this.#arrived.push(...await this.#raw.call<"arrivals", RawArrival[]>("arrivals", { from }));
    });
    this.#reading = read.catch(() => {});
    await read;
    return this.#arrived;
  }

  /** Where the stack stands. */
  state(): Promise<StackState> {
    return this.#raw.call("state", {});
  }

  /** How fast to read from now on, where the stack lets us choose: 0 is not at all. */
  async read(bitsPerSecond: number): Promise<void> {
    await this.#raw.call("read", { bitsPerSecond });
  }

  /** The application does nothing else for so long, ms. Not on pion. */
  async block(ms: number): Promise<void> {
    await this.#raw.call("block", { ms });
  }

  async story(): Promise<unknown> {
    return {
      identity: this.identity,
      stack: this.stack,
      state: await this.state().catch(String),
      told: this.#raw.story(),
      signalling: this.#signal.received.map(({ case: name }) => name).join(" "),
      closed: this.#signal.closed,
      failure: this.#failure === undefined ? undefined : String(this.#failure),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ping);
    await this.#signal.close();
    await this.#raw[Symbol.asyncDispose]();
  }

  async #open(channel: ChannelInit): Promise<void> {
    await this.#raw.call("open", { connection: "publisher", channel });
    await eventually(
      `${this.identity}'s channel ${channel.label}`,
      async () => (await this.state()).open.includes(channel.label),
      { seen: () => this.story() },
    );
  }

  async #close(label: string): Promise<void> {
    await this.#raw.call("close", { label });
    await eventually(
      `the end of ${this.identity}'s channel ${label}`,
      async () => !(await this.state()).open.includes(label),
      { seen: () => this.story() },
    );
  }

  async #offer(): Promise<void> {
    const sdp = await this.#raw.call<"offer", string>("offer", { connection: "publisher" });
    const value = new SessionDescription({ type: "offer", sdp, id: 1 });
    this.#signal.send({ case: "offer", value });
    const answer = await this.#signal.message("answer");
    const reachable = await this.#withCandidates(answer.sdp, SignalTarget.PUBLISHER);
    await this.#raw.call("accept", { connection: "publisher", sdp: reachable });
  }

  #receive(message: ResponseMessage): void {
    if (message.case !== "offer") return;
    const offer = message.value;
    this.#negotiating = this.#negotiating.then(async () => {
      const sdp = await this.#withCandidates(offer.sdp, SignalTarget.SUBSCRIBER);
      const answer = await this.#raw.call<"answer", string>("answer", {
        connection: "subscriber",
        sdp,
      });
      const value = new SessionDescription({ type: "answer", sdp: answer, id: offer.id });
      this.#signal.send({ case: "answer", value });
    }).catch((error) => this.#failure = error);
  }

  /** The description with all UDP candidates of the server, each at where it is to be reached. */
  async #withCandidates(sdp: string, target: SignalTarget): Promise<string> {
    const isOurs = (request: TrickleRequest) => request.target === target;
    await this.#signal.message("trickle", (request) => isOurs(request) && request.final);
    const bare = sdp.split("\r\n")
      .filter((line) => line !== "" && !/^a=(candidate:|end-of-candidates)/.test(line));
    const candidates = await Promise.all(
      this.#signal.all("trickle").filter(isOurs).map(({ candidateInit }) =>
        this.#candidateLine((JSON.parse(candidateInit) as { candidate?: string }).candidate ?? "")
      ),
    );
    const lines = [...bare, ...candidates.filter((line) => line !== undefined)];
    return `${[...lines, "a=end-of-candidates"].join("\r\n")}\r\n`;
  }

  async #candidateLine(candidate: string): Promise<string | undefined> {
    const words = candidate.split(" ");
    const [, , protocol, , hostname, port] = words;
    if (protocol?.toLowerCase() !== "udp" || hostname!.includes(":")) return undefined;
    const reached = await this.#join.reach?.(hostname!, Number(port)) ?? port;
    return `a=${words.with(5, String(reached)).join(" ")}`;
  }
}
