/**
 * All relays between this engine and one other, in both directions, over one channel, and the data
 * that goes between them.
 *
 * Contract: whatever order the two engines are told in, both ends of a relay meet: an offer waits
 * for its receiver and a receiver for its offer. What comes for a relay that is no more is counted.
 *
 * The channel is read in turns that are short in packets and in time, so that sockets have theirs.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { UpTrackId } from "../../base/ids.ts";
import type { Clock, Log } from "../../base/platform.ts";
import type { FanOutBatch } from "../../media/packet/fan_out_batch.ts";
import type { LoudestRooms } from "../../media/up/loudest_audio.ts";
import type { UpTrack } from "../../media/up/up_track.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import { type DataArrivals, DataLane } from "./data_lane.ts";
import { HopAllocation } from "./hop_allocation.ts";
import { type RelayMember, RelayOutput } from "./relay_output.ts";
import type { RelayReceiver } from "./relay_receiver.ts";
import { isOfData, MAX_ID_BYTES, NACK_HEAD_WORDS, RELAY } from "./relay_records.ts";
import type { RecordReader, RelayChannel } from "./relay_channel.ts";
import { RelaySender } from "./relay_sender.ts";

/** Records read in one turn at most… */
const MAX_RECORDS = 64;
/** …and how long such a turn may take, ms: a packet for hundreds of subscribers takes one. */
const MAX_TURN_MS = 2;

/** Records read between two looks at the clock. */
const RECORDS_BETWEEN_LOOKS = 8;

/** The engine as its relays see it. */
export interface RelayWorld {
  readonly clock: Clock;
  readonly log: Log;
  readonly drops: DropSink<EngineDrop>;
  /** Up-tracks of the whole engine. */
  readonly upTracks: Map<UpTrackId, UpTrack>;
  /** Rooms of which only the loudest audio may be wanted. */
  readonly loudest?: LoudestRooms;
  /** Where received packets wait; absent: they do not wait. */
  readonly batch?: FanOutBatch;
  /** Where data goes that comes from other engines. */
  readonly data: DataArrivals;
  /** After each run of relayed packets, as after a batch of datagrams: fans out what waits. */
  readonly endBatch: (now: number) => void;
  /** A turn of reading, its batch included, took so long. */
  readonly spent: (us: number) => void;
}

/**
 * The relays to one other engine. An offer and its receiver meet in whatever order they come; what
 * comes for no relay is counted.
 */
export class RelayLink {
  /** Data on its way to the other engine. */
  readonly data: DataLane;
  readonly #world: RelayWorld;
  readonly #output: RelayOutput;
  readonly #reader: RecordReader;
  /** Who of the video crosses; absent where everything does. */
  readonly #allocation: HopAllocation | undefined;
  readonly #senders = new Map<UpTrackId, RelaySender>();
  readonly #sendersByNumber = new Map<number, RelaySender>();
  readonly #receivers = new Map<UpTrackId, RelayReceiver>();
  readonly #receiversByNumber = new Map<number, RelayReceiver>();
  /** What the other engine offers, by its number. */
  readonly #offers = new Map<number, UpTrackId>();
  #lastNumber = 0;
  #corrupted = 0;
  #isClosed = false;

  /** @param engine The other one's index. */
  constructor(engine: number, { reader, writer, estimate }: RelayChannel, world: RelayWorld) {
    this.#world = world;
    this.#allocation = estimate === undefined ? undefined : new HopAllocation(estimate);
    this.#reader = reader;
    this.#output = new RelayOutput(writer);
    this.data = new DataLane(engine, this.#output, world.data, world.drops);
  }

  /** Offers an up-track of this engine to the other. */
  send(id: UpTrackId, now: number): void {
    const { upTracks, drops, log } = this.#world;
    const upTrack = upTracks.get(id);
    if (upTrack === undefined) return drops.count("relay_no_track");
    if (this.#senders.get(id)?.upTrack === upTrack) return;
    this.stop(id);
    const number = ++this.#lastNumber;
    const sender = new RelaySender(id, upTrack, number, this.#output, drops, log);
    this.#senders.set(id, sender);
    this.#sendersByNumber.set(number, sender);
    this.#allocation?.add(sender);
    upTrack.addDownTrack(sender, now);
  }

  /** Withdraws the offer of an up-track, if there is one. */
  stop(id: UpTrackId): void {
    const sender = this.#senders.get(id);
    if (sender === undefined) return;
    sender.upTrack.removeDownTrack(sender);
    this.#allocation?.remove(sender);
    this.#senders.delete(id);
    this.#sendersByNumber.delete(sender.number);
    this.#output.changed(new Farewell(RELAY.withdraw, sender.number, this.#output));
  }

  /** `receiver` takes what the other engine offers under that id, now or later. */
  follow(id: UpTrackId, receiver: RelayReceiver): void {
    this.#receivers.set(id, receiver);
    receiver.follow(this.#output);
    for (const [number, offered] of this.#offers) {
      if (offered === id) this.#begin(receiver, number);
    }
  }

  /** Ends what {@linkcode RelayLink.follow} began, if it did. */
  unfollow(id: UpTrackId, now: number): void {
    const receiver = this.#receivers.get(id);
    if (receiver === undefined) return;
    this.#receivers.delete(id);
    const { number } = receiver;
    receiver.unfollow(now);
    if (number < 0) return;
    this.#receiversByNumber.delete(number);
    this.#output.changed(new Farewell(RELAY.leave, number, this.#output));
  }

  /** Reads the ring until {@linkcode RelayLink.close}. */
  async run(): Promise<void> {
    while (!this.#isClosed) {
      await this.#reader.more();
      if (!this.#isClosed) this.drain();
    }
  }

  /** One turn of reading. @returns whether it left something. */
  drain(): boolean {
    const { clock, drops, log, endBatch, spent } = this.#world;
    const startedUs = clock.nowUs();
    const now = Math.trunc(startedUs / 1000);
    let isLeft = true;
    try {
      for (let i = 1; i <= MAX_RECORDS && isLeft; i++) {
        isLeft = this.#reader.next();
        if (isLeft) this.#take(now);
        // A message is given to its receivers at once, however many there are.
        const isLook = i % RECORDS_BETWEEN_LOOKS === 0 || isOfData(this.#reader.kind);
        if (isLook && clock.now() - now >= MAX_TURN_MS) break;
      }
    } catch (error) {
      drops.count("receive_threw");
      log.error("Receiving from another engine failed inside", { error });
    }
    this.#reader.release();
    if (this.#reader.corrupted !== this.#corrupted) {
      drops.count("relay_ring_corrupt", this.#reader.corrupted - this.#corrupted);
      this.#corrupted = this.#reader.corrupted;
    }
    this.#allocation?.share(now);
    endBatch(now);
    spent(clock.nowUs() - startedUs);
    return isLeft;
  }

  /** The other engine began anew, and the channel with it: everything is said again. */
  renew(now: number): void {
    for (const id of [...this.#senders.keys()]) {
      this.stop(id);
      this.send(id, now);
    }
    this.#offers.clear();
    this.#receiversByNumber.clear();
    for (const receiver of this.#receivers.values()) receiver.withdrawn(now);
    this.data.renew();
  }

  /** How often a track was given fewer layers than before. */
  get lowered(): number {
    return this.#allocation?.lowered ?? 0;
  }

  /** Whether there is a relay, or something still to be said. */
  get isActive(): boolean {
    return this.#senders.size > 0 || this.#receivers.size > 0 || this.#output.isPending ||
      this.data.isActive;
  }

  /** Timed work; also writes again what the ring had no room for. */
  tick(now: number): void {
    for (const [id, sender] of this.#senders) {
      // The publisher may have left without a word.
      if (this.#world.upTracks.get(id) === sender.upTrack) sender.tick(now);
      else this.stop(id);
    }
    for (const receiver of this.#receivers.values()) receiver.tick(now);
    this.#allocation?.share(now);
    this.data.flush();
    this.#output.flush();
  }

  /** The other engine, or this one, is gone: nothing crosses any more. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reader.interrupt();
    for (const id of [...this.#senders.keys()]) this.stop(id);
    const now = this.#world.clock.now();
    for (const receiver of this.#receivers.values()) receiver.withdrawn(now);
    this.data.close();
  }

  #take(now: number): void {
    const { kind, words, at, length } = this.#reader;
    if (length === 0) return this.#world.drops.count("relay_malformed");
    if (kind >= RELAY.data && kind < RELAY.rates) {
      if (!this.data.take(this.#reader)) this.#world.drops.count("relay_malformed");
      return;
    }
    const number = words[at]!;
    if (kind === RELAY.offer) return this.#takeOffer(number, at + 1, length - 1);
    if (kind === RELAY.withdraw) return this.#takeWithdrawal(number, now);
    if (kind >= RELAY.join && kind !== RELAY.rates) {
      return this.#takeAnswer(kind, number, at, length, now);
    }
    const receiver = this.#receiversByNumber.get(number);
    if (receiver === undefined) return this.#world.drops.count("relay_unknown");
    if (kind === RELAY.packet) receiver.receivePacket(words, at, length, now);
    else if (kind === RELAY.state) receiver.receiveState(words, at, length, now);
    else if (kind === RELAY.rates) receiver.receiveRates(words, at, length);
    else receiver.receiveReport(words, at, length, now);
  }

  #takeOffer(number: number, at: number, length: number): void {
    const id = this.#readText(at, length) as UpTrackId | undefined;
    if (id === undefined) return this.#world.drops.count("relay_malformed");
    this.#offers.set(number, id);
    const receiver = this.#receivers.get(id);
    if (receiver !== undefined) this.#begin(receiver, number);
  }

  /** Bytes of a text, and the text; `undefined` if that is not what there is. */
  #readText(at: number, length: number): string | undefined {
    const bytes = length > 0 ? this.#reader.words[at]! : -1;
    if (bytes < 0 || bytes > MAX_ID_BYTES || length - 1 !== (bytes + 3) >> 2) return undefined;
    return this.#reader.readText(at + 1, bytes);
  }

  #takeWithdrawal(number: number, now: number): void {
    this.#offers.delete(number);
    const receiver = this.#receiversByNumber.get(number);
    if (receiver === undefined) return;
    this.#receiversByNumber.delete(number);
    receiver.withdrawn(now);
  }

  #begin(receiver: RelayReceiver, number: number): void {
    this.#receiversByNumber.delete(receiver.number);
    this.#receiversByNumber.set(number, receiver);
    receiver.begin(number);
  }

  /** A record from the far end of a relay whose near end is here. */
  #takeAnswer(kind: number, number: number, at: number, length: number, now: number): void {
    const { drops } = this.#world;
    const { words } = this.#reader;
    const sender = this.#sendersByNumber.get(number);
    if (sender === undefined) return drops.count("relay_unknown");
    if (kind === RELAY.join) return sender.receiveJoin();
    if (kind === RELAY.leave) return sender.receiveLeave();
    if (kind === RELAY.loudestOf) {
      const room = this.#readText(at + 1, length - 1);
      return room === undefined
        ? drops.count("relay_malformed")
        : sender.receiveLoudestOf(room, now);
    }
    if (length < 2) return drops.count("relay_malformed");
    if (kind === RELAY.demand) {
      this.#allocation?.changed();
      return sender.receiveDemand(words[at + 1]!);
    }
    if (kind === RELAY.keyFrames) return sender.receiveKeyFrameRequests(words[at + 1]!, now);
    const count = length < NACK_HEAD_WORDS ? -1 : words[at + 2]!;
    if (kind !== RELAY.nack || count !== length - NACK_HEAD_WORDS) {
      return drops.count("relay_malformed");
    }
    for (let i = 0; i < count; i++) {
      sender.receiveNack(words[at + 1]!, words[at + NACK_HEAD_WORDS + i]! & 0xffff);
    }
  }
}

/** The last word of one end of a relay, which is gone. */
class Farewell implements RelayMember {
  constructor(
    private readonly kind: number,
    private readonly number: number,
    private readonly output: RelayOutput,
  ) {}

  flush(): boolean {
    const { channel } = this.output;
    const at = channel.reserve(this.kind, 1);
    if (at < 0) return false;
    channel.words[at] = this.number;
    this.output.commit();
    return true;
  }
}
