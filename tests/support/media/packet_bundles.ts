/**
 * Packets of a recorded track as an engine hands them over: each behind its length of two bytes.
 *
 * @module
 */
import type { RtpView } from "../../../lib/wire/rtp_view.ts";
import { viewOf } from "./forwarding_fixtures.ts";

/** One bundle of these packets. */
export function bundle(...packets: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    packets.flatMap((packet) => [packet.length >> 8, packet.length & 0xff, ...packet]),
  );
}

/** What is in a bundle. @throws {Error} if something of it is no packet. */
export function packetsOf(bytes: Uint8Array): RtpView[] {
  const views: RtpView[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = (bytes[at]! << 8) | bytes[at + 1]!;
    views.push(viewOf(bytes.slice(at + 2, at + 2 + length)));
    at += 2 + length;
  }
  return views;
}
