/**
 * Messages of one stream that wait behind what goes next, by who sent them: senders take turns, so
 * that whoever writes much is waited for by nobody but himself.
 *
 * A turn brings bytes and not messages (deficit round robin, Shreedhar and Varghese 1995): whoever
 * took more than his share in one turn, as a message goes whole, waits until he has earned it, also
 * if he had nothing waiting meanwhile; it is forgotten when nobody waits. Order is kept within each
 * sender's. Memory grows to the most senders that waited at once, and some that owe.
 *
 * @module
 */
import { NO_SLOT, type OutgoingMessages } from "./outgoing_messages.ts";

/** What a turn brings: about what a packet holds, and so a dozen small messages. */
const TURN_BYTES = 1_024;
/** Senders that owe, and have nothing waiting, of whom that is remembered. */
const MAX_OWING = 256;

/** What one sender has waiting: a list of slots, empty if it only owes. */
interface Lane {
  sender: number;
  head: number;
  tail: number;
  /** By {@linkcode OutgoingMessages.costOf}. */
  bytes: number;
  /** What it may still take in this turn; below 0 it took that much too early. */
  credit: number;
  behind: Lane | undefined;
}

/** The senders of one stream that wait for their turns. */
export class SenderLanes {
  readonly #messages: OutgoingMessages;
  readonly #bySender = new Map<number, Lane>();
  /** Whose turn it is, and those behind. */
  #first: Lane | undefined;
  #last: Lane | undefined;
  /** The one pushed to last: most often it is so again. Invariant: it is among the lanes. */
  #recent: Lane | undefined;
  /** How many have something waiting; the other lanes only owe. */
  #waiting = 0;
  /** Who has most waiting, if that is known. */
  #longest: Lane | undefined;
  #spare: Lane | undefined;

  constructor(messages: OutgoingMessages) {
    this.#messages = messages;
  }

  /** How many senders wait. */
  get size(): number {
    return this.#waiting;
  }

  /** What a sender has waiting, bytes and what each message costs besides. */
  waitingOf(sender: number): number {
    return this.#bySender.get(sender)?.bytes ?? 0;
  }

  /** Who has most waiting, and how much that is; `undefined` if nobody has anything. */
  longest(): { readonly sender: number; readonly bytes: number } | undefined {
    if (this.#waiting === 0) return undefined;
    return this.#longest ??= this.#findLongest();
  }

  /** Puts a message behind the others of its sender. */
  push(slot: number): void {
    const lane = this.#lane(this.#messages.senderOf(slot));
    if (lane.head === NO_SLOT) {
      lane.head = slot;
      if (this.#waiting++ === 0) this.#longest = lane;
    } else this.#messages.setNext(lane.tail, slot);
    lane.tail = slot;
    lane.bytes += this.#messages.costOf(slot);
    if (this.#longest !== undefined && lane.bytes > this.#longest.bytes) this.#longest = lane;
  }

  /** Takes out the message that goes next; {@linkcode NO_SLOT} if none waits. */
  take(): number {
    if (this.#waiting === 0) return NO_SLOT;
    let lane = this.#first!;
    // Each round gives everybody something, so somebody may.
    while (lane.head === NO_SLOT || lane.credit <= 0 && lane.behind !== undefined) {
      lane = this.#endTurn(lane);
    }
    const slot = this.#shift(lane);
    lane.credit -= this.#messages.costOf(slot);
    if (lane.head === NO_SLOT) this.#emptied(lane);
    else if (lane.behind === undefined) lane.credit = TURN_BYTES; // alone: nobody to be fair to
    return slot;
  }

  /** Takes out the oldest of a sender, out of turn; {@linkcode NO_SLOT} if none waits. */
  takeOf(sender: number): number {
    const lane = this.#bySender.get(sender);
    if (lane === undefined || lane.head === NO_SLOT) return NO_SLOT;
    const slot = this.#shift(lane);
    if (lane.head === NO_SLOT) this.#emptied(lane);
    return slot;
  }

  #findLongest(): Lane {
    let longest = this.#first!;
    for (let lane = longest.behind; lane !== undefined; lane = lane.behind) {
      if (lane.bytes > longest.bytes) longest = lane;
    }
    return longest;
  }

  #lane(sender: number): Lane {
    if (this.#recent?.sender === sender) return this.#recent;
    return this.#recent = this.#bySender.get(sender) ?? this.#add(sender);
  }

  #add(sender: number): Lane {
    const lane = this.#spare ?? newLane();
    this.#spare = lane.behind;
    lane.behind = undefined;
    lane.sender = sender;
    lane.credit = TURN_BYTES;
    this.#bySender.set(sender, lane);
    if (this.#last === undefined) this.#first = lane;
    else this.#last.behind = lane;
    return this.#last = lane;
  }

  /**
   * The first one goes behind all others, or leaves if it owes no more and has nothing waiting.
   * Returns who is the first then.
   */
  #endTurn(lane: Lane): Lane {
    lane.credit += TURN_BYTES;
    const next = lane.behind;
    if (lane.head === NO_SLOT && lane.credit > 0) this.#remove(lane);
    else if (next !== undefined) {
      this.#first = next;
      this.#last!.behind = lane;
      this.#last = lane;
      lane.behind = undefined;
    }
    return this.#first!;
  }

  #shift(lane: Lane): number {
    const messages = this.#messages;
    const slot = lane.head;
    lane.head = messages.nextOf(slot);
    messages.setNext(slot, NO_SLOT);
    lane.bytes -= messages.costOf(slot);
    if (this.#longest === lane) this.#longest = undefined;
    return slot;
  }

  /** Whoever has nothing more leaves, unless he owes something to others that wait. */
  #emptied(lane: Lane): void {
    lane.tail = NO_SLOT;
    this.#waiting--;
    const owing = this.#bySender.size - this.#waiting;
    if (lane.credit > 0 || owing > MAX_OWING) this.#remove(lane);
    if (this.#waiting === 0) { while (this.#first !== undefined) this.#remove(this.#first); }
  }

  /** Takes out one that is empty, nearly always the first. */
  #remove(lane: Lane): void {
    let before: Lane | undefined;
    for (let at = this.#first; at !== lane; at = at!.behind) before = at;
    if (before === undefined) this.#first = lane.behind;
    else before.behind = lane.behind;
    if (this.#last === lane) this.#last = before;
    this.#bySender.delete(lane.sender);
    if (this.#recent === lane) this.#recent = undefined;
    lane.behind = this.#spare;
    this.#spare = lane;
  }
}

function newLane(): Lane {
  return { sender: 0, head: NO_SLOT, tail: NO_SLOT, bytes: 0, credit: 0, behind: undefined };
}
