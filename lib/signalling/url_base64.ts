/**
 * URL-safe base64 with padding (RFC 4648 §5), as clients put bytes into query strings.
 *
 * @module
 */

/** The bytes, or `undefined` if `text` is not that. Never throws. */
export function decodeUrlBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[\w-]*={0,2}$/.test(text)) return undefined;
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
