/**
 * The data channels of one peer connection (RFC 8831 §6, RFC 8832 §5) over one SCTP association.
 *
 * Contract: channels are known by label; those the peer opens and those we open are used alike.
 * Like the association below, they do nothing by themselves: the owner gives packets, delivers
 * messages in turns of a size it chooses, and polls for packets. What waits to be sent is bounded:
 * a reliable channel says `false`, a lossy one drops and counts. Nothing a peer sends throws or
 * touches another connection; after `onFailed` or `close` no call comes.
 *
 * The channels we open have even stream ids where we are the DTLS client, and odd ones where we are
 * the server (RFC 8832 §6).
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import {
  type DataChannelPolicy,
  type DtlsRole,
  MAX_MESSAGE_BYTES,
} from "../../base/media_vocabulary.ts";
import type { Random } from "../../base/platform.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { type Channel, ChannelTable } from "./channel_table.ts";
import {
  type DataChannelReliability,
  isLossy,
  PPID,
  readDcep,
  writeAck,
  writeOpen,
} from "./data_channel_messages.ts";
import {
  backlogLimit,
  backlogShare,
  CHANNEL_LABELS,
  DEFAULT_DATA_POLICY,
  isSlowReader,
  keptBacklog,
  MAX_LOSSY_AGE_MS,
  refusal,
} from "./data_channel_policy.ts";
import { DrainRate } from "./drain_rate.ts";
import { STREAM_END } from "./inbound_queue.ts";
import { UNLIMITED, WAITING_COST_BYTES } from "./outgoing_messages.ts";
import { SctpAssociation, type SctpCloseReason } from "./sctp_association.ts";
import { CHUNK, PACKET_HEADER_BYTES } from "./sctp_packet.ts";

/** What data channels do to their owner, within `receive`, `deliver` and `poll`. */
export interface DataChannelListener {
  /** The channel can be used; again if the peer opens another one with this label. */
  onOpen(label: string): void;
  /** One message; `bytes` may be kept. */
  onMessage(label: string, bytes: Uint8Array, isText: boolean): void;
  /** One side closed the channel; the association lives on. */
  onClosed(label: string): void;
  /** The association ended, and every channel with it. */
  onFailed(reason: SctpCloseReason): void;
}

export interface DataChannelsOptions {
  /** `create`: we open LiveKit's channels; `accept`: the peer does. */
  readonly role: "accept" | "create";
  /** Ours; which stream ids we use hangs on it. */
  readonly dtlsRole: DtlsRole;
  /** From the peer's `a=sctp-port`. */
  readonly remotePort: number;
  /** From the peer's `a=max-message-size`; 0 is "any size" (RFC 8841 §6). */
  readonly maxMessageSize: number;
  readonly random: Random;
  readonly listener: DataChannelListener;
  readonly drops: DropSink<TransportDrop>;
  readonly policy?: DataChannelPolicy;
}

/** Channels of one connection; LiveKit's clients open three. */
export const MAX_CHANNELS = 64;
/** Channels a peer opens each second in the long run, after all that there may be at once. */
const OPENS_PER_SECOND = 1;
/** Acknowledgements that may wait for a peer that opens and closes channels and reads nothing. */
const MAX_WAITING_ACKS = 256;
/**
 * What is sent at most, whatever a peer takes: what a client sent may be all that we take, and goes
 * on with who sent it and for whom, each of which stands there twice.
 */
const MAX_SENT_BYTES = MAX_MESSAGE_BYTES.create;
/** Every WebRTC peer sends an INIT; one that does not in this time, ms, gets ours. */
const BEGIN_AFTER_MS = 1_000;
/** SCTP cannot carry nothing: an empty message is one byte under its own identifier. */
const EMPTY_MESSAGE = new Uint8Array(1);
const NO_BYTES = new Uint8Array(0);
/** A SACK that tells of nothing missing (RFC 9260 §3.3.4). */
const SACK_BYTES = 16;

const RESERVED_LABELS: ReadonlySet<string> = new Set(Object.values(CHANNEL_LABELS));
/** What comes on lossy channels with other labels goes on reliably, so that it can be held, too. */
const DROPPED_LABELS: ReadonlySet<string> = new Set([
  CHANNEL_LABELS.lossy,
  CHANNEL_LABELS.data_track,
]);

/**
 * Whether the packet `bytes[0, length)` begins as one that only asks, or says, that somebody is
 * there (RFC 9260 §8.3); to be asked before anything is known of it.
 */
export function isHeartbeat(bytes: Uint8Array, length: number): boolean {
  const type = length > PACKET_HEADER_BYTES ? bytes[PACKET_HEADER_BYTES] : undefined;
  return type === CHUNK.heartbeat || type === CHUNK.heartbeatAck;
}

/** Whether the packet is one SACK without gaps, by its length and its beginning. */
export function isSack(bytes: Uint8Array, length: number): boolean {
  return length === PACKET_HEADER_BYTES + SACK_BYTES && bytes[PACKET_HEADER_BYTES] === CHUNK.sack;
}

/**
 * The channels of one connection by label. `send` never blocks: a full reliable channel answers
 * `false`, a full lossy one drops; nothing throws for what a peer sends.
 */
export class DataChannels {
  readonly #options: DataChannelsOptions;
  readonly #drops: DropSink<TransportDrop>;
  readonly #policy: DataChannelPolicy;
  /** What each message asks of policy and options: in places that are looked at anyway. */
  readonly #hasThreshold: boolean;
  readonly #backlogLimit: number;
  readonly #maxSentBytes: number;
  readonly #association: SctpAssociation;
  readonly #channels = new ChannelTable();
  readonly #opens = new TokenBucket(MAX_CHANNELS, OPENS_PER_SECOND);
  #nextStreamId: number;
  #waitingAcks = 0;
  /** What leaves now was not read. */
  #isGivingUp = false;
  /** Reliable messages are left standing. */
  #isHeld = false;
  /** When the association is begun by us, monotonic ms. */
  #beginAt: number;
  /** The owner was told of the end, or said it. */
  #isOver = false;
  /** The present, of the call that is being served. */
  #now: number;

  /** @param now Monotonic ms. */
  constructor(options: DataChannelsOptions, now: number) {
    this.#options = options;
    this.#drops = options.drops;
    this.#policy = options.policy ?? DEFAULT_DATA_POLICY;
    this.#hasThreshold = this.#policy.slowThresholdBps > 0;
    this.#backlogLimit = backlogLimit(this.#policy);
    this.#maxSentBytes = Math.min(options.maxMessageSize || Infinity, MAX_SENT_BYTES);
    this.#nextStreamId = options.dtlsRole === "client" ? 0 : 1;
    this.#beginAt = now + BEGIN_AFTER_MS;
    this.#now = now;
    this.#association = new SctpAssociation({
      remotePort: options.remotePort,
      maxReceivedBytes: MAX_MESSAGE_BYTES[options.role],
      random: options.random,
      drops: options.drops,
      listener: {
        onRestarted: () => this.#onRestarted(),
        onLeft: (streamId, ppid, bytes) => this.#onLeft(streamId, ppid, bytes),
      },
    });
    this.#openOwn();
  }

  /** Takes the SCTP packet `bytes[0, length)`, the content of one DTLS record; it is not kept. */
  receive(bytes: Uint8Array, length: number, now: number): void {
    this.#now = now;
    try {
      this.#association.receive(bytes, length, now);
    } catch {
      this.#association.fail();
    }
  }

  /**
   * Hands over messages that have come, at most `limit`: everything else gets its turn, too.
   *
   * @returns Whether there are more.
   */
  deliver(limit: number, now: number): boolean {
    this.#now = now;
    const association = this.#association;
    for (let i = 0; i < limit; i++) {
      // A turn may bring the end, or that the rest is to stand.
      if (this.#isOver || !association.take(!this.#isHeld)) break;
      const { streamId, ppid, bytes } = association.message;
      this.#onMessage(streamId, ppid, bytes);
    }
    if (this.#isOver) return false;
    if (association.hasMessage(!this.#isHeld)) return true;
    if (this.#isEndDue) {
      this.#end();
      this.#options.listener.onFailed(association.endReason!);
    }
    return false;
  }

  /** When {@linkcode DataChannels.poll} has something to do, monotonic ms. */
  nextWakeAt(): number {
    const at = this.#association.nextWakeAt();
    return this.#association.hasBegun ? at : Math.min(at, this.#beginAt);
  }

  /**
   * Writes the next SCTP packet into `out`, which has room for `MAX_PACKET_BYTES`.
   *
   * @returns Its length; 0 if nothing is to be sent now.
   */
  poll(out: Uint8Array, now: number): number {
    this.#now = now;
    try {
      if (now >= this.#beginAt) {
        this.#beginAt = Infinity;
        if (!this.#association.hasBegun) this.#association.begin();
      }
      return this.#association.poll(out, now);
    } catch {
      this.#association.fail();
      return 0;
    }
  }

  /** Opens a channel; `onOpen` follows when the peer agrees. `false` if there are too many. */
  open(label: string, reliability: DataChannelReliability): boolean {
    if (this.#channels.size >= MAX_CHANNELS) return false;
    while (this.#channels.ofStream(this.#nextStreamId) !== undefined) this.#nextStreamId += 2;
    const channel = this.#add(this.#nextStreamId, label, reliability);
    this.#nextStreamId += 2;
    this.#sendDcep(channel, writeOpen(label, reliability));
    return true;
  }

  /** Label of the first open channel that is none of LiveKit's. */
  get ownLabel(): string | undefined {
    for (const { label, open } of this.#channels.labelled()) {
      if (open && !RESERVED_LABELS.has(label)) return label;
    }
    return undefined;
  }

  /** Whether messages can be sent under `label`. */
  isOpen(label: string): boolean {
    return this.#channels.ofLabel(label)?.open === true;
  }

  /**
   * Sends one message, as large as the peer says it takes. Its bytes are kept until they have come
   * and must not change; the same ones may be sent to many.
   *
   * @param sender Whose it is: senders take turns where more waits than a few packets.
   * @param holdable Whether he stops where {@linkcode DataChannels.isBacklogged} says so. Who does
   *   not finds a reliable channel's buffer full earlier.
   * @returns `false` if the channel is not open, the message is too large, or a reliable channel's
   *   buffer is full; a lossy one drops and counts then, and says `true`.
   */
  send(
    label: string,
    bytes: Uint8Array,
    isText: boolean,
    now: number,
    sender = 0,
    holdable = true,
  ): boolean {
    this.#now = now;
    const channel = this.#channels.ofLabel(label);
    if (channel === undefined || !channel.open) return false;
    if (bytes.length > this.#maxSentBytes) return false;
    if (this.#hasThreshold && !channel.lossy) this.#giveUpOldest(channel);
    const refused = this.#refusal(channel, bytes.length, sender, holdable);
    if (refused !== undefined) {
      this.#drops.count(refused);
      return channel.lossy;
    }
    const empty = bytes.length === 0;
    const sent = empty ? EMPTY_MESSAGE : bytes;
    channel.waitingMessages++;
    channel.rate.queued(sent.length, now);
    const ppid = isText
      ? (empty ? PPID.stringEmpty : PPID.string)
      : (empty ? PPID.binaryEmpty : PPID.binary);
    const { streamId, ordered, maxRetransmits } = channel;
    const expiresAt = now + channel.maxAgeMs;
    this.#association.send(streamId, ppid, sent, ordered, maxRetransmits, expiresAt, sender);
    return true;
  }

  /** Bytes of messages under `label` that are not on their way yet. */
  bufferedAmount(label: string): number {
    return this.#channels.ofLabel(label)?.rate.waitingBytes ?? 0;
  }

  /**
   * Whether `sender`, who writes reliable messages to this peer, should wait for it. It says so
   * until half of what was too much has been read, or of what is his own, or the reader turns out
   * to be so slow that nobody should. Who has little waiting need not wait for others, unless the
   * buffer is nearly full.
   *
   * @param waits Whether he waits already.
   */
  isBacklogged(waits: boolean, now: number, sender = 0): boolean {
    const channel = this.#channels.ofLabel(CHANNEL_LABELS.reliable);
    if (channel === undefined) return false;
    const part = waits ? 2 : 1;
    const waiting = waitingBytes(channel);
    if (waiting < this.#backlogLimit / part) return false;
    const { streamId } = channel;
    const senders = this.#association.sendersOn(streamId);
    const share = backlogShare(this.#policy, senders, waiting) / part;
    if (this.#association.waitingOf(streamId, sender) < share) return false;
    return !isSlowReader(this.#policy, channel.rate, now);
  }

  /**
   * Stops, or goes on, reading the peer's channels, but LiveKit's lossy ones; what it sends waits
   * in its window.
   */
  holdReliable(held: boolean): void {
    this.#isHeld = held;
  }

  /** Whether {@linkcode DataChannels.deliver} has something to do. */
  get hasMessages(): boolean {
    return !this.#isOver && (this.#association.hasMessage(!this.#isHeld) || this.#isEndDue);
  }

  /** Whether {@linkcode DataChannels.poll} has nothing to do before `nextWakeAt`. */
  get isDone(): boolean {
    return this.#association.isDone;
  }

  /** Whether something waits to be sent until the peer has acknowledged what was. */
  get isHeld(): boolean {
    return this.#association.isHeld;
  }

  /** The association has ended, and all that had come was taken. */
  get #isEndDue(): boolean {
    return this.#association.endReason !== undefined && !this.#association.hasMessage(true);
  }

  /** Aborts the association, which leaves one packet to be polled. Idempotent. */
  close(): void {
    this.#end();
    this.#association.close();
  }

  #end(): void {
    this.#isOver = true;
    this.#channels.clear();
  }

  #openOwn(): void {
    if (this.#options.role !== "create") return;
    const lossy = { ordered: false, maxRetransmits: 0 };
    this.open(CHANNEL_LABELS.reliable, { ordered: true });
    this.open(CHANNEL_LABELS.lossy, lossy);
    if (this.#policy.dataTracks) this.open(CHANNEL_LABELS.data_track, lossy);
  }

  /** Channels do not outlive the peer's state; ours are opened again. */
  #onRestarted(): void {
    const gone = this.#channels.all();
    this.#channels.clear();
    this.#waitingAcks = 0;
    this.#nextStreamId &= 1;
    this.#openOwn();
    for (const { label } of gone) this.#options.listener.onClosed(label);
  }

  /** A reader that is too slow for its threshold goes without what has waited longest. */
  #giveUpOldest(channel: Channel): void {
    const begun = this.#association.begunBytes(channel.streamId);
    const kept = keptBacklog(this.#policy, channel.rate, this.#now, begun);
    this.#isGivingUp = true;
    while (waitingBytes(channel) >= kept && this.#association.dropOldest(channel.streamId)) {
      this.#drops.count("data_slow_reader");
    }
    this.#isGivingUp = false;
  }

  /**
   * Why a message must not be queued; absent once it may. What a lossy channel cannot hold is what
   * is oldest of whoever has most waiting there, and a message of his own if that is its sender.
   */
  #refusal(
    channel: Channel,
    bytes: number,
    sender: number,
    holdable: boolean,
  ): TransportDrop | undefined {
    for (;;) {
      const waiting = waitingBytes(channel);
      const refused = refusal(this.#policy, channel, waiting, bytes, this.#now, holdable);
      if (refused === undefined || !channel.lossy) return refused;
      this.#isGivingUp = true;
      const cost = bytes + WAITING_COST_BYTES;
      const hasRoom = this.#association.dropFor(channel.streamId, sender, cost);
      this.#isGivingUp = false;
      if (!hasRoom) return refused;
      this.#drops.count(refused);
    }
  }

  #onLeft(streamId: number, ppid: number, bytes: number): void {
    if (ppid === PPID.dcep) {
      if (this.#waitingAcks > 0 && bytes === 1) this.#waitingAcks--;
      return;
    }
    const channel = this.#channels.ofStream(streamId);
    if (channel === undefined) return;
    channel.waitingMessages--;
    if (this.#isGivingUp) channel.rate.dropped(bytes, this.#now);
    else channel.rate.drained(bytes, this.#now);
  }

  #onMessage(streamId: number, ppid: number, bytes: Uint8Array): void {
    if (ppid === STREAM_END) return this.#onStreamEnd(streamId);
    if (ppid === PPID.dcep) return this.#onDcep(streamId, bytes);
    const channel = this.#channels.ofStream(streamId);
    if (channel === undefined) return this.#drops.count("data_unknown_channel");
    const isText = ppid === PPID.string || ppid === PPID.stringEmpty;
    const empty = ppid === PPID.stringEmpty || ppid === PPID.binaryEmpty;
    if (!isText && !empty && ppid !== PPID.binary) return this.#drops.count("data_unknown_ppid");
    this.#markOpen(channel); // data may overtake the acknowledgement (RFC 8832 §6)
    this.#options.listener.onMessage(channel.label, empty ? NO_BYTES : bytes, isText);
  }

  #onDcep(streamId: number, bytes: Uint8Array): void {
    const message = readDcep(bytes);
    const known = this.#channels.ofStream(streamId);
    if (message === undefined) return this.#drops.count("data_bad_dcep");
    if (message.type === "ack") {
      if (known === undefined) return this.#drops.count("data_unknown_channel");
      return this.#markOpen(known);
    }
    if (known !== undefined) return this.#drops.count("data_repeated_open");
    const refused = this.#refusesOpen(message.label);
    if (refused !== undefined) {
      this.#drops.count(refused);
      return this.#association.resetStreams([streamId]);
    }
    const channel = this.#add(streamId, message.label, message.reliability);
    this.#waitingAcks++;
    this.#sendDcep(channel, writeAck());
    this.#markOpen(channel);
  }

  /** Why a channel of the peer's must not be opened, as a drop reason. */
  #refusesOpen(label: string): TransportDrop | undefined {
    if (this.#channels.size >= MAX_CHANNELS) return "data_too_many_channels";
    if (!this.#opens.take(this.#now)) return "data_channels_opened_too_fast";
    if (this.#waitingAcks >= MAX_WAITING_ACKS) return "data_acks_unread";
    if (label !== CHANNEL_LABELS.data_track || this.#policy.dataTracks) return undefined;
    return "data_tracks_not_enabled";
  }

  #add(streamId: number, label: string, reliability: DataChannelReliability): Channel {
    const { ordered, maxRetransmits = UNLIMITED, maxLifetimeMs = Infinity } = reliability;
    const lossy = isLossy(reliability);
    const channel = {
      // The constant, if it is one: comparing it with itself is a comparison of addresses.
      label: Object.values(CHANNEL_LABELS).find((known) => known === label) ?? label,
      streamId,
      ordered,
      maxRetransmits,
      maxAgeMs: lossy ? Math.min(maxLifetimeMs, MAX_LOSSY_AGE_MS) : Infinity,
      lossy,
      rate: new DrainRate(this.#now),
      open: false,
      waitingMessages: 0,
    };
    this.#channels.add(channel);
    this.#association.setPatient(streamId, !channel.lossy || !DROPPED_LABELS.has(label));
    return channel;
  }

  /** DCEP is ordered and reliable whatever the channel is (RFC 8832 §6). */
  #sendDcep(channel: Channel, bytes: Uint8Array): void {
    this.#association.send(channel.streamId, PPID.dcep, bytes, true, UNLIMITED, Infinity);
  }

  #markOpen(channel: Channel): void {
    if (channel.open) return;
    channel.open = true;
    this.#options.listener.onOpen(channel.label);
  }

  /** The peer closed a channel, or agrees that we did: our side of it is closed, too. */
  #onStreamEnd(streamId: number): void {
    const channel = this.#channels.ofStream(streamId);
    if (channel === undefined) return;
    this.#channels.delete(channel);
    this.#association.setPatient(streamId, false);
    this.#association.resetStreams([streamId]);
    this.#options.listener.onClosed(channel.label);
  }
}

/** What waits in a channel, with what each message costs besides its bytes. */
function waitingBytes(channel: Channel): number {
  return channel.rate.waitingBytes + channel.waitingMessages * WAITING_COST_BYTES;
}
