/**
 * What the end-to-end tests of one file share: a server, the client page, and browsers started on
 * first use. Participants live as long as their test.
 *
 * @module
 */
import type { LossyProxy } from "../process/lossy_proxy.ts";
import { mintToken, type TokenOptions } from "../process/access_tokens.ts";
import type { BrowserClient } from "./browser_client.ts";
import { ChromiumBrowser } from "./chromium.ts";
import { type ClientPageServer, serveClientPage } from "./client_page_server.ts";
import { FirefoxBrowser } from "./firefox.ts";
import type { DataPeer, StackName } from "../peers/data_peer.ts";
import { DistantRtcNodePeer } from "../peers/distant_rtc_node_peer.ts";
import { processStack } from "../peers/data_stacks.ts";
import { type PionJoin, PionPeer } from "../peers/pion_peer.ts";
import { RawDataPeer, type RawJoin } from "../peers/raw_data_peer.ts";
import { PageStack, type RawStack } from "../peers/raw_stack.ts";
import { type ClusterOptions, RoomwireCluster } from "../process/roomwire_cluster.ts";
import {
  type RoomwireOptions,
  type RoomwireProcess,
  startRoomwire,
} from "../process/roomwire_process.ts";
import type { RtcNodeClient } from "./rtc_node_client.ts";
import type { ConnectOptions, SdkClient } from "./sdk_client.ts";
import { WhipClient } from "./whip_client.ts";

export type ClientKind = "chromium" | "firefox" | "rtc-node";

/**
 * `default`: what the SDK does by itself, a single peer connection; `dual`: two, as older SDKs
 * have.
 */
export type ConnectionMode = "default" | "dual";
export const CONNECTION_MODES: readonly ConnectionMode[] = ["default", "dual"];

export interface JoinOptions extends Omit<TokenOptions, "identity" | "room"> {
  readonly connect?: ConnectOptions;
  /** Where to join, as `ws://…`; the call's server if left out. */
  readonly url?: string;
}

/** The server of a file, and its browser. */
export interface FixtureOptions extends RoomwireOptions {
  readonly chromiumFlags?: readonly string[];
}

/** The shared parts of one test file. */
export class CallFixture {
  #server: RoomwireProcess | undefined;
  #pages: ClientPageServer | undefined;
  #chromium: Promise<ChromiumBrowser> | undefined;
  #firefox: Promise<FirefoxBrowser> | undefined;
  #rtcNode: Promise<typeof import("./rtc_node_client.ts")> | undefined;

  /** Registers start and end with the test runner; call it once at the top of a file. */
  static forThisFile(options: FixtureOptions = {}): CallFixture {
    const fixture = new CallFixture();
    Deno.test.afterAll(() => fixture.#close());
    fixture.#options = options;
    return fixture;
  }
  #options: FixtureOptions = {};

  /** The same with several servers that are one cluster. */
  static forThisFileOnCluster(options: ClusterOptions): CallFixture {
    const fixture = CallFixture.forThisFile();
    fixture.#clusterOptions = options;
    return fixture;
  }
  #clusterOptions: ClusterOptions = { regions: [] };
  #cluster: Promise<RoomwireCluster> | undefined;

  /** The servers, started on first use. */
  cluster(): Promise<RoomwireCluster> {
    return this.#cluster ??= RoomwireCluster.start(this.#clusterOptions);
  }

  /** The server, started on first use. */
  async server(): Promise<RoomwireProcess> {
    return this.#server ??= await startRoomwire(this.#options);
  }

  /** Chromium, started on first use. */
  chromium(): Promise<ChromiumBrowser> {
    const { chromiumFlags: extraFlags = [] } = this.#options;
    return this.#chromium ??= ChromiumBrowser.launch({ extraFlags });
  }

  /**
   * Runs one scenario in a room of its own and lets everybody leave at its end.
   */
  async call(
    room: string,
    scenario: (call: Call) => Promise<void>,
    mode: ConnectionMode = "default",
  ): Promise<void> {
    await this.callAt(await this.server(), room, scenario, mode);
  }

  /** The same at a server of the test's own. */
  async callAt(
    server: RoomwireProcess,
    room: string,
    scenario: (call: Call) => Promise<void>,
    mode: ConnectionMode = "default",
  ): Promise<void> {
    await using clients = new AsyncDisposableStack();
    const open = (kind: ClientKind, identity: string) => this.#open(kind, identity);
    const openData: OpenData = (join) => this.#openData(join);
    await scenario(new Call(`${room}-${mode}`, mode, server, open, openData, clients));
  }

  /**
   * The same in a cluster.
   *
   * @param scenario Gets the room as it is joined through each of the nodes, in their order.
   */
  async spread(
    room: string,
    scenario: (calls: readonly Call[], cluster: RoomwireCluster) => Promise<void>,
    mode: ConnectionMode = "default",
  ): Promise<void> {
    const cluster = await this.cluster();
    await using clients = new AsyncDisposableStack();
    const open = (kind: ClientKind, identity: string) => this.#open(kind, identity);
    const openData: OpenData = (join) => this.#openData(join);
    const calls = cluster.nodes.map((node) =>
      new Call(`${room}-${mode}`, mode, node, open, openData, clients)
    );
    await scenario(calls, cluster);
  }

  async #openData(join: RawJoin): Promise<DataPeer> {
    const { stack, identity } = join;
    if (stack !== "rtc-node") return RawDataPeer.join(join, await this.#rawStack(stack, identity));
    // Its end is the native library's, for which the other module knows a call.
    this.#rtcNode ??= import("./rtc_node_client.ts");
    const { RtcNodeDataPeer } = await import("../peers/rtc_node_data_peer.ts");
    return await RtcNodeDataPeer.join(join);
  }

  async #rawStack(
    stack: Exclude<StackName, "rtc-node">,
    identity: string,
  ): Promise<RawStack> {
    if (stack !== "chromium" && stack !== "firefox") return processStack(stack, identity);
    return new PageStack(await this.#openPage(stack, identity, "data_peer"));
  }

  async #openPage(
    kind: "chromium" | "firefox",
    identity: string,
    page: "" | "data_peer",
  ): Promise<BrowserClient> {
    const url = `${(this.#pages ??= serveClientPage()).url}${page}`;
    if (kind === "chromium") return (await this.chromium()).openClient(identity, url);
    return (await (this.#firefox ??= FirefoxBrowser.launch())).openClient(identity, url);
  }

  async #open(kind: ClientKind, identity: string): Promise<SdkClient> {
    if (kind !== "rtc-node") return this.#openPage(kind, identity, "");
    const { RtcNodeClient } = await (this.#rtcNode ??= import("./rtc_node_client.ts"));
    return new RtcNodeClient(identity);
  }

  async #close(): Promise<void> {
    await (await this.#chromium)?.[Symbol.asyncDispose]();
    await (await this.#firefox)?.[Symbol.asyncDispose]();
    await (await this.#rtcNode)?.disposeRtcNode();
    await this.#pages?.[Symbol.asyncDispose]();
    await this.#server?.[Symbol.asyncDispose]();
    // A cluster that did not start has told its test.
    await (await this.#cluster?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}

type OpenData = (join: RawJoin) => Promise<DataPeer>;

/** What of a {@linkcode RawJoin} a test chooses, where the stack lets it. */
export type DataJoinOptions = Pick<RawJoin, "reach" | "window" | "isStopped">;

/** One room during one test. */
export class Call {
  readonly room: string;
  readonly mode: ConnectionMode;
  readonly server: RoomwireProcess;
  readonly #open: (kind: ClientKind, identity: string) => Promise<SdkClient>;
  readonly #openData: OpenData;
  readonly #clients: AsyncDisposableStack;

  constructor(
    room: string,
    mode: ConnectionMode,
    server: RoomwireProcess,
    open: (kind: ClientKind, identity: string) => Promise<SdkClient>,
    openData: OpenData,
    clients: AsyncDisposableStack,
  ) {
    this.room = room;
    this.mode = mode;
    this.server = server;
    this.#open = open;
    this.#openData = openData;
    this.#clients = clients;
  }

  /**
   * Connects a participant in a browser whose media goes through `proxy`.
   *
   * @param mode Another one than this call's, so that both are in one room.
   * @param options.hasRtx It takes retransmissions by RTX.
   */
  async joinBehind(
    proxy: LossyProxy,
    kind: "chromium" | "firefox",
    identity: string,
    mode: ConnectionMode = this.mode,
    { hasRtx = true } = {},
  ): Promise<BrowserClient> {
    const client = this.#clients.use(await this.#open(kind, identity)) as BrowserClient;
    if (!hasRtx) await client.refuseRtx();
    const { url, ports: { udp } } = this.server;
    await client.reroute({ [udp]: await proxy.portFor("127.0.0.1", udp) });
    const token = await mintToken({ identity, room: this.room });
    await client.connect(url, token, mode === "dual" ? { singlePeerConnection: false } : {});
    return client;
  }

  /** A page that can start a WHIP session; it has not. */
  async whip(kind: "chromium" | "firefox", identity: string): Promise<WhipClient> {
    const page = this.#clients.use(await this.#open(kind, identity)) as BrowserClient;
    const token = (grant?: JoinOptions["grant"]) =>
      mintToken({ identity, room: this.room, ...(grant === undefined ? {} : { grant }) });
    return new WhipClient(page, this.server.url.replace(/^ws/, "http"), token);
  }

  /** Connects a participant on pion in this call's mode. */
  async joinPion(identity: string, options: Omit<PionJoin, "single"> = {}): Promise<PionPeer> {
    const token = await mintToken({ identity, room: this.room });
    const peer = this.#clients.use(await PionPeer.start(identity));
    await peer.connect(this.server.url, token, { single: this.mode === "default", ...options });
    return peer;
  }

  /** Connects a participant that sends and receives data alone, in this call's mode. */
  joinData(stack: "rtc-node", identity: string): Promise<DataPeer>;
  joinData(
    stack: Exclude<StackName, "rtc-node">,
    identity: string,
    options?: DataJoinOptions,
  ): Promise<RawDataPeer>;
  joinData(stack: StackName, identity: string, options?: DataJoinOptions): Promise<DataPeer>;
  async joinData(
    stack: StackName,
    identity: string,
    options: DataJoinOptions = {},
  ): Promise<DataPeer> {
    const token = await mintToken({ identity, room: this.room });
    const [server, single] = [this.server.url, this.mode === "default"];
    const join = { identity, stack, server, token, single, ...options };
    return this.#clients.use(await this.#openData(join));
  }

  /** The same on LiveKit's native SDK, in a process of its own. */
  async joinDistantRtcNode(identity: string): Promise<DistantRtcNodePeer> {
    const token = await mintToken({ identity, room: this.room });
    const [server, single] = [this.server.url, this.mode === "default"];
    const join = { identity, stack: "rtc-node", server, token, single } as const;
    return this.#clients.use(await DistantRtcNodePeer.join(join));
  }

  /** Connects a participant in this call's mode; `options.connect` goes over it. */
  join(kind: "chromium" | "firefox", identity: string, o?: JoinOptions): Promise<BrowserClient>;
  join(kind: "rtc-node", identity: string, o?: JoinOptions): Promise<RtcNodeClient>;
  join(kind: ClientKind, identity: string, o?: JoinOptions): Promise<SdkClient>;
  async join(
    kind: ClientKind,
    identity: string,
    options: JoinOptions = {},
  ): Promise<SdkClient> {
    const { connect = {}, url = this.server.url, ...tokenOptions } = options;
    const mode = this.mode === "dual" ? { singlePeerConnection: false } : {};
    const token = await mintToken({ identity, room: this.room, ...tokenOptions });
    const client = this.#clients.use(await this.#open(kind, identity));
    await client.connect(url, token, { ...mode, ...connect });
    return client;
  }
}
