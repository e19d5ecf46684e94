/**
 * One WebSocket as one end of a participant's session.
 *
 * Contract: requests are handled one after the other; pings are answered as soon as they are read.
 * A frame that cannot be read, or is too large, ends this socket with its code and nothing else. An
 * exception while a request is handled ends this participant alone. Who asks for more than its
 * share of the main thread waits for it, and beyond what may wait is refused; see
 * `request_budget.ts`.
 *
 * @module
 */
import {
  Ping,
  Pong,
  RequestResponse,
  RequestResponse_Reason as Reason,
  type SignalRequest,
} from "@livekit/protocol";
import type { DropSink } from "../base/drop_counters.ts";
import type { Cancel, Clock, Timers } from "../base/platform.ts";
import type { SignalMessage, SignalSink } from "../room/context/signal_message.ts";
import type { Session } from "../room/participant/session.ts";
import type { SignallingDrop } from "./drop_reasons.ts";
import {
  decodeRequest,
  encodingOf,
  exceedsLimit,
  type FrameEncoding,
  type ResponseEncoder,
} from "./signal_codec.ts";
import type { SignalTelemetry } from "../room/context/telemetry.ts";
import { type ReadPing, readPing, writePong } from "./ping_frames.ts";
import { costUs, estimatedUs, type RequestBudget, type RequestTurns } from "./request_budget.ts";
import { answerPing, handleRequest } from "./signal_requests.ts";
import { CLOSE_CODE, isUnread, type SignalSocket } from "./signal_socket.ts";

/** Requests one client may have waiting; honest ones have a handful. */
const MAX_WAITING_REQUESTS = 1_000;
/** Bytes of requests that wait to be read. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** Requests refused in a row until the client is taken for one that will not stop. */
const MAX_REFUSED = 100;

/** What those who count messages are told of pings that were read by hand, and of their answers. */
const PINGS = {
  ping: { case: "ping", value: 0n },
  pingReq: { case: "pingReq", value: new Ping() },
} as const;
const PONGS = {
  ping: { case: "pong", value: 0n },
  pingReq: { case: "pongResp", value: new Pong() },
} as const;

/** What a session needs besides its socket. */
export interface SignalSessionOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** What is left for a participant, whatever socket it is on. */
  readonly budgetOf: (participant: Session) => RequestBudget;
  /** Shared with the other sessions. */
  readonly turns: RequestTurns;
  readonly counters: DropSink<SignallingDrop>;
  /** Shared with the other sessions, which are often sent the same. */
  readonly encoder: ResponseEncoder;
  /** Bytes; 0 is no limit. */
  readonly maxFrameBytes: number;
  /** Bytes the client may leave unread; 0 is no limit. */
  readonly maxBufferedBytes: number;
  readonly telemetry: SignalTelemetry;
  /** Called once, whoever ended the socket. */
  readonly onClosed: (session: SignalSession) => void;
}

/**
 * One socket's requests, one after the other. What cannot be read ends the socket; what throws ends
 * this participant alone.
 */
export class SignalSession implements SignalSink {
  #encoding: FrameEncoding = "binary";
  #participant: Session | undefined;
  #budget: RequestBudget | undefined;
  /** Frames whose turn has not come, oldest first. */
  #backlog: (Uint8Array | string)[] = [];
  #backlogBytes = 0;
  #cancelBacklog: Cancel = () => {};
  #refused = 0;
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
  bind(participant: Session): void {
    this.#participant = participant;
    this.#budget = this.options.budgetOf(participant);
  }

  /** Resolves when every request received so far has been handled. */
  idle(): Promise<void> {
    return this.#tail;
  }

  send(message: SignalMessage): void {
    if (!this.#closed) this.#send(message, this.options.encoder.encode(message, this.#encoding));
  }

  #send(message: SignalMessage, frame: Uint8Array | string): void {
    if (isUnread(this.socket, frame.length, this.options.maxBufferedBytes)) {
      this.options.counters.count("signal_slow_reader");
      this.options.telemetry.signalResponseFailed();
      return this.#end(CLOSE_CODE.policy, "too slow");
    }
    this.socket.send(frame);
    this.options.telemetry.signalResponse(message, this.#participant?.sid);
  }

  close(): void {
    this.#end(CLOSE_CODE.normal, "");
  }

  #receive(data: Uint8Array | string): void {
    if (this.#closed) return;
    if (exceedsLimit(data, this.options.maxFrameBytes)) {
      this.options.counters.count("signal_frame_too_large");
      this.options.telemetry.signalRequestFailed();
      return this.#end(CLOSE_CODE.tooBig, "message too large");
    }
    const mayRead = this.#backlog.length === 0 && this.options.turns.open &&
      (this.#budget?.waitMs() ?? 0) === 0;
    if (mayRead) this.#read(data);
    else this.#postpone(data);
  }

  #postpone(data: Uint8Array | string): void {
    const tooMany = this.#backlog.length + this.#waiting >= MAX_WAITING_REQUESTS;
    if (tooMany || this.#backlogBytes + data.length > MAX_WAITING_BYTES) return this.#refuse();
    this.options.counters.count("signal_request_postponed");
    this.#backlog.push(data);
    this.#backlogBytes += data.length;
    if (this.#backlog.length === 1) this.#readLater();
  }

  #refuse(): void {
    this.options.counters.count("signal_too_many_requests");
    if (++this.#refused > MAX_REFUSED) return this.#end(CLOSE_CODE.policy, "too many requests");
    const value = new RequestResponse({
      reason: Reason.LIMIT_EXCEEDED,
      message: "too many requests",
    });
    if (this.#participant?.traits.requestResponses) this.send({ case: "requestResponse", value });
  }

  /**
   * Reads the oldest frame of the backlog when there is budget for it, in a turn with time for it.
   */
  #readLater(): void {
    const { timers, turns } = this.options;
    const waitMs = this.#budget?.waitMs() ?? 0;
    if (waitMs > 0) {
      this.#cancelBacklog = timers.after(waitMs, () => this.#readLater());
      return;
    }
    turns.next(() => {
      const frame = this.#closed ? undefined : this.#backlog.shift();
      if (frame === undefined) return;
      this.#backlogBytes -= frame.length;
      if (this.#backlog.length === 0) this.#refused = 0;
      this.#read(frame);
      if (!this.#closed && this.#backlog.length > 0) this.#readLater();
    });
  }

  #read(data: Uint8Array | string): void {
    const { clock, turns } = this.options;
    const startedUs = clock.nowUs();
    const ping = typeof data === "string" ? undefined : readPing(data);
    if (ping !== undefined) return this.#pinged(ping, data.length, startedUs);
    const request = decodeRequest(data);
    const measuredUs = clock.nowUs() - startedUs;
    turns.spend(measuredUs);
    this.#budget?.charge(costUs(data.length, measuredUs));
    if (request === undefined) {
      this.options.counters.count("signal_undecodable");
      this.options.telemetry.signalRequestFailed();
      return this.#end(CLOSE_CODE.invalidPayload, "cannot decode message");
    }
    this.#encoding = encodingOf(data);
    this.options.telemetry.signalRequest(request.message);
    const { case: kind } = request.message;
    this.#participant?.heard(kind === "ping" || kind === "pingReq");
    if (kind === "pingReq") this.#participant?.signalMeasured(Number(request.message.value.rtt));
    const pong = answerPing(request.message, this.options.clock.wallMs());
    if (pong !== undefined) return this.send(pong);
    this.handle(request.message);
  }

  /** Most of what idle clients say. */
  #pinged(ping: ReadPing, bytes: number, startedUs: number): void {
    const { clock, telemetry, turns } = this.options;
    const { kind } = ping;
    const participant = this.#participant;
    this.#encoding = "binary";
    telemetry.signalRequest(PINGS[kind]);
    participant?.heard(true);
    if (kind === "pingReq") participant?.signalMeasured(ping.rtt);
    this.#send(PONGS[kind], writePong(ping, clock.wallMs()));
    const measuredUs = clock.nowUs() - startedUs;
    turns.spend(measuredUs);
    this.#budget?.charge(costUs(bytes, measuredUs));
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
      const { clock } = this.options;
      const startedUs = clock.nowUs();
      let heldUs = 0;
      try {
        const handled = handleRequest(participant, request);
        // It has come to where it first waits.
        heldUs = clock.nowUs() - startedUs;
        await handled;
      } catch (error) {
        participant.bug(error);
      }
      this.#spent(heldUs, clock.nowUs() - startedUs);
    });
  }

  /** Handling took so long; what a request of its size costs anyway has been charged. */
  #spent(heldUs: number, elapsedUs: number): void {
    const us = costUs(0, heldUs, elapsedUs) - estimatedUs(0);
    this.options.turns.spend(us);
    this.#budget?.charge(us);
  }

  #forgetBacklog(): void {
    this.#cancelBacklog();
    this.#backlog = [];
    this.#backlogBytes = 0;
  }

  #socketClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forgetBacklog();
    this.#participant?.signalClosed(this);
    this.options.onClosed(this);
  }

  /** Ends the socket from our side; the participant learns of it as of any other end. */
  #end(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forgetBacklog();
    this.socket.close(code, reason);
    this.#participant?.signalClosed(this);
    this.options.onClosed(this);
  }
}
