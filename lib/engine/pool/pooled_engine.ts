/**
 * What a pool asks of its engines beside carrying out commands: to say how they are, to take TCP
 * frames, and to be lost without taking anything with them.
 *
 * @module
 */
import type { TcpFromSession, TcpToSession } from "../../transport/tcp/tcp_handover.ts";
import type { SingleEngine } from "../messages/engine_messages.ts";
import type { EngineLoad } from "./placement.ts";

/** One engine of a pool. Callbacks are set before `start`. */
export interface PooledEngine extends SingleEngine {
  /** About twice a second. */
  onLoad: (load: EngineLoad) => void;
  /** Once, after `start` and before `close`: it is gone with all it had. Nothing comes any more. */
  onLost: (reason: string) => void;
  onTcp: (message: TcpFromSession) => void;
  /** A frame, or news of one, of a connection that the pool listens for. */
  sendTcp(message: TcpToSession): void;
}
