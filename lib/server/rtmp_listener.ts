/**
 * The sockets that RTMP comes in by.
 *
 * @module
 */
import type { RtmpConnections, RtmpSocket } from "../ingress/rtmp_connections.ts";
import { bindError } from "../transport/datagrams/bind_error.ts";

/** A port that is listened on. */
export interface RtmpListener {
  readonly port: number;
  close(): void;
}

/**
 * Listens on every address.
 *
 * @param addresses None, or an empty one among them: every interface.
 * @throws {SfuError} For the first that cannot be listened on.
 */
export function listenRtmp(
  connections: RtmpConnections,
  addresses: readonly string[],
  port: number,
): RtmpListener {
  const isEverywhere = addresses.length === 0 || addresses.includes("");
  const listeners: Deno.TcpListener[] = [];
  const close = () => {
    for (const listener of listeners) listener.close();
  };
  for (const hostname of isEverywhere ? everywhere() : new Set(addresses)) {
    try {
      listeners.push(Deno.listen({ hostname, port: listeners[0]?.addr.port ?? port }));
    } catch (error) {
      close();
      throw bindError(error, "tcp", hostname, port);
    }
  }
  for (const listener of listeners) void acceptAll(listener, connections);
  return { port: listeners[0]?.addr.port ?? port, close };
}

/** On most systems `::` takes IPv4 connections, too; a machine without IPv6 has no such address. */
function everywhere(): readonly string[] {
  try {
    const both = Deno.listen({ hostname: "::", port: 0 });
    const { port } = both.addr;
    try {
      Deno.listen({ hostname: "0.0.0.0", port }).close();
      return ["::", "0.0.0.0"];
    } catch {
      return ["::"];
    } finally {
      both.close();
    }
  } catch {
    return ["0.0.0.0"];
  }
}

async function acceptAll(listener: Deno.TcpListener, connections: RtmpConnections) {
  for (;;) {
    let conn: Deno.TcpConn;
    try {
      conn = await listener.accept();
    } catch (error) {
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
        return;
      }
      // Out of descriptors, or gone before it was taken: the next may be taken.
      await connections.pause();
      continue;
    }
    void connections.serve(adapted(conn));
  }
}

function adapted(conn: Deno.TcpConn): RtmpSocket {
  let isClosed = false;
  return {
    address: conn.remoteAddr.hostname,
    read: (into) => conn.read(into),
    write: (bytes) => conn.write(bytes),
    close: () => {
      if (isClosed) return;
      isClosed = true;
      conn.close();
    },
  };
}
