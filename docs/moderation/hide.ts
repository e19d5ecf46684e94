/** Hides a participant, for example a recorder, from everybody else while it is in the room. */
import { client, words } from "./client.ts";

const [room, identity] = words("room", "identity");
const rooms = client();
const { permission } = await rooms.getParticipant(room, identity);
await rooms.updateParticipant(room, identity, { permission: { ...permission, hidden: true } });
console.log(`${identity} is hidden`);
