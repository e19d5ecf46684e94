/**
 * Dials one other node until it is reached: at once the first time, and then after pauses that grow
 * and differ, so that nodes which lost each other together do not come back together.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { NodeId } from "../../base/ids.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import {
  DiallingSide,
  type EstablishedLink,
  type LinkIdentity,
  type NodeIntroduction,
} from "./link_handshake.ts";
import { LINK_CLOSE, type LinkDial, type LinkSocket } from "./link_socket.ts";

/** From dialling to the welcome, and from the welcome to the proof, ms. */
export const HANDSHAKE_TIMEOUT_MS = 2_000;
/** The first pause, ms; each failure doubles it. */
const MIN_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2_000;
/**
 * The node with the larger id waits so much longer, ms: the other one has then dialled, and doubles
 * are rare.
 */
const GRACE_MS = 150;

/** What a dialler needs. */
export interface DiallerOptions {
  readonly platform: Platform;
  readonly counters: DropSink<ClusterDrop>;
  readonly identity: LinkIdentity;
  readonly peer: NodeId;
  readonly self: () => NodeIntroduction;
  readonly dial: LinkDial;
  /** Id of the last connection that ended here, or empty. */
  readonly ended: () => string;
  /** The peer was reached; the socket is the caller's from now on, after `proof` was sent. */
  readonly onEstablished: (link: EstablishedLink, socket: LinkSocket) => void;
}

/** Dials one node. */
export class LinkDialler {
  readonly #options: DiallerOptions;
  #failures = 0;
  #attempt: LinkSocket | undefined;
  #cancel: Cancel | undefined;

  constructor(options: DiallerOptions) {
    this.#options = options;
  }

  /** Whether a connection is being made, or will be. */
  get isTrying(): boolean {
    return this.#cancel !== undefined;
  }

  /** Dials at once. Nothing happens if it is under way. */
  begin(address: () => string): void {
    if (!this.isTrying) this.#dial(address);
  }

  /** Dials after a pause. Nothing happens if it is under way. */
  beginAgain(address: () => string): void {
    if (!this.isTrying) this.#pause(address);
  }

  /** A connection lasted: the next pause is a short one again. */
  settled(): void {
    this.#failures = 0;
  }

  /** A connection was there and did not last. */
  failed(): void {
    this.#failures++;
  }

  /** Gives up. Idempotent. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.close(LINK_CLOSE.double, "not needed");
  }

  #pause(address: () => string): void {
    const { platform: { timers, random }, self, peer } = this.#options;
    const longest = Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** Math.min(this.#failures, 10));
    const jittered = longest / 2 + random.uint32() / 2 ** 32 * longest / 2;
    const pauseMs = Math.ceil(jittered) + (self().node > peer ? GRACE_MS : 0);
    this.#cancel = timers.after(pauseMs, () => this.#dial(address));
  }

  #dial(address: () => string): void {
    const { platform: { clock, timers }, identity, self, peer, dial, counters } = this.#options;
    const side = new DiallingSide(identity, self(), peer, clock.wallMs());
    const socket = this.#attempt = dial(address(), side.token);
    const fail = () => {
      if (this.#attempt !== socket) return;
      this.stop();
      this.#failures++;
      this.#pause(address);
    };
    this.#cancel = timers.after(HANDSHAKE_TIMEOUT_MS, fail);
    socket.onClose = fail;
    socket.onMessage = (welcome) => {
      if (this.#attempt !== socket) return;
      const answer = typeof welcome === "string"
        ? undefined
        : side.answer(welcome, this.#options.ended());
      if (answer === undefined) {
        counters.count("link_proof_wrong");
        return fail();
      }
      this.#cancel?.();
      this.#cancel = this.#attempt = undefined;
      socket.send(answer.proof);
      this.#options.onEstablished(answer.link, socket);
    };
  }
}
