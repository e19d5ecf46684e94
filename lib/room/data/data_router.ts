/**
 * Carries data packets between the participants of one room.
 *
 * A packet is never sent back to its sender and is encoded once, whatever the number of receivers;
 * receivers of one packet go to the media plane in one command. A participant whose channel is not
 * open yet gets the reliable packets of those seconds when it is, in the order of each sender;
 * lossy ones are dropped. What a sender repeats is delivered once.
 *
 * @module
 */
import type { DataPacket } from "@livekit/protocol";
import type { DropSink } from "../../base/drop_counters.ts";
import type { ConnectionId } from "../../base/ids.ts";
import type { DataKind } from "../../base/media_vocabulary.ts";
import type { Clock } from "../../base/platform.ts";
import type { MediaCommand } from "../../engine/messages/media_messages.ts";
import type { RoomDrop } from "../drop_reasons.ts";
import {
  isDestination,
  NonceMemory,
  outgoing,
  type OutgoingData,
  readDataPacket,
  type RpcAnswer,
  stampDataPacket,
  wrapRawData,
} from "./data_packets.ts";
import type { ParticipantFacts } from "../context/participant_facts.ts";
import { SequencedDataCache } from "./sequenced_data_cache.ts";
import type { SessionTelemetry } from "../context/telemetry.ts";

/** Bytes of unnumbered reliable data held for one participant that is still connecting. */
const MAX_WAITING_BYTES = 100_000;

/** One participant as the router sees it. */
export interface DataPeer extends ParticipantFacts {
  /** Where its own data comes from. */
  readonly publisher: { readonly id: ConnectionId };
  /** Connection that carries data to it; `undefined` once it left. */
  readonly dataConnection: ConnectionId | undefined;
  /** Whether it is in the room as far as data is concerned (state past JOINING). */
  readonly receivesData: boolean;
  /** It is sent the payloads of user packets and nothing else, on a channel of its own. */
  readonly rawData: boolean;
}

/** What a router knows of one peer. */
export interface PeerState {
  open: boolean;
  waiting: Uint8Array[];
  waitingBytes: number;
  /** The first numbered packet of each sender (by sid) that it missed while connecting. */
  firstSequences: Map<string, number>;
  lastSequence: number;
}

/** What a router needs of its room's world. */
export interface DataRouterContext {
  readonly platform: { readonly clock: Pick<Clock, "now"> };
  readonly counters: DropSink<RoomDrop>;
  readonly telemetry: Pick<SessionTelemetry, "dataStream">;
}

/** Data of one room. */
export class DataRouter {
  /** Asked about answers to remote procedure calls; those taken are not sent on. */
  takeRpcAnswer: (sender: DataPeer, answer: RpcAnswer) => boolean = () => false;
  /** Carries what is sent on here to members elsewhere. */
  bridge: (data: OutgoingData) => void = () => {};
  readonly #nonces = new NonceMemory();
  readonly #recent = new SequencedDataCache();
  readonly #states = new WeakMap<DataPeer, PeerState>();

  constructor(
    readonly peers: () => Iterable<DataPeer>,
    readonly send: (command: MediaCommand) => void,
    readonly context: DataRouterContext,
  ) {}

  /** A message arrived on a channel of `sender`. */
  receive(sender: DataPeer, label: string, bytes: Uint8Array): void {
    if (!sender.canPublishData) return this.context.counters.count("data_not_allowed");
    const kind = kindOfLabel(label);
    if (kind === undefined) return this.deliver(wrapRawData(bytes, sender), sender);
    const packet = readDataPacket(bytes);
    if (packet === undefined) return this.context.counters.count("data_undecodable");
    if (kind === "reliable" && packet.sequence > 0) {
      const state = this.#state(sender);
      // A client that resumed sends again what it does not know to have arrived.
      if (packet.sequence <= state.lastSequence) {
        return this.context.counters.count("data_duplicate");
      }
      state.lastSequence = packet.sequence;
    }
    const data = stampDataPacket(packet, kind, sender);
    if ("drop" in data) return this.context.counters.count(data.drop);
    if (packet.value.case === "streamHeader") {
      this.context.telemetry.dataStream(packet.value.value, packet.destinationIdentities.length);
    }
    const { rpcAnswer } = data;
    if (rpcAnswer !== undefined && this.takeRpcAnswer(sender, rpcAnswer)) return;
    this.#deliverOnce(data, sender);
  }

  /** Sends a packet of the server itself; a user packet that has been sent before is dropped. */
  deliverOwn(packet: DataPacket, kind: DataKind): void {
    this.#deliverOnce(outgoing(packet, kind));
  }

  /** Sends to every destination but `sender`; without one, for data of the server itself. */
  deliver(data: OutgoingData, sender?: DataPeer): void {
    if (sender !== undefined && data.sequence > 0) {
      this.#recent.add(sender.sid, data, this.context.platform.clock.now());
    }
    const connections: ConnectionId[] = [];
    const raw: ConnectionId[] = [];
    for (const peer of this.peers()) {
      if (peer === sender || !peer.receivesData || !isDestination(data, peer)) continue;
      const connection = peer.dataConnection;
      if (connection === undefined) continue;
      if (peer.rawData && data.payload === undefined) {
        this.context.counters.count("data_not_raw");
        continue;
      }
      const state = this.#state(peer);
      if (state.open) {
        if (data.kind === "lossy" && !peer.active) continue;
        (peer.rawData ? raw : connections).push(connection);
      } else if (data.kind === "reliable") {
        this.#hold(state, peer, data, sender);
      } else {
        this.context.counters.count("data_lossy_not_open");
      }
    }
    this.bridge(data);
    const { kind, bytes, payload } = data;
    const from = sender === undefined ? {} : { from: sender.publisher.id };
    if (connections.length > 0) this.send({ type: "send_data", connections, kind, bytes, ...from });
    if (raw.length === 0 || payload === undefined) return;
    this.send({ type: "send_data", connections: raw, kind: "raw", bytes: payload });
  }

  /** The reliable channel towards `peer` is open: what waited goes out first. */
  channelOpen(peer: DataPeer): void {
    const state = this.#state(peer);
    if (state.open) return;
    state.open = true;
    const missed = state.firstSequences;
    const numbered = this.#recent.recent(this.context.platform.clock.now()).filter((
      { senderSid, data },
    ) => data.sequence >= (missed.get(senderSid) ?? Infinity) && isDestination(data, peer));
    const all = [...numbered.flatMap(({ data }) => encodedFor(peer, data)), ...state.waiting];
    state.firstSequences = new Map();
    state.waiting = [];
    state.waitingBytes = 0;
    const connection = peer.dataConnection;
    if (connection === undefined) return;
    const kind = peer.rawData ? "raw" : "reliable";
    for (const bytes of all) {
      this.send({ type: "send_data", connections: [connection], kind, bytes });
    }
  }

  /** What is known of `peer`, for the router of the room it moves to. */
  release(peer: DataPeer): PeerState {
    const state = this.#state(peer);
    this.#states.delete(peer);
    return state;
  }

  /** Takes over what another room's router {@linkcode release}d. */
  adopt(peer: DataPeer, state: PeerState): void {
    this.#states.set(peer, state);
  }

  /** The highest reliable sequence received from `peer` (`ReconnectResponse.last_message_seq`). */
  lastSequence(peer: DataPeer): number {
    return this.#state(peer).lastSequence;
  }

  #deliverOnce(data: OutgoingData, sender?: DataPeer): void {
    if (data.nonce !== undefined && !this.#nonces.accept(data.nonce)) {
      return this.context.counters.count("data_duplicate");
    }
    this.deliver(data, sender);
  }

  /**
   * Numbered packets are kept once for the whole room; of the others each receiver keeps its own.
   */
  #hold(
    state: PeerState,
    peer: DataPeer,
    data: OutgoingData,
    sender: DataPeer | undefined,
  ): void {
    if (sender !== undefined && data.sequence > 0) {
      const { firstSequences } = state;
      if (!firstSequences.has(sender.sid)) firstSequences.set(sender.sid, data.sequence);
      return;
    }
    for (const bytes of encodedFor(peer, data)) {
      if (state.waitingBytes + bytes.length > MAX_WAITING_BYTES) {
        return this.context.counters.count("data_waiting_overflow");
      }
      state.waiting.push(bytes);
      state.waitingBytes += bytes.length;
    }
  }

  #state(peer: DataPeer): PeerState {
    let state = this.#states.get(peer);
    if (state === undefined) {
      state = {
        open: false,
        waiting: [],
        waitingBytes: 0,
        firstSequences: new Map(),
        lastSequence: 0,
      };
      this.#states.set(peer, state);
    }
    return state;
  }
}

/** The message that `peer` is sent: none if it cannot read such a packet. */
function encodedFor({ rawData }: DataPeer, { bytes, payload }: OutgoingData): Uint8Array[] {
  if (!rawData) return [bytes];
  return payload === undefined ? [] : [payload];
}

function kindOfLabel(label: string): DataKind | undefined {
  if (label === "_reliable") return "reliable";
  return label === "_lossy" ? "lossy" : undefined;
}
