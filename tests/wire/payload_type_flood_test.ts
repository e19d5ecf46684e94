/**
 * A member whose packets disagree with each other: what it costs the others in the room, and the
 * thread that carries signalling.
 */
import assert from "node:assert/strict";
import { TestServer } from "../conformance/support.ts";
import { Bystanders } from "../support/hostile/bystanders.ts";
import { CLIENT_CODECS } from "../support/virtual/client_description.ts";
import { SyntheticTrack } from "../support/media/synthetic_track.ts";
import { ownTime, threadTimes, waitedSince } from "../support/process/thread_times.ts";

const SECONDS = 3;
/**
 * One packet each ms, a fraction of what a member may send: before they were bounded, each was told
 * to all.
 */
const PACKETS_EACH_TURN = 10;
const TURN_MS = 10;
/** What a connection may have told in that time: see `received_layer.ts`. */
const MAX_UPDATES = 12 + 2 * SECONDS;
/** How long signalling, and bystanders' media, may stand still, ms. */
const MAX_STALL_MS = 250;
const MAX_GAP_MS = 100;
/** A machine that others use, too, is looked at more than once; a fault of ours shows each time. */
const ATTEMPTS = 10;

/**
 * The longest time between two calls of the returned function, until it is asked for; without that
 * for which this thread, or an engine's, had work and no processor.
 */
function longestGap() {
  const look = () => ({ at: performance.now(), own: ownTime(), threads: threadTimes(Deno.pid) });
  let last = look();
  let longest = 0;
  return {
    mark: () => {
      const gap = performance.now() - last.at;
      if (gap > longest) {
        const own = ownTime().waitedMs - last.own.waitedMs;
        const waited = Math.max(own, waitedSince(last.threads, Deno.pid));
        longest = Math.max(longest, gap - waited);
      }
      last = look();
    },
    get ms() {
      return longest;
    },
  };
}

async function flood(test: TestServer, bystanders: Bystanders, attempt: number) {
  const mallory = await test.join(`mallory ${attempt}`);
  const cid = `flood ${attempt}`;
  const codecs = ["audio/opus", "audio/PCMA"] as const;
  const { sid } = await mallory.publish("audio", { cid, codecs, media: false });
  const payloadTypes = codecs.map((mime) => CLIENT_CODECS[mime].payloadType);
  const { dave, trackSid } = bystanders;
  const ssrc = 70_000 + attempt;
  const stream = new SyntheticTrack("1", codecs[0], ssrc);
  const heard = dave.tracks.get(trackSid)!.ssrc;
  const media = longestGap();
  const thread = longestGap();
  const { client } = dave.subscriber;
  client!.onRtp = (packet) => packet.ssrc === heard && media.mark();
  const updates = () => dave.signal.received.filter(({ case: name }) => name === "update").length;
  const before = updates();
  const publisher = await mallory.publisher.ready();
  let sent = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      thread.mark();
      for (let i = 0; i < PACKETS_EACH_TURN; i++) {
        const packet = stream.packet();
        packet[1] = payloadTypes[sent++ % 2]!;
        publisher.sendRtp(packet);
      }
      if (sent < SECONDS * 1000) return;
      clearInterval(timer);
      resolve();
    }, TURN_MS);
  });
  client!.onRtp = () => {};
  const told = updates() - before;
  assert.ok(dave.remotes.get(mallory.identity)!.tracks.some((track) => track.sid === sid));
  await mallory.leave();
  return { told, sent, stallMs: thread.ms, gapMs: media.ms };
}

Deno.test({
  name: "A member that alternates payload types costs the room a few updates and no standstill",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using test = await TestServer.start();
    const bystanders = await Bystanders.in(test);
    const runs: Awaited<ReturnType<typeof flood>>[] = [];
    const isSmooth = () =>
      runs.some(({ stallMs }) => stallMs <= MAX_STALL_MS) &&
      runs.some(({ gapMs }) => gapMs <= MAX_GAP_MS);
    while (!isSmooth() && runs.length < ATTEMPTS) {
      const run = await flood(test, bystanders, runs.length + 1);
      // What was published, and what may be told of it; one more for who came and one for who left.
      assert.ok(run.told <= MAX_UPDATES + 4, `${run.told} updates for ${run.sent} packets`);
      runs.push(run);
    }
    assert.ok(isSmooth(), `stood still each time: ${JSON.stringify(runs)}`);
  },
});
