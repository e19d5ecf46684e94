/**
 * Several nodes in one process on virtual time: each has a whole control plane over a fake media
 * plane, and clients of its own; they share a directory in memory and a simulated network.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DisconnectReason, ServerInfo } from "@livekit/protocol";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { NodeId } from "../../../lib/base/ids.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import type { ClusterDrop } from "../../../lib/cluster/drop_reasons.ts";
import { LINK_PROTOCOL } from "../../../lib/cluster/link/cluster_links.ts";
import { DirectoryPlacement } from "../../../lib/cluster/mirror/directory_placement.ts";
import { SharedRooms } from "../../../lib/cluster/mirror/shared_rooms.ts";
import { roomContents } from "../../../lib/agents/agent_dispatcher.ts";
import type { AgentAnswers } from "../../../lib/agents/agent_peers.ts";
import { AgentService } from "../../../lib/agents/agent_service.ts";
import type { DispatchCalls } from "../../../lib/agents/dispatch_calls.ts";
import { AgentCalls } from "../../../lib/cluster/agent_calls.ts";
import { Membership } from "../../../lib/cluster/membership.ts";
import { Reconciliation } from "../../../lib/cluster/reconciliation.ts";
import type { RoomObserver } from "../../../lib/room/context/room_events.ts";
import type { RoomOptions } from "../../../lib/room/context/room_options.ts";
import type { Room } from "../../../lib/room/room.ts";
import type { JoinParameters } from "../../../lib/signalling/join_parameters.ts";
import { answerCall } from "../../../lib/admin/carried_calls.ts";
import { RoomAdmin } from "../../../lib/admin/room_admin.ts";
import { checkRoomEgress } from "../../../lib/egress/egress_plan.ts";
import type { CarriedCall, CarriedReply } from "../../../lib/room/context/node_ports.ts";
import { RoomDirectory } from "../../../lib/room/room_directory.ts";
import { ADMIN_LIMITS } from "./admin_world.ts";
import { DirectorySteps } from "./directory_steps.ts";
import { nodeRecord } from "./directory_table.ts";
import { type LinkNode, type LinkNodeOptions, LinkWorld } from "./link_world.ts";
import type { LinkWeather } from "./link_network.ts";
import { MemoryDirectory } from "./memory_directory.ts";
import { operatorsOf, type OperatorsOfWorld } from "./operator_world.ts";
import { type ScriptedClient, World } from "./scripted_client.ts";
import { settle, type VirtualPlatform } from "./virtual_platform.ts";

/** What a node is waited for that is not heard of, ms. */
export const LEASE_MS = 5_000;

/** What makes recordings of a node's rooms. */
export interface NodeRecording {
  readonly observer: RoomObserver;
  readonly answer: (call: CarriedCall) => Promise<CarriedReply | undefined>;
}

/** One node. */
export interface ClusterNode {
  readonly id: NodeId;
  readonly link: LinkNode;
  readonly directory: MemoryDirectory;
  readonly placement: DirectoryPlacement;
  readonly rooms: SharedRooms;
  readonly world: World;
  readonly admin: RoomAdmin;
  readonly counters: DropCounters<ClusterDrop>;
  readonly operators: OperatorsOfWorld;
  readonly agents: AgentService;
  readonly dispatches: DispatchCalls;
  readonly answers: AgentAnswers;
  /** Nodes that it knows to live. */
  membership?: Membership;
  /** What it records, if somebody has it record. */
  recording?: NodeRecording;
  isDraining: boolean;
}

/** Nodes, and what all of them told the world. */
export class ClusterWorld {
  readonly links: LinkWorld;
  readonly memory: DirectorySteps;
  readonly nodes: ClusterNode[] = [];
  /** What observers of all nodes heard, in order: `joined lobby ann`. */
  readonly events: string[] = [];
  /** How often each was told of what can be told once: `joined PA_…`, `published TR_…`. */
  readonly told = new Map<string, number>();

  constructor(
    names: readonly string[],
    seed = 1,
    weather: Partial<LinkWeather> = {},
    readonly options: Partial<RoomOptions> = {},
    /** How far wall clocks of nodes are ahead, ms. */
    readonly skewMs: Readonly<Record<string, number>> = {},
  ) {
    this.links = new LinkWorld(seed, weather);
    this.memory = new DirectorySteps(this.platform.clock, LEASE_MS);
    for (const name of names) this.add(name);
  }

  get platform() {
    return this.links.platform;
  }

  node(name: string): ClusterNode {
    const found = this.nodes.find(({ id }) => id === `ND_${name}`);
    assert.ok(found, `there is a node ${name}`);
    return found;
  }

  room(node: string, name = "lobby"): Room {
    const room = this.node(node).world.rooms.get(name);
    assert.ok(room, `${node} has the room ${name}`);
    return room;
  }

  add(name: string, options: Omit<LinkNodeOptions, "skewMs"> = {}): ClusterNode {
    const link = this.links.add(name, options);
    const platform = this.#platformOf(name);
    const counters = new DropCounters<ClusterDrop>();
    const directory = new MemoryDirectory(this.memory, platform.clock);
    const { links, id, address } = link;
    const rooms: SharedRooms = new SharedRooms({
      platform,
      counters,
      links,
      directory,
      leaseMs: LEASE_MS,
      answer: async (call) =>
        await dispatches.answer(call) ?? await node.recording?.answer(call) ??
          await operators.watch.answerCall(call) ??
          answerCall(admin, call),
      assertRoom: (room) => placement.assertRoom(room),
      reclaim: (room, identity) => placement.reclaim(room, identity),
    });
    const region = "here";
    const placement: DirectoryPlacement = new DirectoryPlacement({
      platform,
      directory,
      node: id,
      region,
      rooms,
      secret: new Uint8Array(32),
      isWhole: () => node.membership?.isDirectoryWhole ?? true,
    });
    const ports = { placement, remoteMembers: rooms };
    const agents = this.#agents(platform, () => world);
    const calls = new AgentCalls({
      self: id,
      links,
      directory,
      others: () => node.membership?.others ?? [],
      isDraining: () => node.isDraining,
      sharing: (room) => rooms.get(room)?.peers ?? [],
      dispatches: (room) => world.rooms.get(room)?.internal.dispatches,
    });
    const answers = agents.join(calls);
    calls.serve(answers);
    const world: World = new World(this.options, true, 0, silentLog, ports, [
      this.#observer(id),
      agents.dispatcher,
      {
        roomStarted: (room) => node.recording?.observer.roomStarted?.(room),
        roomClosed: (room) => node.recording?.observer.roomClosed?.(room),
        trackPublished: (...event) => node.recording?.observer.trackPublished?.(...event),
      },
    ], {
      platform,
      node: id,
    });
    const known = new RoomDirectory(world.rooms);
    const autoCreateRooms = true;
    const admin: RoomAdmin = new RoomAdmin(known, {
      limits: ADMIN_LIMITS,
      autoCreateRooms,
      checkEgress: checkRoomEgress,
    });
    const dispatches: DispatchCalls = agents.dispatchCalls({ rooms: known, autoCreateRooms });
    const operators: OperatorsOfWorld = operatorsOf(world, {
      others: () => node.membership?.others ?? [],
      carrier: rooms,
    });
    const node: ClusterNode = {
      ...{ id, link, directory, placement, rooms, world, admin, counters, operators },
      ...{ agents, dispatches, answers, isDraining: false },
    };
    this.nodes.push(node);
    this.#live(node, address, options.protocol);
    return node;
  }

  /** A node is no more; its links end at once if that is told. */
  kill(name: string, isTold = true): void {
    const node = this.node(name);
    this.nodes.splice(this.nodes.indexOf(node), 1);
    this.links.network.kill(node.id, isTold);
    node.link.links.close();
    node.directory.reach = "away";
    node.agents.close();
  }

  /** Joins as a client does that asks `node`; it is ACTIVE then. */
  async join(
    node: string,
    identity: string,
    changes: Partial<JoinParameters> = {},
  ): Promise<ScriptedClient> {
    const client = await this.open(node, identity, changes);
    await client.connect();
    await this.pass(50);
    return client;
  }

  /** As {@linkcode ClusterWorld.join}, but only the join response is there. */
  async open(
    node: string,
    identity: string,
    changes: Partial<JoinParameters> = {},
  ): Promise<ScriptedClient> {
    const { world: { service, parameters }, world } = this.node(node);
    const asked = parameters.call(world, identity, changes);
    assert.ok(service.admit(asked).ok);
    const placed = await this.during(service.place(asked));
    assert.ok(placed.ok, `${identity} is placed on ${node}`);
    assert.ok(service.admitSession(placed.join).ok);
    return await world.open(identity, { ...changes, claim: placed.join.claim! });
  }

  /** What a promise comes to that needs time to pass. */
  async during<T>(promise: Promise<T>, withinMs = 10_000): Promise<T> {
    let isDone = false;
    const settled = promise.finally(() => (isDone = true));
    settled.catch(() => {});
    for (let passed = 0; !isDone && passed < withinMs; passed += 5) await this.pass(5);
    return await settled;
  }

  /** Moves time on in steps that links can notice. */
  async pass(ms: number, stepMs = 5): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.platform.advance(Math.min(stepMs, left));
      await this.settle();
    }
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    await settle();
    for (const { world } of this.nodes) await world.settle();
  }

  /** Identities, as the node shows them to the server API. */
  seen(node: string, name = "lobby"): string[] {
    const room = this.node(node).world.rooms.get(name);
    return Array.from(room?.participants() ?? [], ({ identity }) => identity).toSorted();
  }

  /** Time and chance are the same everywhere, but for wall clocks. */
  #platformOf(name: string): VirtualPlatform {
    const skewMs = this.skewMs[name] ?? 0;
    if (skewMs === 0) return this.platform;
    const { clock, timers, random, log } = this.platform;
    const skewed = { ...clock, wallMs: () => clock.wallMs() + skewMs };
    // Nobody on a node moves time on.
    return { clock: skewed, timers, random, log } as VirtualPlatform;
  }

  /** The node holds its lease, tells the directory what it serves, and ends what dead ones left. */
  #live(node: ClusterNode, link: string, protocol = LINK_PROTOCOL): void {
    const { id, directory, rooms, placement, agents, answers } = node;
    const { platform } = this;
    const isThere = () => this.nodes.some((node) => node.id === id);
    const reconciliation = new Reconciliation({
      platform,
      directory,
      self: id,
      leaseMs: LEASE_MS,
      reaches: (peer) => node.membership!.reaches(peer),
      rooms,
      placement,
      observer: {
        onFreed: ({ name }, claims) => {
          for (const { identity, sid } of isThere() ? claims : []) {
            this.events.push(`left ${name} ${identity}`);
            this.#count(`left ${sid}`);
          }
        },
        onUnjoined: ({ name }, claims) => {
          for (const { identity, sid } of isThere() ? claims : []) {
            this.events.push(`aborted ${name} ${identity}`);
            this.#count(`aborted ${sid}`);
          }
        },
        onFinished: ({ name }) => {
          if (isThere()) this.events.push(`finished ${name} ROOM_CLOSED`);
        },
      },
    });
    node.membership = new Membership({
      platform,
      directory,
      leaseMs: LEASE_MS,
      links: node.link.links,
      self: () => {
        const state = node.isDraining ? "draining" : "serving";
        return nodeRecord(id, { link, protocol, agents: agents.offers(), state });
      },
      observer: {
        onNode: (other) => node.link.links.met(other),
        onGone: (gone) => {
          node.link.links.forget(gone);
          answers.gone(gone);
        },
        onForgotten: () => {
          reconciliation.begin();
          answers.forgotten();
        },
        onBury: (dead) => reconciliation.bury(dead),
      },
    });
    void node.membership.start();
  }

  #agents(platform: VirtualPlatform, world: () => World): AgentService {
    return new AgentService({
      platform,
      signToken: (apiKey, { identity }) => Promise.resolve(`${identity} by ${apiKey}`),
      serverInfo: new ServerInfo(),
      targetLoad: 0.7,
      enableRecording: false,
      enableRedaction: false,
      rooms: {
        configured: () => [],
        contents: (name) => {
          const room = world().rooms.get(name);
          return room && roomContents(room);
        },
        remove: (name, identity) => {
          const member = world().rooms.get(name)?.byIdentity(identity);
          if (member?.elsewhere === false) {
            member.close(DisconnectReason.PARTICIPANT_REMOVED, "disconnect");
          }
        },
      },
    });
  }

  #observer(node: NodeId): RoomObserver {
    const events = {
      push: (event: string) => {
        if (this.nodes.some(({ id }) => id === node)) this.events.push(event);
      },
    };
    return {
      roomStarted: ({ name }) => void events.push(`started ${name}`),
      roomFinished: ({ name }, reason) =>
        void events.push(`finished ${name} ${DisconnectReason[reason]}`),
      participantJoined: ({ name }, { identity, sid }) => {
        events.push(`joined ${name} ${identity}`);
        this.#count(`joined ${sid}`);
      },
      participantLeft: ({ name }, { identity, sid }) => {
        events.push(`left ${name} ${identity}`);
        this.#count(`left ${sid}`);
      },
      trackPublished: ({ name }, { identity }, { sid }) => {
        events.push(`published ${name} ${identity} ${sid}`);
        this.#count(`published ${sid}`);
      },
      trackUnpublished: ({ name }, { identity }, { sid }) => {
        events.push(`unpublished ${name} ${identity} ${sid}`);
        this.#count(`unpublished ${sid}`);
      },
    };
  }

  #count(event: string): void {
    this.told.set(event, (this.told.get(event) ?? 0) + 1);
  }
}
