/**
 * Clients that are not served where they arrived: which node takes them, their requests on the way
 * there and those of other nodes' clients here, and the addresses they are told to try themselves.
 * What operators ask about one of them goes the same way.
 *
 * Contract: a request is carried once. Nodes that cannot take it after all are passed over for the
 * next, a few times; whatever else one of them answers is the answer.
 *
 * @module
 */
import type { RegionSettings } from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import { ELSEWHERE_HEADER } from "../signalling/carried_client.ts";
import type { NodeRecord } from "./directory/cluster_directory.ts";
import { CarriedRequests, type CarriedRequestsOptions } from "./carry/carried_requests.ts";
import type { CarriedRequest } from "./carry/carried_message.ts";
import {
  type CarryOutcome,
  RequestCarrier,
  type RequestCarrierOptions,
} from "./carry/request_carrier.ts";
import { JoinRouting, type JoinRoutingOptions, type NotServed } from "./join_routing.ts";
import { regionList } from "./region_list.ts";

/** How many nodes are tried for one newcomer. */
const MAX_TRIES = 3;

/** What it works with. */
export interface ClientRoutingOptions
  extends JoinRoutingOptions, RequestCarrierOptions, CarriedRequestsOptions {
  /** Every node that is known of, this one too. */
  readonly nodes: () => readonly NodeRecord[];
}

/** One node's. */
export class ClientRouting {
  readonly #options: ClientRoutingOptions;
  readonly #routing: JoinRouting;
  readonly #carrier: RequestCarrier;
  readonly #carried: CarriedRequests;

  constructor(options: ClientRoutingOptions) {
    this.#options = options;
    this.#routing = new JoinRouting(options);
    this.#carrier = new RequestCarrier(options);
    this.#carried = new CarriedRequests(options);
  }

  /** What the route of `/cluster/carry` asks. */
  accept(token: string): ReturnType<CarriedRequests["accept"]> {
    return this.#carried.accept(token);
  }

  /**
   * Carries a newcomer's request to a node that takes it.
   *
   * @param among The only ones that may, if that is known.
   * @returns `undefined` if none does.
   */
  async newcomer(
    request: CarriedRequest,
    room: string,
    among?: readonly NodeId[],
  ): Promise<CarryOutcome | undefined> {
    const nodes = await this.#routing.takers(room, among);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const node = nodes.next();
      if (node === undefined) return undefined;
      const outcome = await this.#carrier.carry(node, request);
      if (outcome !== undefined && !isElsewhere(outcome)) return outcome;
    }
    return undefined;
  }

  /** Carries the request of a client that returns to a session of another node, if that lives. */
  async returning(
    request: CarriedRequest,
    room: string,
    identity: string,
  ): Promise<CarryOutcome | undefined> {
    const node = await this.#routing.holder(room, identity);
    return node && await this.#carrier.carry(node, request);
  }

  /** Carries an operator's request to the node that serves somebody, or says why it cannot. */
  async serving(
    request: CarriedRequest,
    room: string,
    identity: string,
  ): Promise<CarryOutcome | NotServed> {
    const node = await this.#routing.serving(room, identity);
    if (typeof node === "string") return node;
    return await this.#carrier.carry(node, request) ?? "unreachable";
  }

  /** Carries a newcomer to where its room is, if rooms are kept together. */
  async gathered(request: CarriedRequest, room: string): Promise<CarryOutcome | undefined> {
    const node = await this.#routing.gathering(room);
    const outcome = node && await this.#carrier.carry(node, request);
    return outcome === undefined || isElsewhere(outcome) ? undefined : outcome;
  }

  /** Carries a request to one node, if that lives. */
  async to(node: NodeId, request: CarriedRequest): Promise<CarryOutcome | undefined> {
    const record = this.#options.membership.get(node);
    return record && await this.#carrier.carry(record, request);
  }

  /** Nodes that a room is pinned to, if this is none of them and one of them takes newcomers. */
  pinnedTo(room: string): Promise<readonly NodeId[] | undefined> {
    return this.#routing.pinnedTo(room);
  }

  /** URL at which clients reach a node that takes a newcomer; `undefined` if it has none. */
  async addressFor(room: string, among?: readonly NodeId[]): Promise<string | undefined> {
    const node = (await this.#routing.takers(room, among)).next();
    return node?.clientAddress || undefined;
  }

  /** Where clients may go, nearest first. */
  regions(): RegionSettings {
    const { nodes, region, places } = this.#options;
    return regionList(nodes(), region, places);
  }

  /** A node is dead. */
  forget(node: NodeId): void {
    this.#carrier.forget(node);
  }

  close(): void {
    this.#carrier.close();
    this.#carried.close();
  }
}

function isElsewhere(outcome: CarryOutcome): boolean {
  return outcome.kind === "answered" &&
    outcome.response.headers.some(([name]) => name === ELSEWHERE_HEADER);
}
