/**
 * A data channel client in the same process (werift's) on a pipe of SCTP packets.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { RTCDataChannel, RTCDataChannelParameters, RTCSctpTransport } from "werift";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { DataChannelPolicy, DtlsRole } from "../../../../lib/base/media_vocabulary.ts";
import { DataChannels } from "../../../../lib/transport/sctp/data_channels.ts";
import { checksum } from "../../../../lib/transport/sctp/sctp_packets.ts";
import { repairSctp, type SctpInternals } from "../../../../lib/transport/sctp/sctp_repairs.ts";
import { settle } from "../../../support/virtual/virtual_platform.ts";

/** An SCTP packet of the chunks in `body`, with a right checksum. */
export function sctpPacket(tag: number, body: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(12 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 5000);
  view.setUint16(2, 5000);
  view.setUint32(4, tag);
  bytes.set(body, 12);
  view.setUint32(8, checksum(bytes), true);
  return bytes;
}

export interface SctpPairOptions {
  readonly role?: "accept" | "create";
  /** Ours. */
  readonly dtlsRole?: DtlsRole;
  readonly policy?: DataChannelPolicy;
  /** Monotonic ms; stands still where a test gives none. */
  readonly now?: () => number;
  /** Whether a packet is lost; `number` counts the packets of its direction. */
  readonly losesToServer?: (packet: Uint8Array, number: number) => boolean;
  readonly losesToClient?: (packet: Uint8Array, number: number) => boolean;
}

type Waiter = { readonly look: () => boolean; readonly done: () => void };

/** Our channels, werift's client, and what happened. Call {@linkcode SctpPair.close} at the end. */
export class SctpPair {
  readonly drops = new DropCounters();
  readonly opened: string[] = [];
  readonly closed: string[] = [];
  readonly failed: string[] = [];
  readonly messages: { label: string; bytes: Uint8Array; isText: boolean }[] = [];
  readonly clientChannels: RTCDataChannel[] = [];
  readonly clientMessages: { label: string; data: string | Buffer }[] = [];
  readonly toServer: Uint8Array[] = [];
  readonly channels: DataChannels;
  readonly client: RTCSctpTransport;
  readonly #waiters = new Set<Waiter>();
  readonly toClient: Uint8Array[] = [];

  constructor(options: SctpPairOptions = {}) {
    let toClient = (_packet: Uint8Array) => {};
    this.channels = new DataChannels({
      role: options.role ?? "accept",
      dtlsRole: options.dtlsRole ?? "server",
      remotePort: 5000,
      maxMessageSize: 65_536,
      drops: this.drops,
      now: options.now ?? (() => 0),
      ...(options.policy === undefined ? {} : { policy: options.policy }),
      sendPacket: (packet) => {
        const copy = packet.slice();
        this.toClient.push(copy);
        if (!options.losesToClient?.(copy, this.toClient.length - 1)) {
          settle().then(() => toClient(copy));
        }
      },
      listener: {
        onOpen: (label) => this.#note(() => this.opened.push(label)),
        onMessage: (label, bytes, isText) =>
          this.#note(() => this.messages.push({ label, bytes, isText })),
        onClosed: (label) => this.#note(() => this.closed.push(label)),
        onFailed: (reason) => this.#note(() => this.failed.push(reason)),
      },
    });
    const fake = {
      id: "client",
      onStateChange: { subscribe: () => ({ unSubscribe: () => {} }) },
      iceTransport: { role: "controlling" },
      dataReceiver: undefined as ((packet: Buffer) => void) | undefined,
      sendData: (packet: Uint8Array) => {
        const copy = packet.slice();
        this.toServer.push(copy);
        if (!options.losesToServer?.(copy, this.toServer.length - 1)) {
          settle().then(() => this.channels.receive(copy));
        }
        return Promise.resolve();
      },
    };
    this.client = new RTCSctpTransport(5000);
    this.client.setDtlsTransport(fake as unknown as RTCSctpTransport["dtlsTransport"]);
    repairSctp(this.client.sctp as unknown as SctpInternals);
    toClient = (packet) => fake.dataReceiver?.(Buffer.from(packet));
    this.client.onDataChannel.subscribe((channel) => this.#watch(channel));
    this.client.start(5000);
  }

  /** A channel the client opens; `id` is even, as the DTLS client's are. */
  open(label: string, id: number, options: { ordered?: boolean; maxRetransmits?: number } = {}) {
    const channel = new RTCDataChannel(
      this.client,
      new RTCDataChannelParameters({ label, id, ...options }),
    );
    this.#watch(channel);
    return channel;
  }

  /** Resolves once `look` holds; looks again after each event of either side. */
  until(look: () => boolean): Promise<void> {
    return new Promise((done) => {
      if (look()) return done();
      this.#waiters.add({ look, done });
    });
  }

  async close(): Promise<void> {
    this.channels.close();
    await this.client.stop();
  }

  #watch(channel: RTCDataChannel): void {
    this.clientChannels.push(channel);
    channel.stateChanged.subscribe(() => this.#note(() => {}));
    channel.onMessage.subscribe((data) =>
      this.#note(() => this.clientMessages.push({ label: channel.label, data }))
    );
    this.#note(() => {});
  }

  #note(change: () => void): void {
    change();
    for (const waiter of this.#waiters) {
      if (!waiter.look()) continue;
      this.#waiters.delete(waiter);
      waiter.done();
    }
  }
}
