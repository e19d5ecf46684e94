/**
 * Where a byte array stands in memory, for calls that take addresses.
 *
 * @module
 */

/** Addresses that were asked for, by view. */
const known = new WeakMap<Uint8Array, bigint>();

/**
 * The address of `bytes[0]`. From the second call for a view on it costs 3 ns, so use views that
 * live on.
 *
 * It holds as long as the view: memory of an `ArrayBuffer` never moves. A buffer that was detached
 * or shrunk makes `bytes.length` smaller, so check offsets against that before every use.
 */
export function addressOf(bytes: Uint8Array): bigint {
  return known.get(bytes) ?? lookUp(bytes);
}

function lookUp(bytes: Uint8Array): bigint {
  // Small arrays stand in V8's heap, where they move, until their buffer is asked for.
  const { buffer, byteOffset } = bytes;
  const pointer = Deno.UnsafePointer.of(buffer as ArrayBuffer);
  const address = BigInt(Deno.UnsafePointer.value(pointer)) + BigInt(byteOffset);
  known.set(bytes, address);
  return address;
}
