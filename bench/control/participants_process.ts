/**
 * All participants of a measured server: real signalling over WebSockets in the flavour that
 * clients use by default, real ICE, DTLS and SRTP.
 *
 * @module
 */
import {
  MuteTrackRequest,
  Ping,
  type SignalRequest,
  UpdateParticipantMetadata,
} from "@livekit/protocol";
import { mintToken } from "../../tests/support/process/access_tokens.ts";
import { type OwnTrack, WireParticipant } from "../../tests/support/wire/wire_participant.ts";
import { answerCalls } from "../bench_child.ts";
import { outliveClientFaults } from "../load/client_faults.ts";
import type { ParticipantCalls, RequestKind } from "./control_calls.ts";
import { Crowd } from "./crowd.ts";

/** Idle participants that join at once. */
const GATHER_BATCH = 10;
/** Steps in which requests are sent, per second. */
const STEPS_PER_SECOND = 50;

const crowd = new Crowd();
let everybody: WireParticipant[] = [];
/** The first of each room, who sends the requests. */
const speakers: { readonly participant: WireParticipant; track?: OwnTrack }[] = [];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function join(
  url: string,
  room: string,
  identity: string,
  options: { readonly autoSubscribe?: boolean } = {},
): Promise<WireParticipant> {
  const grant = { canUpdateOwnMetadata: true };
  const token = await mintToken({ identity, room, grant });
  const participant = await WireParticipant.open(url, token, {
    flavour: "v1",
    isQuick: true,
    ...options,
  });
  everybody.push(participant);
  return participant;
}

function request(kind: RequestKind, number: number, track: OwnTrack | undefined) {
  switch (kind) {
    case "ping":
      return { case: "pingReq", value: new Ping({ timestamp: BigInt(number) }) } as const;
    case "metadata": {
      const value = new UpdateParticipantMetadata({ metadata: `{"hand":${number}}` });
      return { case: "updateMetadata", value } as const;
    }
    case "mute": {
      const value = new MuteTrackRequest({ sid: track!.sid, muted: number % 2 === 0 });
      return { case: "mute", value } as const;
    }
  }
}

outliveClientFaults();
await answerCalls<ParticipantCalls>({
  publish: async (options) => {
    await crowd.publish(options);
    return {};
  },
  arrive: (options) => crowd.arrive(options),
  gather: async ({ url, rooms, perRoom }) => {
    let connected = 0;
    for (let number = 0; number < rooms * perRoom; number += GATHER_BATCH) {
      const batch = Array.from({ length: Math.min(GATHER_BATCH, rooms * perRoom - number) });
      const joined = await Promise.allSettled(batch.map(async (_, i) => {
        const place = number + i;
        const room = `room${place % rooms}`;
        const options = { autoSubscribe: false };
        const participant = await join(url, room, `participant${place}`, options);
        await participant.connected();
        if (place < rooms) speakers.push({ participant });
      }));
      connected += joined.filter(({ status }) => status === "fulfilled").length;
    }
    return { connected };
  },
  keepAlive: async ({ on }) => {
    for (const { publisher, subscriber } of everybody) {
      for (const connection of new Set([publisher, subscriber])) {
        (await connection.ready()).isSilent = !on;
      }
    }
    return {};
  },
  publishAudio: async () => {
    for (const speaker of speakers) speaker.track = await speaker.participant.publish("audio");
    return {};
  },
  request: async ({ kind, perSecond, ms }) => {
    const startedAt = performance.now();
    let sent = 0;
    for (let elapsed = 0; elapsed < ms; elapsed = performance.now() - startedAt) {
      for (; sent < elapsed / 1000 * perSecond; sent++) {
        const { participant, track } = speakers[sent % speakers.length]!;
        // Counted per speaker, so that every mute is followed by an unmute.
        const number = Math.floor(sent / speakers.length);
        participant.signal.send(request(kind, number, track) as SignalRequest["message"]);
      }
      await pause(1000 / STEPS_PER_SECOND);
    }
    return { sent };
  },
  leave: async () => {
    await crowd.leave();
    await Promise.all(everybody.map((participant) => participant.leave().catch(() => {})));
    everybody = [];
    speakers.length = 0;
    return {};
  },
});
