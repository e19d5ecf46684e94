/**
 * {@linkcode ClientSockets} without native code. Its times of arrival are those of reading, so a
 * latency includes this process's own delays, and its readers cost several times as much.
 *
 * @module
 */
import type { MediaAddress } from "../../lib/base/media_vocabulary.ts";
import { openWireSocket } from "../../tests/support/wire/wire_socket.ts";
import {
  type ClientSocket,
  type ClientSockets,
  type ClientStream,
  isRtp,
  isRtpOrRtcp,
} from "./client_sockets.ts";

/** More than a server says to a newcomer. */
const READ_BYTES = 64 * 1024;

/** The twin that runs everywhere. */
export function openPortableSockets(): ClientSockets {
  const sockets: ClientSockets = {
    kind: "Deno's sockets, times of reading",
    onRtp: () => {},
    now: () => performance.now() * 1000,
    // They are read as they become readable.
    sweep() {},
    open: async (server) => {
      if (server === undefined) throw new Error("the C loop needs a Linux libc");
      return await openPortableSocket(server, sockets);
    },
    connect: openPortableStream,
  };
  return sockets;
}

/** One socket of this kind, also for TCP, that tells `all` what arrives. */
export async function openPortableSocket(
  server: MediaAddress,
  all: Pick<ClientSockets, "onRtp" | "now">,
): Promise<ClientSocket> {
  const wire = await openWireSocket(server);
  const socket: ClientSocket = {
    localPort: 0,
    ended: wire.ended,
    onDatagram: () => {},
    onRtp: (bytes, offset, length, at) => all.onRtp(bytes, offset, length, at),
    onRtcp: () => {},
    send: (bytes) => wire.send(bytes),
    sendBurst(slots, lengths, count) {
      const leftAt = all.now();
      for (let i = 0; i < count; i++) wire.send(slots[i]!.subarray(0, lengths[i]!));
      return leftAt;
    },
    close: () => wire.close(),
  };
  wire.onDatagram = (bytes) => {
    const first = bytes[0] ?? 0;
    if (!isRtpOrRtcp(first)) socket.onDatagram(bytes, all.now());
    else if (isRtp(first, bytes[1] ?? 0)) socket.onRtp(bytes, 0, bytes.length, all.now());
    else socket.onRtcp(bytes, 0, bytes.length, all.now());
  };
  return socket;
}

/** See {@linkcode ClientSockets.connect}. */
export async function openPortableStream(url: URL): Promise<ClientStream> {
  const isTls = url.protocol === "wss:";
  const { hostname } = url;
  const port = Number(url.port || (isTls ? 443 : 80));
  const plain = await Deno.connect({ hostname, port });
  plain.setNoDelay(true);
  const connection: Deno.Conn = isTls ? await Deno.startTls(plain, { hostname }) : plain;
  let isClosed = false;
  let sent: Promise<unknown> = Promise.resolve();
  const stream: ClientStream = {
    onBytes: () => {},
    onEnd: () => {},
    send: (bytes) => {
      sent = sent.then(() => writeAll(connection, bytes)).catch(() => {});
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      // What was sent before has left by then.
      sent.then(() => connection.close()).catch(() => {});
    },
  };
  readAll(connection, (bytes) => stream.onBytes(bytes)).then(() => {
    if (isClosed) return;
    stream.close();
    stream.onEnd();
  });
  return stream;
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Settles when there is nothing more to come. */
async function readAll(connection: Deno.Conn, take: (bytes: Uint8Array) => void): Promise<void> {
  const bytes = new Uint8Array(READ_BYTES);
  for (;;) {
    const length = await connection.read(bytes).catch(() => null);
    if (length === null) return;
    take(bytes.subarray(0, length));
  }
}
