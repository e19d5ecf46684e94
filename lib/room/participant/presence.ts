/**
 * Whether a participant's client can be reached, and when a session without its client is over.
 *
 * Two things tie a client to its session: its socket, and its connections. Losing the socket alone
 * changes nothing once media was up. Losing a connection asks the client to resume, and ends the
 * session if it neither does nor is heard again within {@linkcode RESUME_GRACE_MS}. A session whose
 * primary connection never came up ends with its socket, or after {@linkcode JOIN_TIMEOUT_MS}. A
 * client without a socket (WHIP) is gone with its connection.
 *
 * @module
 */
import { DisconnectReason as Reason } from "@livekit/protocol";
import type { Cancel, Timers } from "../../base/platform.ts";
import type { ConnectionFailure } from "../../engine/messages/media_messages.ts";
import { resumeRequest } from "../context/close_reason.ts";
import type { ConnectionRole, SignalSink } from "../context/signal_message.ts";
import type { SessionFacts } from "./session_facts.ts";

/** A participant whose primary connection never came up is removed after this, ms. */
const JOIN_TIMEOUT_MS = 60_000;
/** What a client that lost a connection has to come back, ms. */
const RESUME_GRACE_MS = 5_000;

/**
 * One session's ties to its client. Ends the session when the last tie that could bring the client
 * back is gone; after `stop` no timer is left.
 */
export class Presence {
  readonly #lost = new Set<ConnectionRole>();
  /** Connections on which something comes, as far as we know. */
  readonly #up = new Set<ConnectionRole>();
  #primaryUp = false;
  #transportGone = false;
  #cancelJoin: Cancel | undefined;
  #cancelGrace: Cancel | undefined;

  constructor(readonly timers: Timers, readonly host: SessionFacts) {}

  /** The media plane has let go of a connection, so that a resume would bring nothing back. */
  get transportGone(): boolean {
    return this.#transportGone;
  }

  /** Whether we have noticed nothing of a connection's end. */
  isUp(role: ConnectionRole): boolean {
    return this.#up.has(role);
  }

  /** The join response went out. */
  joined(): void {
    this.#cancelJoin = this.timers.after(
      JOIN_TIMEOUT_MS,
      () => this.host.close(Reason.JOIN_FAILURE, "disconnect"),
    );
  }

  /** The client came back and restarts what it lost. */
  resumed(): void {
    this.#lost.clear();
    this.#cancelGrace?.();
  }

  /** A socket has ended, whoever ended it. */
  signalClosed(sink: SignalSink): void {
    if (!this.host.link.detach(sink) || this.host.closed) return;
    if (!this.#primaryUp) this.host.close(Reason.SIGNAL_CLOSE, "none");
    else if (this.#transportGone) this.#departed();
  }

  /** A connection is up, perhaps again. @returns Whether it is the primary one. */
  connectionUp(role: ConnectionRole): boolean {
    this.#up.add(role);
    if (this.#lost.delete(role) && this.#lost.size === 0) this.#cancelGrace?.();
    if ((role === "subscriber") !== this.host.subscriberPrimary) return false;
    this.#cancelJoin?.();
    this.#primaryUp = true;
    return true;
  }

  /** Nothing comes any more on a connection, which a resume can bring back. */
  connectionLost(role: ConnectionRole): void {
    const { log, link, traits, oneShot } = this.host;
    this.#up.delete(role);
    log.info("connection lost", { role });
    if (oneShot) return this.#departed();
    this.#awaitReturn(role);
    // A client that never had media has no session without its socket.
    link.end(resumeRequest(traits, Reason.CONNECTION_TIMEOUT));
  }

  /** A connection is gone for good. */
  connectionDown(role: ConnectionRole, reason: ConnectionFailure): void {
    this.host.log.info("connection ended", { role, reason });
    this.#transportGone = true;
    // A client that closed its side itself is given a moment to say why.
    const mayExplain = this.host.link.attached && !this.host.oneShot;
    if (reason === "closed_by_peer" && mayExplain) this.#awaitReturn(role);
    else this.#departed();
  }

  stop(): void {
    this.#cancelJoin?.();
    this.#cancelGrace?.();
  }

  #awaitReturn(role: ConnectionRole): void {
    this.#lost.add(role);
    this.#cancelGrace?.();
    this.#cancelGrace = this.timers.after(RESUME_GRACE_MS, () => this.#departed());
  }

  /** Without its transport a client must join anew; otherwise nobody is there to be told so. */
  #departed(): void {
    this.host.close(Reason.CONNECTION_TIMEOUT, this.#transportGone ? "reconnect" : "disconnect");
  }
}
