/**
 * GHASH as a WebAssembly program, put together here: JavaScript has no multiplication of 64-bit
 * integers that makes no object, and with those of 32 bits a block takes three times as long.
 *
 * It takes the same time whatever the key and the bytes are: there are no tables, whose places in
 * the cache would tell. Polynomials are multiplied by integer multiplication of numbers that have
 * three holes for each bit, so that no carry reaches a bit that is kept; the upper half of a
 * product is the lower half of the product of the reversed numbers, reversed.
 *
 * A field element (NIST SP 800-38D §6.3) is two words of 64 bits, `low` and `high`, of the integer
 * that its bytes are in network order.
 *
 * @module
 */

/** In the program's memory: factors of the key, the hash, and what is hashed. */
export const GHASH_KEY_AT = 0;
export const GHASH_STATE_AT = 192;
export const GHASH_DATA_AT = 256;

/** The bits of a number whose place is 0, 1, 2 or 3 modulo four. */
export const HOLES: readonly bigint[] = [
  0x1111_1111_1111_1111n,
  0x2222_2222_2222_2222n,
  0x4444_4444_4444_4444n,
  0x8888_8888_8888_8888n,
];
/** Bytes of a factor of the key: its bits by place modulo four, little endian. */
export const FACTOR_BYTES = 32;

/** What the program exports. */
export interface GhashProgram {
  readonly memory: WebAssembly.Memory;
  /** Takes the blocks `[from, to)` of the memory, at least one, into the hash. */
  readonly hash: (from: number, to: number) => void;
  /** The bits of a word the other way round. */
  readonly reverse: (word: bigint) => bigint;
}

type Code = readonly number[];

const I32 = 0x7f;
const I64 = 0x7e;
const V128 = 0x7b;
const AND: Code = [0x83];
const OR: Code = [0x84];
const XOR: Code = [0x85];
const MULTIPLY: Code = [0x7e];
const END: Code = [0x0b];
const PAGES = 1;

/** Functions by number. */
const LOWER_HALF = 0;
const REVERSE = 1;
const HASH = 2;

const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const call = (func: number): Code => [0x10, func];
const load64 = (offset: number): Code => [0x29, 3, ...unsigned(offset)];
const store64 = (offset: number): Code => [0x37, 3, ...unsigned(offset)];
const int32 = (value: number): Code => [0x41, ...signed(BigInt(value))];
const int64 = (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))];
const left = (bits: bigint): Code => [...int64(bits), 0x86];
const right = (bits: bigint): Code => [...int64(bits), 0x88];

/** A number as LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value;; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push(rest & 0x7f | 0x80);
  }
}

function signed(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value;; rest >>= 7n) {
    const byte = Number(rest & 0x7fn);
    if (rest >= -64n && rest < 64n) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}

/** `(x, at)`: the lower 64 of the 127 bits of `x` times the factor at `at`. */
function lowerHalf(): Code {
  const [x, at, xs, ys] = [0, 1, 2, 6];
  const code: number[] = [];
  for (let i = 0; i < 4; i++) {
    code.push(...get(x), ...int64(HOLES[i]!), ...AND, ...set(xs + i));
    code.push(...get(at), ...load64(8 * i), ...set(ys + i));
  }
  for (let place = 0; place < 4; place++) {
    for (let i = 0; i < 4; i++) {
      code.push(...get(xs + i), ...get(ys + ((place - i) & 3)), ...MULTIPLY);
      if (i > 0) code.push(...XOR);
    }
    code.push(...int64(HOLES[place]!), ...AND);
    if (place > 0) code.push(...OR);
  }
  return code;
}

/** `(x)`: exchanges neighbours of 1, 2, 4, 8, 16 and 32 bits. */
function reverse(): Code {
  const x = 0;
  const code: number[] = [];
  for (let bits = 1n; bits < 64n; bits *= 2n) {
    // The lower one of each pair.
    const lower = (2n ** 64n - 1n) / (2n ** bits + 1n);
    code.push(...get(x), ...int64(lower), ...AND, ...left(bits));
    code.push(...get(x), ...right(bits), ...int64(lower), ...AND, ...OR, ...set(x));
  }
  return [...code, ...get(x)];
}

/** Locals of the hash. */
const [FROM, TO, LOW, HIGH] = [0, 1, 2, 3];
const [LOW_REVERSED, HIGH_REVERSED] = [4, 5];
/** Lower halves of the products of the low words, the high words, and their sums; upper halves. */
const [LOWS, HIGHS, SUMS] = [6, 7, 8];
const [LOWS_UP, HIGHS_UP, SUMS_UP] = [9, 10, 11];
/** Four words of the product, lowest first. */
const PRODUCT = 12;
const BLOCK = 16;

/** `(from, to)`: each block is added to the hash, which is then multiplied by the key. */
function hash(): Code {
  return [
    ...[...int32(0), ...load64(GHASH_STATE_AT), ...set(LOW)],
    ...[...int32(0), ...load64(GHASH_STATE_AT + 8), ...set(HIGH)],
    ...[0x03, 0x40], // until all blocks were taken
    ...addBlock(),
    ...multiply(),
    ...reduce(),
    // from += 16; again while from < to
    ...[...get(FROM), ...int32(16), 0x6a, 0x22, FROM, ...get(TO), 0x49, 0x0d, 0, ...END],
    ...[...int32(0), ...get(LOW), ...store64(GHASH_STATE_AT)],
    ...[...int32(0), ...get(HIGH), ...store64(GHASH_STATE_AT + 8)],
  ];
}

function addBlock(): Code {
  const load: Code = [...get(FROM), 0xfd, 0x00, 0, 0];
  const backwards = Array.from({ length: 16 }, (_, i) => 15 - i);
  const lane = (number: number): Code => [...get(BLOCK), 0xfd, 0x1d, number];
  return [
    ...[...load, ...load, 0xfd, 0x0d, ...backwards, ...set(BLOCK)],
    ...[...lane(0), ...get(LOW), ...XOR, ...set(LOW)],
    ...[...lane(1), ...get(HIGH), ...XOR, ...set(HIGH)],
  ];
}

/** Karatsuba's way: three products of words, each in two halves. */
function multiply(): Code {
  const times = (x: Code, factor: number): Code => [
    ...x,
    ...int32(GHASH_KEY_AT + FACTOR_BYTES * factor),
    ...call(LOWER_HALF),
  ];
  const sum = (one: number, other: number): Code => [...get(one), ...get(other), ...XOR];
  /** What is between the products of the outer words: that of the sums, less both. */
  const between = (lows: number, highs: number): Code => [
    ...[...get(lows), ...XOR],
    ...[...get(highs), ...XOR],
  ];
  const upper = [LOWS_UP, HIGHS_UP, SUMS_UP].flatMap((half) => [
    ...[...get(half), ...call(REVERSE), ...right(1n), ...set(half)],
  ]);
  return [
    ...[...get(LOW), ...call(REVERSE), ...set(LOW_REVERSED)],
    ...[...get(HIGH), ...call(REVERSE), ...set(HIGH_REVERSED)],
    ...[...times(get(LOW), 0), ...set(LOWS)],
    ...[...times(get(HIGH), 1), ...set(HIGHS)],
    ...[...times(sum(LOW, HIGH), 2), ...between(LOWS, HIGHS), ...set(SUMS)],
    ...[...times(get(LOW_REVERSED), 3), ...set(LOWS_UP)],
    ...[...times(get(HIGH_REVERSED), 4), ...set(HIGHS_UP)],
    ...[...times(sum(LOW_REVERSED, HIGH_REVERSED), 5), ...between(LOWS_UP, HIGHS_UP)],
    ...set(SUMS_UP),
    ...upper,
    ...[...get(LOWS), ...set(PRODUCT)],
    ...[...get(LOWS_UP), ...get(SUMS), ...XOR, ...set(PRODUCT + 1)],
    ...[...get(HIGHS), ...get(SUMS_UP), ...XOR, ...set(PRODUCT + 2)],
    ...[...get(HIGHS_UP), ...set(PRODUCT + 3)],
  ];
}

/**
 * The product modulo x^128 + x^7 + x^2 + x + 1. Bits stand the other way round, so the 255 are
 * moved to end at the highest of 256, and the lower words are what is folded into the upper ones.
 */
function reduce(): Code {
  const code: number[] = [];
  for (let i = PRODUCT + 3; i > PRODUCT; i--) {
    code.push(...get(i), ...left(1n), ...get(i - 1), ...right(63n), ...OR, ...set(i));
  }
  code.push(...get(PRODUCT), ...left(1n), ...set(PRODUCT));
  const folded = (word: number, into: number, moves: readonly Code[]): void => {
    code.push(...get(into));
    for (const move of moves) code.push(...get(word), ...move, ...XOR);
    code.push(...set(into));
  };
  for (const word of [PRODUCT, PRODUCT + 1]) {
    folded(word, word + 1, [left(63n), left(62n), left(57n)]);
    folded(word, word + 2, [[], right(1n), right(2n), right(7n)]);
  }
  return [...code, ...get(PRODUCT + 2), ...set(LOW), ...get(PRODUCT + 3), ...set(HIGH)];
}

/** A list with its length in front. */
function list(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function withSize(bytes: Code): Code {
  return [...unsigned(bytes.length), ...bytes];
}

/** @param locals How many of which type, beyond the parameters. */
function body(locals: readonly Code[], code: Code): Code {
  return withSize([...list(locals), ...code, ...END]);
}

function section(number: number, bytes: Code): Code {
  return [number, ...withSize(bytes)];
}

/** The program's bytes (WebAssembly 2.0, binary format). */
function programBytes(): Uint8Array<ArrayBuffer> {
  const type = (parameters: Code, results: Code): Code => [
    0x60,
    ...withSize(parameters),
    ...withSize(results),
  ];
  const exported = (name: string, kind: number, index: number): Code => [
    ...withSize([...new TextEncoder().encode(name)]),
    kind,
    index,
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list([type([I64, I32], [I64]), type([I64], [I64]), type([I32, I32], [])])),
    ...section(3, list([[LOWER_HALF], [REVERSE], [HASH]])), // types by the same numbers
    ...section(5, list([[0, PAGES]])),
    ...section(
      7,
      list([exported("memory", 2, 0), exported("hash", 0, HASH), exported("reverse", 0, REVERSE)]),
    ),
    ...section(
      10,
      list([
        body([[8, I64]], lowerHalf()),
        body([], reverse()),
        body([[14, I64], [1, V128]], hash()),
      ]),
    ),
  ]);
}

/** The program, ready to run. */
export function createGhashProgram(): GhashProgram {
  const module = new WebAssembly.Module(programBytes());
  return new WebAssembly.Instance(module).exports as unknown as GhashProgram;
}
