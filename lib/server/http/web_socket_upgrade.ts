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
import { WebSocketServer } from "ws";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Clock } from "../../base/platform.ts";
import type { RawWebSocket } from "../../../routes/web_socket.ts";
import type { ServerDrop } from "../drop_reasons.ts";
import {
  type AgreedCompression,
  COMPRESSION_OFFER,
  compressOneByOne,
} from "./message_compression.ts";
import { readQuickly } from "./quick_frames.ts";
import type { SocketLives } from "./socket_lives.ts";
import { type Deflation, type LibrarySocket, TakenWebSocket } from "./taken_web_socket.ts";

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
  /** Messages are compressed where the peer offers it; not if absent. */
  readonly compression?: {
    readonly clock: Clock;
    readonly counters: DropSink<ServerDrop>;
  };
}

/** A WebSocket, and what is to be answered. */
export interface WebSocketUpgrade {
  readonly response: Response;
  readonly socket: RawWebSocket;
}

/** A WebSocket of `ws` that has just been opened. */
interface OpenedSocket extends LibrarySocket {
  /** Not documented, and the only way to what was agreed upon. */
  readonly _extensions: { readonly "permessage-deflate"?: AgreedCompression };
  emit(event: "message", message: Uint8Array, isBinary: boolean): void;
}

/** As much of its server. */
interface TakingServer {
  handleUpgrade(
    message: IncomingMessage,
    socket: Socket,
    head: Uint8Array,
    done: (socket: OpenedSocket) => void,
  ): void;
}

const connections = new WeakMap<Request, UpgradableConnection>();
/**
 * By the longest message, and whether that may be compressed, which `ws` takes once for all its
 * sockets.
 */
const servers = new Map<string, TakingServer>();

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
    const [protocol = ""] = (request.headers.get("Sec-WebSocket-Protocol") ?? "").split(",");
    return Deno.upgradeWebSocket(request, {
      idleTimeout: rules.lives.idleTimeoutS,
      // Of those offered `ws` takes the first, too.
      ...(protocol === "" ? {} : { protocol: protocol.trim() }),
    });
  }
  const socket = takeOver(connection, rules);
  if (socket === undefined) throw new TypeError("no WebSocket handshake");
  return { response: new Response(null), socket };
}

/** `undefined` if the handshake is none; it has been answered then, and the connection ends. */
function takeOver(
  { message, socket, head, onTaken, onEnd }: UpgradableConnection,
  { lives, maxMessageBytes, compression }: WebSocketRules,
): TakenWebSocket | undefined {
  const longest = longestMessage(maxMessageBytes);
  let taken: TakenWebSocket | undefined;
  onTaken();
  socket.once("close", onEnd);
  const server = serverFor(longest, compression !== undefined);
  // The answer leaves along with what the client is told first; a refusal ends this by itself.
  socket.cork();
  const others = dataListeners(socket);
  server.handleUpgrade(message, socket, head, (opened) => {
    const agreed = opened._extensions["permessage-deflate"];
    let deflation: Deflation | undefined;
    if (agreed !== undefined && compression !== undefined) {
      const close = (code: number, reason: string) => opened.close(code, reason);
      deflation = compressOneByOne(agreed, { ...compression, maxMessageBytes: longest, close });
    } else {
      const library = dataListeners(socket).filter((listener) => !others.includes(listener));
      readQuickly(socket, library, longest, (bytes) => opened.emit("message", bytes, true));
    }
    taken = new TakenWebSocket(opened, socket, deflation);
    taken.leaveWithTurn();
    lives.watch(opened);
  });
  socket.uncork();
  return taken;
}

function dataListeners(socket: Socket): ((chunk: Uint8Array) => void)[] {
  return socket.listeners("data") as ((chunk: Uint8Array) => void)[];
}

/** Beyond this a message is cut off. */
function longestMessage(maxMessageBytes: number): number {
  return maxMessageBytes === 0 ? LONGEST_MESSAGE_BYTES : maxMessageBytes + REFUSED_IN_WORDS_BYTES;
}

function serverFor(maxPayload: number, compresses: boolean): TakingServer {
  const key = `${maxPayload} ${compresses}`;
  const known = servers.get(key);
  if (known !== undefined) return known;
  const server: TakingServer = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: compresses && COMPRESSION_OFFER,
    maxPayload,
    closeTimeout: CLOSE_TIMEOUT_MS,
  });
  servers.set(key, server);
  return server;
}
