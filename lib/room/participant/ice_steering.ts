/**
 * Steers one client away from a transport that keeps failing: UDP → TCP → TURN over TLS, on both of
 * its connections at once, because the other one would fail a little later.
 *
 * Contract: one step for each session between two resumes. A failure counts only if the client was
 * heard of lately, for otherwise its whole network is down. A connection that failed soon after it
 * came up is enough; else it takes two failures close together. A client without a socket cannot be
 * told and is not steered.
 *
 * Source: LiveKit's server 1.13.5, `pkg/rtc/transportmanager.go` (`handleConnectionFailed`).
 *
 * @module
 */
import { ReconnectReason } from "@livekit/protocol";
import type { ConnectionRole } from "../context/signal_message.ts";
import { type IcePreference, offersTcp, offersTls } from "../context/ice_preference.ts";
import type { SessionFacts } from "./session_facts.ts";

/** A connection that lives shorter failed soon, ms. */
export const SHORT_CONNECTION_MS = 90_000;
/** Two failures of longer ones within this are too many, ms. */
export const FAILURE_WINDOW_MS = 60_000;
/** A client that said nothing for so long is cut off, whatever the transport, ms. */
const SIGNAL_SILENCE_MS = 15_000;

/** How a connection runs, or last ran. */
interface Path {
  protocol: "udp" | "tcp";
  /** When it first came up, or first after a resume that its failure led to. */
  since: number;
  countsAnew: boolean;
}

/**
 * One session's preference: it goes one step for each resume at most, and never for a client that
 * is not heard or cannot be told.
 */
export class IceSteering {
  #preference: IcePreference;
  readonly #paths = new Map<ConnectionRole, Path>();
  #steered = false;
  #failures = 0;
  #lastFailureAt = -Infinity;

  constructor(readonly participant: SessionFacts) {
    this.#preference = this.#remembered();
  }

  get preference(): IcePreference {
    return this.#preference;
  }

  /** Takes a preference from outside, and remembers it. */
  prefer(preference: IcePreference): void {
    this.#steered = false;
    this.#forgetFailures();
    this.#set(preference);
  }

  /**
   * The client came back, and nothing was heard of it on its new socket yet. If nothing had come on
   * the old one either, its whole network was down, of which TCP is a part: what fails until its
   * connections are up again says nothing of UDP.
   *
   * @param reason What made it do so.
   */
  resumed(reason: ReconnectReason): void {
    const role = roleOf(reason);
    if (this.participant.link.silent) this.#countAnew();
    const path = role === undefined ? undefined : this.#paths.get(role);
    const short = path !== undefined && this.#isShort(path);
    this.#steered = false;
    this.#preference = this.#remembered();
    // What the client noticed before us only ever leads on, never back.
    if (short && this.#preference === "none") this.#step(this.#next());
    if (role !== undefined) this.#countAnew();
  }

  /**
   * The client says that a connection of which we hear has failed, and has to join anew. That may
   * be its own address' doing; if it comes soon again, what we send does not reach it.
   */
  joinsAnew(reason: ReconnectReason): void {
    const { context: { icePreferences, options }, roomName, identity } = this.participant;
    const role = roleOf(reason);
    const path = role === undefined ? undefined : this.#paths.get(role);
    if (path === undefined || !options.allowTcpFallback) return;
    const wasSuspect = icePreferences.suspect(roomName, identity);
    if (wasSuspect && this.#isShort(path)) this.#step(this.#next());
  }

  /** How long a connection lived is reckoned from when it is up again. */
  #countAnew(): void {
    for (const path of this.#paths.values()) path.countsAnew = true;
  }

  /** A connection is up, perhaps again. */
  up(role: ConnectionRole, protocol: "udp" | "tcp"): void {
    const now = this.#now();
    const path = this.#paths.get(role);
    if (path === undefined || path.countsAnew) {
      this.#paths.set(role, { protocol, since: now, countsAnew: false });
    } else path.protocol = protocol;
  }

  /** A connection has failed; its client will be asked to resume. */
  failed(role: ConnectionRole): void {
    const { context, oneShot, link } = this.participant;
    if (!context.options.allowTcpFallback || oneShot || this.#steered) return;
    const now = this.#now();
    if (!link.attached || now - link.heardAt >= SIGNAL_SILENCE_MS) {
      return this.#forgetFailures();
    }
    const path = this.#paths.get(role);
    if (path === undefined || !this.#isShort(path)) {
      const sinceLast = now - this.#lastFailureAt;
      this.#lastFailureAt = now;
      if (++this.#failures < 2 || sinceLast > FAILURE_WINDOW_MS) return;
    }
    this.#step(this.#next());
  }

  /** What to prefer after a failure of the worst transport in use. */
  #next(): IcePreference {
    const { context, traits, link } = this.participant;
    const { tcpFallbackRttThresholdMs, iceServers, turn } = context.options;
    const tls = turn?.offersTls === true || offersTls(iceServers);
    // Relayed media comes over UDP from the relay: only what we asked for tells it apart.
    if (this.#preference === "tls" || this.#paths.size === 0) return this.#preference;
    if ([...this.#paths.values()].some(({ protocol }) => protocol === "tcp")) {
      return tls ? "tls" : this.#preference;
    }
    if (this.#preference !== "none") return "none";
    const near = tcpFallbackRttThresholdMs === 0 || link.rttMs < tcpFallbackRttThresholdMs;
    if (traits.iceOverTcp && near && offersTcp(context.engine().addresses)) return "tcp";
    return tls ? "tls" : "none";
  }

  #step(next: IcePreference): void {
    if (next === this.#preference) return;
    this.#steered = true;
    this.#forgetFailures();
    this.#set(next);
  }

  #set(preference: IcePreference): void {
    const { context, roomName, identity, log } = this.participant;
    if (preference !== this.#preference) log.info("ICE preference changed", { preference });
    this.#preference = preference;
    context.icePreferences.put(roomName, identity, preference);
  }

  #forgetFailures(): void {
    this.#failures = 0;
    this.#lastFailureAt = -Infinity;
  }

  #isShort({ since, countsAnew }: Path): boolean {
    return !countsAnew && this.#now() - since < SHORT_CONNECTION_MS;
  }

  #remembered(): IcePreference {
    const { context, roomName, identity } = this.participant;
    return context.icePreferences.get(roomName, identity);
  }

  #now(): number {
    return this.participant.context.platform.clock.now();
  }
}

/** The connection that a client says has failed. */
export function roleOf(reason: ReconnectReason): ConnectionRole | undefined {
  if (reason === ReconnectReason.RR_PUBLISHER_FAILED) return "publisher";
  return reason === ReconnectReason.RR_SUBSCRIBER_FAILED ? "subscriber" : undefined;
}
