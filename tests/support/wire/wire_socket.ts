/**
 * A client's socket to the media port: datagrams over UDP, or over TCP in RFC 4571 frames.
 *
 * @module
 */
import type { MediaAddress } from "../../../lib/base/media_vocabulary.ts";

/** Room for one received datagram. */
const MAX_BYTES = 4096;
const FRAME_HEADER_BYTES = 2;

/** One remote address of the engine's, seen from the client. */
export interface WireSocket {
  onDatagram: (bytes: Uint8Array) => void;
  /** Settles when nothing more will be received, also when the server ended a TCP connection. */
  readonly ended: Promise<void>;
  send(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** Opens a socket of the server address's protocol on any port of the same host. */
export function openWireSocket(server: MediaAddress): Promise<WireSocket> {
  return server.protocol === "udp" ? openUdpSocket(server) : openTcp(server);
}

/** Asks `server` from the local address `from`, and hears nothing that comes from elsewhere. */
export async function openUdpSocket(
  server: MediaAddress,
  from: string = isOurs(server.hostname) ? server.hostname : "0.0.0.0",
): Promise<WireSocket> {
  const { hostname, port } = server;
  const conn = Deno.listenDatagram({ transport: "udp", hostname: from, port: 0 });
  const remote = { transport: "udp", hostname, port } as const;
  let isClosed = false;
  // Sends are queued one behind the other, because pending ones complete newest first.
  let lastSend: Promise<unknown> = Promise.resolve();
  const socket: WireSocket = {
    onDatagram: () => {},
    ended: receive(),
    send: (bytes) => {
      const copy = bytes.slice();
      lastSend = lastSend.then(() => isClosed ? 0 : conn.send(copy, remote)).catch(() => {});
      return lastSend as Promise<void>;
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      conn.close();
    },
  };
  async function receive(): Promise<void> {
    const buffer = new Uint8Array(MAX_BYTES);
    while (!isClosed) {
      try {
        const [bytes, source] = await conn.receive(buffer);
        // As every ICE agent does: an answer from another address is nobody's (RFC 8445
        // §7.2.5.2.1).
        const { hostname: by, port: byPort } = source as Deno.NetAddr;
        if (by === hostname && byPort === port) socket.onDatagram(bytes.slice());
      } catch (error) {
        if (!isClosed) throw error;
      }
    }
  }
  return socket;
}

async function openTcp(server: MediaAddress): Promise<WireSocket> {
  const conn = await Deno.connect({ hostname: server.hostname, port: server.port });
  conn.setNoDelay(true);
  let isClosed = false;
  let lastSend: Promise<unknown> = Promise.resolve();
  const socket: WireSocket = {
    onDatagram: () => {},
    ended: receive(),
    send: (bytes) => {
      const frame = new Uint8Array(FRAME_HEADER_BYTES + bytes.length);
      new DataView(frame.buffer).setUint16(0, bytes.length);
      frame.set(bytes, FRAME_HEADER_BYTES);
      lastSend = lastSend.then(() => writeAll(conn, frame)).catch(() => {});
      return lastSend as Promise<void>;
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      conn.close();
    },
  };
  async function receive(): Promise<void> {
    let rest = new Uint8Array(0);
    const chunk = new Uint8Array(16 * 1024);
    while (!isClosed) {
      const length = await conn.read(chunk).catch(() => null);
      if (length === null) return;
      const joined = new Uint8Array(rest.length + length);
      joined.set(rest);
      joined.set(chunk.subarray(0, length), rest.length);
      rest = deliverFrames(joined, (frame) => socket.onDatagram(frame));
    }
  }
  return socket;
}

/** Hands out the whole frames in `bytes`; returns what is left. */
function deliverFrames(
  bytes: Uint8Array<ArrayBuffer>,
  onFrame: (frame: Uint8Array) => void,
): Uint8Array<ArrayBuffer> {
  let at = 0;
  while (at + FRAME_HEADER_BYTES <= bytes.length) {
    const end = at + FRAME_HEADER_BYTES + ((bytes[at]! << 8) | bytes[at + 1]!);
    if (end > bytes.length) break;
    onFrame(bytes.slice(at + FRAME_HEADER_BYTES, end));
    at = end;
  }
  return bytes.slice(at);
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Servers in other network namespaces have addresses that are not ours. */
function isOurs(hostname: string): boolean {
  return hostname.startsWith("127.") ||
    Deno.networkInterfaces().some(({ address }) => address === hostname);
}
