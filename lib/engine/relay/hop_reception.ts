/**
 * What one end of a hop receives with, and what it has to tell the other end of that.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import { HopArrivals } from "./hop_arrivals.ts";
import { HopMediaReceiver } from "./hop_media_receiver.ts";
import { HopStreamReceiver } from "./hop_stream_receiver.ts";
import type { RecordWriter } from "./relay_channel.ts";

/** What came by UDP longer ago, ms, says nothing of UDP now: it may be blocked since. */
const HEARD_MS = 250;

/** One end's receiving parts. */
export class HopReception {
  readonly control: HopStreamReceiver;
  readonly data: HopStreamReceiver;
  readonly media: HopMediaReceiver;
  readonly arrivals = new HopArrivals();
  /** When the last datagram that asked was sent, by the other clock, and came; negative: none. */
  readonly asked = { sentAt: 0, cameAt: -1 };
  /** When something came by UDP last that was not told of; in a typed array, as it is large. */
  readonly heardUdpAt = Float64Array.of(-Infinity);

  /** @param inbound Where records go. */
  constructor(inbound: RecordWriter, drops: DropSink<EngineDrop>) {
    this.control = new HopStreamReceiver(inbound, drops);
    this.data = new HopStreamReceiver(inbound, drops);
    this.media = new HopMediaReceiver(inbound, drops);
  }

  /** Whether something came by UDP lately. */
  hearsUdp(now: number): boolean {
    return now - this.heardUdpAt[0]! <= HEARD_MS;
  }

  /** Bytes of memory that grow with what comes. */
  get memory(): number {
    return this.control.memory + this.data.memory + this.media.memory;
  }

  /** Gives memory back that nothing is in. */
  rest(): void {
    this.control.rest();
    this.data.rest();
    this.media.rest();
  }

  /** The other end begins anew. */
  reset(): void {
    this.control.reset();
    this.data.reset();
    this.media.reset();
  }
}
