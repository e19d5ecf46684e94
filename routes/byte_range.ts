/**
 * Which part of a file a request asks for (RFC 9110 §14): one range of bytes. Pure.
 *
 * @module
 */

/** `[from, to)`, or nothing that the file has; `undefined`: the whole file is asked for. */
export type ByteRange =
  | { readonly from: number; readonly to: number }
  | "unsatisfiable"
  | undefined;

/** Positions are exact; longer ones are beyond any file. */
const RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * Reads a `Range` header. Several ranges at once, and what is no range of bytes, count as none.
 *
 * @param size Of the file, bytes.
 */
export function byteRange(header: string | null, size: number): ByteRange {
  const [, first, last] = RANGE.exec(header?.replaceAll(/\s/g, "") ?? "") ?? [];
  if (first === undefined || last === undefined || first === "" && last === "") return undefined;
  if (first === "") {
    const count = Math.min(Number(last), size);
    return count === 0 ? "unsatisfiable" : { from: size - count, to: size };
  }
  const from = Number(first);
  const to = last === "" ? size : Math.min(Number(last) + 1, size);
  if (last !== "" && Number(last) < from) return undefined;
  return from >= size ? "unsatisfiable" : { from, to };
}
