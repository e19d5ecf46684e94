/**
 * A path that lends one slot and tells what is committed.
 *
 * @module
 */
import type { NetworkPath } from "../../../lib/transport/ice/network_path.ts";

/** @param sent Gets what is sent with a copy; default: nobody. */
export function slotPath(
  slot: Uint8Array,
  commit: (length: number) => void,
  sent: (bytes: Uint8Array) => void = () => {},
): NetworkPath {
  return {
    protocol: "udp",
    remote: { transport: "udp", hostname: "192.0.2.1", port: 9 },
    owner: undefined,
    validator: undefined,
    send: (bytes, length) => {
      sent(bytes.subarray(0, length));
      return true;
    },
    reserve: () => slot,
    commit,
    close() {},
  };
}
