import type { RtcpHandler } from "../../../lib/wire/rtcp.ts";

/** Nothing comes of any of it: what somebody listens to goes over it. */
export const IGNORED_RTCP: Readonly<RtcpHandler> = {
  senderReport() {},
  reportBlock() {},
  goodbye() {},
  nack() {},
  pictureLoss() {},
  fullIntra() {},
  remb() {},
  transportCc() {},
  receiverReferenceTime() {},
  delaySinceReceiverReference() {},
};
