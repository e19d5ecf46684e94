/**
 * Who is in which room, as the control plane says.
 *
 * Contract: a member is in one room at a time; what is known of it by itself (what waits for it,
 * how far its messages came) goes with it.
 *
 * @module
 */
import type { ConnectionId } from "../../base/ids.ts";
import type { DataStamp } from "../../wire/data_packet.ts";
import type { EngineDataMember } from "../messages/engine_messages.ts";
import type { DataEndpoint } from "./data_endpoint.ts";
import type { DataWriter } from "./data_flow.ts";
import { type DataSender, HOLD } from "./data_sender.ts";
import { NonceMemory } from "./nonce_memory.ts";
import { SequencedDataCache } from "./sequenced_data_cache.ts";

const NOBODY: DataStamp = { sid: new Uint8Array(0), identity: new Uint8Array(0) };

/** One room of an engine. */
export class DataRoom {
  /** Those who receive here, in the order they came. */
  readonly here: DataTableEntry[] = [];
  /** Other engines that have receivers. */
  engines: readonly number[] = [];
  readonly nonces = new NonceMemory();
  readonly recent = new SequencedDataCache();
  /** How many here take bare payloads alone. */
  raw = 0;
  /** How many here have no channel open yet. */
  connecting = 0;
  readonly #byIdentity = new Map<string, DataTableEntry>();
  readonly #bySid = new Map<string, DataTableEntry>();
  readonly #elsewhere = new Map<number, number>();

  constructor(readonly id: number) {}

  get isEmpty(): boolean {
    return this.#bySid.size === 0;
  }

  byIdentity(identity: string): DataTableEntry | undefined {
    return this.#byIdentity.get(identity);
  }

  bySid(sid: string): DataTableEntry | undefined {
    return this.#bySid.get(sid);
  }

  add(entry: DataTableEntry): void {
    const { data } = entry;
    this.#byIdentity.set(data.identity, entry);
    this.#bySid.set(data.sid, entry);
    if (data.elsewhere !== undefined) return this.#count(data.elsewhere, 1);
    this.here.push(entry);
    if (data.raw) this.raw++;
    if (!entry.isOpen) this.connecting++;
  }

  delete(entry: DataTableEntry): void {
    const { data } = entry;
    // A newer session of the identity may have come before the older one went.
    if (this.#byIdentity.get(data.identity) === entry) this.#byIdentity.delete(data.identity);
    this.#bySid.delete(data.sid);
    if (data.elsewhere !== undefined) return this.#count(data.elsewhere, -1);
    this.here.splice(this.here.indexOf(entry), 1);
    if (data.raw) this.raw--;
    if (!entry.isOpen) this.connecting--;
  }

  #count(engine: number, by: number): void {
    if (engine < 0) return;
    const count = (this.#elsewhere.get(engine) ?? 0) + by;
    if (count > 0) this.#elsewhere.set(engine, count);
    else this.#elsewhere.delete(engine);
    this.engines = [...this.#elsewhere.keys()];
  }
}

/** A message for a member whose channel is not open yet, and the member it is from. */
export interface WaitingData {
  readonly bytes: Uint8Array;
  readonly from: number;
}

/** One member: what is said of it, what waits for it, and how it sends. */
export class DataTableEntry implements DataWriter {
  stamp: DataStamp = NOBODY;
  /** Also of who is hidden, in UTF-8. */
  identity: Uint8Array = NOBODY.identity;
  /** What each message needs of {@linkcode DataTableEntry.data}: a place less to look at. */
  member = 0;
  isRaw = false;
  isActive = false;
  /** Its reliable channel is open, or its own if it takes bare payloads. */
  isOpen = false;
  /** Unnumbered messages for it, and the first numbered one of each sender that it missed. */
  waiting: WaitingData[] = [];
  waitingBytes = 0;
  readonly firstMissed = new Map<number, number>();
  /** Its receiver, from the first message on until that is gone. */
  endpoint: DataEndpoint | undefined;
  /** The last message that was given to it, so that one that names it twice comes once. */
  lastGiven = 0;

  constructor(public data: EngineDataMember, public room: DataRoom, readonly sender: DataSender) {
    this.describe(data);
  }

  describe(data: EngineDataMember): void {
    const { hidden, sid, identity, limits } = data;
    const utf8 = new TextEncoder();
    this.data = data;
    this.member = data.member;
    this.isRaw = data.raw;
    this.isActive = data.active;
    this.endpoint = undefined;
    this.sender.allowance.setLimits(limits);
    this.sender.hold(HOLD.nodes, data.held);
    this.identity = utf8.encode(identity);
    this.stamp = hidden ? NOBODY : { sid: utf8.encode(sid), identity: this.identity };
  }

  holdForReaders(held: boolean): void {
    this.sender.hold(HOLD.reader, held);
  }

  /** Nothing waits any more. */
  forgetMissed(): void {
    this.waiting = [];
    this.waitingBytes = 0;
    this.firstMissed.clear();
  }
}

/** One engine's rooms. */
export class DataTable {
  readonly #members = new Map<number, DataTableEntry>();
  readonly #rooms = new Map<number, DataRoom>();
  readonly #byPublisher = new Map<ConnectionId, DataTableEntry>();
  readonly #byReceiver = new Map<ConnectionId, DataTableEntry>();

  /** @param newSender Makes what a new member, which publishes on this connection, sends by. */
  constructor(readonly newSender: (publisher: ConnectionId) => DataSender) {}

  get(member: number): DataTableEntry | undefined {
    return this.#members.get(member);
  }

  room(id: number): DataRoom | undefined {
    return this.#rooms.get(id);
  }

  byPublisher(connection: ConnectionId): DataTableEntry | undefined {
    return this.#byPublisher.get(connection);
  }

  byReceiver(connection: ConnectionId): DataTableEntry | undefined {
    return this.#byReceiver.get(connection);
  }

  /** Puts a member where it is now. */
  set(data: EngineDataMember): DataTableEntry {
    const known = this.#members.get(data.member);
    const room = this.#rooms.get(data.room) ?? new DataRoom(data.room);
    const entry = known ?? new DataTableEntry(data, room, this.newSender(data.publisher));
    if (known !== undefined) {
      this.#leave(known);
      known.describe(data);
      known.room = room;
    }
    // Only now: the old room may have been this one, and its last member.
    this.#rooms.set(data.room, room);
    this.#members.set(data.member, entry);
    this.#byPublisher.set(data.publisher, entry);
    this.#byReceiver.set(data.receiver, entry);
    room.add(entry);
    return entry;
  }

  /** @returns the member that is no longer there. */
  delete(member: number): DataTableEntry | undefined {
    const entry = this.#members.get(member);
    if (entry === undefined) return undefined;
    this.#members.delete(member);
    this.#leave(entry);
    return entry;
  }

  #leave(entry: DataTableEntry): void {
    const { data, room } = entry;
    if (this.#byPublisher.get(data.publisher) === entry) this.#byPublisher.delete(data.publisher);
    if (this.#byReceiver.get(data.receiver) === entry) this.#byReceiver.delete(data.receiver);
    room.delete(entry);
    if (room.isEmpty) this.#rooms.delete(room.id);
  }
}
