/**
 * The servers that subscribers behind impaired paths are connected to: this project's, and any
 * other program that takes LiveKit's configuration.
 *
 * @module
 */
import {
  type RoomwireProcess,
  startingFlags,
  startRoomwire,
} from "../../tests/support/process/roomwire_process.ts";

const ROOT = new URL("../../", import.meta.url);
/** LiveKit's server refuses keys that it does not know, unless it is told to pass over them. */
const TOLERANT = "--disable-strict-config";

/**
 * Starts a server.
 *
 * @param other Path of another server's program; absent: this project's, as operators start it.
 */
export async function startPathServer(
  address: string | undefined,
  other: string | undefined,
): Promise<RoomwireProcess> {
  const command = other === undefined
    ? [Deno.execPath(), ...await startingFlags(), "main.ts"]
    : [other, TOLERANT];
  return await startRoomwire({
    program: { command, cwd: ROOT },
    ...(address === undefined ? {} : { address }),
    // LiveKit's server takes whatever address the machine has first, unless it has no choice.
    ...(address === undefined ? {} : { config: { rtc: { ips: { includes: [`${address}/32`] } } } }),
  });
}
