/**
 * Makes a werift SCTP client read slowly: what arrives stays in its receive window until the test
 * reads it, as in an application that does not call `recv`.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { SctpInternals } from "./werift_sctp_repairs.ts";

type Deliver = SctpInternals["receive"];
type Message = Parameters<Deliver>;

/** WebRTC's identifier of channel negotiation, which must not wait. */
const DCEP = 50;

/**
 * A client that reads only what `read` allows: until then messages stay in its receive window,
 * which closes.
 */
export class SlowReader {
  readonly #sctp: SctpInternals;
  readonly #deliver: Deliver;
  readonly #waiting: Message[] = [];
  /** Bytes that may be read at once although they have not been asked for. */
  #credit = 0;

  /** @param sctp A client's association, repaired by `repairSctp`. */
  constructor(sctp: SctpInternals) {
    this.#sctp = sctp;
    this.#deliver = sctp.receive.bind(sctp);
    sctp.receive = (streamId: number, ppid: number, data: Buffer) => {
      if (ppid === DCEP || this.#credit === Infinity) return this.#deliver(streamId, ppid, data);
      sctp.advertisedRwnd -= data.length;
      this.#waiting.push([streamId, ppid, data]);
    };
  }

  /** Reads whole messages for `bytes`, and what is left over with the next call. */
  read(bytes: number): void {
    this.#credit += bytes;
    const before = this.#waiting.length;
    while (this.#waiting.length > 0 && this.#waiting[0]![2].length <= this.#credit) {
      const message = this.#waiting.shift()!;
      this.#credit -= message[2].length;
      this.#sctp.advertisedRwnd += message[2].length;
      this.#deliver(...message);
    }
    if (this.#waiting.length === 0 && this.#credit !== Infinity) this.#credit = 0;
    if (this.#waiting.length === before) return;
    this.#sctp.sackNeeded = true;
    this.#sctp.sendSack().catch(() => {});
  }

  /** Reads everything from now on. */
  readAll(): void {
    this.read(Infinity);
  }
}
