/** Locks a room, so that nobody new gets in, or unlocks it: the last word is `on` or `off`. */
import { client, fail, words } from "./client.ts";

const [name, lock] = words("room", "on|off");
if (lock !== "on" && lock !== "off") fail(`Say "on" or "off", not "${lock}"`);
// Tags are part of the protocol's CreateRoom; the SDK passes on what its type does not list.
const request = { name, tags: { "roomwire.locked": lock === "on" ? "true" : "false" } };
await client().createRoom(request);
console.log(`${name} is ${lock === "on" ? "locked" : "open"}`);
