/**
 * Carries requests of clients to other nodes, each over a socket of its own to the node's
 * `/cluster/carry`.
 *
 * Contract: a request is answered, or there is no answer, within {@linkcode ANSWER_MS}; a node that
 * is not there is known after {@linkcode CONNECT_MS}. What the other node answers is not looked at.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Platform } from "../../base/platform.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import {
  DiallingSide,
  LinkIdentity,
  type NodeIntroduction,
  type ProtocolRange,
} from "../link/link_handshake.ts";
import { LINK_CLOSE, type LinkDial } from "../link/link_socket.ts";
import { ReceivedBody } from "./carried_body.ts";
import { CarriedChannel, CARRY_PROTOCOL, CARRY_PURPOSE } from "./carried_channel.ts";
import type { CarriedHead, CarriedRequest, CarriedResponse } from "./carried_message.ts";
import { CarriedSession } from "./carried_session.ts";

/** A node has to welcome within this time, ms: what three round trips around the world take. */
const CONNECT_MS = 1_500;
/** A node has to answer a request within this time, ms: a WHIP client's may wait for tracks. */
export const ANSWER_MS = 8_000;

/** What carrying works with. */
export interface RequestCarrierOptions {
  readonly platform: Platform;
  readonly counters: DropSink<ClusterDrop>;
  readonly node: NodeId;
  /** The cluster's. */
  readonly secret: Uint8Array;
  readonly dial: LinkDial;
  readonly protocol?: ProtocolRange;
}

/** Where a request is carried to. */
export interface CarryTarget {
  readonly nodeId: NodeId;
  /** Of its `/cluster`. */
  readonly link: string;
}

/** What another node made of a request: a session of this client, or an answer. */
export type CarryOutcome =
  | { readonly kind: "opened"; readonly session: CarriedSession }
  /** An answer that comes in parts, as far as it is read. */
  | { readonly kind: "streamed"; readonly head: CarriedHead; readonly body: ReceivedBody }
  | { readonly kind: "answered"; readonly response: CarriedResponse };

/** The carrying end. */
export class RequestCarrier {
  readonly #options: RequestCarrierOptions;
  readonly #identity: LinkIdentity;
  readonly #self: NodeIntroduction;
  /** Channels whose client is here, by the node that they lead to. */
  readonly #channels = new Map<CarriedChannel, NodeId>();
  #isClosed = false;

  constructor(options: RequestCarrierOptions) {
    this.#options = options;
    const { platform, node, secret } = options;
    this.#identity = new LinkIdentity(secret, platform.random, CARRY_PURPOSE);
    this.#self = {
      node,
      address: "",
      protocol: options.protocol ?? CARRY_PROTOCOL,
      processNonce: this.#identity.nonce(),
      incarnation: 0,
    };
  }

  /** @returns What `to` made of it; `undefined` if it is not there, or does not answer. */
  async carry(to: CarryTarget, request: CarriedRequest): Promise<CarryOutcome | undefined> {
    const channel = await this.#connect(to);
    if (channel === undefined) {
      this.#options.counters.count("carry_unreachable");
      return undefined;
    }
    const outcome = await this.#ask(channel, request);
    if (outcome === undefined) this.#options.counters.count("carry_unanswered");
    if (outcome === undefined || outcome.kind === "answered") channel.end();
    return outcome;
  }

  /** Ends all of it; clients with sessions elsewhere have been led away before. */
  close(): void {
    this.#isClosed = true;
    for (const channel of [...this.#channels.keys()]) channel.lose();
  }

  /** Sessions on a node that is dead end, so that their clients look for another one at once. */
  forget(node: NodeId): void {
    for (const [channel, other] of [...this.#channels]) {
      if (other === node) channel.lose();
    }
  }

  #connect({ nodeId, link }: CarryTarget): Promise<CarriedChannel | undefined> {
    const { platform: { clock, timers }, dial, counters } = this.#options;
    const side = new DiallingSide(this.#identity, this.#self, nodeId, clock.wallMs());
    const socket = dial(carryAddress(link), side.token);
    return new Promise((resolve) => {
      const fail = () => {
        cancel();
        socket.onMessage = () => {};
        socket.onClose = () => {};
        socket.close(LINK_CLOSE.done, "");
        resolve(undefined);
      };
      const cancel = timers.after(CONNECT_MS, fail);
      socket.onClose = fail;
      socket.onMessage = (welcome) => {
        const answer = typeof welcome === "string" ? undefined : side.answer(welcome, "");
        if (answer === undefined) {
          counters.count("link_proof_wrong");
          return fail();
        }
        if (this.#isClosed) return fail();
        cancel();
        socket.send(answer.proof);
        const channel = new CarriedChannel(socket, answer.link, counters, (done) => {
          this.#channels.delete(done);
        });
        this.#channels.set(channel, nodeId);
        resolve(channel);
      };
    });
  }

  #ask(channel: CarriedChannel, request: CarriedRequest): Promise<CarryOutcome | undefined> {
    const { platform: { timers }, counters } = this.#options;
    return new Promise((resolve) => {
      const settle = (outcome: CarryOutcome | undefined) => {
        cancel();
        resolve(outcome);
      };
      const cancel = timers.after(ANSWER_MS, () => settle(undefined));
      channel.onEnd = () => settle(undefined);
      channel.onMessage = (message) => {
        if (message.kind === "opened") {
          settle({ kind: "opened", session: new CarriedSession(channel) });
        } else if (message.kind === "streamed") {
          const body = new ReceivedBody(channel, timers, counters);
          settle({ kind: "streamed", head: message.head, body });
        } else if (message.kind === "response") {
          settle({ kind: "answered", response: message.response });
        }
      };
      channel.send({ kind: "request", request });
    });
  }
}

/** Below the address of links, whatever stands behind that. */
function carryAddress(link: string): string {
  const url = URL.parse(link);
  if (url === null) return link;
  url.pathname = `${url.pathname.replace(/\/$/, "")}/carry`;
  return url.href;
}
