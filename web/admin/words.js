/**
 * Why something could not be done, in words.
 *
 * @module
 */

/**
 * @param {string} what `Ann could not be removed`
 * @param {{ status?: number, body?: { msg?: unknown } }} answer of the server API
 * @returns {string}
 */
export function refusalWords(what, { status, body }) {
  if (status === undefined) return `${what}: the server does not answer.`;
  // The server API says 401 of rights that a token lacks, too.
  if (status === 403 || status === 401 && body !== undefined) {
    return `${what}: the token does not allow it.`;
  }
  if (status === 401) return `${what}: the token has expired, sign in again.`;
  if (status === 404) return `${what}: not there any more.`;
  const reason = typeof body?.msg === "string" && body.msg !== "" ? body.msg : "try again";
  return `${what}: ${reason}.`;
}

/**
 * @param {"password" | "token"} entry
 * @param {number | undefined} status HTTP status; nothing if the server does not answer
 * @returns {string}
 */
export function entranceWords(entry, status) {
  if (status === undefined) return "The server does not answer. Check that it is running.";
  if (status === 429) return "Too many attempts. Wait a quarter of a minute, then try again.";
  if (status === 401) {
    return entry === "password" ? "That is not the password." : "That token is not valid any more.";
  }
  if (status === 403) {
    return entry === "password"
      ? "The server lets nobody in this way. Open the page over HTTPS."
      : "That token is not for operators: it needs roomAdmin and roomList, and no room.";
  }
  return "That did not work. Try again.";
}
