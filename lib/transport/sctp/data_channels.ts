/**
 * The data channels of one peer connection (RFC 8831 §6, RFC 8832 §5) over one SCTP association.
 *
 * Contract: channels are known by label; those the peer opens and those we open are used alike.
 * What waits to be sent is bounded: a reliable channel says `false`, a lossy one drops and counts.
 * Nothing a peer sends throws or touches another connection; after `onFailed` or `close` no call
 * comes.
 *
 * The channels we open have even stream ids where we are the DTLS client, and odd ones where we are
 * the server (RFC 8832 §6).
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { DataChannelPolicy, DtlsRole } from "../../base/media_vocabulary.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import {
  type DataChannelReliability,
  PPID,
  readDcep,
  writeAck,
  writeOpen,
} from "./data_channel_messages.ts";
import {
  backlogLimit,
  CHANNEL_LABELS,
  DEFAULT_DATA_POLICY,
  isSlowReader,
  refusal,
} from "./data_channel_policy.ts";
import { DrainRate } from "./drain_rate.ts";
import { MAX_MESSAGE_BYTES, SctpAssociation, type SctpCloseReason } from "./sctp_association.ts";

/** What data channels do to their owner. */
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
  /** Sends one SCTP packet as one DTLS record. */
  readonly sendPacket: (bytes: Uint8Array) => void;
  readonly listener: DataChannelListener;
  readonly drops: DropSink<TransportDrop>;
  /** Monotonic ms, for measuring how fast the peer reads. */
  readonly now: () => number;
  readonly policy?: DataChannelPolicy;
}

/** Channels of one connection; LiveKit's clients open three. */
export const MAX_CHANNELS = 64;
/** Channels a peer opens each second in the long run, after all that there may be at once. */
const OPENS_PER_SECOND = 1;
/** Acknowledgements that may wait for a peer that opens and closes channels and reads nothing. */
const MAX_WAITING_ACKS = 256;
/** Charged to every waiting message, so that empty ones are bounded too. */
const MESSAGE_COST_BYTES = 64;

const RESERVED_LABELS: ReadonlySet<string> = new Set(Object.values(CHANNEL_LABELS));

interface Channel {
  readonly label: string;
  readonly streamId: number;
  readonly reliability: DataChannelReliability;
  readonly lossy: boolean;
  readonly rate: DrainRate;
  open: boolean;
  bufferedBytes: number;
  waitingMessages: number;
}

/**
 * The channels of one connection by label. `send` never blocks: a full reliable channel answers
 * `false`, a full lossy one drops; nothing throws for what a peer sends.
 */
export class DataChannels {
  readonly #options: DataChannelsOptions;
  readonly #drops: DropSink<TransportDrop>;
  readonly #policy: DataChannelPolicy;
  readonly #association: SctpAssociation;
  readonly #byStream = new Map<number, Channel>();
  /** The channel last opened under each label. */
  readonly #byLabel = new Map<string, Channel>();
  readonly #opens = new TokenBucket(MAX_CHANNELS, OPENS_PER_SECOND);
  #nextStreamId: number;
  #waitingAcks = 0;

  constructor(options: DataChannelsOptions) {
    this.#options = options;
    this.#drops = options.drops;
    this.#policy = options.policy ?? DEFAULT_DATA_POLICY;
    this.#nextStreamId = options.dtlsRole === "client" ? 0 : 1;
    this.#association = new SctpAssociation({
      remotePort: options.remotePort,
      sendPacket: options.sendPacket,
      drops: options.drops,
      listener: {
        onEstablished: () => {},
        onMessage: (streamId, ppid, bytes) => this.#onMessage(streamId, ppid, bytes),
        onStreamsReset: (streamIds) => streamIds.forEach((id) => this.#forget(id)),
        onClosed: (reason) => {
          this.#byStream.clear();
          this.#byLabel.clear();
          options.listener.onFailed(reason);
        },
      },
    });
    if (options.role === "create") {
      const lossy = { ordered: false, maxRetransmits: 0 };
      this.open(CHANNEL_LABELS.reliable, { ordered: true });
      this.open(CHANNEL_LABELS.lossy, lossy);
      if (this.#policy.dataTracks) this.open(CHANNEL_LABELS.data_track, lossy);
    }
  }

  /** Takes one SCTP packet, the content of one DTLS record; it may be kept. */
  receive(packet: Uint8Array): void {
    this.#association.receive(packet);
  }

  /** Opens a channel; `onOpen` follows when the peer agrees. `false` if there are too many. */
  open(label: string, reliability: DataChannelReliability): boolean {
    if (this.#byStream.size >= MAX_CHANNELS) return false;
    while (this.#byStream.has(this.#nextStreamId)) this.#nextStreamId += 2;
    const channel = this.#add(this.#nextStreamId, label, reliability);
    this.#nextStreamId += 2;
    this.#sendDcep(channel, writeOpen(label, reliability));
    return true;
  }

  /** Label of the first open channel that is none of LiveKit's. */
  get ownLabel(): string | undefined {
    for (const { label, open } of this.#byLabel.values()) {
      if (open && !RESERVED_LABELS.has(label)) return label;
    }
    return undefined;
  }

  /** Whether messages can be sent under `label`. */
  isOpen(label: string): boolean {
    return this.#byLabel.get(label)?.open === true;
  }

  /**
   * Sends one message of at most 65,535 bytes.
   *
   * @returns `false` if the channel is not open, the message is too large, or a reliable channel
   *   takes no more (its buffer is full, its reader too slow); a lossy one drops and counts then,
   *   and says `true`.
   */
  send(label: string, bytes: Uint8Array, isText = false): boolean {
    const channel = this.#byLabel.get(label);
    const limit = this.#options.maxMessageSize || MAX_MESSAGE_BYTES;
    if (channel === undefined || !channel.open) return false;
    if (bytes.length > Math.min(limit, MAX_MESSAGE_BYTES)) return false;
    const now = this.#options.now();
    const refused = refusal(this.#policy, channel, waitingBytes(channel), bytes.length, now);
    if (refused !== undefined) {
      this.#drops.count(refused);
      return channel.lossy;
    }
    channel.bufferedBytes += bytes.length;
    channel.waitingMessages++;
    channel.rate.queued(bytes.length, now);
    // SCTP cannot carry nothing: an empty message is one byte under its own identifier.
    const empty = bytes.length === 0;
    const ppid = isText
      ? (empty ? PPID.stringEmpty : PPID.string)
      : (empty ? PPID.binaryEmpty : PPID.binary);
    this.#association.send({
      streamId: channel.streamId,
      ppid,
      bytes: empty ? new Uint8Array(1) : bytes,
      ...channel.reliability,
      onTaken: () => {
        channel.bufferedBytes -= bytes.length;
        channel.waitingMessages--;
        channel.rate.drained(bytes.length, this.#options.now());
      },
    });
    return true;
  }

  /** Bytes of messages under `label` that the SCTP stack has not taken yet. */
  bufferedAmount(label: string): number {
    return this.#byLabel.get(label)?.bufferedBytes ?? 0;
  }

  /**
   * Whether those who write reliable messages to this peer should wait for it. It says so until
   * half of what was too much has been read, or the reader turns out to be so slow that nobody
   * should.
   *
   * @param waits Whether somebody waits already.
   */
  isBacklogged(waits: boolean): boolean {
    const channel = this.#byLabel.get(CHANNEL_LABELS.reliable);
    if (channel === undefined) return false;
    const limit = backlogLimit(this.#policy) / (waits ? 2 : 1);
    return waitingBytes(channel) >= limit &&
      !isSlowReader(this.#policy, channel.rate, this.#options.now());
  }

  /** Stops, or goes on, reading the peer's reliable channels; what it sends waits in its window. */
  holdReliable(held: boolean): void {
    if (!held) return this.#association.resume();
    this.#association.hold((streamId, ppid) =>
      ppid !== PPID.dcep && this.#byStream.get(streamId)?.lossy === false
    );
  }

  /** Aborts the association. Idempotent. */
  close(): void {
    this.#association.close();
    this.#byStream.clear();
    this.#byLabel.clear();
  }

  #onMessage(streamId: number, ppid: number, bytes: Uint8Array): void {
    if (ppid === PPID.dcep) return this.#onDcep(streamId, bytes);
    const channel = this.#byStream.get(streamId);
    if (channel === undefined) return this.#drops.count("data_unknown_channel");
    const isText = ppid === PPID.string || ppid === PPID.stringEmpty;
    const empty = ppid === PPID.stringEmpty || ppid === PPID.binaryEmpty;
    if (!isText && !empty && ppid !== PPID.binary) return this.#drops.count("data_unknown_ppid");
    this.#markOpen(channel); // data may overtake the acknowledgement (RFC 8832 §6)
    this.#options.listener.onMessage(channel.label, empty ? new Uint8Array(0) : bytes, isText);
  }

  #onDcep(streamId: number, bytes: Uint8Array): void {
    const message = readDcep(bytes);
    const known = this.#byStream.get(streamId);
    if (message === undefined) return this.#drops.count("data_bad_dcep");
    if (message.type === "ack") {
      if (known === undefined) return this.#drops.count("data_unknown_channel");
      return this.#markOpen(known);
    }
    if (known !== undefined) return this.#drops.count("data_repeated_open");
    if (this.#byStream.size >= MAX_CHANNELS) {
      this.#drops.count("data_too_many_channels");
      return this.#association.resetStreams([streamId]);
    }
    if (!this.#opens.take(this.#options.now())) {
      this.#drops.count("data_channels_opened_too_fast");
      return this.#association.resetStreams([streamId]);
    }
    if (this.#waitingAcks >= MAX_WAITING_ACKS) {
      this.#drops.count("data_acks_unread");
      return this.#association.resetStreams([streamId]);
    }
    if (message.label === CHANNEL_LABELS.data_track && !this.#policy.dataTracks) {
      this.#drops.count("data_tracks_not_enabled");
      return this.#association.resetStreams([streamId]);
    }
    const channel = this.#add(streamId, message.label, message.reliability);
    this.#waitingAcks++;
    this.#sendDcep(channel, writeAck(), () => this.#waitingAcks--);
    this.#markOpen(channel);
  }

  #add(streamId: number, label: string, reliability: DataChannelReliability): Channel {
    const channel = {
      label,
      streamId,
      reliability,
      lossy: reliability.maxRetransmits !== undefined,
      rate: new DrainRate(this.#options.now()),
      open: false,
      bufferedBytes: 0,
      waitingMessages: 0,
    };
    this.#byStream.set(streamId, channel);
    this.#byLabel.set(label, channel);
    return channel;
  }

  /** DCEP is ordered and reliable whatever the channel is (RFC 8832 §6). */
  #sendDcep(channel: Channel, bytes: Uint8Array, onTaken = () => {}): void {
    this.#association.send({
      streamId: channel.streamId,
      ppid: PPID.dcep,
      bytes,
      ordered: true,
      onTaken,
    });
  }

  #markOpen(channel: Channel): void {
    if (channel.open) return;
    channel.open = true;
    this.#options.listener.onOpen(channel.label);
  }

  #forget(streamId: number): void {
    const channel = this.#byStream.get(streamId);
    if (channel === undefined) return;
    this.#byStream.delete(streamId);
    if (this.#byLabel.get(channel.label) === channel) this.#byLabel.delete(channel.label);
    this.#options.listener.onClosed(channel.label);
  }
}

/** What waits in a channel, with what each message costs besides its bytes. */
function waitingBytes(channel: Channel): number {
  return channel.bufferedBytes + channel.waitingMessages * MESSAGE_COST_BYTES;
}
