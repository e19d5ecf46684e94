/**
 * Gives messages to a room's members on this engine, now or when their channels are open.
 *
 * @module
 */
import { WAITING_COST_BYTES } from "../../transport/sctp/outgoing_messages.ts";
import type { DataWorld } from "./data_endpoint.ts";
import type { DataFlow, DataWriter } from "./data_flow.ts";
import type { DataRoom, DataTableEntry, WaitingData } from "./data_table.ts";
import { isDestination, type RoutedData } from "./routed_data.ts";

/** Unnumbered reliable data held for one member that is still connecting, with what each costs. */
const MAX_WAITING_BYTES = 100_000;

/** Senders whose first missed message is noted for one member: some never open a channel. */
const MAX_MISSED_SENDERS = 1_024;

/** Who a message is given to, and what is kept for whom. Each gets a message once. */
export class DataDelivery {
  /** How many were given, those that waited included. */
  messagesSent = 0;
  readonly #world: DataWorld;
  readonly #flow: DataFlow;
  /** Numbers messages that name their receivers. */
  #lastNamed = 0;

  constructor(world: DataWorld, flow: DataFlow) {
    this.#world = world;
    this.#flow = flow;
  }

  /**
   * Gives a message to everybody here whom it is for, but its sender.
   *
   * @param writer Waits for readers that cannot follow; absent: nobody does.
   */
  deliver(room: DataRoom, data: RoutedData, writer: DataWriter | undefined, now: number): void {
    if (room.connecting === 0) room.recent.clear();
    else if (data.sequence > 0) room.recent.add(data, now);
    const { identities, sids } = data;
    if (identities.length === 0 && sids.length === 0) {
      for (const entry of room.here) this.#give(entry, data, writer, now);
      return;
    }
    const number = ++this.#lastNamed;
    for (const identity of identities) {
      this.#giveOnce(room.byIdentity(identity), number, data, writer, now);
    }
    for (const sid of sids) this.#giveOnce(room.bySid(sid), number, data, writer, now);
  }

  /** Other engines that have receivers of a message. */
  enginesOf(room: DataRoom, { identities, sids }: RoutedData): readonly number[] {
    if (identities.length === 0 && sids.length === 0) return room.engines;
    const engines: number[] = [];
    for (const identity of identities) noteEngine(engines, room.byIdentity(identity));
    for (const sid of sids) noteEngine(engines, room.bySid(sid));
    return engines;
  }

  /** The channel towards a member is open: what waited goes out first. */
  open(entry: DataTableEntry, now: number): void {
    const { room, data, firstMissed } = entry;
    const missed = room.recent.recent(now).filter((message) =>
      message.sequence >= (firstMissed.get(message.from) ?? Infinity) &&
      isDestination(message, data)
    );
    const all = [...missed.flatMap((message) => encodedFor(entry, message)), ...entry.waiting];
    entry.isOpen = true;
    room.connecting--;
    entry.forgetMissed();
    const endpoint = this.#world.endpoint(data.receiver);
    const kind = data.raw ? "raw" : "reliable";
    this.messagesSent += all.length;
    try {
      // Nobody was held for what was kept: there is little of it.
      for (const { bytes, from } of all) endpoint?.sendData(kind, bytes, now, from, false);
    } catch (error) {
      this.#world.failed(data.receiver, error);
    }
  }

  #giveOnce(
    entry: DataTableEntry | undefined,
    number: number,
    data: RoutedData,
    writer: DataWriter | undefined,
    now: number,
  ): void {
    if (entry === undefined || entry.lastGiven === number) return;
    entry.lastGiven = number;
    if (entry.data.elsewhere === undefined) this.#give(entry, data, writer, now);
  }

  #give(
    entry: DataTableEntry,
    data: RoutedData,
    writer: DataWriter | undefined,
    now: number,
  ): void {
    const { member, isRaw } = entry;
    if (member === data.from) return;
    const bytes = isRaw ? data.payload : data.bytes;
    const isReliable = data.kind === "reliable";
    if (bytes === undefined) return this.#world.drops.count("data_not_raw");
    if (!entry.isOpen) {
      if (isReliable) return this.#hold(entry, data, bytes);
      return this.#world.drops.count("data_lossy_not_open");
    }
    if (!isReliable && !entry.isActive) return;
    const endpoint = entry.endpoint ??= this.#world.endpoint(entry.data.receiver);
    if (endpoint === undefined) return;
    this.messagesSent++;
    try {
      const kind = isRaw ? "raw" : data.kind;
      // Nobody is held for readers of bare payloads.
      endpoint.sendData(kind, bytes, now, data.from, writer !== undefined && !isRaw);
      if (isReliable && !isRaw && writer !== undefined) {
        this.#flow.sent(writer, entry.data, endpoint, now);
      }
    } catch (error) {
      this.#world.failed(entry.data.receiver, error);
    }
  }

  /**
   * Numbered packets are kept once for the whole room; of the others each receiver keeps its own.
   */
  #hold(entry: DataTableEntry, { from, sequence }: RoutedData, bytes: Uint8Array): void {
    if (sequence > 0) {
      const { firstMissed } = entry;
      if (firstMissed.has(from)) return;
      firstMissed.set(from, sequence);
      // Of those noted long ago nothing is kept any more.
      if (firstMissed.size > MAX_MISSED_SENDERS) {
        firstMissed.delete(firstMissed.keys().next().value!);
      }
      return;
    }
    const cost = bytes.length + WAITING_COST_BYTES;
    if (entry.waitingBytes + cost > MAX_WAITING_BYTES) {
      return this.#world.drops.count("data_waiting_overflow");
    }
    entry.waiting.push({ bytes, from });
    entry.waitingBytes += cost;
  }
}

/** The message that a member is sent: none if it cannot read such a packet. */
function encodedFor(
  { data }: DataTableEntry,
  { bytes, payload, from }: RoutedData,
): WaitingData[] {
  if (!data.raw) return [{ bytes, from }];
  return payload === undefined ? [] : [{ bytes: payload, from }];
}

function noteEngine(engines: number[], entry: DataTableEntry | undefined): void {
  const engine = entry?.data.elsewhere ?? -1;
  if (engine >= 0 && !engines.includes(engine)) engines.push(engine);
}
