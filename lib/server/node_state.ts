/**
 * Whether this node takes newcomers, and the sign that it is alive: it starts, serves, drains, and
 * is closed, in this order, unless draining is taken back.
 *
 * While it drains, those who are here stay, and may come back to their sessions; others are refused
 * and load balancers are told to send nobody.
 *
 * @module
 */
import type { Cancel, Platform } from "../base/platform.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import type { Refusal } from "../signalling/access_token.ts";
import type { JoinParameters } from "../signalling/join_parameters.ts";

/** How often the node shows that its event loop turns. */
const HEARTBEAT_MS = 2000;
/** How often draining looks whether everybody has left. */
const DRAIN_POLL_MS = 500;

/** What of a join is looked at. */
type Joining = Pick<JoinParameters, "reconnect" | "roomName" | "identity">;

/** One node's life: starts, serves, drains, is closed; only from draining there is a way back. */
export class NodeState {
  #phase: "starting" | "serving" | "draining" | "closed" = "starting";
  #stopHeartbeat: Cancel | undefined;
  #beatAt: { readonly now: number; readonly wallMs: number } | undefined;

  constructor(readonly platform: Platform, readonly rooms: () => LocalRooms) {}

  /** Media listens: from now on there is a heartbeat, and who comes is let in. */
  serve(): void {
    if (this.#phase === "starting") this.#phase = "serving";
    this.#beat();
  }

  /** Newcomers are refused from now on. */
  drain(): void {
    if (this.#phase !== "closed") this.#phase = "draining";
  }

  /** Newcomers are let in again. @returns Whether they were not. */
  serveAgain(): boolean {
    if (this.#phase !== "draining") return false;
    this.#phase = "serving";
    return true;
  }

  /** Everybody is refused, and nothing is timed any more. */
  close(): void {
    this.#phase = "closed";
    this.#stopHeartbeat?.();
  }

  get closed(): boolean {
    return this.#phase === "closed";
  }

  /** Whether others should be sent here. */
  get takesNewcomers(): boolean {
    return this.#phase === "starting" || this.#phase === "serving";
  }

  /**
   * Why somebody may not join; who returns to a session of this node may as long as there are any.
   */
  refusal(join?: Joining): Refusal | undefined {
    if (this.#phase === "serving") return undefined;
    if (this.#phase === "starting") {
      return { ok: false, status: 503, body: "media is not listening" };
    }
    const refusal = { ok: false, status: 503, body: "server is shutting down" } as const;
    if (this.#phase === "closed") return refusal;
    if (join !== undefined && this.#returns(join)) return undefined;
    return { ...refusal, takers: "any" };
  }

  /** Before media listens there is no timer, and answering at all is the sign of life. */
  lastBeat(): { readonly ageMs: number; readonly wallMs: number } {
    const { clock } = this.platform;
    if (this.#beatAt === undefined) return { ageMs: 0, wallMs: clock.wallMs() };
    return { ageMs: clock.now() - this.#beatAt.now, wallMs: this.#beatAt.wallMs };
  }

  /**
   * Resolves when nobody is here but agents and recorders, after `timeoutMs`, or when it is
   * hurried.
   *
   * @param timeoutMs Unlimited if absent.
   */
  async empty(timeoutMs = Infinity, hurry?: AbortSignal): Promise<void> {
    const { clock } = this.platform;
    const until = clock.now() + timeoutMs;
    while (this.occupants() > 0 && clock.now() < until && hurry?.aborted !== true) {
      await this.#pause(Math.min(DRAIN_POLL_MS, until - clock.now()), hurry);
    }
  }

  /** Participants that are served here but agents and recorders. */
  occupants(): number {
    return this.rooms().occupants();
  }

  #returns({ reconnect, roomName, identity }: Joining): boolean {
    return reconnect && this.rooms().get(roomName)?.session(identity)?.resumable === true;
  }

  #beat(): void {
    const { clock, timers } = this.platform;
    if (this.closed) return;
    this.#beatAt = { now: clock.now(), wallMs: clock.wallMs() };
    this.#stopHeartbeat = timers.after(HEARTBEAT_MS, () => this.#beat());
  }

  #pause(ms: number, hurry?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.platform.timers.after(ms, () => {
        hurry?.removeEventListener("abort", stop);
        resolve();
      });
      const stop = () => {
        cancel();
        resolve();
      };
      hurry?.addEventListener("abort", stop, { once: true });
    });
  }
}
