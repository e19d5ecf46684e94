import assert from "node:assert/strict";
import { type DatagramKind, datagramKind } from "../../../lib/wire/datagram_kind.ts";

/** RFC 7983 §7's figure, written out again: first byte → kind, for a second byte outside RTCP. */
function expected(first: number): DatagramKind {
  if (first <= 3) return "stun";
  if (first >= 20 && first <= 63) return "dtls";
  if (first >= 128 && first <= 191) return "rtp";
  return "other";
}

Deno.test("datagramKind() sorts every first byte into its RFC 7983 range", () => {
  for (let first = 0; first < 256; first++) {
    const bytes = new Uint8Array(64);
    bytes[0] = first;
    assert.equal(datagramKind(bytes, 64), expected(first), `first byte ${first}`);
  }
});

Deno.test("datagramKind() tells RTCP from RTP by packet types 192 to 223", () => {
  const bytes = new Uint8Array(64);
  bytes[0] = 0x80;
  for (let second = 0; second < 256; second++) {
    bytes[1] = second;
    const isRtcp = second >= 192 && second <= 223;
    assert.equal(datagramKind(bytes, 64), isRtcp ? "rtcp" : "rtp", `second byte ${second}`);
  }
});

Deno.test("datagramKind() calls a datagram without its protocol's whole header other", () => {
  const shortest: [number, number, DatagramKind, number][] = [
    [0, 1, "stun", 20],
    [22, 254, "dtls", 13],
    [0x80, 96, "rtp", 12],
    [0x80, 201, "rtcp", 8],
  ];
  for (const [first, second, kind, minimum] of shortest) {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => i === 0 ? first : i === 1 ? second : 0);
    assert.equal(datagramKind(bytes, minimum), kind);
    for (let length = 0; length < minimum; length++) {
      assert.equal(datagramKind(bytes, length), "other", `${kind} of ${length} bytes`);
    }
  }
});

Deno.test("datagramKind() calls a length beyond the buffer other", () => {
  assert.equal(datagramKind(new Uint8Array(20), 21), "other");
});
