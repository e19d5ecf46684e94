/**
 * Shows a participant and its tracks in a second room, for example a speaker to an overflow room.
 */
import { client, words } from "./client.ts";

const [room, identity, destination] = words("room", "identity", "destination");
await client().forwardParticipant(room, identity, destination);
console.log(`${identity} is also seen in ${destination}`);
