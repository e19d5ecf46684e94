/** Changes a participant's name and role while it is in the room. */
import { client, words } from "./client.ts";

const [room, identity, name, role] = words("room", "identity", "name", "role");
const info = await client().updateParticipant(room, identity, { name, attributes: { role } });
console.log(`${identity} is now ${info.name}, ${info.attributes.role}`);
