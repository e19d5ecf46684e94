/**
 * Packets out of an Ogg stream (RFC 3533, §6). Checksums are not looked at: it comes from a process
 * of our own.
 *
 * Total and bounded: after what is no page nothing more is read.
 *
 * @module
 */

const HEAD_BYTES = 27;
const MAX_PACKET_BYTES = 65_536;
const MAGIC = 0x4f676753;

/** Reads one stream as it comes. */
export class OggPackets {
  isBroken = false;
  #page = new Uint8Array(0);
  /** What of a packet was in earlier pages. */
  #begun: number[] = [];

  /** Gives each packet that is whole, in bytes of its own. */
  push(bytes: Uint8Array, deliver: (packet: Uint8Array<ArrayBuffer>) => void): void {
    if (this.isBroken) return;
    const all = new Uint8Array(this.#page.length + bytes.length);
    all.set(this.#page);
    all.set(bytes, this.#page.length);
    let at = 0;
    for (;;) {
      const length = pageLength(all, at);
      if (length === undefined) this.isBroken = true;
      if (length === undefined || length < 0 || at + length > all.length) break;
      this.#take(all, at, deliver);
      at += length;
    }
    this.#page = all.slice(at);
  }

  #take(all: Uint8Array, from: number, deliver: (packet: Uint8Array<ArrayBuffer>) => void): void {
    const segments = all[from + 26]!;
    let at = from + HEAD_BYTES + segments;
    for (let i = 0; i < segments; i++) {
      const size = all[from + HEAD_BYTES + i]!;
      const end = at + size;
      for (; at < end; at++) this.#begun.push(all[at]!);
      if (this.#begun.length > MAX_PACKET_BYTES) this.isBroken = true;
      if (size === 255) continue;
      deliver(Uint8Array.from(this.#begun));
      this.#begun = [];
    }
  }
}

/** Of the page at `at`; -1 while that cannot be told, `undefined` if there is none. */
function pageLength(all: Uint8Array, at: number): number | undefined {
  if (all.length - at < HEAD_BYTES) return -1;
  const view = new DataView(all.buffer, all.byteOffset + at);
  if (view.getUint32(0) !== MAGIC || view.getUint8(4) !== 0) return undefined;
  const segments = all[at + 26]!;
  if (all.length - at < HEAD_BYTES + segments) return -1;
  let length = HEAD_BYTES + segments;
  for (let i = 0; i < segments; i++) length += all[at + HEAD_BYTES + i]!;
  return length;
}
