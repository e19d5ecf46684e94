/**
 * Real encoders and decoders: each layer of a video, in simulcast or inside one stream (L3T3_KEY),
 * is asked for in turn, by name and by size, and what is decoded has its size and a rate that fits,
 * without more key frames than a switch takes; on another node as on the publisher's.
 *
 * @module
 */
import assert from "node:assert/strict";
import { all } from "../support/peers/data_scenarios.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import { assertNoExtraMediaSections } from "../support/sdk/call_assertions.ts";
import { type Call, CallFixture } from "../support/sdk/call_fixture.ts";
import type { Quality, VideoOptions } from "../support/sdk/sdk_client.ts";

const fixture = CallFixture.forThisFileOnCluster({ regions: ["east", "west"] });

/** Three layers: 960 × 540 is the smallest picture libwebrtc sends as three. */
const CAMERA = {
  width: 960,
  height: 540,
  fps: 10,
  simulcast: true,
  maxBitrate: 600_000,
  color: [40, 160, 60],
} satisfies VideoOptions;
/** With less libwebrtc leaves out VP9's highest layer. */
const VP9_BITRATE = 1_200_000;
const WIDTHS: Readonly<Record<Quality, number>> = { low: 240, medium: 480, high: 960 };
/** Up and down by one step and by two; the last one by the size it is shown in. */
const TURNS = ["high", "medium", "low", "high", "low", "medium"] as const;
const BY_SIZE = 5;
const BOTH = ["chromium", "firefox"] as const;
/** The encoder starts its upper layers once the send estimate allows them. */
const DEADLINE_MS = 60_000;
/** What is decoded of each layer, frames. */
const FRAMES = 15;
/** Asked for until the first frame of the wanted size: repeated once a second at most. */
const MAX_KEY_FRAMES = 6;

interface Turn {
  readonly quality: Quality;
  readonly kbps: number;
  readonly keyFrames: number;
}

/** Decodes `FRAMES` pictures of the wanted size in a row, and says what they cost. */
async function decode(
  receiver: BrowserClient,
  sid: string,
  quality: Quality,
): Promise<Turn> {
  const width = WIDTHS[quality];
  const before = await receiver.inbound(sid);
  let first: Readonly<Record<string, number>> | undefined;
  let last = before;
  await eventually(`${sid} to be ${width} pixels wide at ${receiver.identity}`, async () => {
    last = await receiver.inbound(sid);
    if (last.frameWidth !== width) first = undefined;
    else first ??= last;
    return first !== undefined && last.framesDecoded! >= first.framesDecoded! + FRAMES;
  }, { deadlineMs: DEADLINE_MS, seen: () => Promise.resolve({ last }) });
  const seconds = (last.timestamp! - first!.timestamp!) / 1_000;
  return {
    quality,
    kbps: (last.bytesReceived! - first!.bytesReceived!) * 8 / 1_000 / seconds,
    // Firefox does not count them.
    keyFrames: (last.keyFramesDecoded ?? 0) - (before.keyFramesDecoded ?? 0),
  };
}

async function assertLayersInTurn(
  publisher: BrowserClient,
  receiver: BrowserClient,
  sid: string,
): Promise<void> {
  await eventually(
    `${receiver.identity} to receive ${sid}`,
    () => receiver.inbound(sid).then(() => true, () => false),
    { deadlineMs: DEADLINE_MS },
  );
  const turns: Turn[] = [];
  for (const [turn, quality] of TURNS.entries()) {
    const width = WIDTHS[quality];
    if (turn < BY_SIZE) await receiver.setQuality(sid, quality);
    else await receiver.setDimensions(sid, width, width * CAMERA.height / CAMERA.width);
    turns.push(await decode(receiver, sid, quality));
  }
  const told = JSON.stringify(turns);
  const [high, medium, low] = turns;
  assert.ok(low!.kbps < medium!.kbps && medium!.kbps < high!.kbps, told);
  for (const { keyFrames } of turns) assert.ok(keyFrames <= MAX_KEY_FRAMES, told);
  const { freezeCount = 0, framesDropped = 0, framesDecoded = 0 } = await receiver.inbound(sid);
  assert.ok(framesDropped <= framesDecoded / 2, `${framesDropped} of ${framesDecoded} dropped`);
  assert.ok(freezeCount <= 2 * TURNS.length, `${freezeCount} freezes`);
  assert.deepEqual([await publisher.errors(), await receiver.errors()], [[], []]);
  await assertNoExtraMediaSections(receiver, { sent: 0, received: 1 });
}

for (
  const { title, codec, noise, from, near, far } of [
    // A still picture costs nearly the same in every size; much noise is more than OpenH264 fits
    // into its rate.
    {
      title: "h264 in simulcast",
      codec: "h264",
      noise: 0.02,
      from: "chromium",
      near: ["chromium"],
    },
    {
      title: "vp8 in simulcast",
      codec: "vp8",
      noise: 0.1,
      from: "firefox",
      near: ["chromium"],
      far: ["chromium"],
    },
    { title: "vp8 in simulcast", codec: "vp8", noise: 0.1, from: "chromium", near: ["firefox"] },
    // All see the same stream, so that it is encoded once: that costs more than all else here.
    { title: "vp9 in one stream", codec: "vp9", noise: 0.1, from: "chromium", near: BOTH },
    {
      title: "av1 in one stream",
      codec: "av1",
      noise: 0.1,
      from: "chromium",
      near: ["chromium"],
      far: ["firefox"],
    },
  ] as const
) {
  const kinds = [from, ...near, ...far ?? []];
  const isFar = far !== undefined;
  const seenBy = near.join(" and ") + (isFar ? ` and ${far} on another node` : "");
  const scenario = async ([call, farCall]: readonly Call[]) => {
    const ann = await call!.join(from, "ann");
    const receivers = await Promise.all([
      ...near.map((kind) => call!.join(kind, `near-${kind}`)),
      ...(far ?? []).map((kind) => farCall!.join(kind, `far-${kind}`)),
    ]);
    const more = codec === "vp9" ? { maxBitrate: VP9_BITRATE } : {};
    const sid = await ann.publishVideo({ ...CAMERA, codec, noise, ...more });
    await all(receivers, ({ identity }) => identity, (bob) => assertLayersInTurn(ann, bob, sid));
  };
  const room = `layers-${codec}-${from}`;
  endToEndTest(
    `${title}, ${from} to ${seenBy}: each layer asked for in turn is decoded`,
    [
      "chromium",
      ...(kinds.includes("firefox") ? ["firefox" as const] : []),
      ...(isFar ? ["redis" as const] : []),
    ],
    () => isFar ? fixture.spread(room, scenario) : fixture.call(room, (call) => scenario([call])),
  );
}
