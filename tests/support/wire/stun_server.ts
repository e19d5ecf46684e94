/**
 * A STUN server as there are in public: it says to whoever asks where the question came from.
 *
 * @module
 */
import { createSocket } from "node:dgram";
import { mappedAnswer } from "../virtual/query_world.ts";

/** Disposing closes it. */
export interface StunServer extends AsyncDisposable {
  readonly port: number;
  /** Whoever has asked. */
  readonly askers: readonly string[];
}

/** Listens on an address of this machine. */
export async function startStunServer(hostname: string): Promise<StunServer> {
  const askers: string[] = [];
  const socket = createSocket(
    hostname.includes(":") ? "udp6" : "udp4",
    (bytes, { address, port }) => {
      askers.push(`${address}:${port}`);
      socket.send(mappedAnswer(new Uint8Array(bytes), address, port), port, address);
    },
  );
  await new Promise<void>((resolve) => socket.bind(0, hostname, resolve));
  return {
    port: socket.address().port,
    askers,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
