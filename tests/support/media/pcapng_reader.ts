/**
 * Reads packet captures (draft-ietf-opsawg-pcapng) as far as the server writes them, and by the
 * draft's own words, so that what is written otherwise fails.
 *
 * @module
 */

/** A UDP datagram of a capture. */
export interface ReadDatagram {
  /** Name of its interface. */
  readonly on: string;
  readonly isSent: boolean;
  readonly timeUs: number;
  readonly from: string;
  readonly to: string;
  readonly ports: readonly [from: number, to: number];
  /** Bytes of its payload, of which `bytes` are there. */
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** A whole file. */
export interface ReadCapture {
  readonly comment: string;
  readonly application: string;
  readonly interfaces: readonly string[];
  readonly datagrams: readonly ReadDatagram[];
}

/** @throws {Error} for what is no such file. */
export function readPcapng(file: Uint8Array): ReadCapture {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const interfaces: string[] = [];
  const datagrams: ReadDatagram[] = [];
  let head = new Map<number, Uint8Array>();
  for (let at = 0; at < file.length;) {
    const type = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    if (length % 4 !== 0 || view.getUint32(at + length - 4, true) !== length) {
      throw new Error(`block of type ${type} at ${at} has no length`);
    }
    const end = at + length - 4;
    if (type === 0x0a0d0d0a) {
      if (view.getUint32(at + 8, true) !== 0x1a2b3c4d || view.getUint16(at + 12, true) !== 1) {
        throw new Error("no section of version 1");
      }
      head = options(file, view, at + 24, end);
    } else if (type === 1) {
      if (view.getUint16(at + 8, true) !== 228) throw new Error("no IPv4 packets");
      interfaces.push(text(options(file, view, at + 16, end).get(2)));
    } else if (type === 6) {
      const kept = view.getUint32(at + 20, true);
      const flags = options(file, view, at + 28 + kept + (-kept & 3), end).get(2)!;
      datagrams.push({
        on: interfaces[view.getUint32(at + 8, true)]!,
        isSent: (flags[0]! & 3) === 2,
        timeUs: view.getUint32(at + 12, true) * 2 ** 32 + view.getUint32(at + 16, true),
        ...udp(file.subarray(at + 28, at + 28 + kept), view.getUint32(at + 24, true)),
      });
    } else throw new Error(`unknown block ${type}`);
    at += length;
  }
  return { comment: text(head.get(1)), application: text(head.get(4)), interfaces, datagrams };
}

function options(file: Uint8Array, view: DataView, from: number, end: number) {
  const found = new Map<number, Uint8Array>();
  for (let at = from; at < end;) {
    const code = view.getUint16(at, true);
    const length = view.getUint16(at + 2, true);
    if (code === 0) return found;
    found.set(code, file.subarray(at + 4, at + 4 + length));
    at += 4 + length + (-length & 3);
  }
  throw new Error("options without an end");
}

function udp(packet: Uint8Array, original: number) {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at);
  if (((sum & 0xffff) + (sum >>> 16)) % 0xffff !== 0) throw new Error("checksum of IP");
  if (packet[0] !== 0x45 || packet[9] !== 17) throw new Error("no UDP in IPv4");
  if (view.getUint16(2) !== original || view.getUint16(24) !== original - 20) {
    throw new Error("lengths disagree");
  }
  const address = (at: number) => packet.subarray(at, at + 4).join(".");
  return {
    from: address(12),
    to: address(16),
    ports: [view.getUint16(20), view.getUint16(22)] as const,
    length: original - 28,
    bytes: packet.subarray(28),
  };
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}
