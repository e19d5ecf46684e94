/**
 * A worker that joins a room several times and sends what weighs most, as fast as its sockets take
 * it.
 *
 * Post it an {@linkcode Attack}; it posts how many frames it sent, and how many sockets the server
 * closed, when it is done.
 *
 * @module
 */
import { AddTrackRequest, SignalRequest, UpdateParticipantMetadata } from "@livekit/protocol";
import { SignalClient, UpgradeRefused } from "../wire/signal_client.ts";

/** Where to, and with how much. */
export interface Attack {
  /** With query and token; one session each. */
  readonly urls: readonly string[];
  readonly rounds: number;
}

/** What became of an {@linkcode Attack}. */
export interface AttackOutcome {
  readonly frames: number;
  readonly closed: number;
}

/** Just below `limit.signal_message_size_limit`. */
const FRAME_BYTES = 2 * 1024 * 1024 - 1024;

/** Between two tries to come in, ms; a share is whole after two seconds. */
const RETRY_MS = 50;
const MOST_TRIES = 100;

const binary = (message: SignalRequest["message"]) => new SignalRequest({ message }).toBinary();

/** An `addTrack` with `content` as its encoded body. */
function addTrackOf(content: Uint8Array): Uint8Array {
  const { length } = content;
  const size = [
    length & 127 | 128,
    length >> 7 & 127 | 128,
    length >> 14 & 127 | 128,
    length >> 21,
  ];
  return new Uint8Array([0x22, ...size, ...content]);
}

/** Two bytes over and over: a tag and nothing in it. */
function emptyParts(tag: number): Uint8Array {
  return new Uint8Array(FRAME_BYTES - 16).map((_, at) => at % 2 === 0 ? tag : 0);
}

/** A frame, and whether the server ends the socket on it. */
interface Frame {
  readonly data: Uint8Array | string;
  readonly ends?: boolean;
}

function frames(): Frame[] {
  const name = "x".repeat(FRAME_BYTES - 100);
  const layers = AddTrackRequest.fields.findJsonName("layers")!.no;
  const metadata = new UpdateParticipantMetadata({ metadata: name, requestId: 1 });
  const addTrack = (fields: Partial<AddTrackRequest>) =>
    binary({ case: "addTrack", value: new AddTrackRequest({ source: 2, ...fields }) });
  const many = `{"addTrack":{"layers":[${"{},".repeat(FRAME_BYTES / 3 - 100)}{}]}}`;
  return [
    { data: addTrack({ cid: "c", name }) },
    { data: binary({ case: "updateMetadata", value: metadata }) },
    { data: addTrackOf(emptyParts(layers * 8 + 2)), ends: true }, // a million layers
    { data: addTrackOf(emptyParts(0x78)), ends: true }, // a million fields that nobody knows
    { data: many, ends: true },
    { data: `{"ping":"${"9".repeat(FRAME_BYTES - 100)}"}`, ends: true },
    { data: `{"unknown":${"[".repeat(FRAME_BYTES - 100)}`, ends: true },
    ...Array.from({ length: 50 }, (_, i) => ({
      data: addTrack({ cid: `c${i}`, name: name.slice(0, 30_000) }),
    })),
  ];
}

/** Whoever has had more than its share is let in a little later. */
async function open(url: string): Promise<SignalClient> {
  for (let tries = 1;; tries++) {
    try {
      return await SignalClient.open(url);
    } catch (error) {
      if (!(error instanceof UpgradeRefused) || tries === MOST_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function attack({ urls, rounds }: Attack): Promise<AttackOutcome> {
  const heavy = frames();
  let sent = 0;
  let closed = 0;
  await Promise.all(urls.map(async (url) => {
    for (let round = 0; round < rounds; round++) {
      let client = await open(url);
      for (const { data, ends } of heavy) {
        client.sendFrame(data);
        sent++;
        await new Promise((resolve) => setTimeout(resolve, 0));
        if (!ends) continue;
        await client.ended();
        closed++;
        client = await open(url);
      }
      await client.close();
    }
  }));
  return { frames: sent, closed };
}

if (typeof self !== "undefined" && "onmessage" in self) {
  self.onmessage = async ({ data }: MessageEvent<Attack>) => {
    (self as unknown as Worker).postMessage(await attack(data));
  };
}
