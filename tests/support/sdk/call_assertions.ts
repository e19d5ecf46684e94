/**
 * What has to be true of every call, whoever the clients are.
 *
 * @module
 */
import assert from "node:assert/strict";
import { eventually } from "../process/eventually.ts";
import type {
  ParticipantSnapshot,
  ReceivedMedia,
  RoomSnapshot,
  SdkClient,
  TrackSnapshot,
  TrackSource,
} from "./sdk_client.ts";

/** Frames that must be decoded after the first look: over 1 s of video at 15 a second. */
const FRAMES_WANTED = 20;
/** Largest difference of a colour channel that coding may make. */
const COLOR_TOLERANCE = 40;
/** Largest error of a measured tone, Hz: a few bins of the analyser. */
const TONE_TOLERANCE_HZ = 30;

/** RGB, 0..255. */
export type Color = readonly [number, number, number];

/** What one participant published, as the others must see and hear it. */
export interface Published {
  readonly sid: string;
  readonly kind: "audio" | "video";
  readonly source: TrackSource;
  readonly name?: string;
  readonly color?: Color;
  readonly hz?: number;
  readonly dimensions?: { readonly width: number; readonly height: number };
}

/** Whether a picture has this colour, as far as coding leaves it. */
export function isColor(seen: Color | undefined, wanted: Color): boolean {
  return seen?.every((value, i) => Math.abs(value - wanted[i]!) <= COLOR_TOLERANCE) ?? false;
}

/** Publishes one camera and one microphone with a colour and a tone of their own. */
export async function publishCameraAndMicrophone(
  client: SdkClient,
  look: { readonly color: Color; readonly hz: number },
): Promise<Published[]> {
  const video = await client.publishVideo({ color: look.color, name: `${client.identity}-cam` });
  const audio = await client.publishAudio({ hz: look.hz, name: `${client.identity}-mic` });
  return [
    {
      sid: video,
      kind: "video",
      source: "camera",
      name: `${client.identity}-cam`,
      color: look.color,
      dimensions: { width: 640, height: 360 },
    },
    {
      sid: audio,
      kind: "audio",
      source: "microphone",
      name: `${client.identity}-mic`,
      hz: look.hz,
    },
  ];
}

/** The remote participant `identity` as `client` knows it, once it is there. */
export function remote(client: SdkClient, identity: string): Promise<ParticipantSnapshot> {
  return eventually(`${client.identity} to know of ${identity}`, async () => {
    const { remotes } = await client.snapshot();
    return remotes.find((participant) => participant.identity === identity);
  });
}

/**
 * Checks that `receiver` gets everything `published` says of `sender`: the tracks are announced
 * with their attributes, frames are decoded and keep coming, the picture has the sender's colour,
 * sound arrives with its tone, and each track was subscribed exactly once.
 */
export async function assertReceives(
  receiver: SdkClient,
  sender: SdkClient,
  published: readonly Published[],
): Promise<void> {
  for (const track of published) {
    if (track.kind === "video") await assertVideoFlows(receiver, track);
    else await assertSoundFlows(receiver, track);
  }
  const snapshot = await receiver.snapshot();
  assertAnnounced(snapshot, sender.identity, published);
  for (const { sid } of published) {
    const { subscribedEvents, unsubscribedEvents } = snapshot;
    assert.equal(subscribedEvents[sid], 1, `${receiver.identity}'s subscriptions to ${sid}`);
    assert.equal(unsubscribedEvents[sid] ?? 0, 0, `${receiver.identity} lost ${sid}`);
  }
}

function assertAnnounced(
  snapshot: RoomSnapshot,
  identity: string,
  published: readonly Published[],
): void {
  const participant = snapshot.remotes.find((one) => one.identity === identity);
  assert.ok(participant, `${identity} is in the room`);
  const sids = participant.tracks.map((track) => track.sid).sort();
  assert.deepEqual(sids, published.map((track) => track.sid).sort(), `tracks of ${identity}`);
  for (const wanted of published) {
    const track: TrackSnapshot | undefined = participant.tracks.find(({ sid }) =>
      sid === wanted.sid
    );
    assert.ok(track);
    assert.deepEqual(attributesOf(track), attributesOf(wanted), `attributes of ${wanted.sid}`);
    assert.equal(track.muted, false);
    assert.equal(track.subscribed, true);
  }
}

function attributesOf(track: TrackSnapshot | Published) {
  const { kind, source, name, dimensions } = track;
  return { kind, source, name: name ?? "", dimensions };
}

/** Frames of `track` are decoded and keep coming, in its colour. */
export async function assertVideoFlows(receiver: SdkClient, track: Published): Promise<void> {
  let last: ReceivedMedia | undefined;
  const first = await eventually(
    `${receiver.identity} to decode a frame of ${track.sid}`,
    async () => {
      last = await receiver.media(track.sid);
      return last.framesDecoded > 0 && last;
    },
    { seen: async () => ({ last, room: await receiver.snapshot() }) },
  );
  await eventually(
    `${FRAMES_WANTED} more frames of ${track.sid} at ${receiver.identity}`,
    async () => {
      last = await receiver.media(track.sid);
      return last.framesDecoded >= first.framesDecoded + FRAMES_WANTED;
    },
    { seen: () => last },
  );
  if (!track.color) return;
  const wanted = track.color;
  await eventually(`the colour of ${track.sid} at ${receiver.identity}`, async () => {
    last = await receiver.media(track.sid);
    return isColor(last.color, wanted);
  }, { seen: () => ({ wanted, last }) });
}

/** Sound of `track` arrives, with its tone. */
export async function assertSoundFlows(receiver: SdkClient, track: Published): Promise<void> {
  let last: ReceivedMedia | undefined;
  await eventually(`sound of ${track.sid} at ${receiver.identity}`, async () => {
    last = await receiver.media(track.sid);
    const rightTone = track.hz === undefined ||
      (last.hz !== undefined && Math.abs(last.hz - track.hz) <= TONE_TOLERANCE_HZ);
    return last.audioEnergy > 0.01 && rightTone;
  }, { seen: async () => ({ wanted: track.hz, last, room: await receiver.snapshot() }) });
}

/** Sections of each kind with which a client offers to receive on a single connection at first. */
const IDLE_SECTIONS_OF_KIND = 3;

/**
 * Checks a browser's descriptions: one data section per connection, one media section for each
 * track sent and each track received, and nothing more. On a single connection the sections it
 * offers at first count as received tracks, and must do for as many as there are.
 */
export async function assertNoExtraMediaSections(
  client: SdkClient,
  counts: { readonly sent: number; readonly received: number },
): Promise<void> {
  const { mediaSections } = await client.snapshot();
  assert.ok(mediaSections, `${client.identity} can count media sections`);
  const { publisher, subscriber } = mediaSections;
  if (subscriber === undefined) {
    const received = Math.max(2 * IDLE_SECTIONS_OF_KIND, counts.received);
    assert.equal(publisher?.total, counts.sent + received + 1, `${client.identity}'s sections`);
    assert.equal(publisher.application, 1);
    return;
  }
  assert.equal(publisher?.total, counts.sent + 1, `${client.identity}'s publisher sections`);
  assert.equal(subscriber?.total, counts.received + 1, `${client.identity}'s subscriber sections`);
  assert.equal(publisher.application, 1);
  assert.equal(subscriber.application, 1);
}

/** `leaver` leaves; `witness` is told once, and neither side had an error or a reconnect. */
export async function assertCleanLeave(leaver: SdkClient, witness: SdkClient): Promise<void> {
  assert.equal((await leaver.snapshot()).reconnects, 0, `${leaver.identity}'s reconnects`);
  await leaver.disconnect();
  await eventually(`${witness.identity} to see ${leaver.identity} leave`, async () => {
    const { remotes, departed } = await witness.snapshot();
    return departed.includes(leaver.identity) &&
      remotes.every(({ identity }) => identity !== leaver.identity);
  });
  const { departed, reconnects, state } = await witness.snapshot();
  assert.deepEqual(departed.filter((identity) => identity === leaver.identity).length, 1);
  assert.equal(reconnects, 0, `${witness.identity}'s reconnects`);
  assert.equal(state, "connected");
  const left = await eventually(`${leaver.identity} to be disconnected`, async () => {
    const snapshot = await leaver.snapshot();
    return snapshot.state === "disconnected" && snapshot;
  });
  assert.equal(left.disconnectReason, "CLIENT_INITIATED");
  assert.deepEqual(await leaver.errors(), [], `${leaver.identity}'s errors`);
  assert.deepEqual(await witness.errors(), [], `${witness.identity}'s errors`);
}
