/** Makes a participant a listener: it publishes nothing, sends nothing, and stays in the room. */
import { client, words } from "./client.ts";

const [room, identity] = words("room", "identity");
const rooms = client();
const { permission } = await rooms.getParticipant(room, identity);
await rooms.updateParticipant(room, identity, {
  permission: { ...permission, canPublish: false, canPublishData: false, canSubscribe: true },
});
console.log(`${identity} is in the audience`);
