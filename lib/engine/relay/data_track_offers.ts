/**
 * Data tracks on one way between two nodes: those that go to the other engine, by numbers that this
 * one gives them, and those that come from it.
 *
 * Contract: a packet is taken if its number was offered and its track is expected from there: what
 * a node sends of somebody else's tracks reaches nobody.
 *
 * @module
 */
import type { DataTrackId } from "../../base/ids.ts";
import type { RecordReader } from "./relay_channel.ts";
import type { RelayMember, RelayOutput } from "./relay_output.ts";
import { MAX_ID_BYTES, RELAY } from "./relay_records.ts";

const TEXT = new TextEncoder();

/** Both ends' offers. Only what is offered and expected is taken. */
export class DataTrackOffers {
  readonly #output: RelayOutput;
  readonly #own = new Map<DataTrackId, number>();
  /** What the other engine offers, by its number. */
  readonly #theirs = new Map<number, DataTrackId>();
  readonly #expected = new Set<DataTrackId>();
  #lastNumber = 0;

  constructor(output: RelayOutput) {
    this.#output = output;
  }

  /** Whether any crosses, or is to. */
  get isActive(): boolean {
    return this.#own.size > 0 || this.#expected.size > 0;
  }

  /** Packets of the track go to the other engine. Again for the same: ignored. */
  offer(track: DataTrackId): void {
    if (this.#own.has(track)) return;
    const number = ++this.#lastNumber;
    this.#own.set(track, number);
    this.#output.changed(new Notice(this.#output, number, track));
  }

  withdraw(track: DataTrackId): void {
    const number = this.#own.get(track);
    if (number === undefined) return;
    this.#own.delete(track);
    this.#output.changed(new Notice(this.#output, number, undefined));
  }

  /** By which a track goes to the other engine; -1 if it does not. */
  numberOf(track: DataTrackId): number {
    return this.#own.get(track) ?? -1;
  }

  /** The track is to come from the other engine, or not any more. */
  expect(track: DataTrackId, isExpected: boolean): void {
    if (isExpected) this.#expected.add(track);
    else this.#expected.delete(track);
  }

  /** The track that comes by a number; `undefined` if it is not to come from there. */
  expectedBy(number: number): DataTrackId | undefined {
    const track = this.#theirs.get(number);
    return track !== undefined && this.#expected.has(track) ? track : undefined;
  }

  /** The other engine knows no offer any more, and what it offered holds no longer. */
  renew(): void {
    this.#theirs.clear();
    for (const track of [...this.#own.keys()]) {
      this.#own.delete(track);
      this.offer(track);
    }
  }

  /** @returns `false` if it makes no sense. */
  takeOffer(reader: RecordReader): boolean {
    const { words, at, length } = reader;
    const bytes = length < 2 ? -1 : words[at + 1]!;
    if (bytes < 0 || bytes > MAX_ID_BYTES || length - 2 !== (bytes + 3) >> 2) return false;
    this.#theirs.set(words[at]!, reader.readText(at + 2, bytes) as DataTrackId);
    return true;
  }

  /** @returns `false` if it makes no sense. */
  takeWithdrawal({ words, at, length }: RecordReader): boolean {
    if (length !== 1) return false;
    this.#theirs.delete(words[at]!);
    return true;
  }
}

/** The beginning of an offer, or its end. */
class Notice implements RelayMember {
  constructor(
    private readonly output: RelayOutput,
    private readonly number: number,
    private readonly track: DataTrackId | undefined,
  ) {}

  flush(): boolean {
    const { channel } = this.output;
    const { track } = this;
    const id = track === undefined ? undefined : TEXT.encode(track);
    const length = id === undefined ? 1 : 2 + ((id.length + 3) >> 2);
    const kind = id === undefined ? RELAY.withdrawDataTrack : RELAY.offerDataTrack;
    const at = channel.reserve(kind, length);
    if (at < 0) return false;
    channel.words[at] = this.number;
    if (id !== undefined) {
      channel.words[at + 1] = id.length;
      channel.writeBytes(at + 2, id);
    }
    this.output.commit();
    return true;
  }
}
