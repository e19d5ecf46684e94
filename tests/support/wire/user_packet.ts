/**
 * Data packets as participants send them to each other, with text inside.
 *
 * @module
 */
import { DataPacket, UserPacket } from "@livekit/protocol";

/** A user packet to everybody, encoded. */
export function userPacket(text: string, outer: Partial<DataPacket> = {}): Uint8Array {
  const value = new UserPacket({ payload: new TextEncoder().encode(text) });
  return new DataPacket({ ...outer, value: { case: "user", value } }).toBinary();
}

/** The text inside of a user packet. */
export function userText(bytes: Uint8Array): string {
  const { value } = DataPacket.fromBinary(bytes);
  return new TextDecoder().decode(value.case === "user" ? value.value.payload : undefined);
}
