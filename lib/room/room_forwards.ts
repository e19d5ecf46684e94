/**
 * Which participants of one room are forwarded to other rooms, so that those copies follow and end.
 *
 * @module
 */
import type { ForwardedMember } from "./participant/forwarded_member.ts";
import type { Member } from "./participant/member.ts";

/** One room's participants that are shown elsewhere. */
export class RoomForwards {
  readonly #copies = new Map<Member, Set<ForwardedMember>>();

  /** `copy` follows its origin, a participant of this room, from now on. */
  add(copy: ForwardedMember): void {
    const copies = this.#copies.get(copy.origin) ?? new Set();
    this.#copies.set(copy.origin, copies.add(copy));
    copy.onClosed = () => this.#remove(copy);
    copy.follow();
  }

  /** Something about `origin` changed. */
  changed(origin: Member): void {
    for (const copy of this.#copies.get(origin) ?? []) copy.follow();
  }

  /** `origin` lets others have its tracks than before. */
  ruleChanged(origin: Member): void {
    for (const copy of this.#copies.get(origin) ?? []) copy.host.subscriptionRuleChanged(copy);
  }

  /** `origin` is no longer here. */
  end(origin: Member): void {
    for (const copy of [...this.#copies.get(origin) ?? []]) copy.end();
  }

  #remove(copy: ForwardedMember): void {
    const copies = this.#copies.get(copy.origin);
    copies?.delete(copy);
    if (copies?.size === 0) this.#copies.delete(copy.origin);
  }
}
