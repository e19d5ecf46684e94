/**
 * A message on its way to a room's members, whoever sent it.
 *
 * @module
 */
import type { DataKind } from "../../base/media_vocabulary.ts";

/** One message; its bytes are shared by all receivers and never change. */
export interface RoutedData {
  readonly kind: DataKind;
  /** A `DataPacket` that says who it is from. */
  readonly bytes: Uint8Array;
  /** What a receiver that knows no packets is sent; absent if that is nothing, or there is none. */
  readonly payload: Uint8Array | undefined;
  /** Reliable sequence of the sender; 0 without one. */
  readonly sequence: number;
  /** The member that sent it; 0 is the server. */
  readonly from: number;
  /** Empty together with `sids` means everybody else. */
  readonly identities: readonly string[];
  readonly sids: readonly string[];
}

/** Whether `receiver` is among those a message is for (never ask about its sender). */
export function isDestination(
  { identities, sids }: RoutedData,
  receiver: { readonly identity: string; readonly sid: string },
): boolean {
  if (identities.length === 0 && sids.length === 0) return true;
  return identities.includes(receiver.identity) || sids.includes(receiver.sid);
}
