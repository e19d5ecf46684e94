/**
 * Data of one engine: what a member sends goes to the others of its room, by the table that the
 * control plane keeps up to date, and the control plane does not notice.
 *
 * Contract: a packet is stamped once, with who really sent it, and its bytes are shared by all
 * receivers; it never goes back to its sender, and to each engine that has receivers once. A
 * member whose channel is not open yet gets the reliable packets of those seconds when it is, in
 * the order of each sender; lossy ones are dropped. What a sender repeats is delivered once. A
 * throw ends the connection on whose behalf it happened, and no other.
 *
 * Source: LiveKit's server 1.13.5 (`pkg/rtc/room.go`, `participant.go`).
 *
 * @module
 */
import type { ConnectionId, DataTrackId } from "../../base/ids.ts";
import type { DataKind } from "../../base/media_vocabulary.ts";
import { CHANNEL_LABELS } from "../../transport/sctp/data_channel_policy.ts";
import { DATA_VALUE, DataPacketReader, userPacketOf } from "../../wire/data_packet.ts";
import type { EngineDataCommand, EngineDataMember } from "../messages/engine_messages.ts";
import type { DataArrivals } from "../relay/data_lane.ts";
import { AnswerWatch } from "./answer_watch.ts";
import { ChatTap } from "./chat_tap.ts";
import { DataDelivery } from "./data_delivery.ts";
import type { DataWorld } from "./data_endpoint.ts";
import { DataFlow } from "./data_flow.ts";
import { DataNeighbours } from "./data_neighbours.ts";
import { DataReports } from "./data_reports.ts";
import { DataSender, HOLD } from "./data_sender.ts";
import { type DataRoom, DataTable, type DataTableEntry } from "./data_table.ts";
import { DataTrackRoutes } from "./data_track_routes.ts";
import type { RoutedData } from "./routed_data.ts";

/** How often it is looked whether readers have caught up, ms. */
const LOOK_MS = 10;
/**
 * What a receiver that a message names counts for, bytes: to read it, to look it up and to write
 * it, on each engine, takes as long as so many bytes that are passed on. A message can name 8,000.
 */
const NAMED_BYTES = 32;
const NOBODY: readonly string[] = [];
const SERVER = 0;

/** One engine's data. */
export class DataPlane implements DataArrivals {
  readonly #world: DataWorld;
  readonly #table: DataTable;
  readonly #flow: DataFlow;
  readonly #neighbours: DataNeighbours;
  readonly #delivery: DataDelivery;
  readonly #routes: DataTrackRoutes;
  readonly #reports: DataReports;
  readonly #answers: AnswerWatch;
  readonly #chats: ChatTap;
  readonly #reader = new DataPacketReader();
  /** Members that have sent more than they may. */
  readonly #overdrawn = new Set<DataTableEntry>();

  constructor(world: DataWorld) {
    this.#world = world;
    const endpoint = (id: ConnectionId) => world.endpoint(id);
    this.#table = new DataTable((publisher) =>
      new DataSender((held) => world.endpoint(publisher)?.holdData(held))
    );
    this.#flow = new DataFlow(endpoint, world.drops);
    this.#neighbours = new DataNeighbours(world, this.#table, this.#flow);
    this.#delivery = new DataDelivery(world, this.#flow);
    this.#routes = new DataTrackRoutes(world);
    this.#reports = new DataReports((event) => world.emit(event), world.drops);
    this.#answers = new AnswerWatch((event) => world.emit(event));
    this.#chats = new ChatTap(() => world.drops.count("data_chat_not_kept"));
  }

  carryOut(command: EngineDataCommand): void {
    switch (command.type) {
      case "set_data_member":
        return this.#setMember(command.data);
      case "remove_data_member":
        return this.#removeMember(command.member);
      case "send_room_data":
        return this.#sendOwn(command);
      case "set_data_track_routes":
        return this.#routes.set(command);
      case "set_relayed_data_track":
        return this.#routes.setRelayed(command);
    }
  }

  /** A message came on a channel of a connection; `bytes` may be kept, and do not change. */
  receive(publisher: ConnectionId, label: string, bytes: Uint8Array): void {
    const { clock, drops, failed } = this.#world;
    const entry = this.#table.byPublisher(publisher);
    const now = clock.now();
    try {
      if (entry === undefined) {
        if (label === CHANNEL_LABELS.data_track) return this.#routes.forward(publisher, bytes);
        return drops.count("data_no_member");
      }
      if (this.#admits(entry, label, bytes, now)) this.#handle(entry, label, bytes, now);
    } catch (error) {
      failed(publisher, error);
    }
  }

  /** A channel of this connection can be used: what waited goes out first. */
  channelOpen(receiver: ConnectionId, label: string): void {
    const entry = this.#table.byReceiver(receiver);
    if (entry === undefined || entry.isOpen || !carriesData(entry, label)) return;
    this.#delivery.open(entry, this.#world.clock.now());
  }

  /** The connection is gone. */
  forget(connection: ConnectionId): void {
    const entry = this.#table.byReceiver(connection);
    if (entry !== undefined) entry.endpoint = undefined;
    this.#routes.forget(connection);
  }

  /** How many messages were given to clients here. */
  get messagesSent(): number {
    return this.#delivery.messagesSent;
  }

  /** When there is timed work, monotonic ms; `Infinity` if nothing is foreseen. */
  nextWakeAt(now: number): number {
    let at = this.#reports.nextWakeAt;
    if (this.#flow.isWaiting) at = Math.min(at, now + LOOK_MS);
    for (const { sender } of this.#overdrawn) at = Math.min(at, sender.allowance.freeAt());
    return at;
  }

  tick(now: number): void {
    this.#reports.tick(now);
    this.#flow.tick(now);
    for (const entry of this.#overdrawn) {
      if (entry.sender.allowance.isOverdrawn(now)) continue;
      this.#overdrawn.delete(entry);
      this.#guard(entry, () => entry.sender.hold(HOLD.rate, false));
    }
  }

  // DataArrivals

  receiveMessage(
    engine: number,
    room: number,
    member: number,
    kind: DataKind,
    bytes: Uint8Array,
  ): void {
    const there = this.#table.room(room);
    if (there === undefined) return;
    const data = this.#readStamped(kind, bytes, member, there);
    if (data === undefined) return;
    const writer = this.#neighbours.writer(engine, member);
    this.#delivery.deliver(there, data, writer, this.#world.clock.now());
    this.#lookSoon();
  }

  receiveTrackPacket(source: number, packet: Uint8Array): void {
    this.#routes.forwardOf(source, packet);
  }

  receiveOfferedPacket(track: DataTrackId, packet: Uint8Array): void {
    this.#routes.forwardOffered(track, packet);
  }

  receiveHold(engine: number, member: number, held: boolean): void {
    this.#neighbours.hold(engine, member, held);
  }

  laneFree(engine: number): void {
    this.#neighbours.laneFree(engine);
  }

  engineGone(engine: number): void {
    this.#neighbours.gone(engine);
  }

  #setMember(data: EngineDataMember): void {
    const entry = this.#table.set(data);
    this.#answers.keep(data.publisher, data.awaited);
    if (!data.recorded) this.#chats.forget(data.member);
    if (entry.isOpen || data.elsewhere !== undefined) return;
    const endpoint = this.#world.endpoint(data.receiver);
    if (endpoint?.isDataOpen(data.raw ? "raw" : "reliable")) {
      this.#delivery.open(entry, this.#world.clock.now());
    }
  }

  #removeMember(member: number): void {
    const entry = this.#table.delete(member);
    if (entry === undefined) return;
    this.#flow.forget(entry);
    this.#overdrawn.delete(entry);
    this.#chats.forget(member);
    this.#answers.keep(entry.data.publisher, NOBODY);
    this.#neighbours.forget(entry);
  }

  #sendOwn(
    { room, from = SERVER, kind, bytes, to }: Extract<
      EngineDataCommand,
      { readonly type: "send_room_data" }
    >,
  ): void {
    const there = this.#table.room(room);
    const data = there && this.#readStamped(kind, bytes, from, there);
    if (data === undefined) return;
    const addressed = to === undefined ? data : { ...data, identities: to, sids: NOBODY };
    this.#delivery.deliver(there!, addressed, undefined, this.#world.clock.now());
  }

  /** A packet that says who it is from; `undefined` if it cannot be read, or came before. */
  #readStamped(
    kind: DataKind,
    bytes: Uint8Array,
    from: number,
    room: DataRoom,
  ): RoutedData | undefined {
    const { drops } = this.#world;
    if (!this.#reader.read(bytes)) drops.count("data_undecodable");
    else if (!room.nonces.accept(this.#reader.nonce())) drops.count("data_duplicate");
    else return this.#routed(kind, bytes, from, room);
    return undefined;
  }

  /** Whether a message may come; an account that it overdraws stops those that follow. */
  #admits(entry: DataTableEntry, label: string, bytes: Uint8Array, now: number): boolean {
    const isOverdrawn = entry.sender.allowance.isOverdrawn(now);
    if (isOverdrawn && (label === CHANNEL_LABELS.lossy || label === CHANNEL_LABELS.data_track)) {
      this.#world.drops.count("data_rate_exceeded");
      return false;
    }
    this.#charge(entry, bytes.length, now);
    return true;
  }

  /** @param messages 0 for what is more of one that was charged. */
  #charge(entry: DataTableEntry, bytes: number, now: number, messages = 1): void {
    const { sender, sender: { allowance } } = entry;
    const wasOverdrawn = allowance.isOverdrawn(now);
    allowance.charge(bytes, now, messages);
    if (wasOverdrawn || !allowance.isOverdrawn(now)) return;
    if (!this.#overdrawn.has(entry)) this.#world.drops.count("data_rate_held");
    this.#overdrawn.add(entry);
    sender.hold(HOLD.rate, true);
    this.#world.timed(allowance.freeAt());
  }

  #handle(entry: DataTableEntry, label: string, bytes: Uint8Array, now: number): void {
    const { drops } = this.#world;
    const { data, sender, stamp, room } = entry;
    if (label === CHANNEL_LABELS.data_track) return this.#routes.forward(data.publisher, bytes);
    if (!data.maySend) return drops.count("data_not_allowed");
    const kind = kindOfLabel(label);
    const reader = this.#reader;
    if (kind === undefined) {
      const wrapped = userPacketOf(bytes, stamp);
      reader.read(wrapped);
      return this.#send(entry, this.#routed("reliable", wrapped, data.member, room), now);
    }
    if (!reader.read(bytes)) return drops.count("data_undecodable");
    const { sequence, value } = reader;
    if (kind === "reliable" && sequence > 0) {
      // A client that resumed sends again what it does not know to have arrived.
      if (sequence <= sender.lastSequence) return drops.count("data_duplicate");
      sender.lastSequence = sequence;
      this.#reports.progress(data.publisher, sequence, now);
      this.#world.timed(this.#reports.nextWakeAt);
    }
    if (value === DATA_VALUE.none) return drops.count("data_unknown_value");
    // Metrics are for those who may read them, which no released server passes on.
    if (value === DATA_VALUE.metrics || value === DATA_VALUE.transcription && !data.agent) {
      return drops.count("data_not_allowed");
    }
    if (value === DATA_VALUE.streamHeader) this.#noteStream(entry, now);
    const isAnswer = value === DATA_VALUE.rpcAck || value === DATA_VALUE.rpcResponse;
    if (isAnswer && this.#answers.take(data.publisher, reader, bytes)) return;
    if (!room.nonces.accept(reader.nonce())) return drops.count("data_duplicate");
    const stamped = reader.stamp(kind, stamp, this.#speaksForAnother(entry));
    return this.#send(entry, this.#routed(kind, stamped, data.member, room), now);
  }

  /** What was read last, as it goes on in `bytes`. */
  #routed(kind: DataKind, bytes: Uint8Array, from: number, room: DataRoom): RoutedData {
    const reader = this.#reader;
    const isNamed = reader.hasDestinations;
    return {
      kind,
      bytes,
      payload: room.raw > 0 ? alone(reader.payload()) : undefined,
      sequence: kind === "reliable" ? reader.sequence : 0,
      from,
      identities: isNamed ? reader.destinationIdentities() : NOBODY,
      sids: isNamed ? reader.destinationSids() : NOBODY,
    };
  }

  /** To everybody here, and to the engines that have others. */
  #send(entry: DataTableEntry, data: RoutedData, now: number): void {
    const { room, data: { member, publisher, bridged, recorded } } = entry;
    const named = data.identities.length + data.sids.length;
    if (named > 0) this.#charge(entry, named * NAMED_BYTES, now, 0);
    this.#delivery.deliver(room, data, entry, now);
    if (room.engines.length > 0) {
      this.#neighbours.passOn(this.#delivery.enginesOf(room, data), entry, data);
    }
    if (bridged) {
      const { kind, bytes, identities, sids } = data;
      const connection = publisher;
      this.#world.emit({ type: "data_sent", connection, kind, bytes, identities, sids });
    }
    if (recorded && this.#chats.takes(member, this.#reader, data.bytes, now)) {
      this.#world.emit({ type: "data_said", connection: publisher, bytes: data.bytes });
    }
    this.#lookSoon();
  }

  #lookSoon(): void {
    if (this.#flow.isWaiting) this.#world.timed(this.#world.clock.now() + LOOK_MS);
  }

  #noteStream({ data, sender }: DataTableEntry, now: number): void {
    const reader = this.#reader;
    const stream = { ...reader.stream(), destinations: reader.destinationCount };
    this.#reports.streamBegun(data.publisher, sender.lastSequence, stream, now);
    this.#world.timed(this.#reports.nextWakeAt);
  }

  #speaksForAnother({ data, identity }: DataTableEntry): boolean {
    const reader = this.#reader;
    const { value } = reader;
    if (!data.agent || !reader.claimsAnother(identity)) return false;
    return value === DATA_VALUE.chatMessage ||
      value === DATA_VALUE.streamHeader && reader.stream().type === "text";
  }

  #guard({ data: { publisher } }: DataTableEntry, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#world.failed(publisher, error);
    }
  }
}

/**
 * The payload by itself where it is the lesser part of its packet, all of which would be kept for
 * it, and only it is charged to who it waits for.
 */
function alone(payload: Uint8Array | undefined): Uint8Array | undefined {
  if (payload === undefined || 2 * payload.length >= payload.buffer.byteLength) return payload;
  return payload.slice();
}

function carriesData({ data }: DataTableEntry, label: string): boolean {
  return data.raw ? isOwnLabel(label) : label === CHANNEL_LABELS.reliable;
}

/** Whether `label` is of a client's own channel, not one of LiveKit's. */
function isOwnLabel(label: string): boolean {
  return label !== CHANNEL_LABELS.data_track && kindOfLabel(label) === undefined;
}

function kindOfLabel(label: string): DataKind | undefined {
  if (label === CHANNEL_LABELS.reliable) return "reliable";
  return label === CHANNEL_LABELS.lossy ? "lossy" : undefined;
}
