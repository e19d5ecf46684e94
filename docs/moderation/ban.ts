/**
 * Removes a participant and refuses every token it has for this room. Your application must not
 * issue it another one.
 */
import { client, words } from "./client.ts";

const [room, identity] = words("room", "identity");
await client().removeParticipant(room, identity);
console.log(`banned ${identity}`);
