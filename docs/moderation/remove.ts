/** Removes a participant who may come back at once with the token it has. */
import { client, words } from "./client.ts";

const [room, identity] = words("room", "identity");
// Tokens issued before 1970 are refused: none.
await client().removeParticipant(room, identity, { revokeTokenTs: 1n });
console.log(`removed ${identity}`);
