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
const TIMED = 0x02;
const UNORDERED = 0x80;
/** Longest label, and subprotocol, we keep; LiveKit's are a dozen letters. */
const MAX_LABEL_BYTES = 256;

/** How a channel delivers (RFC 8831 §6.1); at most one of the limits is there. */
export interface DataChannelReliability {
  readonly ordered: boolean;
  /** Absent: as often as needed. */
  readonly maxRetransmits?: number;
  /** For how long a message may be sent again, ms. */
  readonly maxLifetimeMs?: number;
}

export type DcepMessage =
  | {
    readonly type: "open";
    readonly label: string;
    readonly reliability: DataChannelReliability;
  }
  | { readonly type: "ack" };

/** Whether messages may get lost. */
export function isLossy({ maxRetransmits, maxLifetimeMs }: DataChannelReliability): boolean {
  return maxRetransmits !== undefined || maxLifetimeMs !== undefined;
}

/**
 * Reads a DCEP message; `undefined` if it is none. Nobody here asks for the
 * priority or the subprotocol.
 */
export function readDcep(bytes: Uint8Array): DcepMessage | undefined {
  if (bytes[0] === ACK) return { type: "ack" };
  if (bytes[0] !== OPEN || bytes.length < OPEN_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const protocolAt = OPEN_HEADER_BYTES + view.getUint16(8);
  const end = protocolAt + view.getUint16(10);
  if (protocolAt > OPEN_HEADER_BYTES + MAX_LABEL_BYTES) return undefined;
  if (end > protocolAt + MAX_LABEL_BYTES || end > bytes.length) return undefined;
  const reliability = readReliability(view.getUint8(1), view.getUint32(4));
  if (reliability === undefined) return undefined;
  const label = new TextDecoder().decode(bytes.subarray(OPEN_HEADER_BYTES, protocolAt));
  return { type: "open", label, reliability };
}

function readReliability(channelType: number, limit: number): DataChannelReliability | undefined {
  const ordered = (channelType & UNORDERED) === 0;
  switch (channelType & 0x7f) {
    case RELIABLE:
      return { ordered };
    case REXMIT:
      return { ordered, maxRetransmits: limit };
    case TIMED:
      return { ordered, maxLifetimeMs: limit };
    default:
      return undefined;
  }
}

/** DATA_CHANNEL_OPEN with an empty protocol. */
export function writeOpen(label: string, reliability: DataChannelReliability): Uint8Array {
  const labelBytes = new TextEncoder().encode(label);
  const message = new Uint8Array(OPEN_HEADER_BYTES + labelBytes.length);
  const view = new DataView(message.buffer);
  const { ordered, maxRetransmits, maxLifetimeMs } = reliability;
  const kind = maxRetransmits !== undefined
    ? REXMIT
    : maxLifetimeMs !== undefined
    ? TIMED
    : RELIABLE;
  view.setUint8(0, OPEN);
  view.setUint8(1, kind | (ordered ? 0 : UNORDERED));
  view.setUint32(4, maxRetransmits ?? maxLifetimeMs ?? 0);
  view.setUint16(8, labelBytes.length);
  message.set(labelBytes, OPEN_HEADER_BYTES);
  return message;
}

/** DATA_CHANNEL_ACK. */
export function writeAck(): Uint8Array {
  return Uint8Array.of(ACK);
}
