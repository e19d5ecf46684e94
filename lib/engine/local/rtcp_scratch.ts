/**
 * What RTCP is read and written with, once per engine instead of once per connection: nothing in it
 * outlives the call that uses it, and for every idle connection it would be 12 kB.
 *
 * Contract: a compound is begun, filled and sent without anything else of the engine running in
 * between. What goes to publishers has its own writer, because a subscriber's timed work may ask
 * publishers for key frames.
 *
 * @module
 */
import { RtcpReader } from "../../wire/rtcp.ts";
import { MAX_FEEDBACK_PACKET_BYTES, RtcpWriter } from "../../wire/rtcp_writer.ts";
import { TransportFeedback } from "../../wire/transport_cc.ts";

/** Nothing in it is kept from one packet to the next. */
export class RtcpScratch {
  readonly reader: RtcpReader = new RtcpReader();
  readonly toPublisher: RtcpWriter = new RtcpWriter();
  readonly toSubscriber: RtcpWriter = new RtcpWriter();
  /** Feedback goes alone: it may be longer than a compound. */
  readonly feedbackWriter: RtcpWriter = new RtcpWriter(MAX_FEEDBACK_PACKET_BYTES);
  /** One feedback message, sent or received. */
  readonly feedback: TransportFeedback = new TransportFeedback();
}
