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
import { packetChecksum } from "../../../../lib/transport/sctp/crc32c.ts";
import { MAX_PACKET_BYTES } from "../../../../lib/transport/sctp/sctp_packet.ts";
import { repairSctp, type SctpInternals } from "../../../support/wire/werift_sctp_repairs.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { settle } from "../../../support/virtual/virtual_platform.ts";

/** An SCTP packet of the chunks in `body`, with a right checksum. */
export function sctpPacket(tag: number, body: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(12 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 5000);
  view.setUint16(2, 5000);
  view.setUint32(4, tag);
  bytes.set(body, 12);
  view.setUint32(8, packetChecksum(bytes, bytes.length), true);
  return bytes;
}

/** Where the first DATA chunk of a packet is; -1 if it has none. */
export function dataAt(packet: Uint8Array): number {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  for (let at = 12; at < packet.length; at += (view.getUint16(at + 2) + 3) & ~3) {
    if (packet[at] === 0) return at;
  }
  return -1;
}

export interface SctpPairOptions {
  readonly role?: "accept" | "create";
  /** Ours. */
  readonly dtlsRole?: DtlsRole;
  readonly policy?: DataChannelPolicy;
  /** Monotonic ms; real time where a test gives none. */
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
  readonly #now: () => number;
  readonly #out = new Uint8Array(MAX_PACKET_BYTES);
  readonly #losesToClient: SctpPairOptions["losesToClient"];
  #toClientNow = (_packet: Uint8Array) => {};
  #isPumping = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly toClient: Uint8Array[] = [];

  constructor(options: SctpPairOptions = {}) {
    this.#now = options.now ?? (() => Math.floor(performance.now()));
    this.#losesToClient = options.losesToClient;
    this.channels = new DataChannels({
      role: options.role ?? "accept",
      dtlsRole: options.dtlsRole ?? "server",
      remotePort: 5000,
      maxMessageSize: 65_536,
      drops: this.drops,
      random: new SeededRandom(1),
      ...(options.policy === undefined ? {} : { policy: options.policy }),
      listener: {
        onOpen: (label) => this.#note(() => this.opened.push(label)),
        onMessage: (label, bytes, isText) =>
          this.#note(() => this.messages.push({ label, bytes, isText })),
        onClosed: (label) => this.#note(() => this.closed.push(label)),
        onFailed: (reason) => this.#note(() => this.failed.push(reason)),
      },
    }, this.#now());
    const fake = {
      id: "client",
      onStateChange: { subscribe: () => ({ unSubscribe: () => {} }) },
      iceTransport: { role: "controlling" },
      dataReceiver: undefined as ((packet: Buffer) => void) | undefined,
      sendData: (packet: Uint8Array) => {
        const copy = packet.slice();
        this.toServer.push(copy);
        if (!options.losesToServer?.(copy, this.toServer.length - 1)) {
          settle().then(() => this.receive(copy));
        }
        return Promise.resolve();
      },
    };
    this.client = new RTCSctpTransport(5000);
    this.client.setDtlsTransport(fake as unknown as RTCSctpTransport["dtlsTransport"]);
    repairSctp(this.client.sctp as unknown as SctpInternals);
    this.#toClientNow = (packet) => fake.dataReceiver?.(Buffer.from(packet));
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

  /** A packet reaches our side. */
  receive(packet: Uint8Array): void {
    this.channels.receive(packet, packet.length, this.#now());
    this.pump();
  }

  /** Our side sends a message. */
  send(label: string, bytes: Uint8Array, isText = false, sender = 0, holdable = true): boolean {
    const taken = this.channels.send(label, bytes, isText, this.#now(), sender, holdable);
    this.pump();
    return taken;
  }

  isBacklogged(waits: boolean, sender = 0): boolean {
    return this.channels.isBacklogged(waits, this.#now(), sender);
  }

  /** Soon lets our side hand over and send what there is, again when its time comes. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    queueMicrotask(() => {
      this.#isPumping = false;
      this.#pumpNow();
    });
  }

  #pumpNow(): void {
    this.channels.deliver(Infinity, this.#now());
    for (;;) {
      const length = this.channels.poll(this.#out, this.#now());
      if (length === 0) break;
      const copy = this.#out.slice(0, length);
      this.toClient.push(copy);
      if (this.#losesToClient?.(copy, this.toClient.length - 1)) continue;
      settle().then(() => this.#toClientNow(copy));
    }
    clearTimeout(this.#timer);
    const wait = this.channels.nextWakeAt() - this.#now();
    if (wait !== Infinity) this.#timer = setTimeout(() => this.pump(), Math.max(1, wait));
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
    clearTimeout(this.#timer);
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
