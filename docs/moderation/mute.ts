/** Mutes every microphone track of a participant. It may unmute itself; nobody else can. */
import { TrackSource } from "livekit-server-sdk";
import { client, words } from "./client.ts";

const [room, identity] = words("room", "identity");
const rooms = client();
const { tracks } = await rooms.getParticipant(room, identity);
for (const { sid, source } of tracks) {
  if (source !== TrackSource.MICROPHONE) continue;
  await rooms.mutePublishedTrack(room, identity, sid, true);
  console.log(`muted ${sid}`);
}
