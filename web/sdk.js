/**
 * What the page uses of LiveKit's browser SDK, which is loaded before as a plain script.
 *
 * @module
 */
export const {
  ConnectionQuality,
  ConnectionState,
  createLocalTracks,
  DisconnectReason,
  Room,
  RoomEvent,
  Track,
} = globalThis.LivekitClient;
