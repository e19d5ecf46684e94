/**
 * Which participants of one room are forwarded to other rooms, so that those copies follow and end.
 *
 * @module
 */
import type { ForwardedParticipant } from "./forwarded_participant.ts";
import type { Participant } from "./participant.ts";

/** One room's participants that are shown elsewhere. */
export class RoomForwards {
  readonly #copies = new Map<Participant, Set<ForwardedParticipant>>();

  /** `copy` follows its origin, a participant of this room, from now on. */
  add(copy: ForwardedParticipant): void {
    const copies = this.#copies.get(copy.origin) ?? new Set();
    this.#copies.set(copy.origin, copies.add(copy));
    copy.onClosed = () => this.#remove(copy);
    copy.follow();
  }

  /** Something about `origin` changed. */
  changed(origin: Participant): void {
    for (const copy of this.#copies.get(origin) ?? []) copy.follow();
  }

  /** `origin` lets others have its tracks than before. */
  ruleChanged(origin: Participant): void {
    for (const copy of this.#copies.get(origin) ?? []) copy.host.subscriptionRuleChanged(copy);
  }

  /** `origin` is no longer here. */
  end(origin: Participant): void {
    for (const copy of [...this.#copies.get(origin) ?? []]) copy.end();
  }

  #remove(copy: ForwardedParticipant): void {
    const copies = this.#copies.get(copy.origin);
    copies?.delete(copy);
    if (copies?.size === 0) this.#copies.delete(copy.origin);
  }
}
