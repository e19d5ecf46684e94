/**
 * Data channels of a wire-level client: werift's SCTP and DCEP over a function that sends packets.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Event, RTCDataChannel, RTCDataChannelParameters, RTCSctpTransport } from "werift";
import { repairSctp, type SctpInternals } from "./werift_sctp_repairs.ts";
import { SlowReader } from "./slow_reader.ts";

/** One received message. */
export interface WireMessage {
  readonly label: string;
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** The SCTP association of one client. */
export class WireDataChannels {
  readonly messages: WireMessage[] = [];
  readonly #sctp = new RTCSctpTransport(5000);
  readonly #channels = new Map<string, RTCDataChannel>();
  readonly #dtls;

  /** @param sendPacket Sends one SCTP packet as DTLS application data. */
  constructor(sendPacket: (packet: Uint8Array) => Promise<void>) {
    this.#dtls = {
      id: crypto.randomUUID(),
      onStateChange: new Event<[string]>(),
      iceTransport: { role: "controlling" },
      dataReceiver: (_packet: Buffer) => {},
      sendData: (packet: Buffer) => sendPacket(packet),
    };
    // Only these members of the DTLS transport are used.
    this.#sctp.setDtlsTransport(
      this.#dtls as unknown as Parameters<RTCSctpTransport["setDtlsTransport"]>[0],
    );
    // Or an INIT that comes before ours is answered, and ours has a tag that it must not have.
    this.#sctp.sctp.isServer = false;
    repairSctp(this.#sctp.sctp as unknown as SctpInternals);
    this.#sctp.onDataChannel.subscribe((channel) => this.#adopt(channel));
  }

  /** Starts the association; resolves once INIT is on its way. */
  async start(): Promise<void> {
    await this.#sctp.start(5000);
  }

  /** Takes one decrypted SCTP packet. */
  receive(packet: Uint8Array): void {
    Promise.resolve(this.#dtls.dataReceiver(Buffer.from(packet))).catch(() => {});
  }

  /** Opens a channel as the client side of LiveKit's SDKs does. */
  open(label: string, options: { ordered: boolean; maxRetransmits?: number }): void {
    const parameters = new RTCDataChannelParameters({ label, ...options });
    this.#adopt(new RTCDataChannel(this.#sctp, parameters));
  }

  /** Whether the channel with this label can carry messages. */
  isOpen(label: string): boolean {
    return this.#channels.get(label)?.readyState === "open";
  }

  /** Sends a binary message. */
  send(label: string, message: string | Uint8Array): void {
    const channel = this.#channels.get(label);
    if (channel === undefined) throw new Error(`No channel "${label}"`);
    channel.send(Buffer.from(message as Uint8Array));
  }

  /** Bytes of messages that are not on their way yet. */
  bufferedAmount(label: string): number {
    return this.#channels.get(label)?.bufferedAmount ?? 0;
  }

  /** From now on messages are read when the test says so, through a window of `windowBytes`. */
  readSlowly(windowBytes: number): SlowReader {
    const sctp = this.#sctp.sctp as unknown as SctpInternals;
    sctp.advertisedRwnd = windowBytes;
    return new SlowReader(sctp);
  }

  /** Ends the association without waiting for the peer. */
  async close(): Promise<void> {
    await this.#sctp.stop().catch(() => {});
  }

  #adopt(channel: RTCDataChannel): void {
    this.#channels.set(channel.label, channel);
    channel.onMessage.subscribe((message) => {
      const bytes = new Uint8Array(Buffer.from(message));
      this.messages.push({ label: channel.label, text: message.toString(), bytes });
    });
  }
}
