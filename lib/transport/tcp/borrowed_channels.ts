/**
 * Channels of TURN over UDP (RFC 8656 §12) that this thread sends in by itself, and receives from
 * where the kernel tells whose datagrams are whose (`steered_port.ts`).
 *
 * Contract: what a channel brings is handed to its path only if it is from the channel's client,
 * while it holds. Everything else goes to the TURN server, within a bound.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Clock, Timers } from "../../base/platform.ts";
import {
  CHANNEL_HEADER_BYTES,
  isChannelByte,
  writeChannelHeader,
} from "../../wire/turn_message.ts";
import { type RemoteAddress, SendKind } from "../datagrams/datagrams.ts";
import type { Libc } from "../datagrams/libc.ts";
import { NativeReceiver } from "../datagrams/native_receiver.ts";
import { NativeSender } from "../datagrams/native_sender.ts";
import { SocketAddressTable } from "../datagrams/socket_address.ts";
import type { Receive, SocketLoop } from "../datagrams/socket_loop.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { BorrowedOutlet } from "./borrowed_outlet.ts";
import type { LentChannel } from "./lent_socket.ts";
import { HANDOVER_BYTES, type TurnStray } from "./tcp_handover.ts";

/** What borrowed channels hang on. */
export interface BorrowedChannelsOptions {
  readonly libc: Libc;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly drops: DropSink<TransportDrop>;
  /** What the thread waits in; without it it only sends. */
  readonly loop?: Pick<SocketLoop, "watchBeside">;
  /** Something came that is for no channel; the bytes are the taker's. */
  readonly onStray?: (stray: TurnStray) => void;
  /** After each batch of what came. */
  readonly onBatchEnd?: () => void;
}

/** Takes what came in a channel. `bytes` is valid during the call only, from index 0 on. */
export type ChannelReceiver = (bytes: Uint8Array, length: number) => void;

/** Those of one thread. */
export class BorrowedChannels {
  readonly #options: BorrowedChannelsOptions;
  /** By descriptor. */
  readonly #ports = new Map<number, BorrowedPort>();
  /** Bytes handed to the TURN server that it has not looked at. */
  #strayBytes = 0;

  constructor(options: BorrowedChannelsOptions) {
    this.#options = options;
  }

  /** @param receive Takes what comes in the channel; nothing comes after the outlet is closed. */
  open(lent: LentChannel, receive: ChannelReceiver): BorrowedOutlet {
    let port = this.#ports.get(lent.fd);
    if (port === undefined) {
      port = new BorrowedPort(lent, this.#options, (stray) => this.#stray(stray));
      this.#ports.set(lent.fd, port);
    }
    return port.open(lent, receive, this.#options.clock.now() + lent.forMs);
  }

  /** The TURN server has looked at so much. */
  straysTaken(bytes: number): void {
    this.#strayBytes -= bytes;
  }

  /** Nothing more is sent or received. */
  close(): void {
    for (const port of this.#ports.values()) port.close();
    this.#ports.clear();
  }

  #stray(stray: TurnStray): void {
    const { drops, onStray } = this.#options;
    const { length } = stray.bytes;
    if (this.#strayBytes + length > HANDOVER_BYTES) return drops.count("turn_strays_limited");
    this.#strayBytes += length;
    onStray?.(stray);
  }
}

/** The thread's sockets of one address. */
class BorrowedPort {
  readonly sender: NativeSender;
  readonly #options: BorrowedChannelsOptions;
  readonly #local: LentChannel["local"];
  readonly #stray: (stray: TurnStray) => void;
  /** By port and address of the client, and by number: no text is made for a look-up. */
  readonly #channels = new Map<number, Map<string, Map<number, BorrowedChannel>>>();
  readonly #receiver: NativeReceiver;
  readonly #counters = { sent: 0, sentBytes: 0 };
  readonly #unwatch: (() => void) | undefined;

  constructor(
    lent: LentChannel,
    options: BorrowedChannelsOptions,
    stray: (stray: TurnStray) => void,
  ) {
    const addresses = new SocketAddressTable(lent.family);
    this.#options = options;
    this.#local = lent.local;
    this.#stray = stray;
    this.sender = new NativeSender(lent, { ...options, addresses, counters: this.#counters });
    this.#receiver = new NativeReceiver({
      ...options,
      addresses,
      deliver: (bytes, length, remote) => this.#deliver(bytes, length, remote),
      endBatch: () => options.onBatchEnd?.(),
      sent: () => this.#counters.sent,
    });
    const { fd, reports } = lent;
    if (reports === undefined) return;
    const receiveFrom = (fd: number): Receive => () => this.#receiver.receiveTurn(fd);
    this.#unwatch = options.loop?.watchBeside(fd, receiveFrom(fd), {
      fd: reports,
      receive: receiveFrom(reports),
    });
  }

  /** Whether what clients send comes here. */
  get receives(): boolean {
    return this.#unwatch !== undefined;
  }

  open(lent: LentChannel, receive: ChannelReceiver, until: number): BorrowedOutlet {
    const { hostname, port } = lent.remote;
    const remote: RemoteAddress = { transport: "udp", hostname, port };
    const channel = new BorrowedChannel(this, remote, lent.channel, until, receive);
    let byHost = this.#channels.get(port);
    if (byHost === undefined) this.#channels.set(port, byHost = new Map());
    let byNumber = byHost.get(hostname);
    if (byNumber === undefined) byHost.set(hostname, byNumber = new Map());
    byNumber.set(lent.channel, channel);
    return channel;
  }

  forget(channel: BorrowedChannel): void {
    const { remote: { hostname, port }, number } = channel;
    const byHost = this.#channels.get(port);
    const byNumber = byHost?.get(hostname);
    if (byNumber?.get(number) !== channel) return;
    byNumber.delete(number);
    if (byNumber.size === 0) byHost!.delete(hostname);
    if (byHost!.size === 0) this.#channels.delete(port);
  }

  close(): void {
    this.#unwatch?.();
    this.#receiver.close();
    this.sender.flush();
    this.sender.close();
  }

  #deliver(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    const { clock, drops } = this.#options;
    const isChannel = length >= CHANNEL_HEADER_BYTES && isChannelByte(bytes[0]!);
    const channel = isChannel
      ? this.#channels.get(remote.port)?.get(remote.hostname)?.get(bytes[0]! << 8 | bytes[1]!)
      : undefined;
    if (channel === undefined || !channel.isOpen(clock.now())) {
      const { hostname, port } = remote;
      const from = { hostname, port };
      const copy = bytes.slice(0, length);
      return this.#stray({ type: "turn_stray", local: this.#local, remote: from, bytes: copy });
    }
    const size = bytes[2]! << 8 | bytes[3]!;
    if (size > length - CHANNEL_HEADER_BYTES) return drops.count("turn_malformed");
    bytes.copyWithin(0, CHANNEL_HEADER_BYTES, CHANNEL_HEADER_BYTES + size);
    channel.receive(bytes, size);
  }
}

/** One channel. */
class BorrowedChannel implements BorrowedOutlet {
  readonly queuedBytes = 0;

  constructor(
    readonly port: BorrowedPort,
    readonly remote: RemoteAddress,
    readonly number: number,
    readonly until: number,
    readonly receive: ChannelReceiver,
  ) {}

  get receives(): boolean {
    return this.port.receives;
  }

  isOpen(now: number): boolean {
    return now < this.until;
  }

  send(bytes: Uint8Array, length: number, kind: SendKind): boolean {
    const { sender } = this.port;
    const slot = sender.reserveFor(CHANNEL_HEADER_BYTES + length);
    if (slot === undefined) return false;
    writeChannelHeader(slot, this.number, length);
    slot.set(bytes.length === length ? bytes : bytes.subarray(0, length), CHANNEL_HEADER_BYTES);
    return sender.commit(CHANNEL_HEADER_BYTES + length, this.remote, kind);
  }

  flush(): void {
    if (!this.port.sender.isWaiting) this.port.sender.flush();
  }

  finish(done: () => void): void {
    this.flush();
    done();
  }

  /** The sockets are the thread's, for all its channels. */
  close(): void {
    this.port.forget(this);
  }
}
