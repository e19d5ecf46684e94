/**
 * What the page asks of the server that it came from, beside the call itself.
 *
 * @module
 */

/** The signalling address of this server. */
export function serverUrl() {
  const { protocol, host } = globalThis.location;
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}`;
}

/**
 * @returns {Promise<boolean>} whether this server gives tokens to whoever asks, as in development
 */
export async function givesTokens() {
  try {
    const response = await fetch("/demo/api/server");
    return (await response.json()).givesTokens === true;
  } catch {
    return false;
  }
}

/**
 * @param {string} room
 * @param {string} name
 * @returns {Promise<{ token: string } | { status?: number, body?: string }>} the refusal has what
 *   the server answered, nothing if it did not
 */
export async function askForToken(room, name) {
  try {
    const response = await fetch("/demo/api/token", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ room, name }),
    });
    if (!response.ok) return { status: response.status, body: await response.text() };
    return { token: (await response.json()).token };
  } catch {
    return {};
  }
}

/**
 * Why the server lets a token in or not: the SDK does not pass on every answer.
 *
 * @param {string} token
 * @returns {Promise<{ status?: number, body?: string, isFull?: boolean }>} nothing if it does not
 *   answer
 */
export async function askWhy(token) {
  try {
    const headers = { "Authorization": `Bearer ${token}` };
    const signal = AbortSignal.timeout(5000);
    const response = await fetch("/rtc/validate", { headers, signal });
    const answer = { status: response.status, body: await response.text() };
    if (!response.ok) return answer;
    const server = await fetch("/demo/api/server", { headers, signal });
    return { ...answer, isFull: (await server.json()).isFull === true };
  } catch {
    return {};
  }
}

/**
 * Calls LiveKit's server API as a host of the room.
 *
 * @param {string} token with `roomAdmin`
 * @param {"MutePublishedTrack" | "RemoveParticipant"} method
 * @param {Record<string, unknown>} message JSON of the method's request
 * @returns {Promise<number | undefined>} HTTP status, nothing if the server does not answer
 */
export async function moderate(token, method, message) {
  try {
    const response = await fetch(`/twirp/livekit.RoomService/${method}`, {
      method: "POST",
      headers: { "Authorization": `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify(message),
    });
    return response.status;
  } catch {
    return undefined;
  }
}
