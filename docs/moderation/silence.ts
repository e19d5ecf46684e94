/**
 * Takes the right to publish microphone and screen away and leaves the camera: the tracks are gone
 * for everybody at once, and cannot be published again.
 */
import { TrackSource } from "livekit-server-sdk";
import { client, words } from "./client.ts";

const [room, identity] = words("room", "identity");
const rooms = client();
const { permission } = await rooms.getParticipant(room, identity);
// A permission replaces the old one as a whole, so start from what is there.
const { tracks } = await rooms.updateParticipant(room, identity, {
  permission: {
    ...permission,
    canPublish: true,
    canPublishSources: [TrackSource.CAMERA],
    canPublishData: false,
  },
});
console.log(`${identity} still publishes ${tracks.length} track(s)`);
