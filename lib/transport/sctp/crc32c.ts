/**
 * CRC32c, the checksum of SCTP packets (RFC 9260 §6.8 and appendix A), eight bytes at a time.
 *
 * @module
 */

/** The reflected polynomial 0x1EDC6F41. */
const POLYNOMIAL = 0x82f63b78;
/** Where a packet's checksum stands, and its length. */
const CHECKSUM_AT = 8;
const CHECKSUM_BYTES = 4;

/** Eight tables of 256: the n-th advances a byte that has n more bytes behind it. */
const TABLES = makeTables();

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]!;
    tables[i] = (before >>> 8) ^ tables[before & 0xff]!;
  }
  return tables;
}

/** The checksum of the packet `bytes[0, length)`, whatever stands in its checksum field. */
export function packetChecksum(bytes: Uint8Array, length: number): number {
  let crc = advance(-1, bytes, 0, CHECKSUM_AT);
  // The field counts as zero.
  for (let i = 0; i < CHECKSUM_BYTES; i++) crc = (crc >>> 8) ^ TABLES[crc & 0xff]!;
  return ~advance(crc, bytes, CHECKSUM_AT + CHECKSUM_BYTES, length) >>> 0;
}

function advance(crc: number, bytes: Uint8Array, from: number, to: number): number {
  const tables = TABLES;
  let at = from;
  for (; at + 8 <= to; at += 8) {
    crc = tables[1792 + ((crc ^ bytes[at]!) & 0xff)]! ^
      tables[1536 + (((crc >>> 8) ^ bytes[at + 1]!) & 0xff)]! ^
      tables[1280 + (((crc >>> 16) ^ bytes[at + 2]!) & 0xff)]! ^
      tables[1024 + ((crc >>> 24) ^ bytes[at + 3]!)]! ^
      tables[768 + bytes[at + 4]!]! ^
      tables[512 + bytes[at + 5]!]! ^
      tables[256 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!;
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 0xff]!;
  return crc;
}
