/**
 * What a hop is made of, what it tells its engine, and where its datagrams go.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Clock } from "../../base/platform.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { RelayState } from "../messages/node_messages.ts";
import type { HopCrypto } from "./hop_keys.ts";

/** A way of datagrams to the other end. */
export interface HopOutlet {
  /** Lends room for one datagram, to be written from index 0 on; `undefined` if there is none. */
  reserve(): Uint8Array | undefined;
  /**
   * Sends the first `length` bytes of what was lent last.
   *
   * @param isMedia It may give way to others: it is sent again if need be.
   */
  commit(length: number, isMedia: boolean): void;
}

/** What a hop tells its engine; called in the midst of `receive` or `tick`. */
export interface HopListener {
  /** Something was written for the first time since `flush`; called in the midst of `commit`. */
  onWritten?(): void;
  /** UDP does not reach the other end: datagrams go by the other way. Or it does again. */
  onBlocked(blocked: boolean): void;
  /** The other end began anew and knows nothing of what was written before. */
  onRestarted(): void;
}

export interface HopLinkOptions {
  readonly crypto: HopCrypto;
  /** 32 bytes that both ends have, and nobody else. */
  readonly secret: Uint8Array;
  /** 16 random bytes of this object alone. */
  readonly nonce: Uint8Array;
  /** Names this hop in datagrams to us, and to the other end, 32 bits. */
  readonly ourId: number;
  readonly theirId: number;
  readonly clock: Clock;
  readonly drops: DropSink<EngineDrop>;
  readonly udp: HopOutlet;
  /** The way where UDP is blocked; absent: there is none. */
  readonly fallback?: HopOutlet;
  readonly listener: HopListener;
  /** Words at most of the history that media is sent again from; a power of two. */
  readonly historyWords?: number;
  /** Datagrams sealed with one key. */
  readonly epochDatagrams?: number;
}

/** How a hop does. Counts are since it began. */
export interface HopStats extends Omit<RelayState, "shed"> {
  /** Frames of media that were asked for and not sent again. */
  readonly unrepaired: number;
  /** Numbers of media that were asked for. */
  readonly asked: number;
  /** Parts of streams that were sent again. */
  readonly repeated: number;
  /** Changes of keys. */
  readonly epochs: number;
}
