// @ts-check
/**
 * What went wrong, in words for the person in front of the page, and what to do about it. Device
 * errors go by their DOMException name (W3C mediacapture-main §10.2), refused joins by the server's
 * answer. Pure.
 *
 * @module
 */

/**
 * @typedef {"camera" | "microphone"} Device
 * @typedef {{ readonly device: Device, readonly error: unknown }} DeviceFailure
 * @typedef {"blocked" | "missing" | "busy" | "unfit" | "insecure" | "refused" |
 *   "unknown"} Cause
 */

/** @type {Readonly<Record<string, Cause>>} */
const CAUSES = {
  NotAllowedError: "blocked",
  SecurityError: "blocked",
  NotFoundError: "missing",
  DevicesNotFoundError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
  TrackStartError: "busy",
  OverconstrainedError: "unfit",
  PublishTrackError: "refused",
};

/**
 * Each device is named, those with the same cause together.
 *
 * @param {readonly DeviceFailure[]} failures at least one
 * @param {boolean} isSecure whether the page may ask for devices at all (`isSecureContext`)
 * @returns {string}
 */
export function deviceWords(failures, isSecure) {
  /** @type {Map<Cause, Device[]>} */
  const byCause = new Map();
  for (const { device, error } of failures) {
    const cause = isSecure ? CAUSES[nameOf(error)] ?? "unknown" : "insecure";
    byCause.set(cause, [...byCause.get(cause) ?? [], device]);
  }
  return [...byCause].map(([cause, devices]) => causeWords(cause, devices)).join(" ");
}

/** @param {Cause} cause @param {readonly Device[]} devices @returns {string} */
function causeWords(cause, devices) {
  const several = devices.length > 1;
  const named = [...devices].sort().map((device) => `the ${device}`).join(" and ");
  const Named = named.charAt(0).toUpperCase() + named.slice(1);
  const [are, them] = several ? ["are", "them"] : ["is", "it"];
  switch (cause) {
    case "blocked":
      return `${Named} ${are} blocked. Allow ${them} for this page in your browser's address bar, ` +
        "and in the system's privacy settings, then try again.";
    case "missing":
      return several
        ? "No camera and no microphone were found. You can watch and listen without."
        : `No ${devices[0]} was found. Connect one and try again, or go on without.`;
    case "busy":
      return `${Named} ${are} busy or ${several ? "do" : "does"} not start. ` +
        `Close other programs that use ${them} and try again.`;
    case "unfit":
      return `${Named} cannot work the way this page asked for. Choose another in the settings.`;
    case "insecure":
      return `Your browser offers ${named} only on secure pages. ` +
        "Open this page over https, or on the same machine through localhost.";
    case "refused":
      return `${Named} could not be sent: the server did not take ${them}. Try again.`;
    default:
      return `${Named} could not be started.`;
  }
}

/** @param {unknown} error @returns {string} */
function nameOf(error) {
  return error instanceof Error ? error.name : "";
}

/**
 * @param {unknown} error from sharing the screen
 * @returns {string | undefined} nothing where somebody just changed their mind
 */
export function screenWords(error) {
  switch (nameOf(error)) {
    case "NotAllowedError":
      return error instanceof Error && /system/i.test(error.message)
        ? "Your system does not let the browser record the screen. Allow it in the privacy settings."
        : undefined;
    case "PublishTrackError":
      return "The server did not take the shared screen. Try again.";
    default:
      return "This browser could not share the screen.";
  }
}

/** Words for what may not be published. */
export const NO_PUBLISHING =
  "You can watch and listen here. Your access token does not let you send camera, microphone or screen.";

/**
 * @param {"camera" | "microphone" | "screen" | "chat"} what
 * @returns {string}
 */
export function notPermittedWords(what) {
  const thing = { camera: "a camera", microphone: "a microphone", screen: "a screen" };
  return what === "chat"
    ? "Your access token does not let you write in this room."
    : `Your access token does not let you send ${thing[what]} in this room.`;
}

/**
 * Why somebody could not come in.
 *
 * @param {object} failure
 * @param {number} [failure.status] HTTP status of the server's answer; none if it gave none
 * @param {string} [failure.body] its text
 * @param {boolean} [failure.isFull] nobody more gets into the room
 * @param {string} [failure.reason] name of livekit-client's `ConnectionErrorReason`
 * @returns {string}
 */
export function joinWords({ status, body = "", isFull = false, reason }) {
  if (status === undefined) return unansweredWords(reason);
  if (/expired/i.test(body)) return "This access token has expired. Ask for a new link.";
  if (/revoked/i.test(body)) {
    return "You were removed from this room, and this access token cannot bring you back.";
  }
  if (isFull || /max participants/i.test(body)) {
    return "The room is full. Try again when somebody has left.";
  }
  if (/locked/i.test(body)) return "The room is locked. Ask somebody inside to open it.";
  if (/does not exist/i.test(body)) return "There is no such room on this server.";
  switch (status) {
    case 200:
      return reason === "Timeout"
        ? "The server took too long to answer. Try again."
        : "The server answers, but the media connection could not be made. A firewall may be in the way.";
    case 401:
      return "The server did not accept this access token. It may belong to another server.";
    case 403:
      return "This access token does not let you join the room.";
    case 429:
      return "The server has too many connections of yours. Close some, or try again later.";
    default:
      return "The server takes nobody in right now. Try again in a moment.";
  }
}

/** @param {string | undefined} reason @returns {string} */
function unansweredWords(reason) {
  return reason === "Timeout"
    ? "The server took too long to answer. Try again."
    : "The server does not answer. Check that it is running and that you are online, then try again.";
}

/**
 * Why a call ended that nobody here ended.
 *
 * @param {string | undefined} reason name of a `DisconnectReason` of the LiveKit protocol
 * @returns {string | undefined} nothing when the person left on purpose
 */
export function endWords(reason) {
  switch (reason) {
    case "CLIENT_INITIATED":
      return undefined;
    case "DUPLICATE_IDENTITY":
      return "You joined from another tab or device, so this page left the room.";
    case "PARTICIPANT_REMOVED":
      return "You were removed from the room.";
    case "ROOM_DELETED":
    case "ROOM_CLOSED":
      return "The room was closed.";
    case "SERVER_SHUTDOWN":
      return "The server was stopped.";
    default:
      return "The connection was lost.";
  }
}

/**
 * @param {"mute" | "remove"} act
 * @param {string} name whom it was about
 * @param {number | undefined} status HTTP status; none if the server did not answer
 * @returns {string}
 */
export function moderationWords(act, name, status) {
  const what = act === "mute" ? `${name} could not be muted` : `${name} could not be removed`;
  if (status === undefined) return `${what}: the server does not answer.`;
  if (status === 401 || status === 403) return `${what}: only hosts may do that.`;
  if (status === 404) return `${what}: they have just left.`;
  return `${what}. Try again.`;
}
