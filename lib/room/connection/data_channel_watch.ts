/**
 * Makes a client join anew whose data channels have ended while its connection lives on, where
 * `rtc.reconnect_on_data_channel_error` says so: nothing short of a new connection brings them
 * back.
 *
 * A client that goes away ends its association a moment before its connection, and may have said so
 * on its socket; so a moment passes first.
 *
 * @module
 */
import type { Cancel } from "../../base/platform.ts";
import type { ConnectionHost } from "./connection_host.ts";
import type { ConnectionRole } from "../context/signal_message.ts";
import type { RoomContext } from "../context/room_context.ts";

/** What a client that is leaving has to say so, ms. */
const CHANNELS_GRACE_MS = 1_000;

/** What is needed of the room's world. */
export interface DataChannelWatchContext {
  readonly platform: Pick<RoomContext["platform"], "timers">;
  readonly options: Pick<RoomContext["options"], "reconnectOnDataChannelError">;
}

/**
 * One connection's watch. Its participant is told once, after a moment, that the channels are gone;
 * not after {@linkcode DataChannelWatch.stop}.
 */
export class DataChannelWatch {
  #cancel: Cancel | undefined;

  constructor(
    readonly context: DataChannelWatchContext,
    readonly host: Pick<ConnectionHost, "connectionUnusable">,
    readonly role: ConnectionRole,
  ) {}

  /** Every channel of the connection is gone for good. */
  failed(): void {
    const { platform, options } = this.context;
    if (!options.reconnectOnDataChannelError || this.#cancel !== undefined) return;
    this.#cancel = platform.timers.after(CHANNELS_GRACE_MS, () => {
      this.host.connectionUnusable(this.role, "its data channels have ended");
    });
  }

  /** The connection is over. */
  stop(): void {
    this.#cancel?.();
  }
}
