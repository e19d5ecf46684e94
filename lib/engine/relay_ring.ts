/**
 * A single-producer single-consumer ring of records in shared memory, one for each direction between
 * two engines.
 *
 * @module
 */

/** Bytes of records one ring holds; a power of two. */
export const RING_BYTES = 4 << 20;
/** Bytes before the records: the indices, each in a cache line of its own. */
export const RING_HEADER_BYTES = 256;

/** Memory of a ring, to be shared between the two engines that it joins. */
export function createRelayRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(RING_HEADER_BYTES + RING_BYTES);
}
