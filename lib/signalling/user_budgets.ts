/**
 * The shares of the main thread of all users of a node (`request_budget.ts`): a user of a room has
 * one, however many sessions it has, and finds it as it left it when it comes back.
 *
 * Pure but for the clock given. Kept are the shares of those who are here, and of others until they
 * are whole again, which takes some seconds.
 *
 * @module
 */
import type { Clock } from "../base/platform.ts";
import { userKey } from "../room/context/session_census.ts";
import { RequestBudget } from "./request_budget.ts";

/** Whose share; `tokenIdentity` is the user's name where a session of it goes by another. */
export interface BudgetOwner {
  readonly roomName: string;
  readonly identity: string;
  readonly tokenIdentity?: string;
}

/** Who asked for a share may charge it so much later, ms; it may be whole until then. */
const CHARGED_WITHIN_MS = 2_000;

interface Share {
  readonly budget: RequestBudget;
  /** Charged for returns alone, which `budget` is, too: so it is whole whenever that is. */
  readonly returns: RequestBudget;
  sessions: number;
}

/** All users' shares. */
export class UserBudgets {
  readonly #shares = new Map<string, Share>();
  /** Users without a session, and when they were asked about last; in that order. */
  readonly #absent = new Map<string, number>();

  constructor(readonly clock: Pick<Clock, "now">) {}

  /** Users whose shares are kept. */
  get size(): number {
    return this.#shares.size;
  }

  /** The share of a user, for one request or more. */
  of(owner: BudgetOwner): RequestBudget {
    return this.#share(keyOf(owner)).budget;
  }

  /** What a user has left for returns to its sessions, whatever else it has asked for. */
  returnsOf(owner: BudgetOwner): RequestBudget {
    return this.#share(keyOf(owner)).returns;
  }

  /**
   * A session of a user begins.
   *
   * @returns The user's share, and what is to be called when the session has ended.
   */
  began(owner: BudgetOwner): { readonly budget: RequestBudget; readonly end: () => void } {
    const user = keyOf(owner);
    const share = this.#share(user);
    share.sessions++;
    this.#absent.delete(user);
    const end = () => {
      if (--share.sessions === 0) this.#absent.set(user, this.clock.now());
    };
    return { budget: share.budget, end };
  }

  #share(user: string): Share {
    this.#forgetWhole();
    const known = this.#shares.get(user);
    if (known !== undefined && known.sessions > 0) return known;
    const share = known ?? this.#newShare();
    this.#shares.set(user, share);
    this.#absent.delete(user);
    this.#absent.set(user, this.clock.now());
    return share;
  }

  #newShare(): Share {
    const { clock } = this;
    return { budget: new RequestBudget(clock), returns: new RequestBudget(clock), sessions: 0 };
  }

  #forgetWhole(): void {
    const before = this.clock.now() - CHARGED_WITHIN_MS;
    for (const [user, askedAt] of this.#absent) {
      if (askedAt > before || !this.#shares.get(user)!.budget.isWhole) return;
      this.#shares.delete(user);
      this.#absent.delete(user);
    }
  }
}

function keyOf({ roomName, identity, tokenIdentity = identity }: BudgetOwner): string {
  return userKey(roomName, tokenIdentity);
}
