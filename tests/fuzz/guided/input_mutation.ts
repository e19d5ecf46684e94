/**
 * Makes inputs out of inputs: bends, cuts, joins, and puts in what parsers compare with.
 *
 * @module
 */
import type { SeededRandom } from "../../support/virtual/seeded_random.ts";

/** No input is longer. */
const MAX_INPUT_BYTES = 1_500;
/** Numbers at the edges of fields. */
const EDGES = [0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 191, 192, 254, 255];
/** Pieces of text that grammars have. */
const WORDS = [
  "\r\n",
  "a=",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
  "a=mid:0\r\n",
  "a=rtpmap:96 VP8/90000\r\n",
  "a=fmtp:96 ",
  "a=ssrc:1 cname:x\r\n",
  "{",
  "}",
  "[",
  ":",
  ",",
  ".",
  "=",
  ";",
  '"',
  "-1",
  "1e9",
  "null",
  "true",
  "for=",
  "127.0.0.1",
  "::1",
  "::ffff:1.2.3.4",
  "\u0000",
  "é",
].map((word) => new TextEncoder().encode(word));

/** One more input, never the parent itself in memory. */
export function mutated(
  random: SeededRandom,
  corpus: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const parent = corpus[random.below(corpus.length)]!;
  let bytes = parent.slice() as Uint8Array<ArrayBuffer>;
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    bytes = changed(random, bytes, corpus);
  }
  return bytes.length > MAX_INPUT_BYTES ? bytes.slice(0, MAX_INPUT_BYTES) : bytes;
}

function changed(
  random: SeededRandom,
  bytes: Uint8Array<ArrayBuffer>,
  corpus: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const kind = random.below(10);
  if (kind === 0) return bytes.slice(0, at);
  if (kind === 1) return spliced(bytes, at, 0, random.bytes(1 + random.below(8)));
  if (kind === 2) return spliced(bytes, at, 1 + random.below(8), new Uint8Array());
  if (kind === 3) return spliced(bytes, at, 0, WORDS[random.below(WORDS.length)]!);
  if (kind === 4) {
    const other = corpus[random.below(corpus.length)]!;
    const from = random.below(other.length + 1);
    return spliced(bytes, at, 0, other.subarray(from, from + random.below(64)));
  }
  if (kind === 5) return spliced(bytes, at, 0, bytes.subarray(at, at + random.below(64)));
  if (at === bytes.length) return bytes;
  if (kind === 6) bytes[at]! ^= 1 << random.below(8);
  else if (kind === 7) bytes[at] = EDGES[random.below(EDGES.length)]!;
  else if (kind === 8) bytes[at]! += random.below(9) - 4;
  else bytes[at] = random.below(256);
  return bytes;
}

function spliced(
  bytes: Uint8Array,
  at: number,
  removed: number,
  put: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const tail = bytes.subarray(at + removed);
  const out = new Uint8Array(at + put.length + tail.length);
  out.set(bytes.subarray(0, at));
  out.set(put, at);
  out.set(tail, at + put.length);
  return out;
}
