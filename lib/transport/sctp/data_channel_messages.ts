/**
 * Messages of the data channel establishment protocol, DCEP (RFC 8832 §5), and the payload protocol
 * identifiers of WebRTC (RFC 8831 §8).
 *
 * @module
 */

/** SCTP payload protocol identifiers. */
export const PPID = {
  dcep: 50,
  string: 51,
  binary: 53,
  stringEmpty: 56,
  binaryEmpty: 57,
} as const;

const OPEN = 3;
const ACK = 2;
const OPEN_HEADER_BYTES = 12;
/** Channel types of RFC 8832 §8.2.2; the upper bit means unordered. */
const RELIABLE = 0x00;
const REXMIT = 0x01;
const UNORDERED = 0x80;
/** Longest label we keep; LiveKit's are a dozen letters. */
const MAX_LABEL_BYTES = 256;

/** How a channel delivers (RFC 8831 §6.1). */
export interface DataChannelReliability {
  readonly ordered: boolean;
  /** Absent: as often as needed. */
  readonly maxRetransmits?: number;
}

export type DcepMessage =
  | { readonly type: "open"; readonly label: string; readonly reliability: DataChannelReliability }
  | { readonly type: "ack" };

/** Reads a DCEP message; `undefined` if it is none. */
export function readDcep(bytes: Uint8Array): DcepMessage | undefined {
  if (bytes[0] === ACK) return { type: "ack" };
  if (bytes[0] !== OPEN || bytes.length < OPEN_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const labelLength = view.getUint16(8);
  const protocolLength = view.getUint16(10);
  if (labelLength > MAX_LABEL_BYTES) return undefined;
  if (OPEN_HEADER_BYTES + labelLength + protocolLength > bytes.length) return undefined;
  const channelType = bytes[1]!;
  const ordered = (channelType & UNORDERED) === 0;
  // A lifetime is not carried over to what we send back: nothing of ours waits for it.
  const limited = (channelType & 0x7f) === REXMIT;
  return {
    type: "open",
    label: new TextDecoder().decode(
      bytes.subarray(OPEN_HEADER_BYTES, OPEN_HEADER_BYTES + labelLength),
    ),
    reliability: limited ? { ordered, maxRetransmits: view.getUint32(4) } : { ordered },
  };
}

/** DATA_CHANNEL_OPEN with an empty protocol. */
export function writeOpen(label: string, reliability: DataChannelReliability): Uint8Array {
  const labelBytes = new TextEncoder().encode(label);
  const message = new Uint8Array(OPEN_HEADER_BYTES + labelBytes.length);
  const view = new DataView(message.buffer);
  const limited = reliability.maxRetransmits !== undefined;
  view.setUint8(0, OPEN);
  view.setUint8(1, (limited ? REXMIT : RELIABLE) | (reliability.ordered ? 0 : UNORDERED));
  view.setUint32(4, reliability.maxRetransmits ?? 0);
  view.setUint16(8, labelBytes.length);
  message.set(labelBytes, OPEN_HEADER_BYTES);
  return message;
}

/** DATA_CHANNEL_ACK. */
export function writeAck(): Uint8Array {
  return Uint8Array.of(ACK);
}
