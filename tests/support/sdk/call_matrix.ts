/**
 * Calls among clients of different makes, each with the default options of its SDK, in which
 * everybody has to see and hear everybody else.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Call, type ClientKind } from "./call_fixture.ts";
import { eventually } from "../process/eventually.ts";
import type { PionPeer } from "../peers/pion_peer.ts";
import type { SdkClient } from "./sdk_client.ts";

export type MemberKind = ClientKind | "pion";

/** For everybody to see and hear everybody after the last one published, ms. */
const MEETING_DEADLINE_MS = 40_000;
/** Frames, or packets of sound where nobody decodes it, that must follow on the first ones. */
const FRAMES_WANTED = 10;
/** As `totalAudioEnergy`: a tenth of a second of the tones. */
const ENERGY_WANTED = 0.01;
/** Between two looks at a picture that may stand still, ms. */
const LOOK_MS = 20;
const COLORS = [[200, 40, 40], [40, 160, 60], [60, 60, 180], [160, 150, 60]] as const;

/** The two tracks of a member. */
export interface Tracks {
  readonly video: string;
  readonly audio: string;
}

interface Received {
  readonly frames: number;
  readonly sound: number;
  /** Packets of sound, where it is decoded and they are counted, too. */
  readonly packets?: number;
}

/** One client in a call of many makes. */
export interface Member {
  readonly kind: MemberKind;
  /** Camera with the SDK's own layers, and microphone. */
  publish(): Promise<Tracks>;
  /** The same by the names they have now: who has joined anew has published anew. */
  published?(): Promise<Tracks | undefined>;
  /** What it has of somebody's tracks so far: frames of the picture, and sound in parts of enough. */
  received(tracks: Tracks): Promise<Received>;
  /** Reconnects and errors. */
  troubles(): Promise<readonly string[]>;
}

/** What is needed of an SDK's client that is a member. */
type MatrixClient = Pick<
  SdkClient,
  "publishVideo" | "publishAudio" | "snapshot" | "media" | "errors"
>;

/** Members of a call, and what they have published, in the same order. */
export interface Meeting {
  readonly members: readonly Member[];
  readonly published: readonly Tracks[];
}

async function join(call: Call, kind: MemberKind, index: number): Promise<Member> {
  // A name that says who is meant when something fails.
  const identity = `${kind}-${index + 1}`;
  return kind === "pion"
    ? pionMember(await call.joinPion(identity))
    : sdkMember(kind, await call.join(kind, identity), index);
}

/** @param index tells the member's colour and tone from others'. */
export function sdkMember(kind: ClientKind, client: MatrixClient, index: number): Member {
  return {
    kind,
    async publish() {
      const color = COLORS[index % COLORS.length]!;
      const video = await client.publishVideo({ color, sdkDefaults: true });
      return { video, audio: await client.publishAudio({ hz: 400 + 200 * index }) };
    },
    async published() {
      const { local: { tracks } } = await client.snapshot();
      const [video, audio] = ["camera", "microphone"].map((wanted) =>
        tracks.find(({ source }) => source === wanted)?.sid
      );
      return video && audio ? { video, audio } : undefined;
    },
    async received({ video, audio }) {
      const [seen, heard] = await Promise.all([video, audio].map(async (sid) => {
        return await client.media(sid).catch(() => undefined);
      }));
      return {
        frames: seen?.framesDecoded ?? 0,
        sound: (heard?.audioEnergy ?? 0) / ENERGY_WANTED,
        ...(heard?.packetsReceived === undefined ? {} : { packets: heard.packetsReceived }),
      };
    },
    async troubles() {
      const { reconnects, state } = await client.snapshot();
      return [
        ...(reconnects > 0 ? [`${reconnects} reconnects`] : []),
        ...(state === "connected" ? [] : [`state ${state}`]),
        ...await client.errors(),
      ];
    },
  };
}

export function pionMember(peer: PionPeer): Member {
  return {
    kind: "pion",
    async publish() {
      const video = await peer.publish({ kind: "video", simulcast: true });
      return { video, audio: await peer.publish({ kind: "audio" }) };
    },
    async received({ video, audio }) {
      return {
        frames: peer.counts(video)?.frames ?? 0,
        sound: (peer.counts(audio)?.frames ?? 0) / FRAMES_WANTED,
      };
    },
    troubles: () => Promise.resolve(peer.errors()),
  };
}

/**
 * Members join in this order, each as soon as everybody before sees and hears each other, and
 * publish at once; in the end everybody sees and hears everybody and nobody has reconnected.
 */
export async function meetInSequence(
  calls: Call | readonly Call[],
  kinds: readonly MemberKind[],
): Promise<void> {
  const members: Member[] = [];
  const published: Tracks[] = [];
  for (const [index, kind] of kinds.entries()) {
    const member = await join(callOf(calls, index), kind, index);
    members.push(member);
    published.push(await member.publish());
    await assertMeeting({ members, published });
  }
}

/** The same, where nobody waits for anybody. */
export async function meetAtOnce(
  calls: Call | readonly Call[],
  kinds: readonly MemberKind[],
): Promise<void> {
  const members = await Promise.all(
    kinds.map((kind, index) => join(callOf(calls, index), kind, index)),
  );
  await meet(members);
}

/** Members that have joined publish, all see and hear everybody, and nobody has reconnected. */
export async function meet(members: readonly Member[]): Promise<Meeting> {
  const published = await Promise.all(members.map((member) => member.publish()));
  const meeting = { members, published };
  await assertMeeting(meeting);
  return meeting;
}

/** Members of a room that spans nodes join through one after the other. */
function callOf(calls: Call | readonly Call[], index: number): Call {
  if (calls instanceof Call) return calls;
  return calls[index % calls.length]!;
}

async function assertMeeting(meeting: Meeting): Promise<void> {
  const { members } = meeting;
  await assertFlows(meeting);
  for (const member of members) {
    assert.deepEqual(await member.troubles(), [], `${member.kind} after ${members.length} joined`);
  }
}

/** What is not asked of a meeting as usual. */
export interface FlowOptions {
  readonly deadlineMs?: number;
  /** Who is not told any more of those that join, or join anew: they are not looked for there. */
  readonly untold?: readonly MemberKind[];
}

/** From now on everybody gets more of everybody's picture and sound. */
export async function assertFlows(
  { members, published }: Meeting,
  { deadlineMs = MEETING_DEADLINE_MS, untold = [] }: FlowOptions = {},
): Promise<void> {
  const missing = new Missing(members, published, untold);
  await eventually(
    `${members.map(({ kind }) => kind).join(", ")} to see and hear each other`,
    async () => (await missing.look()).length === 0,
    { deadlineMs, seen: () => missing.look() },
  );
}

/**
 * Each watches the picture of the next one for so long, ms.
 *
 * @returns The longest time without a new frame, ms, by who watched; pion tells four times a second.
 */
export async function standstills(
  { members, published }: Meeting,
  watchMs: number,
): Promise<Partial<Record<MemberKind, number>>> {
  const endsAt = performance.now() + watchMs;
  const watched = members.map(async (member, index) => {
    const of = published[(index + 1) % published.length]!;
    let [seen, since, longest] = [-1, performance.now(), 0];
    for (let now = since; now < endsAt; now = performance.now()) {
      const { frames } = await member.received(of);
      if (frames !== seen) since = now;
      seen = frames;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      longest = Math.max(longest, performance.now() - since);
    }
    return [member.kind, Math.round(longest)] as const;
  });
  return Object.fromEntries(await Promise.all(watched));
}

/** Who does not see or hear whom yet. */
class Missing {
  /** What a receiver had of a sender at first: of the picture when it came, of the sound at once. */
  readonly #first = new Map<string, { frames: number; sound: number }>();

  constructor(
    readonly members: readonly Member[],
    readonly published: readonly Tracks[],
    readonly untold: readonly MemberKind[],
  ) {}

  async look(): Promise<string[]> {
    const published = await Promise.all(this.members.map(async (member, at) => {
      return await member.published?.().catch(() => undefined) ?? this.published[at]!;
    }));
    const pairs = this.members.flatMap((receiver, to) =>
      this.members.map((sender, from) => ({ receiver, sender, to, from }))
    ).filter(({ receiver, to, from }) => {
      const isNew = published[from]!.video !== this.published[from]!.video;
      return to !== from && !(isNew && this.untold.includes(receiver.kind));
    });
    const missing = await Promise.all(pairs.map(async ({ receiver, sender, to, from }) => {
      const { frames, sound, packets } = await receiver.received(published[from]!);
      let first = this.#first.get(`${to} ${from}`) ?? { frames: 0, sound };
      // Whoever has come back by a new connection counts anew.
      if (frames < first.frames || sound < first.sound) first = { frames: 0, sound };
      if (first.frames === 0) this.#first.set(`${to} ${from}`, { ...first, frames });
      const sees = first.frames > 0 && frames >= first.frames + FRAMES_WANTED;
      return [
        ...(sees ? [] : [`${receiver.kind} sees ${frames} frames of ${sender.kind}`]),
        ...(sound >= first.sound + 1 ? [] : [
          `${receiver.kind} does not hear ${sender.kind} (${packets ?? "some"} packets, ${sound})`,
        ]),
      ];
    }));
    return missing.flat();
  }
}
