/**
 * Takes requests of clients that other nodes carry here: each is answered as if the client had come
 * itself, but is carried no further.
 *
 * Contract: nobody is heard who has not proved to know the cluster's secret, and only requests that
 * a client or an operator may make. A request is answered once, or its channel ends.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { SignalSocket } from "../../signalling/signal_socket.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import { type AdmissionRefusal, LinkAdmission } from "../link/link_admission.ts";
import {
  AcceptingSide,
  commonVersion,
  LinkIdentity,
  type NodeIntroduction,
  type ProtocolRange,
} from "../link/link_handshake.ts";
import { LINK_CLOSE, type LinkSocket } from "../link/link_socket.ts";
import { SentBody } from "./carried_body.ts";
import { CarriedChannel, CARRY_PROTOCOL, CARRY_PURPOSE } from "./carried_channel.ts";
import type { CarriedHead, CarriedRequest, CarriedResponse } from "./carried_message.ts";
import { CarriedSession } from "./carried_session.ts";

/** A node that has a socket has to prove itself, and say what it wants, within this time, ms. */
const PROOF_MS = 2_000;
/** Sockets whose node has not; each newcomer that is carried has one for a moment. */
const MAX_UNPROVED = 1_000;
/** Tokens that are remembered for a minute: one for each request that is carried here. */
const MAX_TOKENS = 100_000;
/**
 * What is carried: what newcomers and those who return ask for, and an operator's wish for
 * somebody's packets; by no other name.
 */
const CARRIED_PATHS =
  /^(?![^?]*\.\.)\/(?:(?:rtc|whip|whep)(?:\/[\w./-]*)?|operations\/capture)(?:\?|$)/;

/** Answers a request. */
export type CarriedAnswerer = (
  request: CarriedRequest,
  /** Begins a session in place of an answer: says so, and gives the client's socket. */
  open: () => SignalSocket,
) => Promise<CarriedResponse | StreamedResponse>;

/** An answer whose body is sent as it comes; cancelled when nobody reads it any more. */
export interface StreamedResponse extends CarriedHead {
  readonly body: ReadableStream<Uint8Array>;
}

/** What it works with. */
export interface CarriedRequestsOptions {
  readonly platform: Platform;
  readonly counters: DropSink<ClusterDrop>;
  readonly node: NodeId;
  /** The cluster's. */
  readonly secret: Uint8Array;
  readonly answer: CarriedAnswerer;
  readonly protocol?: ProtocolRange;
}

/** The taking end. */
export class CarriedRequests {
  readonly #options: CarriedRequestsOptions;
  readonly #identity: LinkIdentity;
  readonly #self: NodeIntroduction;
  readonly #admission: LinkAdmission;
  /** Sockets whose node has not proved itself, or not asked yet. */
  readonly #unproved = new Map<LinkSocket, Cancel>();
  readonly #channels = new Set<CarriedChannel>();
  /** Answers that are being sent as they come. */
  readonly #bodies = new Set<SentBody>();
  #isClosed = false;

  constructor(options: CarriedRequestsOptions) {
    this.#options = options;
    const { platform, counters, node, secret } = options;
    this.#identity = new LinkIdentity(secret, platform.random, CARRY_PURPOSE);
    const { clock } = platform;
    this.#admission = new LinkAdmission(this.#identity, node, clock, counters, MAX_TOKENS);
    this.#self = {
      node,
      address: "",
      protocol: options.protocol ?? CARRY_PROTOCOL,
      processNonce: this.#identity.nonce(),
      incarnation: 0,
    };
  }

  /** What the route of `/cluster/carry` asks before it takes a socket. */
  accept(
    token: string,
  ):
    | { readonly ok: true; readonly open: (socket: LinkSocket) => void }
    | { readonly ok: false; readonly refusal: AdmissionRefusal } {
    const { counters, node } = this.#options;
    if (this.#isClosed || this.#unproved.size >= MAX_UNPROVED) {
      counters.count("link_refused_busy");
      return { ok: false, refusal: { status: 503, body: "no requests taken now" } };
    }
    const shown = this.#admission.admit(token);
    if ("status" in shown) return { ok: false, refusal: shown };
    const version = commonVersion(this.#self.protocol, shown.from.protocol);
    if (version === undefined || shown.from.node === node) {
      counters.count("link_version_refused");
      return { ok: false, refusal: { status: 400, body: "no common version" } };
    }
    const side = new AcceptingSide(this.#identity, this.#self, shown, version);
    return { ok: true, open: (socket) => this.#open(side, socket) };
  }

  /** Ends all of it; sessions have been told to leave before. */
  close(): void {
    this.#isClosed = true;
    for (const [socket, cancel] of [...this.#unproved]) {
      cancel();
      socket.close(LINK_CLOSE.done, "");
    }
    this.#unproved.clear();
    for (const body of this.#bodies) body.stop();
    for (const channel of [...this.#channels]) channel.end();
  }

  #open(side: AcceptingSide, socket: LinkSocket): void {
    const { platform: { timers }, counters } = this.#options;
    const fail = () => {
      this.#settle(socket);
      socket.close(LINK_CLOSE.protocol, "");
    };
    this.#unproved.set(socket, timers.after(PROOF_MS, fail));
    socket.onClose = () => this.#settle(socket);
    socket.onMessage = (proof) => {
      const proved = typeof proof === "string" ? undefined : side.prove(proof);
      if (proved === undefined) {
        counters.count("link_proof_wrong");
        return fail();
      }
      this.#hear(socket, proved.link);
    };
    socket.send(side.welcome);
  }

  #hear(socket: LinkSocket, link: ConstructorParameters<typeof CarriedChannel>[1]): void {
    const { counters } = this.#options;
    const channel = new CarriedChannel(socket, link, counters, () => {
      this.#settle(socket);
      this.#channels.delete(channel);
    });
    this.#channels.add(channel);
    channel.onMessage = (message) => {
      if (message.kind !== "request" || !CARRIED_PATHS.test(message.request.target)) {
        counters.count("carried_message_unreadable");
        return channel.end();
      }
      this.#settle(socket);
      channel.onMessage = () => {};
      void this.#answer(channel, message.request);
    };
  }

  async #answer(channel: CarriedChannel, request: CarriedRequest): Promise<void> {
    let isOpen = false;
    const open = () => {
      isOpen = true;
      channel.send({ kind: "opened" });
      return new CarriedSession(channel);
    };
    const response = await this.#options.answer(request, open);
    if (isOpen) return;
    const { status, headers, body } = response;
    if (body instanceof ReadableStream) {
      return await this.#stream(channel, { status, headers, body });
    }
    channel.send({ kind: "response", response: { status, headers, body } });
    channel.end();
  }

  async #stream(channel: CarriedChannel, { body, ...head }: StreamedResponse): Promise<void> {
    const sent = new SentBody(channel, body, this.#options.platform.timers);
    if (this.#isClosed) return sent.stop();
    this.#bodies.add(sent);
    channel.send({ kind: "streamed", head });
    await sent.send();
    this.#bodies.delete(sent);
  }

  #settle(socket: LinkSocket): void {
    this.#unproved.get(socket)?.();
    this.#unproved.delete(socket);
  }
}
