/**
 * What engines tell each other about relayed tracks, and of data: the records in the rings between
 * them.
 *
 * A relay is known by a number that its near end (the engine that the publisher is connected to)
 * gives it, new for every offer. `offer` and `withdraw` begin and end it; between them the far end
 * may join and leave. Each record's payload begins with the number; all words are 32 bits. Data has
 * no relay: it goes by the numbers of rooms, members and publishers.
 *
 * @module
 */
import { WISH_BITS } from "../../media/packet/layer_wish.ts";

/** Kinds of records, with the words that follow the relay's number. */
export const RELAY = {
  // From the near end to the far one.
  /** Bytes of the up-track's id, and the id in UTF-8. */
  offer: 1,
  withdraw: 2,
  /**
   * Flags ({@linkcode stateFlags}), then for each layer: SSRC, payload type (-1: not bound), epoch.
   */
  state: 3,
  /** Layer, NTP seconds, NTP fraction, RTP timestamp, age in ms. */
  report: 4,
  /** {@linkcode packetWord}, upper and lower half of the extended number, the packet. */
  packet: 5,
  // From the far end to the near one.
  join: 6,
  leave: 7,
  /** {@linkcode demandWord}: wanted layers, and what would be wanted beside them. */
  demand: 8,
  /** Layers of which a key frame is needed, a bit each. */
  keyFrames: 9,
  /** Layer, count, and that many numbers of 16 bits. */
  nack: 10,
  // Of data, in place of a relay's number what is said here.
  /** Room, member, 1 if lossy, bytes, a packet as it goes on. */
  data: 11,
  /** The publisher's number, bytes, a packet of a data track. */
  dataTrack: 12,
  /** Member, 1 if it is to wait and 0 if it may go on. */
  dataHold: 13,
  // Of data tracks between nodes: a number of the near end's choice.
  /** Number, bytes of the track's id, and the id in UTF-8. */
  offerDataTrack: 14,
  withdrawDataTrack: 15,
  /** Number, bytes, a packet. */
  offeredDataTrack: 16,
  // From the near end of a relay to the far one.
  /** Layer, and what it brings by spatial and temporal layer inside it, bits per second. */
  rates: 17,
  // From the far end of a relay to the near one.
  /**
   * Bytes of a room's sid, and the sid in UTF-8: the track is wanted only while it is among the
   * loudest of that room. No bytes: it is wanted always.
   */
  loudestOf: 18,
} as const;

/** Records of data itself, which tracks must always find room beside. */
export function isOfData(kind: number): boolean {
  return kind === RELAY.data || kind === RELAY.dataTrack || kind === RELAY.offeredDataTrack;
}

/** Words of the records of fixed size, the number included. */
export const STATE_WORDS = 11;
export const REPORT_WORDS = 6;
/** Layers inside a stream, and words of the record of their rates. */
export const RATES = 12;
export const RATES_WORDS = 2 + RATES;
/** Words of a packet's record before the packet. */
export const PACKET_HEAD_WORDS = 4;
/** Words of a NACK's record before the numbers. */
export const NACK_HEAD_WORDS = 3;
/** Words of the records of data before the bytes; their number is the last of them. */
export const DATA_HEAD_WORDS = 4;
export const DATA_TRACK_HEAD_WORDS = 2;
export const DATA_HOLD_WORDS = 2;
/** Longest id of an up-track, bytes; our own are far shorter. */
export const MAX_ID_BYTES = 256;

const WISH_AT = 3;
const MUTED = 1 << 8;
const BEGINS = 1 << 8;
const TWO_32 = 0x1_0000_0000;

/** @param liveLayers Bit `1 << spatial` for each layer that is received. */
export function stateFlags(liveLayers: number, muted: boolean): number {
  return liveLayers | (muted ? MUTED : 0);
}

/** Bit `1 << spatial` for each layer that is received. */
export function liveLayersOf(flags: number): number {
  return flags & 0b111;
}

export function isMuted(flags: number): boolean {
  return (flags & MUTED) !== 0;
}

/**
 * @param layers Bit `1 << spatial` for each that is to cross.
 * @param wish What would be wanted if there were room for all (`layer_wish.ts`).
 */
export function demandWord(layers: number, wish: number): number {
  return layers | (wish << WISH_AT);
}

/** Bit `1 << spatial` for each layer that is to cross. */
export function layersWanted(word: number): number {
  return word & 0b111;
}

/** 0 of an end that does not say it. */
export function wishIn(word: number): number {
  return (word >>> WISH_AT) & ((1 << WISH_BITS) - 1);
}

/** @param begins The layer did not cross before: what was between is not missing. */
export function packetWord(spatial: number, begins: boolean, bytes: number): number {
  return spatial | (begins ? BEGINS : 0) | (bytes << 16);
}

export function spatialOf(word: number): number {
  return word & 0xff;
}

/** Whether the layer did not cross before, so that nothing between is missing. */
export function beginsRun(word: number): boolean {
  return (word & BEGINS) !== 0;
}

/** How long the packet behind the word is. */
export function bytesOf(word: number): number {
  return word >>> 16;
}

/** Upper 32 bits of a number below 2^53; the lower ones are `value | 0`. */
export function upperHalf(value: number): number {
  return Math.floor(value / TWO_32);
}

/** A number below 2^53 from the halves of {@linkcode upperHalf}, signed or not. */
export function joinHalves(upper: number, lower: number): number {
  return (upper >>> 0) * TWO_32 + (lower >>> 0);
}
