/**
 * One WebSocket as one end of a participant's session.
 *
 * Contract: requests are handled one after the other; pings are answered at once. A frame that cannot
 * be read, or is too large, ends this socket with its code and nothing else. An exception while a
 * request is handled ends this participant alone.
 *
 * @module
 */
import type { SignalRequest } from "@livekit/protocol";
import type { DropCounters } from "../base/drop_counters.ts";
import type { Clock } from "../base/platform.ts";
import type { SignalMessage, SignalSink } from "../room/connection_host.ts";
import type { Participant } from "../room/participant.ts";
import {
  decodeRequest,
  encodingOf,
  exceedsLimit,
  type FrameEncoding,
  type ResponseEncoder,
} from "./signal_codec.ts";
import type { SignalObserver } from "./signal_observer.ts";
import { answerPing, handleRequest } from "./signal_requests.ts";
import { CLOSE_CODE, type SignalSocket } from "./signal_socket.ts";

/** Requests one client may have waiting; honest ones have a handful. */
const MAX_WAITING_REQUESTS = 1_000;
/** A client that leaves this much unread is not reading at all, bytes. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;

/** What a session needs besides its socket. */
export interface SignalSessionOptions {
  readonly clock: Clock;
  readonly counters: DropCounters;
  /** Shared with the other sessions, which are often sent the same. */
  readonly encoder: ResponseEncoder;
  /** Bytes; 0 is no limit. */
  readonly maxFrameBytes: number;
  readonly observer?: SignalObserver | undefined;
  /** Called once, whoever ended the socket. */
  readonly onClosed: (session: SignalSession) => void;
}

/** See the module text. */
export class SignalSession implements SignalSink {
  #encoding: FrameEncoding = "binary";
  #participant: Participant | undefined;
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(readonly socket: SignalSocket, readonly options: SignalSessionOptions) {
    socket.onMessage = (data) => this.#receive(data);
    socket.onClose = () => this.#socketClosed();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Requests go to `participant` from now on. */
  bind(participant: Participant): void {
    this.#participant = participant;
  }

  /** Resolves when every request received so far has been handled. */
  idle(): Promise<void> {
    return this.#tail;
  }

  send(message: SignalMessage): void {
    if (this.#closed) return;
    if (this.socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      this.options.counters.count("signal_slow_reader");
      this.options.observer?.responseFailed();
      return this.#end(CLOSE_CODE.policy, "too slow");
    }
    this.socket.send(this.options.encoder.encode(message, this.#encoding));
    this.options.observer?.response(message, this.#participant?.sid);
  }

  close(): void {
    this.#end(CLOSE_CODE.normal, "");
  }

  #receive(data: Uint8Array | string): void {
    if (this.#closed) return;
    if (exceedsLimit(data, this.options.maxFrameBytes)) {
      this.options.counters.count("signal_frame_too_large");
      this.options.observer?.requestFailed();
      return this.#end(CLOSE_CODE.tooBig, "message too large");
    }
    const request = decodeRequest(data);
    if (request === undefined) {
      this.options.counters.count("signal_undecodable");
      this.options.observer?.requestFailed();
      return this.#end(CLOSE_CODE.invalidPayload, "cannot decode message");
    }
    this.#encoding = encodingOf(data);
    this.options.observer?.request(request.message);
    const { case: kind } = request.message;
    this.#participant?.link.heard(kind === "ping" || kind === "pingReq");
    if (kind === "pingReq") this.#participant?.link.measured(request.message.value.rtt);
    const pong = answerPing(request.message, this.options.clock.wallMs());
    if (pong !== undefined) return this.send(pong);
    this.handle(request.message);
  }

  /** Handles a request, from the socket or from the join itself, after those before it. */
  handle(request: SignalRequest["message"]): void {
    if (this.#waiting >= MAX_WAITING_REQUESTS) {
      this.options.counters.count("signal_too_many_requests");
      return this.#end(CLOSE_CODE.policy, "too many requests");
    }
    this.#waiting++;
    this.#tail = this.#tail.then(async () => {
      this.#waiting--;
      const participant = this.#participant;
      // After a resume on another socket, what came here last is still this client's word.
      if (participant === undefined || participant.closed) return;
      try {
        await handleRequest(participant, request);
      } catch (error) {
        participant.bug(error);
      }
    });
  }

  #socketClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#participant?.signalClosed(this);
    this.options.onClosed(this);
  }

  /** Ends the socket from our side; the participant learns of it as of any other end. */
  #end(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.socket.close(code, reason);
    this.#participant?.signalClosed(this);
    this.options.onClosed(this);
  }
}
