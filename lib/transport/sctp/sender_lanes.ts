/**
 * Messages of one stream that wait behind what goes next, by who sent them: senders take turns, so
 * that whoever writes much is waited for by nobody but himself.
 *
 * A turn brings bytes and not messages (deficit round robin, Shreedhar and Varghese 1995): whoever
 * took more than his share in one turn, as a message goes whole, waits until he has earned it.
 * Order is kept within each sender's. Memory grows to the most senders that waited at once.
 *
 * @module
 */
import { NO_SLOT, type OutgoingMessages } from "./outgoing_messages.ts";

/** What a turn brings: about what a packet holds, and so a dozen small messages. */
const TURN_BYTES = 1_024;

/** What one sender has waiting: a list of slots. */
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
  /** The one pushed to last: most often it is so again. Invariant: it waits. */
  #recent: Lane | undefined;
  #spare: Lane | undefined;

  constructor(messages: OutgoingMessages) {
    this.#messages = messages;
  }

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** How many senders wait. */
  get size(): number {
    return this.#bySender.size;
  }

  /** What a sender has waiting, bytes and what each message costs besides. */
  waitingOf(sender: number): number {
    return this.#bySender.get(sender)?.bytes ?? 0;
  }

  /** Who has most waiting, and how much that is; `undefined` if nobody has anything. */
  longest(): { readonly sender: number; readonly bytes: number } | undefined {
    let longest = this.#first;
    for (let lane = longest?.behind; lane !== undefined; lane = lane.behind) {
      if (lane.bytes > longest!.bytes) longest = lane;
    }
    return longest;
  }

  /** Puts a message behind the others of its sender. */
  push(slot: number): void {
    const lane = this.#lane(this.#messages.senderOf(slot));
    if (lane.head === NO_SLOT) lane.head = slot;
    else this.#messages.setNext(lane.tail, slot);
    lane.tail = slot;
    lane.bytes += this.#messages.costOf(slot);
  }

  /** Takes out the message that goes next; {@linkcode NO_SLOT} if none waits. */
  take(): number {
    let lane = this.#first;
    if (lane === undefined) return NO_SLOT;
    // Each round gives everybody something, so somebody may.
    while (lane.credit <= 0 && lane.behind !== undefined) lane = this.#endTurn(lane);
    const slot = this.#shift(lane);
    lane.credit -= this.#messages.costOf(slot);
    if (lane.head === NO_SLOT) this.#remove(lane);
    else if (lane.behind === undefined) lane.credit = TURN_BYTES; // alone: nobody to be fair to
    return slot;
  }

  /** Takes out the oldest of a sender, out of turn; {@linkcode NO_SLOT} if none waits. */
  takeOf(sender: number): number {
    const lane = this.#bySender.get(sender);
    if (lane === undefined) return NO_SLOT;
    const slot = this.#shift(lane);
    if (lane.head === NO_SLOT) this.#remove(lane);
    return slot;
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

  /** The first one goes behind all others. Returns who is the first then. */
  #endTurn(lane: Lane): Lane {
    lane.credit += TURN_BYTES;
    const next = this.#first = lane.behind!;
    this.#last!.behind = lane;
    this.#last = lane;
    lane.behind = undefined;
    return next;
  }

  #shift(lane: Lane): number {
    const messages = this.#messages;
    const slot = lane.head;
    lane.head = messages.nextOf(slot);
    messages.setNext(slot, NO_SLOT);
    lane.bytes -= messages.costOf(slot);
    return slot;
  }

  /** Whoever has nothing more leaves, nearly always the first. */
  #remove(lane: Lane): void {
    let before: Lane | undefined;
    for (let at = this.#first; at !== lane; at = at!.behind) before = at;
    if (before === undefined) this.#first = lane.behind;
    else before.behind = lane.behind;
    if (this.#last === lane) this.#last = before;
    this.#bySender.delete(lane.sender);
    if (this.#recent === lane) this.#recent = undefined;
    lane.tail = NO_SLOT;
    lane.behind = this.#spare;
    this.#spare = lane;
  }
}

function newLane(): Lane {
  return { sender: 0, head: NO_SLOT, tail: NO_SLOT, bytes: 0, credit: 0, behind: undefined };
}
