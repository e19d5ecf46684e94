/**
 * Tells the protocols that share one media port apart by their first bytes (RFC 7983 §7 for STUN,
 * DTLS and RTP; RFC 5761 §4 for RTCP within the RTP range).
 *
 * Looks at two bytes and the length only: it decides which parser gets the datagram, never whether
 * the datagram is genuine.
 *
 * @module
 */

/** What a datagram claims to be; `other` has no handler here (ZRTP, TURN channels, noise). */
export type DatagramKind = "stun" | "dtls" | "rtp" | "rtcp" | "other";

/** STUN header, RFC 8489 §5. */
const STUN_MIN = 20;
/** DTLS 1.2 record header, RFC 6347 §4.1. */
const DTLS_MIN = 13;
/** Fixed RTP header, RFC 3550 §5.1. */
const RTP_MIN = 12;
/** An empty receiver report, the smallest RTCP packet in use, RFC 3550 §6.4.2. */
const RTCP_MIN = 8;

/** What RFC 7983 §7 leaves free, and is taken here for what engines of two nodes send. */
const FIRST_HOP = 80;
const LAST_HOP = 95;

/**
 * Whether a datagram claims to come from an engine of another node. Such come over UDP alone, where
 * no client is asked for them: {@linkcode datagramKind} calls them `other`.
 */
export function isHopDatagram(bytes: Uint8Array): boolean {
  const first = bytes[0]!;
  return first >= FIRST_HOP && first <= LAST_HOP;
}

/**
 * The protocol of `bytes[0..length)`. A datagram shorter than its protocol's fixed header is
 * `other`, so the handlers behind may read that header unchecked.
 */
export function datagramKind(bytes: Uint8Array, length: number): DatagramKind {
  if (length < RTCP_MIN || length > bytes.length) return "other";
  const first = bytes[0]!;
  if (first >= 128 && first <= 191) {
    const second = bytes[1]!;
    // RTCP types 192–223 are RTP payload types 64–95 with the marker bit, which RFC 5761 §4
    // forbids.
    if (second >= 192 && second <= 223) return "rtcp";
    return length >= RTP_MIN ? "rtp" : "other";
  }
  if (first >= 20 && first <= 63) return length >= DTLS_MIN ? "dtls" : "other";
  if (first <= 3) return length >= STUN_MIN ? "stun" : "other";
  return "other";
}
