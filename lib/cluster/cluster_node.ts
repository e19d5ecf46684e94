/**
 * This node's part in a cluster, as one value for the composition: its place among the others, the
 * links to them, the rooms it shares, and the tracks that cross.
 *
 * Contract: nothing a running call needs is asked of the directory. A node that is gone is gone for
 * its links, its rooms and its media alike.
 *
 * @module
 */
import type { AgentAnswers } from "../agents/agent_peers.ts";
import type { AgentService } from "../agents/agent_service.ts";
import type { DropSink } from "../base/drop_counters.ts";
import type { NodeId } from "../base/ids.ts";
import type { Platform } from "../base/platform.ts";
import type { NodeCommand, NodeEvent, RelayEndpoint } from "../engine/messages/node_messages.ts";
import type { NodePorts } from "../room/context/node_ports.ts";
import type { ClusterDirectory, NodeLoad, NodeRecord } from "./directory/cluster_directory.ts";
import { AgentCalls, type AgentCallsOptions } from "./agent_calls.ts";
import type { ClusterDrop } from "./drop_reasons.ts";
import { ClientRouting, type ClientRoutingOptions } from "./client_routing.ts";
import { followedLinkAddress, toldEndpoints } from "./link/link_address.ts";
import { ClusterLinks, LINK_PROTOCOL, type LinkAcceptance } from "./link/cluster_links.ts";
import type { LinkDial } from "./link/link_socket.ts";
import { MAX_SOCKET_MESSAGE_BYTES } from "./link/outgoing_queue.ts";
import { MediaExchange } from "./media/media_exchange.ts";
import { Membership } from "./membership.ts";
import { DirectoryPlacement } from "./mirror/directory_placement.ts";
import { SharedRooms, type SharedRoomsOptions } from "./mirror/shared_rooms.ts";
import { Reconciliation, type ReconciliationOptions } from "./reconciliation.ts";

/** A node that leaves waits so long for the directory to take note of who has left, ms. */
const FAREWELL_MS = 2_000;

/** What a node of a cluster is made of. */
export interface ClusterNodeOptions {
  readonly platform: Platform;
  readonly counters: DropSink<ClusterDrop>;
  readonly node: NodeId;
  readonly region: string;
  readonly directory: ClusterDirectory;
  /** Known to nodes alone; 32 bytes or more. */
  readonly secret: Uint8Array;
  /** At which others reach this node's `/cluster`. */
  readonly linkAddress: string;
  /** The same at another of its literal addresses; absent if it does not depend on them. */
  readonly linkAt?: (host: string) => string;
  readonly leaseMs: number;
  readonly dial: LinkDial;
  readonly clients: ClientSettings;
  /** What this node has to do now. */
  readonly load: () => NodeLoad;
  readonly agents: NodeAgents;
  /** To the media plane. */
  readonly send: (command: NodeCommand) => void;
  /** Carries out a call of the server API that another node asks for. */
  readonly answer: SharedRoomsOptions["answer"];
  /** Hears of what this node ends in the name of dead ones. */
  readonly observer: ReconciliationOptions["observer"];
}

/** What is said and done about clients that are not served where they arrive. */
export interface ClientSettings
  extends Pick<ClientRoutingOptions, "dial" | "answer" | "places" | "gathersRooms"> {
  /** At which clients reach this node; empty if nobody has said. */
  readonly address: string;
}

/** The agents of this node, which get jobs for rooms of others. */
export interface NodeAgents extends Pick<AgentCallsOptions, "dispatches"> {
  readonly service: Pick<AgentService, "offers" | "join" | "onWorkers">;
}

/** One node among others. */
export class ClusterNode {
  readonly links: ClusterLinks;
  /** The longest message of another node, bytes. */
  readonly maxMessageBytes = MAX_SOCKET_MESSAGE_BYTES;
  readonly membership: Membership;
  readonly rooms: SharedRooms;
  readonly placement: DirectoryPlacement;
  /** Clients that are not served where they arrived. */
  readonly clients: ClientRouting;
  /** What rooms are given of it. */
  readonly ports: NodePorts;
  readonly #options: ClusterNodeOptions;
  readonly #exchange: MediaExchange;
  readonly #jobs: AgentAnswers;
  readonly #reconciliation: Reconciliation;
  readonly #startedAtMs: number;
  #endpoints: readonly RelayEndpoint[] = [];
  #linkAddress: string;
  #isDraining = false;

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
    const { platform, counters, node, region, directory, secret, linkAddress, dial } = options;
    this.#startedAtMs = platform.clock.wallMs();
    this.#linkAddress = linkAddress;
    const links = this.links = new ClusterLinks({
      platform,
      counters,
      node,
      address: () => this.#linkAddress,
      secret,
      dial,
      observer: {
        onUp: (peer) => this.#exchange.linkUp(peer),
        onDown: (peer) => this.#exchange.linkDown(peer),
        onDatagram: (peer, kind, bytes) => {
          if (kind === "media") this.#exchange.datagram(peer, bytes);
        },
      },
    });
    const { leaseMs, answer, observer } = options;
    this.rooms = new SharedRooms({
      platform,
      counters,
      links,
      directory,
      leaseMs,
      answer,
      reclaim: (room, identity) => this.placement.reclaim(room, identity),
      assertRoom: (room) => this.placement.assertRoom(room),
    });
    const { rooms } = this;
    const isWhole = () => this.membership.isDirectoryWhole;
    const placed = { platform, directory, node, region, rooms, secret, isWhole };
    this.placement = new DirectoryPlacement(placed);
    this.ports = { placement: this.placement, remoteMembers: rooms };
    this.membership = new Membership({
      platform,
      directory,
      leaseMs,
      links,
      self: () => this.#self(),
      observer: {
        onNode: (other) => this.links.met(other),
        onGone: (gone) => this.#gone(gone),
        onForgotten: () => {
          this.#reconciliation.begin();
          this.#jobs.forgotten();
        },
        onBury: (dead) => this.#reconciliation.bury(dead),
      },
    });
    this.clients = this.#routeClients();
    this.#exchange = this.#exchangeMedia();
    this.#jobs = this.#joinAgents();
    const { placement } = this;
    const reaches = (peer: NodeId) => this.membership.reaches(peer);
    const burials = { platform, directory, self: node, leaseMs, reaches, observer };
    this.#reconciliation = new Reconciliation({ ...burials, rooms, placement });
  }

  /**
   * Takes this node's place among the others: from now on they may send it people.
   *
   * @param endpoints Where its engines are reached.
   * @returns Resolves when others know of it, or when they cannot be told for now.
   */
  start(endpoints: readonly RelayEndpoint[]): Promise<void> {
    this.#endpoints = endpoints;
    return this.membership.start();
  }

  /**
   * This node is reached elsewhere: others are told, and what crosses goes on there.
   *
   * @param endpoints As at the start.
   * @param hosts Its literal addresses, in order of preference.
   */
  moved(endpoints: readonly RelayEndpoint[], hosts: readonly string[]): void {
    const before = JSON.stringify(this.#toldEndpoints);
    this.#endpoints = endpoints;
    const { linkAt } = this.#options;
    const known = endpoints.flatMap(({ addresses }) => addresses.map(({ hostname }) => hostname));
    const link = linkAt === undefined
      ? this.#linkAddress
      : followedLinkAddress(this.#linkAddress, hosts, known, linkAt);
    if (link !== this.#linkAddress) {
      this.#linkAddress = link;
      this.membership.beat();
    }
    if (JSON.stringify(this.#toldEndpoints) !== before) this.#exchange.moved();
  }

  /** Where other nodes are to send media. */
  get #toldEndpoints(): readonly RelayEndpoint[] {
    return toldEndpoints(this.#endpoints, this.#linkAddress);
  }

  /** Whether the directory can be asked. */
  get isDirectoryUp(): boolean {
    return this.#options.directory.status === "up";
  }

  /** What the media plane tells of other nodes. */
  handle(event: NodeEvent): void {
    this.#exchange.handle(event);
  }

  /** What the route of `/cluster` asks. */
  accept(token: string): LinkAcceptance {
    return this.links.accept(token);
  }

  /** Ends what the directory takes for this node's and is not, after all rooms were left. */
  settle(): void {
    this.#reconciliation.begin();
  }

  /** Nobody is to be sent here any more, or again. */
  setDraining(isDraining: boolean): void {
    if (this.#isDraining === isDraining) return;
    this.#isDraining = isDraining;
    this.membership.beat();
  }

  /** Leaves the cluster: the lease ends, and so do links. Rooms are closed before. Idempotent. */
  async close(): Promise<void> {
    this.clients.close();
    const { timers } = this.#options.platform;
    const settled = Promise.all([this.#reconciliation.end(), this.placement.settled()]);
    await new Promise<void>((resolve) => {
      const cancel = timers.after(FAREWELL_MS, resolve);
      void settled.finally(cancel).then(() => resolve());
    });
    await this.membership.end();
    this.#exchange.close();
    this.links.close();
    await this.#options.directory.end();
  }

  #exchangeMedia(): MediaExchange {
    const { platform: { timers, log }, node, region, send } = this.#options;
    return new MediaExchange({
      self: node,
      region,
      timers,
      log,
      links: this.links,
      endpoints: () => this.#toldEndpoints,
      regionOf: (id) => this.membership.get(id)?.region,
      send,
    });
  }

  #routeClients(): ClientRouting {
    const { links, membership, rooms } = this;
    const { platform, counters, node, region, directory, secret, clients } = this.#options;
    return new ClientRouting({
      platform,
      random: platform.random,
      counters,
      node,
      self: node,
      region,
      directory,
      secret,
      membership,
      room: (name) => rooms.get(name),
      isReachable: (peer) => (links.facts(peer)?.isUp ?? true) || !links.facts(peer)?.protocol,
      nodes: () => [this.#self(), ...membership.others],
      ...clients,
    });
  }

  #joinAgents(): AgentAnswers {
    const { links, membership, rooms } = this;
    const { node: self, directory, agents: { service, dispatches } } = this.#options;
    const calls = new AgentCalls({
      self,
      links,
      directory,
      dispatches,
      others: () => membership.others,
      isDraining: () => this.#isDraining,
      sharing: (room) => rooms.get(room)?.peers ?? [],
    });
    const answers = service.join(calls);
    calls.serve(answers);
    service.onWorkers = () => membership.beat();
    return answers;
  }

  #gone(node: NodeId): void {
    this.links.forget(node);
    this.clients.forget(node);
    this.#exchange.forget(node);
    this.#jobs.gone(node);
  }

  #self(): NodeRecord {
    const { node, region, load, agents, clients } = this.#options;
    return {
      nodeId: node,
      region,
      link: this.#linkAddress,
      clientAddress: clients.address,
      protocol: LINK_PROTOCOL,
      state: this.#isDraining ? "draining" : "serving",
      load: load(),
      agents: agents.service.offers(),
      startedAtMs: this.#startedAtMs,
    };
  }
}
