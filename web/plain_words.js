/**
 * What went wrong, in words for the person in front of the page: device errors by their DOMException
 * name (W3C mediacapture-main §10.2), connection errors and disconnects by livekit-client's reasons.
 *
 * @module
 */

const { ConnectionError, ConnectionErrorReason, DisconnectReason } = globalThis.LivekitClient;

/**
 * @param {unknown} error from opening a device
 * @param {"camera" | "microphone" | "screen"} device
 * @returns {string} one or two sentences
 */
export function deviceProblem(error, device) {
  if (!globalThis.isSecureContext) {
    return `Your browser offers the ${device} only on secure pages. ` +
      "Open this page over https, or on the same machine through localhost.";
  }
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  if (device === "screen") {
    return name === "NotAllowedError"
      ? "Nothing is shared: sharing was cancelled or is not allowed for this page."
      : "This browser could not share the screen.";
  }
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return `The ${device} is blocked. Allow it for this page in your browser's address bar, ` +
        "and in the system's privacy settings, then try again.";
    case "NotFoundError":
    case "DevicesNotFoundError":
      return `No ${device} was found. Connect one and try again; you can stay in the call without.`;
    case "NotReadableError":
    case "AbortError":
    case "TrackStartError":
      return `The ${device} is busy or does not start. Close other programs that use it and ` +
        "try again.";
    case "OverconstrainedError":
      return `The ${device} cannot work the way this page asked for.`;
    default:
      return `The ${device} could not be started.`;
  }
}

/**
 * @param {unknown} error from `Room.connect`
 * @returns {string}
 */
export function connectProblem(error) {
  const reason = error instanceof ConnectionError ? error.reason : undefined;
  switch (reason) {
    case ConnectionErrorReason.NotAllowed:
      return "The server did not accept this token. It may have expired, or belong to another server.";
    case ConnectionErrorReason.ServerUnreachable:
    case ConnectionErrorReason.WebSocket:
      return "The server does not answer. Check that it is running, then try again.";
    case ConnectionErrorReason.Timeout:
      return "The server took too long to answer. Try again.";
    default:
      return "The media connection could not be made. A firewall may be in the way.";
  }
}

/**
 * @param {number | undefined} reason of `RoomEvent.Disconnected`
 * @returns {string | undefined} nothing when the person left on purpose
 */
export function disconnectProblem(reason) {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return undefined;
    case DisconnectReason.DUPLICATE_IDENTITY:
      return "You joined with the same identity somewhere else, so this page left the room.";
    case DisconnectReason.PARTICIPANT_REMOVED:
      return "You were removed from the room.";
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return "The room was closed.";
    case DisconnectReason.SERVER_SHUTDOWN:
      return "The server was stopped.";
    default:
      return "The connection was lost.";
  }
}
