/**
 * Which tokens get a socket: those for this node, made just now, and not shown before.
 *
 * @module
 */
import type { NodeId } from "../../base/ids.ts";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Clock } from "../../base/platform.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import { type LinkIdentity, readToken, type ShownToken } from "./link_handshake.ts";

/**
 * How old a token may be, ms, and how far in the future: clocks differ, and nothing else hangs on
 * them.
 */
const TOKEN_LIFE_MS = 30_000;
/** A token that is remembered for less could be shown again while it is still good. */
const MEMORY_MS = 2 * TOKEN_LIFE_MS + 1_000;
/** Only nodes make tokens, and for links each a few a second at most. */
const MAX_REMEMBERED = 20_000;

/** Why a token gets no socket, for its maker alone. */
export type AdmissionRefusal = { readonly status: 400 | 401 | 503; readonly body: string };

/** The tokens of one node's door. */
export class LinkAdmission {
  /** By nonce, when it may be forgotten; in that order. */
  readonly #shown = new Map<string, number>();

  constructor(
    readonly identity: LinkIdentity,
    readonly self: NodeId,
    readonly clock: Clock,
    readonly counters: DropSink<ClusterDrop>,
    readonly maxRemembered = MAX_REMEMBERED,
  ) {}

  /** Takes a token, once. */
  admit(token: string): ShownToken | AdmissionRefusal {
    const shown = readToken(this.identity, this.self, token);
    if (shown === undefined) return this.#refuse("link_token_unreadable");
    if (Math.abs(this.clock.wallMs() - shown.issuedAtMs) > TOKEN_LIFE_MS) {
      return this.#refuse("link_token_stale");
    }
    const now = this.clock.now();
    const name = shown.nonce.toHex();
    this.#forget(now);
    if (this.#shown.has(name)) return this.#refuse("link_token_replayed");
    if (this.#shown.size >= this.maxRemembered) {
      this.counters.count("link_refused_busy");
      return { status: 503, body: "too many links" };
    }
    this.#shown.set(name, now + MEMORY_MS);
    return shown;
  }

  #forget(now: number): void {
    for (const [name, until] of this.#shown) {
      if (until > now) break;
      this.#shown.delete(name);
    }
  }

  #refuse(reason: ClusterDrop): AdmissionRefusal {
    this.counters.count(reason);
    return { status: 401, body: "permissions denied" };
  }
}
