/**
 * Turns a request into a WebSocket, whoever brought it: the process's own listener, which hands
 * over its connection, or `Deno.serve`, where the server is embedded.
 *
 * @module
 */
import type { Socket } from "node:net";

/** A request's connection, to be taken over. */
export interface UpgradableConnection {
  readonly socket: Socket;
  /** What came behind the request's header. */
  readonly head: Uint8Array;
  /** Called before it becomes a WebSocket. */
  readonly onTaken: () => void;
  /** Called once when that has ended, or could not be made. */
  readonly onEnd: () => void;
}

const connections = new WeakMap<Request, UpgradableConnection>();

/** Says over which connection a request came. */
export function offerConnection(request: Request, connection: UpgradableConnection): void {
  connections.set(request, connection);
}

/**
 * Answers the upgrade.
 *
 * @param idleTimeoutS Seconds without an answer before the socket ends; it pings every half of
 *   this.
 * @throws {TypeError} for a request that is no upgrade.
 */
export function upgradeWebSocket(request: Request, idleTimeoutS: number): Deno.WebSocketUpgrade {
  const connection = connections.get(request);
  if (connection === undefined) {
    return Deno.upgradeWebSocket(request, { idleTimeout: idleTimeoutS });
  }
  const { socket, head, onTaken, onEnd } = connection;
  onTaken();
  try {
    const upgrade = Deno.upgradeWebSocket(request, { idleTimeout: idleTimeoutS, socket, head });
    upgrade.socket.addEventListener("close", onEnd, { once: true });
    return upgrade;
  } catch (error) {
    onEnd();
    throw error;
  }
}
