/**
 * Data on its way to one other engine: messages in order, packets of data tracks, and who is to
 * wait for whom.
 *
 * Contract: reliable messages are never lost here: what the channel has no room for waits, and
 * whoever sends more is to be stopped. Lossy ones are dropped then. Data takes a part of the
 * channel alone, so that tracks always have room, and what is under way to a slow reader is little,
 * in bytes and in messages: in a ring packets wait behind it, and a message of some bytes to a
 * hundred receivers takes the reader as long as one of many. Within a ring reliable messages and
 * all that is lossy, packets of data tracks included, have a part each: whoever floods the reader
 * with one does not cost others the other. In a hop, where most of what is lossy passes reliable
 * messages by, these leave room for the rest.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { DataTrackId } from "../../base/ids.ts";
import type { DataKind } from "../../base/media_vocabulary.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import { DataTrackOffers } from "./data_track_offers.ts";
import type { DataShare, RecordReader } from "./relay_channel.ts";
import type { RelayOutput } from "./relay_output.ts";
import { DATA_HEAD_WORDS, DATA_HOLD_WORDS, DATA_TRACK_HEAD_WORDS, RELAY } from "./relay_records.ts";

/** Parts of a channel that reliable messages may fill, and what is lossy. */
const RELIABLE_PART = 2 / 16;
const LOSSY_PART = 1 / 16;

/** What comes of data from another engine. */
export interface DataArrivals {
  /** A packet of a room's member, as it goes on. */
  receiveMessage(
    engine: number,
    room: number,
    member: number,
    kind: DataKind,
    bytes: Uint8Array,
  ): void;
  /** A packet of a data track of the publisher that goes by `source`. */
  receiveTrackPacket(source: number, packet: Uint8Array): void;
  /** A packet of a data track of another node. */
  receiveOfferedPacket(track: DataTrackId, packet: Uint8Array): void;
  /** Readers on `engine` cannot follow this member's messages, or can again. */
  receiveHold(engine: number, member: number, held: boolean): void;
  /** Everything that waited for room on the way to `engine` is written. */
  laneFree(engine: number): void;
  /** The engine is gone, with whom it held and what was to go there. */
  engineGone(engine: number): void;
}

interface WaitingMessage {
  readonly room: number;
  readonly member: number;
  readonly kind: DataKind;
  readonly bytes: Uint8Array;
}

/** The writing end, and the reading of what the other engine wrote in the same way. */
export class DataLane {
  /** Data tracks that go to an engine of another node, or come from it. */
  readonly tracks: DataTrackOffers;
  readonly #output: RelayOutput;
  readonly #reliable: DataShare;
  readonly #lossy: DataShare;
  #waiting: WaitingMessage[] = [];
  /** What the other engine does not know yet of whom it is to hold. */
  readonly #holds = new Map<number, boolean>();

  constructor(
    readonly engine: number,
    output: RelayOutput,
    readonly arrivals: DataArrivals,
    readonly drops: DropSink<EngineDrop>,
  ) {
    this.#output = output;
    this.tracks = new DataTrackOffers(output);
    const words = output.channel.size;
    const reliable = Math.floor(words * RELIABLE_PART);
    const lossy = Math.floor(words * LOSSY_PART);
    this.#reliable = { isLossy: false, words: reliable, wordsOfAll: reliable };
    this.#lossy = { isLossy: true, words: lossy, wordsOfAll: reliable + lossy };
  }

  /** Whether something waits for room, or data tracks cross. */
  get isActive(): boolean {
    return this.#waiting.length > 0 || this.#holds.size > 0 || this.tracks.isActive;
  }

  /**
   * Passes a packet on.
   *
   * @returns `false` if it waits for room: its sender is to be stopped until `laneFree`.
   */
  send(room: number, member: number, kind: DataKind, bytes: Uint8Array): boolean {
    const message = { room, member, kind, bytes };
    const isLossy = kind === "lossy";
    if ((isLossy || this.#waiting.length === 0) && this.#write(message)) return true;
    if (isLossy) {
      this.drops.count("data_not_passed_lossy");
      return true;
    }
    this.#waiting.push(message);
    return false;
  }

  /** Passes a packet of a data track on, if there is room. */
  sendTrackPacket(source: number, packet: Uint8Array): void {
    this.#sendTrackPacket(RELAY.dataTrack, source, packet);
  }

  /** Passes a packet of an offered data track on to another node, if there is room. */
  sendOfferedPacket(track: DataTrackId, packet: Uint8Array): void {
    const number = this.tracks.numberOf(track);
    if (number < 0) return this.drops.count("data_not_passed_data_track");
    if (this.#output.isPending) this.#output.flush(); // its offer goes first
    this.#sendTrackPacket(RELAY.offeredDataTrack, number, packet);
  }

  /** The other engine is to hold this member of its own, or need not any longer. */
  hold(member: number, held: boolean): void {
    this.#holds.set(member, held);
    this.#writeHolds();
  }

  /** Writes what there is room for now. */
  flush(): void {
    this.#writeHolds();
    if (this.#waiting.length === 0) return;
    let written = 0;
    while (written < this.#waiting.length && this.#write(this.#waiting[written]!)) written++;
    this.#waiting = this.#waiting.slice(written);
    if (this.#waiting.length === 0) this.arrivals.laneFree(this.engine);
  }

  /** Takes a record of the other engine; `false` if it makes no sense. */
  take(reader: RecordReader): boolean {
    const { kind, words, at, length } = reader;
    if (kind === RELAY.offerDataTrack) return this.tracks.takeOffer(reader);
    if (kind === RELAY.withdrawDataTrack) return this.tracks.takeWithdrawal(reader);
    if (kind === RELAY.dataHold) {
      if (length !== DATA_HOLD_WORDS) return false;
      this.arrivals.receiveHold(this.engine, words[at]!, words[at + 1] !== 0);
      return true;
    }
    if (kind > RELAY.offeredDataTrack) return false;
    const head = kind === RELAY.data ? DATA_HEAD_WORDS : DATA_TRACK_HEAD_WORDS;
    const bytes = length < head ? -1 : words[at + head - 1]!;
    if (bytes < 0 || length - head !== (bytes + 3) >> 2) return false;
    const content = reader.readBytes(at + head, bytes);
    const number = words[at]!;
    if (kind === RELAY.dataTrack) this.arrivals.receiveTrackPacket(number, content);
    else if (kind === RELAY.offeredDataTrack) this.#takeOffered(number, content);
    else {
      const dataKind = words[at + 2] === 0 ? "reliable" : "lossy";
      this.arrivals.receiveMessage(this.engine, number, words[at + 1]!, dataKind, content);
    }
    return true;
  }

  /** The other engine began anew: it knows nothing of what was said. */
  renew(): void {
    this.close();
    this.tracks.renew();
  }

  /** The other engine, or this one, is gone. */
  close(): void {
    this.#waiting = [];
    this.#holds.clear();
    this.arrivals.engineGone(this.engine);
  }

  #takeOffered(number: number, packet: Uint8Array): void {
    const track = this.tracks.expectedBy(number);
    if (track === undefined) return this.drops.count("data_track_not_expected");
    this.arrivals.receiveOfferedPacket(track, packet);
  }

  #sendTrackPacket(kind: number, number: number, packet: Uint8Array): void {
    const at = this.#reserve(kind, DATA_TRACK_HEAD_WORDS, packet, true);
    if (at < 0) return this.drops.count("data_not_passed_data_track");
    const { words } = this.#output.channel;
    words[at] = number;
    words[at + 1] = packet.length;
    this.#output.commit();
  }

  #write({ room, member, kind, bytes }: WaitingMessage): boolean {
    const isLossy = kind === "lossy";
    const at = this.#reserve(RELAY.data, DATA_HEAD_WORDS, bytes, isLossy);
    if (at < 0) return false;
    const { words } = this.#output.channel;
    words[at] = room;
    words[at + 1] = member;
    words[at + 2] = isLossy ? 1 : 0;
    words[at + 3] = bytes.length;
    this.#output.commit();
    return true;
  }

  #writeHolds(): void {
    for (const [member, held] of this.#holds) {
      const { channel } = this.#output;
      const at = channel.reserve(RELAY.dataHold, DATA_HOLD_WORDS);
      if (at < 0) return;
      channel.words[at] = member;
      channel.words[at + 1] = held ? 1 : 0;
      this.#output.commit();
      this.#holds.delete(member);
    }
  }

  /** Makes room for a record that ends with `content`, and writes that. */
  #reserve(kind: number, head: number, content: Uint8Array, isLossy: boolean): number {
    const { channel } = this.#output;
    const share = isLossy ? this.#lossy : this.#reliable;
    const at = channel.reserve(kind, head + ((content.length + 3) >> 2), share);
    if (at >= 0) channel.writeBytes(at + head, content);
    return at;
  }
}
