/**
 * Messages on data channels: publishers send them with the time in front, everybody else reads
 * them.
 *
 * @module
 */
import { DataPacketReader, userPacketOf } from "../../lib/wire/data_packet.ts";
import type { LatencyHistogram } from "./latency_histogram.ts";
import type { LoadClients } from "./load_clients.ts";

const LABEL = "_lossy";
const EMPTY = new Uint8Array(0);
/** Clients say nothing of who they are: the server knows. */
const ANYBODY = { sid: EMPTY, identity: EMPTY };

/**
 * The messages of one run: what is expected is counted as it is sent, so that received and expected
 * can be compared.
 */
export class DataMessages {
  published = 0;
  expected = 0;
  received = 0;
  #perSecond = 0;
  #message: Uint8Array = EMPTY;
  /** Where the payload begins in it. */
  #payloadAt = 0;
  readonly #reader = new DataPacketReader();
  #startedAt = 0;

  constructor(
    private readonly clients: LoadClients,
    private readonly latency: LatencyHistogram,
  ) {}

  /** Publishers send user packets with a payload of `bytes`, so many per second together. */
  begin(perSecond: number, bytes: number): void {
    this.published = this.expected = this.received = 0;
    this.#readAll();
    this.received = 0;
    this.#message = userPacketOf(new Uint8Array(bytes).fill(0x5a), ANYBODY);
    this.#payloadAt = this.#message.length - bytes;
    this.#startedAt = performance.now();
    this.#perSecond = perSecond;
  }

  end(): void {
    this.#perSecond = 0;
  }

  /** Sends what is due, and reads what has come. */
  sendDue(now: number): void {
    if (this.#message.length === 0) return;
    this.#readAll();
    const due = (now - this.#startedAt) / 1000 * this.#perSecond;
    if (due < this.published) return;
    const everybody = [...this.clients.connected.values()];
    const publishers = everybody.filter(({ opened }) => opened.publishes);
    for (; this.published < due; this.published++) {
      const { wire } = publishers[this.published % publishers.length]!;
      const { buffer } = this.#message;
      new DataView(buffer).setFloat64(this.#payloadAt, performance.now());
      wire.channels!.send(LABEL, this.#message);
      this.expected += everybody.length - 1;
    }
  }

  #readAll(): void {
    for (const { wire } of this.clients.connected.values()) {
      const messages = wire.channels?.messages;
      if (messages === undefined || messages.length === 0) continue;
      for (const { bytes } of messages.splice(0)) {
        this.received++;
        this.#reader.read(bytes);
        const payload = this.#reader.payload() ?? EMPTY;
        const sentAt = new DataView(payload.buffer, payload.byteOffset).getFloat64(0);
        this.latency.add((performance.now() - sentAt) * 1000);
      }
    }
  }
}
