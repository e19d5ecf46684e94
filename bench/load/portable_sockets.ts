/**
 * {@linkcode ClientSockets} without native code. Its times of arrival are those of reading, so a
 * latency includes this process's own delays, and its readers cost several times as much.
 *
 * @module
 */
import type { MediaAddress } from "../../lib/base/media_vocabulary.ts";
import { openWireSocket } from "../../tests/support/wire/wire_socket.ts";
import { type ClientSocket, type ClientSockets, isRtp, isRtpOrRtcp } from "./client_sockets.ts";

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
