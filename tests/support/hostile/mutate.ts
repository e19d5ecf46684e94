/**
 * Damage to a datagram as a fuzz test wants it, by a seed.
 *
 * @module
 */
import type { SeededRandom } from "../virtual/seeded_random.ts";

/** Changes, cuts or lengthens a datagram. */
export function mutate(random: SeededRandom, datagram: Uint8Array): Uint8Array {
  const bytes = datagram.slice(
    0,
    random.chance(0.3) ? random.below(datagram.length + 1) : undefined,
  );
  for (let n = random.below(4); n >= 0 && bytes.length > 0; n--) {
    bytes[random.below(bytes.length)] = random.below(256);
  }
  return random.chance(0.1) ? Uint8Array.from([...bytes, ...random.bytes(40)]) : bytes;
}
