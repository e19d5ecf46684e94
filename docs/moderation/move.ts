/** Takes a participant to another room, for example out of a waiting room, without a new join. */
import { client, words } from "./client.ts";

const [room, identity, destination] = words("room", "identity", "destination");
await client().moveParticipant(room, identity, destination);
console.log(`${identity} is in ${destination}`);
