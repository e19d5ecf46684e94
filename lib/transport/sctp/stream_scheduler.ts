/**
 * Which message goes next: those that are worth nothing when late, and channel negotiation, before
 * those that must arrive; streams of a kind take turns, message by message, and within a stream its
 * senders.
 *
 * Order is kept within what one sender has on a stream. Some packets of a stream wait in the order
 * they came, so that senders are only told apart where there is more ({@linkcode SenderLanes}): no
 * message has a number before it begins. One that has begun is finished before another begins,
 * because the numbers of its chunks are consecutive (RFC 9260 §6.9); interleaving (RFC 8260) would
 * spare a small one the wait behind at most 64 KiB, and no WebRTC peer offers it by default.
 *
 * @module
 */
import { PPID } from "./data_channel_messages.ts";
import { NO_SLOT, type OutgoingMessages } from "./outgoing_messages.ts";
import { SenderLanes } from "./sender_lanes.ts";

/** What waits of a stream in the order it came, bytes: some packets, of which messages share. */
const READY_BYTES = 4_096;

interface OutgoingStream {
  readonly id: number;
  /** First and last slot that wait in line. */
  head: number;
  tail: number;
  /** Of these, with what each costs. */
  readyBytes: number;
  /** What waits behind {@linkcode READY_BYTES} of them; absent before there was any. */
  lanes: SenderLanes | undefined;
  /** Number of the next ordered message. */
  nextSeq: number;
  /** Waits for the peer to take note of a reset. */
  paused: boolean;
  /** Stands in a line of those that have something to send, before this one. */
  inLine: boolean;
  behind: OutgoingStream | undefined;
}

/** Streams in the order they came. An array that is often empty would be made anew each time. */
class StreamLine {
  first: OutgoingStream | undefined;
  #last: OutgoingStream | undefined;

  push(stream: OutgoingStream): void {
    if (this.#last === undefined) this.first = stream;
    else this.#last.behind = stream;
    this.#last = stream;
  }

  /** Takes out one that stands in it, nearly always the first. */
  remove(stream: OutgoingStream): void {
    let before: OutgoingStream | undefined;
    for (let at = this.first; at !== undefined && at !== stream; at = at.behind) before = at;
    if (before === undefined) this.first = stream.behind;
    else before.behind = stream.behind;
    if (this.#last === stream) this.#last = before;
    stream.behind = undefined;
  }
}

/** Told of each message that waits no more: it is on its way, or given up. */
export type MessageLeft = (streamId: number, ppid: number, bytes: number) => void;

/** The messages of one association that wait, by stream. */
export class StreamScheduler {
  readonly #messages: OutgoingMessages;
  readonly #left: MessageLeft;
  readonly #streams = new Map<number, OutgoingStream>();
  /** The one asked for last, while it is among them: most associations use one. */
  #recent: OutgoingStream | undefined;
  /** Streams that wait for their turn, first come first. */
  readonly #urgent = new StreamLine();
  readonly #patient = new StreamLine();
  /** The stream whose message has begun, or is to begin. */
  #current: OutgoingStream | undefined;
  #begun = false;
  #waiting = 0;

  constructor(messages: OutgoingMessages, left: MessageLeft) {
    this.#messages = messages;
    this.#left = left;
  }

  /** Whether nothing waits, on streams that are held up neither. */
  get isEmpty(): boolean {
    return this.#waiting === 0;
  }

  /** Puts the message into its stream's queue. Negotiation waits for no sender's turn. */
  push(slot: number): void {
    const messages = this.#messages;
    const stream = this.#stream(messages.streamIdOf(slot));
    this.#waiting++;
    if (stream.readyBytes >= READY_BYTES && messages.ppidOf(slot) !== PPID.dcep) {
      (stream.lanes ??= new SenderLanes(messages)).push(slot);
      return;
    }
    this.#append(stream, slot);
    this.#enter(stream);
  }

  /** What a sender has waiting on a stream for its turn, bytes, with what each message costs. */
  waitingOf(streamId: number, sender: number): number {
    return this.#streams.get(streamId)?.lanes?.waitingOf(sender | 0) ?? 0;
  }

  /** How many senders wait for their turns on a stream. */
  sendersOn(streamId: number): number {
    return this.#streams.get(streamId)?.lanes?.size ?? 0;
  }

  /**
   * The slot of the message whose next chunk goes next; {@linkcode NO_SLOT} if nothing waits. What
   * is worth nothing any more is dropped.
   *
   * @param expired Told of each message that was dropped.
   */
  next(now: number, expired: () => void): number {
    if (this.#begun) return this.#current!.head;
    for (;;) {
      const stream = this.#urgent.first ?? this.#patient.first;
      if (stream === undefined) return NO_SLOT;
      const slot = stream.head;
      if (now < this.#messages.expiresAt(slot)) {
        this.#current = stream;
        return slot;
      }
      this.#leave(stream);
      this.#drop(stream);
      expired();
      this.#enter(stream);
    }
  }

  /** A chunk of the message that {@linkcode StreamScheduler.next} named has been cut. */
  cut(): void {
    const stream = this.#current!;
    const messages = this.#messages;
    const slot = stream.head;
    if (!this.#begun) {
      this.#begun = true;
      this.#leave(stream);
      if (messages.isOrdered(slot)) {
        messages.setStreamSeq(slot, stream.nextSeq);
        stream.nextSeq = (stream.nextSeq + 1) & 0xffff;
      }
    }
  }

  /** The message that has begun is all cut, or given up. */
  finish(): void {
    const stream = this.#current!;
    const slot = stream.head;
    this.#unlink(stream, slot);
    this.#leaves(stream, slot);
    this.#begun = false;
    this.#enter(stream);
  }

  /** Whether this message has begun and is not all cut. */
  isBegun(slot: number): boolean {
    return this.#begun && this.#current!.head === slot;
  }

  /** Holds a stream up for its reset: what waits is dropped, except a message that has begun. */
  pause(streamId: number): void {
    const stream = this.#stream(streamId);
    stream.paused = true;
    if (stream.inLine) this.#leave(stream);
    const begun = this.#begun && this.#current === stream;
    const slot = stream.head;
    if (slot === NO_SLOT) return;
    this.#dropLanes(stream);
    if (begun) {
      stream.head = this.#messages.nextOf(slot);
      this.#messages.setNext(slot, NO_SLOT);
    }
    while (stream.head !== NO_SLOT) this.#drop(stream);
    if (begun) stream.head = stream.tail = slot;
  }

  /**
   * Gives up a message that waits on a stream, of which nothing has been sent nor has it a number:
   * the oldest of whoever has most waiting. `false` if there is none.
   */
  dropOldest(streamId: number): boolean {
    const stream = this.#streams.get(streamId);
    return stream !== undefined && this.#dropOfMost(stream, 0, undefined);
  }

  /**
   * The same, if somebody has more waiting on the stream than `sender` would have with `bytes`
   * more; `false` if nobody has.
   */
  dropFor(streamId: number, sender: number, bytes: number): boolean {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return false;
    const own = (stream.lanes?.waitingOf(sender | 0) ?? 0) + bytes;
    return this.#dropOfMost(stream, own, sender | 0);
  }

  /** Whether a message of the stream has begun, so that its reset must wait. */
  isBusy(streamId: number): boolean {
    return this.#begun && this.#current!.id === streamId;
  }

  /** Bytes of the stream's message that has begun and is not all cut. */
  begunBytes(streamId: number): number {
    return this.isBusy(streamId) ? this.#messages.bytesOf(this.#current!.head).length : 0;
  }

  /** The peer has taken note: the stream counts from 0 again. */
  restart(streamId: number): void {
    const stream = this.#stream(streamId);
    stream.paused = false;
    stream.nextSeq = 0;
    if (stream.head === NO_SLOT) {
      this.#streams.delete(streamId);
      this.#recent = undefined;
    } else this.#enter(stream);
  }

  #stream(id: number): OutgoingStream {
    if (this.#recent?.id === id) return this.#recent;
    let stream = this.#streams.get(id);
    if (stream === undefined) {
      stream = {
        id,
        head: NO_SLOT,
        tail: NO_SLOT,
        readyBytes: 0,
        lanes: undefined,
        nextSeq: 0,
        paused: false,
        inLine: false,
        behind: undefined,
      };
      this.#streams.set(id, stream);
    }
    return this.#recent = stream;
  }

  #line(stream: OutgoingStream): StreamLine {
    const { head } = stream;
    const urgent = this.#messages.ppidOf(head) === PPID.dcep || this.#messages.isLimited(head);
    return urgent ? this.#urgent : this.#patient;
  }

  #enter(stream: OutgoingStream): void {
    if (stream.inLine || stream.paused || stream.head === NO_SLOT) return;
    if (this.#begun && this.#current === stream) return;
    stream.inLine = true;
    this.#line(stream).push(stream);
  }

  #leave(stream: OutgoingStream): void {
    stream.inLine = false;
    this.#line(stream).remove(stream);
  }

  #append(stream: OutgoingStream, slot: number): void {
    if (stream.head === NO_SLOT) stream.head = slot;
    else this.#messages.setNext(stream.tail, slot);
    stream.tail = slot;
    stream.readyBytes += this.#messages.costOf(slot);
  }

  /** Takes a message out of the line, in which it stands behind `before`, or first. */
  #unlink(stream: OutgoingStream, slot: number, before = NO_SLOT): void {
    const messages = this.#messages;
    const next = messages.nextOf(slot);
    if (before === NO_SLOT) stream.head = next;
    else messages.setNext(before, next);
    if (stream.tail === slot) stream.tail = before;
    messages.setNext(slot, NO_SLOT);
    stream.readyBytes -= messages.costOf(slot);
    if (stream.lanes !== undefined) this.#refill(stream, stream.lanes);
  }

  #refill(stream: OutgoingStream, lanes: SenderLanes): void {
    while (stream.readyBytes < READY_BYTES) {
      const slot = lanes.take();
      if (slot === NO_SLOT) return;
      this.#append(stream, slot);
    }
  }

  #leaves(stream: OutgoingStream, slot: number): void {
    this.#waiting--;
    this.#left(stream.id, this.#messages.ppidOf(slot), this.#messages.bytesOf(slot).length);
  }

  /** Gives up the oldest message of whoever, but `spared`, has more than `bytes` waiting. */
  #dropOfMost(stream: OutgoingStream, bytes: number, spared: number | undefined): boolean {
    const messages = this.#messages;
    const longest = stream.lanes?.longest();
    const most = Math.max(bytes, longest?.bytes ?? 0);
    let sender = most > bytes ? longest!.sender : undefined;
    // In line there is little, but for what is large by itself.
    const large = stream.readyBytes > most ? this.#largestReady(stream) : NO_SLOT;
    if (large !== NO_SLOT && messages.costOf(large) > most) {
      sender = messages.senderOf(large);
    }
    if (sender === undefined || sender === spared) return false;
    if (!this.#dropReady(stream, sender)) this.#discard(stream, stream.lanes!.takeOf(sender));
    return true;
  }

  /** The first in line that may be given up. */
  #firstReady(stream: OutgoingStream): number {
    const { head } = stream;
    return head !== NO_SLOT && this.isBusy(stream.id) ? this.#messages.nextOf(head) : head;
  }

  #largestReady(stream: OutgoingStream): number {
    const messages = this.#messages;
    let largest = NO_SLOT;
    for (let at = this.#firstReady(stream); at !== NO_SLOT; at = messages.nextOf(at)) {
      if (messages.ppidOf(at) === PPID.dcep) continue;
      if (largest === NO_SLOT || messages.costOf(at) > messages.costOf(largest)) largest = at;
    }
    return largest;
  }

  /** Gives up the oldest message in line of a sender; `false` if it has none there. */
  #dropReady(stream: OutgoingStream, sender: number): boolean {
    const messages = this.#messages;
    const first = this.#firstReady(stream);
    let before = first === stream.head ? NO_SLOT : stream.head;
    let slot = first;
    while (slot !== NO_SLOT && !this.#isDroppable(slot, sender)) {
      before = slot;
      slot = messages.nextOf(slot);
    }
    if (slot === NO_SLOT) return false;
    // By the first one the stream stands where it does.
    if (before === NO_SLOT && stream.inLine) this.#leave(stream);
    this.#unlink(stream, slot, before);
    this.#discard(stream, slot);
    this.#enter(stream);
    return true;
  }

  #isDroppable(slot: number, sender: number): boolean {
    return this.#messages.senderOf(slot) === sender && this.#messages.ppidOf(slot) !== PPID.dcep;
  }

  #dropLanes(stream: OutgoingStream): void {
    for (;;) {
      const slot = stream.lanes?.take() ?? NO_SLOT;
      if (slot === NO_SLOT) return;
      this.#discard(stream, slot);
    }
  }

  /** Frees a message that stands in no list any more. */
  #discard(stream: OutgoingStream, slot: number): void {
    this.#leaves(stream, slot);
    this.#messages.remove(slot);
  }

  #drop(stream: OutgoingStream): void {
    const slot = stream.head;
    this.#unlink(stream, slot);
    this.#discard(stream, slot);
  }
}
