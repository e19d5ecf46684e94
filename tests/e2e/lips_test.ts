/**
 * Lips with real encoders: whatever becomes of a Chromium's camera on its way, the sender reports
 * that another Chromium gets put pictures and sound at the instants at which they were captured.
 *
 * Judged by packets as the server captures them, and not by what is played when: a receiver's
 * buffers are longer by 100 to 200 ms on a machine that is busy.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type LipReading, readLips } from "../support/media/captured_lips.ts";
import { readPcapng } from "../support/media/pcapng_reader.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { startCapture } from "../support/process/asked_captures.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import { type Call, CallFixture } from "../support/sdk/call_fixture.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const fixture = CallFixture.forThisFile({
  config: {
    room: { sync_streams: true },
    packet_capture: { enabled: true },
    rtc: { congestion_control: { allow_pause: true } },
  },
});

const CAMERA = { width: 960, height: 540, fps: 15, maxBitrate: 1_000_000, noise: 0.06 } as const;
/** Widths of the lowest and of the highest layer. */
const [LOW, HIGH] = [240, 960];
const DEADLINE_MS = 60_000;
/** Pictures between two changes: three seconds, the time between two sender reports. */
const FRAMES = 45;
/** How long something is away, ms. */
const AWAY_MS = 2_000;
/** A stream that is new is placed by arrivals until its first report, which comes so soon, ms. */
const UNREPORTED_MS = 1_500;
/** Who has nothing for so long, ms, goes on as a new stream does. */
const PAUSE_MS = 500;
/** From what the publisher's last report said, ms: rounding. */
const MOST_OFF_MS = 2;
/** From all of the publisher's: a Chromium's own of its sound differ by as much. */
const MOST_OFF_LINE_MS = 33;

/** Decodes so many pictures, of a width. */
async function decodes(bob: BrowserClient, sid: string, width = HIGH): Promise<void> {
  let first: number | undefined;
  await eventually(`${FRAMES} pictures, ${width} pixels wide`, async () => {
    const { framesDecoded, frameWidth } = await bob.media(sid);
    if (frameWidth !== width) first = undefined;
    else first ??= framesDecoded;
    return first !== undefined && framesDecoded >= first + FRAMES;
  }, { deadlineMs: DEADLINE_MS, seen: () => bob.inbound(sid) });
}

const away = () => new Promise((resolve) => setTimeout(resolve, AWAY_MS));

/** Down to the lowest layer, and up again. */
async function changeLayers(bob: BrowserClient, sid: string): Promise<void> {
  await decodes(bob, sid);
  await bob.setQuality(sid, "low");
  await decodes(bob, sid, LOW);
  await bob.setQuality(sid, "high");
  await decodes(bob, sid);
}

/** A mute, a pause by the subscriber, and one for want of bandwidth. */
async function pause(ann: BrowserClient, bob: BrowserClient, sid: string): Promise<void> {
  await ann.setMuted(sid, true);
  await away();
  await ann.setMuted(sid, false);
  await decodes(bob, sid);

  await bob.setEnabled(sid, false);
  await away();
  await bob.setEnabled(sid, true);
  await decodes(bob, sid);

  await bob.simulate("subscriber-bandwidth", 5_000);
  await eventually("the camera to be paused", async () => (await bob.streamStates()).length > 0);
  await away();
  await bob.simulate("subscriber-bandwidth", 0);
  await decodes(bob, sid);
}

/** Somebody comes who cannot decode VP9, and everybody goes over to VP8. */
async function switchCodec({ server, room }: Call, bob: BrowserClient, sid: string) {
  const token = await mintToken({ identity: "old", room });
  await using _old = await WireParticipant.open(server.url, token, { unsupported: ["video/VP9"] });
  await eventually("bob to receive VP8", async () => (await bob.media(sid)).codec === "video/VP8");
  await decodes(bob, sid);
}

/**
 * Nothing is elsewhere than where the publisher's own reports put it.
 *
 * @param least Packets of each kind that tell of it.
 */
function assertInStep(readings: readonly LipReading[], least: number): void {
  for (const kind of ["audio", "video"] as const) {
    const own = readings.filter((one) => one.kind === kind);
    let switchedAt = -Infinity;
    const settled = own.filter(({ ssrc, at }, i) => {
      const before = own[i - 1];
      const isNew = ssrc !== before?.ssrc || at - before.at > PAUSE_MS;
      if (isNew && i > 0) switchedAt = at;
      return at - switchedAt > UNREPORTED_MS;
    });
    assert.ok(settled.length > least, `${settled.length} of ${own.length} packets of ${kind}`);
    for (const [name, most] of [["byLast", MOST_OFF_MS], ["byLine", MOST_OFF_LINE_MS]] as const) {
      const worst = settled.reduce((a, b) => Math.abs(b[name]) > Math.abs(a[name]) ? b : a);
      assert.ok(Math.abs(worst[name]) <= most, `${name}: ${JSON.stringify(worst)}`);
    }
  }
}

for (
  const { title, options, least, more } of [
    {
      title: "vp9 in one stream, and then vp8",
      options: { codec: "vp9" },
      least: 500,
      more: async (call: Call, ann: BrowserClient, bob: BrowserClient, sid: string) => {
        await pause(ann, bob, sid);
        await switchCodec(call, bob, sid);
      },
    },
    { title: "vp8 in simulcast", options: { codec: "vp8", simulcast: true }, least: 200 },
    { title: "av1 in one stream", options: { codec: "av1" }, least: 200 },
  ] as const
) {
  endToEndTest(
    `reports put sound and pictures where they were captured: ${title}`,
    ["chromium"],
    () =>
      fixture.call(`lips-${options.codec}`, async (call) => {
        const { server: { httpUrl }, room } = call;
        const ann = await call.join("chromium", "ann");
        const bob = await call.join("chromium", "bob");
        const anns = await startCapture({ httpUrl, room, identity: "ann" });
        const bobs = await startCapture({ httpUrl, room, identity: "bob" });
        const sid = await ann.publishVideo({ ...CAMERA, ...options });
        // With redundancy it would be told apart by nothing but its order.
        await ann.publishAudio({ red: false });
        await changeLayers(bob, sid);
        await more?.(call, ann, bob, sid);
        for (const client of [ann, bob]) assert.deepEqual(await client.errors(), []);
        for (const client of [bob, ann]) await client.disconnect();
        assertInStep(readLips(readPcapng(await anns.file), readPcapng(await bobs.file)), least);
      }),
  );
}
