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
const COLORS = [[200, 40, 40], [40, 160, 60], [60, 60, 180], [160, 150, 60]] as const;

/** The two tracks of a member. */
interface Tracks {
  readonly video: string;
  readonly audio: string;
}

/** One client in a call of many makes. */
interface Member {
  readonly kind: MemberKind;
  /** Camera with the SDK's own layers, and microphone. */
  publish(): Promise<Tracks>;
  /** What it has of somebody's tracks: frames of the picture, and how much sound. */
  received(tracks: Tracks): Promise<{ frames: number; sound: boolean }>;
  /** Reconnects and errors. */
  troubles(): Promise<readonly string[]>;
}

async function join(call: Call, kind: MemberKind, index: number): Promise<Member> {
  // A name that says who is meant when something fails.
  const identity = `${kind}-${index + 1}`;
  return kind === "pion"
    ? pionMember(await call.joinPion(identity))
    : sdkMember(kind, await call.join(kind, identity), index);
}

function sdkMember(kind: ClientKind, client: SdkClient, index: number): Member {
  return {
    kind,
    async publish() {
      const color = COLORS[index % COLORS.length]!;
      const video = await client.publishVideo({ color, sdkDefaults: true });
      return { video, audio: await client.publishAudio({ hz: 400 + 200 * index }) };
    },
    async received({ video, audio }) {
      const [seen, heard] = await Promise.all([video, audio].map(async (sid) => {
        return await client.media(sid).catch(() => undefined);
      }));
      return {
        frames: seen?.framesDecoded ?? 0,
        sound: (heard?.audioEnergy ?? 0) >= ENERGY_WANTED,
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

function pionMember(peer: PionPeer): Member {
  return {
    kind: "pion",
    async publish() {
      const video = await peer.publish({ kind: "video", simulcast: true });
      return { video, audio: await peer.publish({ kind: "audio" }) };
    },
    async received({ video, audio }) {
      return {
        frames: peer.counts(video)?.frames ?? 0,
        sound: (peer.counts(audio)?.frames ?? 0) >= FRAMES_WANTED,
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
    await assertMeeting(members, published);
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
  const published = await Promise.all(members.map((member) => member.publish()));
  await assertMeeting(members, published);
}

/** Members of a room that spans nodes join through one after the other. */
function callOf(calls: Call | readonly Call[], index: number): Call {
  if (calls instanceof Call) return calls;
  return calls[index % calls.length]!;
}

async function assertMeeting(
  members: readonly Member[],
  published: readonly Tracks[],
): Promise<void> {
  const missing = new Missing(members, published);
  await eventually(
    `${members.map(({ kind }) => kind).join(", ")} to see and hear each other`,
    async () => (await missing.look()).length === 0,
    { deadlineMs: MEETING_DEADLINE_MS, seen: () => missing.look() },
  );
  for (const member of members) {
    assert.deepEqual(await member.troubles(), [], `${member.kind} after ${members.length} joined`);
  }
}

/** Who does not see or hear whom yet. */
class Missing {
  /** Frames that a receiver had of a sender at first. */
  readonly #first = new Map<string, number>();

  constructor(readonly members: readonly Member[], readonly published: readonly Tracks[]) {}

  async look(): Promise<string[]> {
    const pairs = this.members.flatMap((receiver, to) =>
      this.members.map((sender, from) => ({ receiver, sender, to, from }))
    ).filter(({ to, from }) => to !== from);
    const missing = await Promise.all(pairs.map(async ({ receiver, sender, to, from }) => {
      const { frames, sound } = await receiver.received(this.published[from]!);
      const first = this.#first.get(`${to} ${from}`);
      if (first === undefined && frames > 0) this.#first.set(`${to} ${from}`, frames);
      const sees = first !== undefined && frames >= first + FRAMES_WANTED;
      return [
        ...(sees ? [] : [`${receiver.kind} sees ${frames} frames of ${sender.kind}`]),
        ...(sound ? [] : [`${receiver.kind} does not hear ${sender.kind}`]),
      ];
    }));
    return missing.flat();
  }
}
