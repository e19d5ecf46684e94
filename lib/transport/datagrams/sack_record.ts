/**
 * What an acknowledgement of data looks like before it is opened.
 *
 * A DTLS record of application data (RFC 6347 §4.1, RFC 5288 §3) around a packet with one SACK that
 * tells of nothing missing (RFC 9260 §3.3.4), and nothing else, has a length that no packet with a
 * message has. Few others have it (an answer to a RE-CONFIG, a FORWARD TSN for two streams, the
 * shortest heartbeats), and each of them is said again if it is lost.
 *
 * @module
 */

/** First byte of a DTLS record of application data. */
export const APPLICATION_DATA = 23;
/** Header and nonce, the packet's header and the SACK, and the tag. */
export const SACK_RECORD_BYTES = 13 + 8 + (12 + 16) + 16;

/** Whether the datagram `bytes[0, length)` has the length and the beginning of such a record. */
export function isSackRecord(bytes: Uint8Array, length: number): boolean {
  return length === SACK_RECORD_BYTES && bytes[0] === APPLICATION_DATA;
}
