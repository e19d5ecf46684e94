/**
 * A bot that writes down who said what when, as far as sound goes: a WAV file for each microphone,
 * and `transcript.jsonl` with a line for each time somebody spoke, for a program that makes text of
 * it. It joins hidden, publishes nothing, and ends when the last person has left or on SIGINT.
 *
 *     LIVEKIT_URL=ws://localhost:7880 LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=secret \
 *       deno task start standup recordings
 *
 * @module
 */
import {
  AudioStream,
  dispose,
  type RemoteParticipant,
  type RemoteTrack,
  Room,
  RoomEvent,
  TrackKind,
} from "@livekit/rtc-node";
import { AccessToken } from "livekit-server-sdk";
import { WavFile } from "./wav_file.ts";

const SAMPLE_RATE = 48_000;
const [roomName, folder] = Deno.args;
if (roomName === undefined || folder === undefined) {
  console.error("usage: main.ts <room> <folder>");
  Deno.exit(2);
}

/** The microphones that are recorded, by track. */
const recorders = new Map<
  string,
  { readonly speaker: string; readonly path: string; file: WavFile }
>();
/** When those who speak began to, by identity: second of their file. */
const speaking = new Map<string, { readonly path: string; readonly from: number }>();
const writing: Promise<void>[] = [];
const room = new Room();
let ended: () => void;
const end = new Promise<void>((resolve) => ended = resolve);

Deno.mkdirSync(folder, { recursive: true });
room
  .on(RoomEvent.TrackSubscribed, (track, _publication, participant) => {
    if (track.kind === TrackKind.KIND_AUDIO) writing.push(record(track, participant));
  })
  .on(RoomEvent.ActiveSpeakersChanged, (speakers) => {
    noteSpeakers(new Set(speakers.map(({ identity }) => identity)));
  })
  .on(RoomEvent.ParticipantDisconnected, () => {
    if (room.remoteParticipants.size === 0) ended();
  })
  .on(RoomEvent.Disconnected, () => ended());
Deno.addSignalListener("SIGINT", () => ended());

await room.connect(Deno.env.get("LIVEKIT_URL") ?? "ws://localhost:7880", await ownToken(), {
  autoSubscribe: true,
  dynacast: false,
});
console.log(`recording ${roomName}`);
await end;
noteSpeakers(new Set());
await room.disconnect();
await Promise.allSettled(writing);
for (const { file } of recorders.values()) file.close();
await dispose();
Deno.exit(0);

function ownToken(): Promise<string> {
  const [key, secret] = [Deno.env.get("LIVEKIT_API_KEY"), Deno.env.get("LIVEKIT_API_SECRET")];
  const token = new AccessToken(key, secret, { identity: `recorder-${crypto.randomUUID()}` });
  token.addGrant({
    roomJoin: true,
    room: roomName!,
    canPublish: false,
    canPublishData: false,
    hidden: true,
    recorder: true,
  });
  return token.toJwt();
}

/** Writes a microphone down until it is gone. */
async function record(track: RemoteTrack, { identity }: RemoteParticipant): Promise<void> {
  const name = `${identity.replace(/[^\w-]/g, "_").slice(0, 60)}-${track.sid}.wav`;
  const path = `${folder}/${name}`;
  const file = new WavFile(path, SAMPLE_RATE);
  recorders.set(track.sid!, { speaker: identity, path: name, file });
  note({ speaker: identity, file: name, recordedFrom: new Date().toISOString() });
  const stop = end.then(() => undefined);
  const reader = new AudioStream(track, SAMPLE_RATE, 1).getReader();
  for (;;) {
    const read = await Promise.race([reader.read(), stop]);
    if (read === undefined || read.done) return;
    file.write(read.value.data);
  }
}

/** A line for each who has stopped, from where in the file to where. */
function noteSpeakers(now: ReadonlySet<string>): void {
  for (const { speaker, path, file } of recorders.values()) {
    const began = speaking.get(speaker);
    if (began === undefined && now.has(speaker)) {
      speaking.set(speaker, { path, from: file.seconds });
    }
    if (began === undefined || now.has(speaker) || began.path !== path) continue;
    speaking.delete(speaker);
    note({ speaker, file: path, from: began.from, to: file.seconds });
  }
}

function note(line: Readonly<Record<string, unknown>>): void {
  Deno.writeTextFileSync(`${folder}/transcript.jsonl`, `${JSON.stringify(line)}\n`, {
    append: true,
  });
}
