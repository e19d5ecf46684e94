/** Mutes every microphone track of a participant. It may unmute itself; nobody else can. */
import { TrackSource } from "livekit-server-sdk";
import { client, fail, words } from "./client.ts";

const [room, identity] = words("room", "identity");
const rooms = client();
const { tracks } = await rooms.getParticipant(room, identity);
const microphones = tracks.filter(({ source }) => source === TrackSource.MICROPHONE);
if (microphones.length === 0) fail(`${identity} has no microphone to mute`);
for (const { sid } of microphones) {
  await rooms.mutePublishedTrack(room, identity, sid, true);
  console.log(`muted ${sid}`);
}
