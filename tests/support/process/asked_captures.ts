/**
 * Packet captures as an operator asks a running server for them.
 *
 * @module
 */
import { mintToken } from "./access_tokens.ts";

/** Whom of which room, and where. */
export interface CapturedParticipant {
  readonly httpUrl: string;
  readonly room: string;
  readonly identity: string;
}

/**
 * Captures what a participant sends and gets from now on, until it leaves.
 *
 * @returns The file, once it is whole.
 */
export async function startCapture(
  { httpUrl, room, identity }: CapturedParticipant,
): Promise<{ readonly file: Promise<Uint8Array> }> {
  const grant = { roomJoin: false, roomAdmin: true, roomList: true };
  const token = await mintToken({ identity: "operator", room: "", grant });
  const wish = new URLSearchParams({ room, identity });
  const response = await fetch(`${httpUrl}/operations/capture?${wish}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return { file: response.bytes() };
}
