/**
 * Turns a request into a WebSocket. On the process's own listener `ws` takes the connection over:
 * what a message has brought is counted while it comes, and a peer that does not read can be cut
 * off, neither of which the runtime's own WebSocket offers. Where the server is embedded in
 * `Deno.serve`, the runtime does it.
 *
 * @module
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { nextTick } from "node:process";
import { WebSocketServer } from "ws";
import type { RawWebSocket } from "../../../routes/web_socket.ts";
import type { LivingSocket, SocketLives } from "./socket_lives.ts";

/**
 * A message may be this much longer than allowed before it is cut off: then it is refused in words.
 */
const REFUSED_IN_WORDS_BYTES = 64 * 1024;
/** The longest message where the configuration sets no limit, bytes. */
const LONGEST_MESSAGE_BYTES = 64 * 1024 * 1024;
/** What a peer has to answer a close before its connection is cut, ms. */
const CLOSE_TIMEOUT_MS = 2_000;

/** A request's connection, to be taken over. */
export interface UpgradableConnection {
  readonly message: IncomingMessage;
  readonly socket: Socket;
  /** What came behind the request's header. */
  readonly head: Uint8Array;
  /** Called before it becomes a WebSocket; after that its answer is none of the caller's. */
  readonly onTaken: () => void;
  /** Called once when that has ended, or could not be made. */
  readonly onEnd: () => void;
}

/** How a WebSocket is kept. */
export interface WebSocketRules {
  /** Who ends it when its peer is gone. */
  readonly lives: SocketLives;
  /** Bytes of a message; 0 is no limit. */
  readonly maxMessageBytes: number;
}

/** A WebSocket, and what is to be answered. */
export interface WebSocketUpgrade {
  readonly response: Response;
  readonly socket: RawWebSocket;
}

/**
 * As much of a WebSocket of `ws` as is used here; its own types would bring Node's for everything.
 */
interface TakenSocket extends LivingSocket {
  send(data: Uint8Array | string): void;
  on(event: "pong" | "message" | "close" | "error", listener: () => void): void;
}

/** As much of its server. */
interface TakingServer {
  handleUpgrade(
    message: IncomingMessage,
    socket: Socket,
    head: Uint8Array,
    done: (socket: TakenSocket) => void,
  ): void;
}

const connections = new WeakMap<Request, UpgradableConnection>();
/** By the longest message, which `ws` takes once for all its sockets. */
const servers = new Map<number, TakingServer>();

/** Says over which connection a request came. */
export function offerConnection(request: Request, connection: UpgradableConnection): void {
  connections.set(request, connection);
}

/**
 * Answers the upgrade.
 *
 * @throws {TypeError} for a request that is no upgrade.
 */
export function upgradeWebSocket(request: Request, rules: WebSocketRules): WebSocketUpgrade {
  const connection = connections.get(request);
  if (connection === undefined) {
    return Deno.upgradeWebSocket(request, { idleTimeout: rules.lives.idleTimeoutS });
  }
  const socket = takeOver(connection, rules.maxMessageBytes);
  if (socket === undefined) throw new TypeError("no WebSocket handshake");
  // An error is followed by the end, which says all there is to know; unheard it would end the
  // process.
  socket.on("error", () => {});
  rules.lives.watch(socket);
  return { response: new Response(null), socket: socket as unknown as RawWebSocket };
}

/** `undefined` if the handshake is none; it has been answered then, and the connection ends. */
function takeOver(
  { message, socket, head, onTaken, onEnd }: UpgradableConnection,
  maxMessageBytes: number,
): TakenSocket | undefined {
  let taken: TakenSocket | undefined;
  onTaken();
  socket.once("close", onEnd);
  serverFor(maxMessageBytes).handleUpgrade(message, socket, head, (opened) => {
    gatherWrites(opened, socket);
    taken = opened;
  });
  return taken;
}

/**
 * What is sent in one turn goes out in one system call: a newcomer is told a dozen things at once.
 * The turn is over when the promises that are settled have been followed, too.
 */
function gatherWrites(taken: TakenSocket, connection: Socket): void {
  const send = taken.send.bind(taken);
  let isGathering = false;
  const release = () => {
    isGathering = false;
    connection.uncork();
  };
  taken.send = (data) => {
    if (!isGathering) {
      isGathering = true;
      connection.cork();
      queueMicrotask(() => nextTick(release));
    }
    send(data);
  };
}

function serverFor(maxMessageBytes: number): TakingServer {
  const maxPayload = maxMessageBytes === 0
    ? LONGEST_MESSAGE_BYTES
    : maxMessageBytes + REFUSED_IN_WORDS_BYTES;
  const known = servers.get(maxPayload);
  if (known !== undefined) return known;
  const server: TakingServer = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload,
    closeTimeout: CLOSE_TIMEOUT_MS,
  });
  servers.set(maxPayload, server);
  return server;
}
