/**
 * Several servers that are one cluster, as processes, with a Redis of their own: each in a network
 * namespace of its own with regions that lie apart, where this process may make some, or else on
 * loopback. One receiver gets the webhooks of all.
 *
 * @module
 */
import { canMakeNodeNetwork, NodeNetwork, type RegionDistance } from "../wire/node_network.ts";
import { eventually } from "./eventually.ts";
import { RedisServer } from "./redis_server.ts";
import { placeHere, type RoomwireProcess, startRoomwire, TEST_KEY } from "./roomwire_process.ts";
import { WebhookReceiver } from "./webhook_receiver.ts";

const LOOPBACK = "127.0.0.1";

type Config = Readonly<Record<string, unknown>>;

/** How to start a cluster. */
export interface ClusterOptions {
  /** Region of each node, so as many as there are nodes. */
  readonly regions: readonly string[];
  /**
   * Merged over the configuration of a node, LiveKit's YAML key names. With `redis` in it that
   * directory is used, and {@linkcode RoomwireCluster.redis} is there but of no use.
   */
  readonly config?: Config | ((index: number) => Config);
  /**
   * What lies between two regions: with it the nodes are in network namespaces where that can be.
   * Zeros are for a network that is changed later.
   */
  readonly distance?: RegionDistance;
  /**
   * In namespaces the nodes have addresses for each other besides those for clients, which are not
   * configured: they find out themselves.
   */
  readonly apart?: boolean;
}

/** Running servers. Dispose it to stop them all. */
export class RoomwireCluster implements AsyncDisposable {
  /** In the order of their regions; a node that was started again is another process. */
  readonly nodes: RoomwireProcess[] = [];
  /** Webhooks of all nodes, as the server SDK accepts them. */
  readonly webhooks: WebhookReceiver;
  /** What lies between the nodes; `undefined` where they are on loopback. */
  readonly network: NodeNetwork | undefined;
  readonly #options: ClusterOptions;
  #redis: RedisServer;

  private constructor(
    options: ClusterOptions,
    network: NodeNetwork | undefined,
    redis: RedisServer,
  ) {
    this.#options = options;
    this.network = network;
    this.#redis = redis;
    this.webhooks = new WebhookReceiver(0, this.host);
  }

  /** Starts Redis and the nodes; resolves when the directory has all nodes. */
  static async start(options: ClusterOptions): Promise<RoomwireCluster> {
    const { regions, distance, apart = false } = options;
    const network = distance !== undefined && canMakeNodeNetwork()
      ? await NodeNetwork.create(regions, distance, { apart })
      : undefined;
    const redis = await startRedis(network);
    const cluster = new RoomwireCluster(options, network, redis);
    try {
      const started = await Promise.allSettled(
        regions.map((_, index) => cluster.#startNode(index)),
      );
      for (const one of started) if (one.status === "fulfilled") cluster.nodes.push(one.value);
      const failed = started.find((one) => one.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      if (!("redis" in cluster.#config(0))) await cluster.#gathers();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]().catch(() => {});
      throw error;
    }
  }

  /** Where Redis, the receiver of webhooks and clients are. */
  get host(): string {
    return this.network?.hostAddress ?? LOOPBACK;
  }

  /** The directory; after {@linkcode startRedis} another process on the same port. */
  get redis(): RedisServer {
    return this.#redis;
  }

  /** Ends a node as a power cut does, where it has not ended already. */
  async kill(index: number): Promise<void> {
    const node = this.nodes[index]!;
    node.kill("SIGKILL");
    await node.status;
    await node.stop();
  }

  /** Starts a node that has ended, with the same ports; resolves when it answers. */
  async restart(index: number): Promise<RoomwireProcess> {
    const node = await this.#startNode(index, this.nodes[index]!.ports);
    this.nodes[index] = node;
    return node;
  }

  /** Starts Redis again after `redis.kill()`, with nothing in it. */
  async startRedis(): Promise<void> {
    this.#redis = await startRedis(this.network, this.#redis.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // At the same time, as each may wait for its clients.
    const stopped = await Promise.allSettled(this.nodes.map((node) => node.stop()));
    await this.#redis.kill();
    await this.webhooks[Symbol.asyncDispose]();
    await this.network?.[Symbol.asyncDispose]();
    const failed = stopped.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #config(index: number): Config {
    const { config = {} } = this.#options;
    return typeof config === "function" ? config(index) : config;
  }

  #startNode(index: number, ports?: RoomwireProcess["ports"]): Promise<RoomwireProcess> {
    const place = this.network?.places[index];
    const usual = {
      region: this.#options.regions[index],
      redis: { address: `${this.host}:${this.#redis.port}` },
      webhook: { urls: [this.webhooks.url], api_key: TEST_KEY },
    };
    const here = place ?? (ports === undefined ? undefined : placeHere(ports));
    const { network } = this;
    const isApart = this.#options.apart === true && network !== undefined && place !== undefined;
    const among = isApart ? network.addressAmongNodes(index) : "";
    const ofApart = isApart
      ? {
        bind_addresses: [place.address, among],
        cluster: { link_address: `ws://${among}:${place.ports.http}/cluster` },
        rtc: { node_ip: "", enable_loopback_candidate: false },
      }
      : {};
    return startRoomwire({
      address: place?.address ?? LOOPBACK,
      config: { ...usual, ...ofApart, ...this.#config(index) },
      ...(here === undefined ? {} : { place: here }),
    });
  }

  async #gathers(): Promise<void> {
    let count = "";
    await eventually("all nodes to be in the directory", async () => {
      count = await this.#redis.ask("ZCARD", "roomwire:2:{nodes}:beat");
      return count === `:${this.nodes.length}`;
    }, { seen: () => count });
  }
}

function startRedis(network: NodeNetwork | undefined, port?: number): Promise<RedisServer> {
  const lines = network === undefined
    ? []
    : [`bind ${network.hostAddress} ${LOOPBACK}`, "protected-mode no"];
  return RedisServer.start([], { lines, ...(port === undefined ? {} : { port }) });
}
