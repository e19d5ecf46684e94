/**
 * Messages on data channels: publishers send them with the time in front, everybody else reads
 * them.
 *
 * @module
 */
import { DataPacketReader, userPacketOf } from "../../lib/wire/data_packet.ts";
import { LOSSY } from "./client_association.ts";
import type { LatencyHistogram } from "./latency_histogram.ts";
import type { LoadClient, LoadClients } from "./load_clients.ts";

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
  #publishers: LoadClient[] = [];

  constructor(
    private readonly clients: LoadClients,
    private readonly latency: LatencyHistogram,
  ) {
    clients.onMessage = (bytes) => this.#read(bytes);
  }

  /** Publishers send user packets with a payload of `bytes`, so many per second together. */
  begin(perSecond: number, bytes: number): void {
    this.published = this.expected = this.received = 0;
    this.#message = userPacketOf(new Uint8Array(bytes).fill(0x5a), ANYBODY);
    this.#payloadAt = this.#message.length - bytes;
    this.#startedAt = performance.now();
    this.#perSecond = perSecond;
    this.#publishers = [...this.clients.connected.values()].filter(({ opened }) =>
      opened.publishes
    );
  }

  end(): void {
    this.#perSecond = 0;
  }

  /** Sends what is due. */
  sendDue(now: number): void {
    if (this.#perSecond === 0) return;
    const due = (now - this.#startedAt) / 1000 * this.#perSecond;
    for (; this.published < due; this.published++) {
      const { association } = this.#publishers[this.published % this.#publishers.length]!;
      // A copy: it must not change before it has come.
      const message = this.#message.slice();
      new DataView(message.buffer).setFloat64(this.#payloadAt, performance.now());
      association.send(LOSSY, message, now);
      this.expected += this.clients.connected.size - 1;
    }
  }

  #read(bytes: Uint8Array): void {
    this.received++;
    this.#reader.read(bytes);
    const payload = this.#reader.payload() ?? EMPTY;
    const sentAt = new DataView(payload.buffer, payload.byteOffset).getFloat64(0);
    this.latency.add((performance.now() - sentAt) * 1000);
  }
}
