/**
 * Reads what clients send nearly always: binary messages that nobody has compressed, each whole in
 * one frame (RFC 6455 §5.2), and frames that are whole in what was received. `ws` writes what comes
 * into a stream and makes a dozen objects of each message.
 *
 * Contract: the first frame that is anything else is left to the library, with all that follows it,
 * for the connection's life; so what is wrong in a frame is the library's to say. Messages are
 * given out in order, each in memory of its own.
 *
 * @module
 */

/** First byte of a binary message in one frame: its last, with no extension's bit. */
const WHOLE_BINARY = 0x82;
/** In the second byte: a client masks what it sends (§5.3). */
const MASKED = 0x80;
const LENGTH = 0x7f;
const LENGTH_OF_16_BITS = 126;
const LENGTH_OF_64_BITS = 127;
const SHORT_HEAD_BYTES = 2;
const LONG_HEAD_BYTES = 4;
const MASK_BYTES = 4;

type Listener = (chunk: Uint8Array) => void;

/** As much of a connection as is used here. */
export interface ReadConnection {
  listeners(event: "data"): unknown[];
  on(event: "data", listener: Listener): unknown;
  off(event: "data", listener: Listener): unknown;
}

/**
 * Reads in place of `library`, the listeners by which `ws` reads, as long as it can.
 *
 * @param longest Bytes of a message; a longer one is the library's to refuse.
 */
export function readQuickly(
  connection: ReadConnection,
  library: readonly Listener[],
  longest: number,
  onMessage: (message: Uint8Array) => void,
): void {
  const read = (chunk: Uint8Array) => {
    const rest = takeMessages(chunk, longest, onMessage);
    if (rest === chunk.length) return;
    connection.off("data", read);
    for (const listener of library) {
      connection.on("data", listener);
      listener.call(connection, chunk.subarray(rest));
    }
  };
  for (const listener of library) connection.off("data", listener);
  connection.on("data", read);
}

/**
 * Gives out the messages at the beginning of `chunk`, which begins with a frame.
 *
 * @returns Where the first frame begins that is not whole, or none of these; the chunk's end if
 * there is none.
 */
export function takeMessages(
  chunk: Uint8Array,
  longest: number,
  onMessage: (message: Uint8Array) => void,
): number {
  let at = 0;
  while (at + SHORT_HEAD_BYTES <= chunk.length && chunk[at] === WHOLE_BINARY) {
    const second = chunk[at + 1]!;
    let length = second & LENGTH;
    if ((second & MASKED) === 0 || length === LENGTH_OF_64_BITS) break;
    let maskAt = at + SHORT_HEAD_BYTES;
    if (length === LENGTH_OF_16_BITS) {
      maskAt = at + LONG_HEAD_BYTES;
      if (maskAt > chunk.length) break;
      length = (chunk[at + 2]! << 8) | chunk[at + 3]!;
    }
    const contentAt = maskAt + MASK_BYTES;
    const end = contentAt + length;
    if (end > chunk.length || length > longest) break;
    const message = new Uint8Array(length);
    for (let i = 0; i < length; i++) message[i] = chunk[contentAt + i]! ^ chunk[maskAt + (i & 3)]!;
    at = end;
    onMessage(message);
  }
  return at;
}
