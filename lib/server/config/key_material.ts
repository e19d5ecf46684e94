/**
 * What secrets are made of that servers with the same API keys share.
 *
 * @module
 */

/** The same for the same keys, in whatever order. */
export function keyMaterial(keys: Readonly<Record<string, string>>): Uint8Array<ArrayBuffer> {
  const pairs = Object.entries(keys).sort(([a], [b]) => a < b ? -1 : 1);
  return new TextEncoder().encode(JSON.stringify(pairs));
}
