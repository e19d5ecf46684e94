/**
 * werift's clients on a busy machine: their SCTP rejects promises that nobody holds when an answer
 * comes twice. One client's trouble shows as a client without media; it must not end all the
 * others.
 *
 * @module
 */

/** From now on such a rejection ends nothing. For processes of clients only, never for an SFU. */
export function outliveClientFaults(): void {
  globalThis.addEventListener("unhandledrejection", (event) => event.preventDefault());
}
