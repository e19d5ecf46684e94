/**
 * Bytes nobody should send: random ones, and real messages cut short or changed, for every protocol
 * on the media port. The same seed gives the same bytes.
 *
 * @module
 */
import type { SeededRandom } from "../virtual/seeded_random.ts";
import { bindingRequest } from "../wire/stun_requests.ts";
import { dtlsRecord } from "../wire/wire_client.ts";
import type { IceCredentials } from "../../../lib/base/media_vocabulary.ts";

/** Longest datagram made. */
const MAX_BYTES = 1_400;

/**
 * `count` datagrams that a demux takes for the protocol, with a real-looking start and a random
 * rest.
 */
export function hostileDatagrams(
  protocol: "noise" | "stun" | "dtls" | "rtp" | "rtcp",
  random: SeededRandom,
  count: number,
): Uint8Array[] {
  return Array.from({ length: count }, () => {
    const bytes = random.bytes(random.below(random.chance(0.5) ? 40 : MAX_BYTES));
    if (bytes.length > 0) writeStart(protocol, bytes, random);
    return bytes;
  });
}

function writeStart(protocol: string, bytes: Uint8Array, random: SeededRandom): void {
  const start = {
    noise: [],
    stun: [0, 1, 0, Math.max(0, bytes.length - 20) & 0xff, 0x21, 0x12, 0xa4, 0x42],
    dtls: [20 + random.below(6), 0xfe, 0xfd, 0, random.below(3)],
    rtp: [0x80 | random.below(64), random.below(192)],
    rtcp: [0x80 | random.below(32), 192 + random.below(32)],
  }[protocol]!;
  for (let i = 0; i < start.length && i < bytes.length; i++) bytes[i] = start[i]!;
}

/** Every proper prefix of `bytes`, up to `limit` of them, longest first. */
export function truncations(bytes: Uint8Array, limit = 200): Uint8Array[] {
  const prefixes = [];
  for (let length = bytes.length - 1; length >= 0 && prefixes.length < limit; length--) {
    prefixes.push(bytes.slice(0, length));
  }
  return prefixes;
}

/** `count` copies of `bytes` with a few bytes changed. */
export function mutations(bytes: Uint8Array, random: SeededRandom, count: number): Uint8Array[] {
  return Array.from({ length: count }, () => {
    const copy = bytes.slice();
    for (let i = 1 + random.below(4); i > 0; i--) {
      copy[random.below(copy.length)] = random.below(256);
    }
    return copy;
  });
}

/** What strangers are known to have tried on DTLS: each ended a werift association at one time. */
export function spoofedDtls(): Uint8Array[] {
  const clientHello = Uint8Array.of(
    ...[1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42], // handshake header
    ...[0xfe, 0xfd],
    ...new Array<number>(32).fill(7), // random
    ...[0, 0, 0, 2, 0xc0, 0x2b, 1, 0], // session id, cookie, one suite, no compression
  );
  return [
    ...Array.from({ length: 40 }, (_, i) => dtlsRecord(24 + i, 0, i, Uint8Array.of(0))), // 14 bytes
    dtlsRecord(21, 0, 50, Uint8Array.of(1, 0)), // plaintext close_notify
    dtlsRecord(21, 0, 51, Uint8Array.of(2, 40)), // plaintext fatal alert
    dtlsRecord(21, 1, 52, Uint8Array.of(1, 0)), // the same, claiming to be encrypted
    dtlsRecord(22, 0, 53, clientHello),
    dtlsRecord(23, 0, 54, Uint8Array.of(0)), // plaintext application data
  ];
}

/** Well-formed requests for `server` that must be refused: wrong password, or no such session. */
export function unprovenRequests(server: IceCredentials, random: SeededRandom): Uint8Array[] {
  const request = (credentials: IceCredentials) =>
    bindingRequest({
      server: credentials,
      clientUfrag: "stranger",
      transaction: random.bytes(12),
      useCandidate: true,
    });
  const wrong = Array.from(
    { length: 20 },
    () => request({ ...server, pwd: "a-wrong-password-of-24-chars" }),
  );
  return [...wrong, request({ ufrag: "nobody", pwd: server.pwd })];
}
