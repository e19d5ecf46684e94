/**
 * A runtime WebSocket as the {@linkcode SignalSocket} that signalling sees: whole messages in and
 * out, one close, and nothing thrown.
 *
 * @module
 */
import { CLOSE_CODE, type SignalSocket } from "../lib/signalling/signal_socket.ts";

/** The part of `WebSocket` used here, so that tests need no network. */
export interface RawWebSocket {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  onopen: ((event: Event) => void) | null;
  send(data: Uint8Array<ArrayBuffer> | string): void;
  close(code?: number, reason?: string): void;
}

const CONNECTING = 0;
const OPEN = 1;
/** RFC 6455 §5.5: a close frame's reason has at most this many UTF-8 bytes. */
const MAX_REASON_BYTES = 123;
/** Messages a client may send before the session listens; none of ours sends even one. */
const MAX_EARLY_MESSAGES = 16;
/** The same in bytes. */
const MAX_EARLY_BYTES = 256 * 1024;

/**
 * Wraps `raw`. Messages that come before `onMessage` is set are kept, a few, and so is an early
 * close; what the server sends before the socket is open is kept and sent then, and so is a close.
 *
 * @param maxMessageBytes A longer message closes the socket with 1009; 0 means no limit.
 */
export function adaptWebSocket(raw: RawWebSocket, maxMessageBytes: number): SignalSocket {
  return new WebSocketAdapter(raw, maxMessageBytes);
}

class WebSocketAdapter implements SignalSocket {
  readonly #raw: RawWebSocket;
  readonly #maxMessageBytes: number;
  readonly #unsent: (Uint8Array | string)[] = [];
  #unsentBytes = 0;
  readonly #unread: (Uint8Array | string)[] = [];
  #unreadBytes = 0;
  #closed: { readonly code: number } | undefined;
  #closing = false;
  /** What the close was to say that came before the socket was open. */
  #closeAtOpen: { readonly code: number; readonly reason: string } | undefined;
  #listener: ((data: Uint8Array | string) => void) | undefined;
  #closeListener: ((code?: number) => void) | undefined;

  constructor(raw: RawWebSocket, maxMessageBytes: number) {
    this.#raw = raw;
    this.#maxMessageBytes = maxMessageBytes;
    raw.binaryType = "arraybuffer";
    raw.onopen = () => this.#opened();
    raw.onmessage = (event) => this.#receive(event.data);
    // An error is always followed by a close, which says all there is to know.
    raw.onerror = () => {};
    raw.onclose = (event) => {
      if (this.#closed !== undefined) return;
      this.#closed = { code: event.code };
      this.#closeListener?.(event.code);
    };
  }

  set onMessage(listener: (data: Uint8Array | string) => void) {
    this.#listener = listener;
    this.#unreadBytes = 0;
    for (const data of this.#unread.splice(0)) listener(data);
  }

  set onClose(listener: (code?: number) => void) {
    this.#closeListener = listener;
    if (this.#closed !== undefined) listener(this.#closed.code);
  }

  get bufferedAmount(): number {
    return this.#unsentBytes + this.#raw.bufferedAmount;
  }

  send(data: Uint8Array | string): void {
    if (this.#closing || this.#closed !== undefined) return;
    if (this.#raw.readyState === OPEN) return this.#sendNow(data);
    this.#unsent.push(data);
    this.#unsentBytes += data.length;
  }

  close(code: number, reason: string): void {
    if (this.#closing || this.#closed !== undefined) return;
    this.#closing = true;
    // The runtime forgets a close that comes before the upgrade is answered.
    if (this.#raw.readyState === CONNECTING) this.#closeAtOpen = { code, reason };
    else this.#closeNow(code, reason);
  }

  #opened(): void {
    this.#flush();
    if (this.#closeAtOpen === undefined) return;
    const { code, reason } = this.#closeAtOpen;
    this.#closeNow(code, reason);
  }

  #closeNow(code: number, reason: string): void {
    if (this.#raw.readyState === OPEN) this.#flush();
    try {
      this.#raw.close(code, shorten(reason));
    } catch {
      // Closed by the other side in the same moment; `onclose` follows either way.
    }
  }

  #receive(data: unknown): void {
    // After our close the client may go on talking until it has read it.
    if (this.#closing) return;
    const message = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
    if (typeof message !== "string" && !(message instanceof Uint8Array)) return;
    if (this.#maxMessageBytes !== 0 && isLonger(message, this.#maxMessageBytes)) {
      this.close(CLOSE_CODE.tooBig, "message too big");
      return;
    }
    if (this.#listener !== undefined) return this.#listener(message);
    this.#unreadBytes += message.length;
    this.#unread.push(message);
    if (this.#unread.length <= MAX_EARLY_MESSAGES && this.#unreadBytes <= MAX_EARLY_BYTES) return;
    this.#unread.length = 0;
    this.close(CLOSE_CODE.tooBig, "too many messages");
  }

  #flush(): void {
    this.#unsentBytes = 0;
    for (const data of this.#unsent.splice(0)) this.#sendNow(data);
  }

  #sendNow(data: Uint8Array | string): void {
    try {
      this.#raw.send(data as Uint8Array<ArrayBuffer> | string);
    } catch {
      // The socket closed in the same moment; `onclose` says so.
    }
  }
}

/** Compares UTF-8 length without encoding texts whose length in characters already decides. */
function isLonger(message: Uint8Array | string, limit: number): boolean {
  if (typeof message !== "string" || message.length > limit) return message.length > limit;
  return message.length * 3 > limit && new TextEncoder().encode(message).length > limit;
}

function shorten(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= MAX_REASON_BYTES) return reason;
  // Three bytes of room: a character cut in half becomes U+FFFD, which takes three.
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON_BYTES - 3));
}
