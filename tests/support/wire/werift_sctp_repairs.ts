/**
 * Replaces, on one instance of werift's SCTP, which plays the client in tests, the steps that are
 * wrong, by ones that follow the RFCs.
 *
 * What is wrong there: ordered messages are delivered one per arriving chunk; numbers are sorted as
 * text, so cumulative acknowledgement and gap blocks go astray; FORWARD-TSN on receipt throws away
 * fragments beyond what it says, which stalls the reliable channel whenever the lossy one loses a
 * packet; `maxRetransmits: 0` means "for ever"; giving up a message gives up the one at the head of
 * the queue instead; and a lost FORWARD-TSN is never sent again. Its names are private to werift,
 * so they are all in {@linkcode SctpInternals}, and the version is pinned.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  FIRST_FRAGMENT,
  InboundStream,
  LAST_FRAGMENT,
  tsnDistance,
  UNORDERED,
} from "./werift_inbound_stream.ts";

/** Of a chunk that was sent, or waits to be. */
export interface OutboundChunk {
  readonly tsn: number;
  readonly flags: number;
  readonly streamId: number;
  readonly streamSeqNum: number;
  readonly bookSize: number;
  readonly maxRetransmits?: number;
  readonly sentCount: number;
  acked: boolean;
  abandoned: boolean;
  retransmit: boolean;
}

/** The members of werift 0.25.2's `SCTP` that we use or replace. */
export interface SctpInternals {
  associationState: number;
  advertisedRwnd: number;
  localTsn: number;
  lastReceivedTsn: number | undefined;
  lastSackedTsn: number;
  advancedPeerAckTsn: number;
  sackNeeded: boolean;
  sackImmediate: boolean;
  sackPacketCount: number;
  sackDuplicates: number[];
  sackMisOrdered: Set<number>;
  inboundStreams: Record<number, InboundStream>;
  sentQueue: OutboundChunk[];
  outboundQueue: OutboundChunk[];
  reconfigQueue: number[];
  /** Of the retransmission timer; absent while it does not run, and as it fires. */
  readonly timer3Handle: unknown;
  forwardTsnChunk: { readonly bytes: Buffer } | undefined;
  handleData(packet: Buffer): Promise<void>;
  sendChunk(chunk: { readonly bytes: Buffer }): Promise<void>;
  abort(): Promise<void>;
  transmitReconfigRequest(): Promise<void>;
  setState(state: number): void;
  getInboundStream(streamId: number): InboundStream;
  receive(streamId: number, ppid: number, data: Buffer): void;
  flightSizeDecrease(chunk: OutboundChunk): void;
  markReceived(tsn: number): boolean;
  sendSack(): Promise<void>;
  receiveForwardTsnChunk(chunk: ForwardTsn): void;
  maybeAbandon(chunk: OutboundChunk): boolean;
  updateAdvancedPeerAckPoint(): void;
}

interface ForwardTsn {
  readonly cumulativeTsn: number;
  readonly streams: readonly (readonly [number, number])[];
}

const SACK = 3;
const FORWARD_TSN = 192;
/** Gap blocks and duplicates that keep a SACK within one packet. */
const MAX_GAP_BLOCKS = 128;
const MAX_DUPLICATES = 64;

/** Installs all repairs on `sctp`. */
export function repairSctp(sctp: SctpInternals): void {
  repairReceiving(sctp);
  repairGivingUp(sctp);
}

function repairReceiving(sctp: SctpInternals): void {
  sctp.getInboundStream = (streamId) => sctp.inboundStreams[streamId] ??= new InboundStream();

  sctp.markReceived = (tsn) => {
    const missing = sctp.sackMisOrdered;
    if (tsnDistance(tsn, sctp.lastReceivedTsn!) <= 0 || missing.has(tsn)) {
      if (sctp.sackDuplicates.length < MAX_DUPLICATES) sctp.sackDuplicates.push(tsn);
      return true;
    }
    missing.add(tsn);
    advanceCumulative(sctp);
    return false;
  };

  sctp.sendSack = async () => {
    if (!sctp.sackNeeded || sctp.lastReceivedTsn === undefined) return;
    const bytes = writeSack(sctp);
    sctp.sackDuplicates = [];
    sctp.sackNeeded = false;
    sctp.sackPacketCount = 0;
    sctp.sackImmediate = false;
    await sctp.sendChunk({ bytes }).catch(() => {});
  };

  // RFC 3758 §3.6: what was given up need not be waited for; what came stays.
  sctp.receiveForwardTsnChunk = ({ cumulativeTsn, streams }) => {
    sctp.sackNeeded = true;
    sctp.sackImmediate = true;
    if (tsnDistance(cumulativeTsn, sctp.lastReceivedTsn!) <= 0) return;
    sctp.lastReceivedTsn = cumulativeTsn;
    for (const tsn of sctp.sackMisOrdered) {
      if (tsnDistance(tsn, cumulativeTsn) <= 0) sctp.sackMisOrdered.delete(tsn);
    }
    advanceCumulative(sctp);
    for (const [streamId, streamSeq] of streams) {
      const stream = sctp.getInboundStream(streamId);
      const next = (streamSeq + 1) & 0xffff;
      if (((next - stream.streamSequenceNumber) & 0xffff) < 0x8000) {
        stream.streamSequenceNumber = next;
      }
      for (const message of stream.popMessages()) {
        sctp.advertisedRwnd += message[2].length;
        sctp.receive(...message);
      }
    }
    for (const stream of Object.values(sctp.inboundStreams)) {
      sctp.advertisedRwnd += stream.pruneChunks(cumulativeTsn);
    }
  };
}

function advanceCumulative(sctp: SctpInternals): void {
  let next = (sctp.lastReceivedTsn! + 1) >>> 0;
  while (sctp.sackMisOrdered.delete(next)) {
    sctp.lastReceivedTsn = next;
    next = (next + 1) >>> 0;
  }
}

/** SACK chunk (RFC 9260 §3.3.4). */
function writeSack(sctp: SctpInternals): Buffer {
  const cumulative = sctp.lastReceivedTsn!;
  const offsets = [...sctp.sackMisOrdered].map((tsn) => tsnDistance(tsn, cumulative))
    .filter((offset) => offset > 0 && offset <= 0xffff)
    .sort((a, b) => a - b);
  const gaps: [number, number][] = [];
  for (const offset of offsets) {
    const last = gaps.at(-1);
    if (last !== undefined && last[1] + 1 === offset) last[1] = offset;
    else if (gaps.length < MAX_GAP_BLOCKS) gaps.push([offset, offset]);
    else break;
  }
  const duplicates = sctp.sackDuplicates;
  const bytes = Buffer.alloc(16 + 4 * (gaps.length + duplicates.length));
  bytes.writeUInt8(SACK, 0);
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt32BE(cumulative, 4);
  bytes.writeUInt32BE(Math.max(0, sctp.advertisedRwnd), 8);
  bytes.writeUInt16BE(gaps.length, 12);
  bytes.writeUInt16BE(duplicates.length, 14);
  let at = 16;
  for (const [start, end] of gaps) {
    bytes.writeUInt16BE(start, at);
    bytes.writeUInt16BE(end, at + 2);
    at += 4;
  }
  for (const tsn of duplicates) at = bytes.writeUInt32BE(tsn, at);
  return bytes;
}

function repairGivingUp(sctp: SctpInternals): void {
  /** Ordered streams with given-up messages that the peer has not acknowledged: highest number. */
  const skipped = new Map<number, number>();

  sctp.maybeAbandon = (chunk) => {
    if (chunk.abandoned) return true;
    if (chunk.maxRetransmits === undefined || chunk.sentCount <= chunk.maxRetransmits) return false;
    abandonMessage(sctp, chunk);
    return true;
  };

  let lastForwarded = -1;

  // RFC 3758 §3.5, rules C1 to C4: also run on each timeout, so that a lost one is sent again.
  sctp.updateAdvancedPeerAckPoint = () => {
    if (tsnDistance(sctp.lastSackedTsn, sctp.advancedPeerAckTsn) >= 0) {
      sctp.advancedPeerAckTsn = sctp.lastSackedTsn;
      skipped.clear();
    }
    while (sctp.sentQueue[0]?.abandoned) {
      const chunk = sctp.sentQueue.shift()!;
      sctp.advancedPeerAckTsn = chunk.tsn;
      if ((chunk.flags & UNORDERED) === 0) skipped.set(chunk.streamId, chunk.streamSeqNum);
    }
    if (tsnDistance(sctp.advancedPeerAckTsn, sctp.lastSackedTsn) <= 0) return;
    // SACKs that were under way must not each draw another one; the timer covers its loss.
    if (sctp.advancedPeerAckTsn !== lastForwarded || sctp.timer3Handle === undefined) {
      lastForwarded = sctp.advancedPeerAckTsn;
      sctp.forwardTsnChunk = { bytes: writeForwardTsn(sctp.advancedPeerAckTsn, skipped) };
    }
  };
}

/** Gives up all fragments of a message, sent or not (RFC 3758 §3.5, A3). */
function abandonMessage(sctp: SctpInternals, chunk: OutboundChunk): void {
  const queue = sctp.sentQueue;
  const at = queue.indexOf(chunk);
  let first = at;
  while (first > 0 && (queue[first]!.flags & FIRST_FRAGMENT) === 0) first--;
  let last = at;
  while (last < queue.length - 1 && (queue[last]!.flags & LAST_FRAGMENT) === 0) last++;
  for (let i = first; i <= last; i++) {
    const fragment = queue[i]!;
    // The caller takes `chunk` itself out of the flight size.
    if (i !== at && !fragment.acked && !fragment.retransmit) sctp.flightSizeDecrease(fragment);
    fragment.abandoned = true;
    fragment.retransmit = false;
  }
  if ((queue[last]!.flags & LAST_FRAGMENT) !== 0) return;
  // The rest has numbers already, so it is skipped as if it had been sent and lost.
  for (;;) {
    const fragment = sctp.outboundQueue.shift();
    if (fragment === undefined) return;
    fragment.abandoned = true;
    queue.push(fragment);
    if ((fragment.flags & LAST_FRAGMENT) !== 0) return;
  }
}

/** FORWARD-TSN chunk (RFC 3758 §3.2). */
function writeForwardTsn(cumulative: number, streams: ReadonlyMap<number, number>): Buffer {
  const bytes = Buffer.alloc(8 + 4 * streams.size);
  bytes.writeUInt8(FORWARD_TSN, 0);
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt32BE(cumulative, 4);
  let at = 8;
  for (const [streamId, streamSeq] of streams) {
    bytes.writeUInt16BE(streamId, at);
    bytes.writeUInt16BE(streamSeq, at + 2);
    at += 4;
  }
  return bytes;
}
