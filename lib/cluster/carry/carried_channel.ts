/**
 * One carried request between two nodes: a socket of its own, on which both have proved that they
 * know the cluster's secret, and everything is sealed, as on links (`link_handshake.ts`).
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import type { EstablishedLink } from "../link/link_handshake.ts";
import { LINK_CLOSE, type LinkSocket } from "../link/link_socket.ts";
import { type CarriedMessage, readCarried, writeCarried } from "./carried_message.ts";

/** Versions of what is said about carried requests. */
export const CARRY_PROTOCOL = { min: 1, max: 1 } as const;
/** What the secret of the cluster is used for here: no token of a link opens this door. */
export const CARRY_PURPOSE = "carried requests";

/** The socket once both ends know each other. */
export class CarriedChannel {
  #isClosed = false;
  /** What came before somebody listened. */
  #early: CarriedMessage[] | undefined = [];
  #onMessage: (message: CarriedMessage) => void = () => {};
  #onEnd: (() => void) | undefined;

  /** @param onDone Called once, whoever ended it. */
  constructor(
    readonly socket: LinkSocket,
    readonly link: Pick<EstablishedLink, "incoming" | "outgoing">,
    readonly counters: DropSink<ClusterDrop>,
    readonly onDone: (channel: CarriedChannel) => void,
  ) {
    socket.onMessage = (data) => this.#receive(data);
    socket.onClose = () => this.#finish();
  }

  /** Called for each message, those that came before, too; by then another one may listen. */
  set onMessage(listener: (message: CarriedMessage) => void) {
    this.#onMessage = listener;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (let next = early.shift(); next !== undefined; next = early.shift()) this.#onMessage(next);
  }

  /** Called once when the other node is gone, or makes no sense; not after {@linkcode end}. */
  set onEnd(listener: () => void) {
    if (this.#isClosed) listener();
    else this.#onEnd = listener;
  }

  get bufferedAmount(): number {
    return this.socket.bufferedAmount;
  }

  send(message: CarriedMessage): void {
    if (this.#isClosed) return;
    const { outgoing } = this.link;
    if (outgoing.isSpent) return this.lose();
    this.socket.send(outgoing.seal(...writeCarried(message)));
  }

  /** Ends it after everything sent so far; nothing is heard any more. Idempotent. */
  end(): void {
    if (this.#isClosed) return;
    this.#onEnd = undefined;
    this.socket.close(LINK_CLOSE.done, "");
    this.#finish();
  }

  /** The other node is given up: whoever listens hears of the end. */
  lose(): void {
    if (this.#isClosed) return;
    this.socket.close(LINK_CLOSE.dead, "");
    this.#finish();
  }

  #receive(data: Uint8Array | string): void {
    if (this.#isClosed) return;
    const opened = typeof data === "string" ? undefined : this.link.incoming.open(data);
    const message = opened && readCarried(opened);
    if (message === "unknown") return this.counters.count("carried_message_unknown");
    if (message === undefined) {
      this.counters.count("carried_message_unreadable");
      this.socket.close(LINK_CLOSE.protocol, "");
      return this.#finish();
    }
    if (this.#early === undefined) this.#onMessage(message);
    else this.#early.push(message);
  }

  #finish(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.onDone(this);
    this.#onEnd?.();
  }
}
