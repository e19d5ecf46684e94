import assert from "node:assert/strict";
import { EXTENSION_URI, type PlayoutDelayRange } from "../../../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import type { DownTrackOptions } from "../../../../lib/media/down/down_track_options.ts";
import { PlayoutDelay } from "../../../../lib/media/down/playout_delay.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { ReportBlock } from "../../../../lib/wire/rtcp.ts";
import type { RtpView } from "../../../../lib/wire/rtp_view.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const range = (minMs: number, maxMs: number, followsJitter = true): PlayoutDelayRange => ({
  minMs,
  maxMs,
  followsJitter,
});
/** Least and most, ms. */
const told = (value: number) => value < 0 ? undefined : [(value >> 12) * 10, (value & 0xfff) * 10];

Deno.test("PlayoutDelay says what is configured until a packet that said so has arrived", () => {
  const delay = new PlayoutDelay(range(100, 2_000));
  for (const number of [65_534, 65_535, 65_536]) {
    assert.deepEqual(told(delay.valueFor(number)), [100, 2_000]);
  }
  delay.acknowledged(65_500, 0);
  assert.deepEqual(told(delay.valueFor(65_537)), [100, 2_000], "an older one says nothing");
  delay.acknowledged(0, 0);
  assert.equal(told(delay.valueFor(65_538)), undefined, "numbers wrap");
});

Deno.test("PlayoutDelay follows jitter slowly and says each change again, within its bounds", () => {
  const delay = new PlayoutDelay(range(100, 500));
  delay.valueFor(1);
  delay.acknowledged(1, 0);
  delay.measured(30, 0, 1_000);
  assert.deepEqual(told(delay.valueFor(2)), [180, 500], "80 ms in a second");
  delay.measured(30, 0, 1_500);
  assert.deepEqual(told(delay.valueFor(3)), [220, 500]);
  for (let now = 2_500; now < 6_000; now += 1_000) delay.measured(30, 0, now);
  assert.deepEqual(told(delay.valueFor(4)), [300, 500], "ten times the jitter");
  delay.acknowledged(4, 6_500);
  delay.measured(30, 0, 7_000);
  assert.equal(told(delay.valueFor(5)), undefined, "nothing new");
  for (let now = 8_000; now < 16_000; now += 1_000) delay.measured(500, 0, now);
  assert.deepEqual(told(delay.valueFor(6)), [500, 500]);
  for (let now = 16_000; now < 26_000; now += 1_000) delay.measured(0, 80, now);
  assert.deepEqual(told(delay.valueFor(7)), [100, 500]);
});

Deno.test("PlayoutDelay waits for what is sent again, as long as something is", () => {
  const delay = new PlayoutDelay(range(0, 2_000));
  const after = (fromMs: number, toMs: number, nacks: number, rttMs: number) => {
    for (let now = fromMs; now < toMs; now += 1_000) delay.measured(5, nacks, now, rttMs);
    return told(delay.valueFor(1));
  };
  assert.deepEqual(after(0, 10_000, 0.5, 200), [50, 2_000], "hardly anything is lost");
  assert.deepEqual(
    after(10_000, 20_000, 2, 200),
    [260, 2_000],
    "a round trip, and until it is asked",
  );
  assert.deepEqual(after(20_000, 28_000, 0, 200), [260, 2_000], "not that it comes and goes");
  assert.deepEqual(after(28_000, 60_000, 0, 200), [50, 2_000]);
  assert.deepEqual(after(60_000, 70_000, 5, -1), [50, 2_000], "nobody knows how far it is");
  assert.deepEqual(after(70_000, 100_000, 5, 3_000), [2_000, 2_000], "within its bounds");
});

Deno.test("PlayoutDelay waits for later requests where much is lost, as far as its most allows", () => {
  const after = (nacks: number, rttMs: number, of: PlayoutDelayRange) => {
    const delay = new PlayoutDelay(of);
    for (let now = 0; now < 30_000; now += 1_000) delay.measured(0, nacks, now, rttMs);
    return told(delay.valueFor(1));
  };
  assert.deepEqual(after(3, 50, range(0, 2_000)), [110, 2_000]);
  assert.deepEqual(after(5, 50, range(0, 2_000)), [230, 2_000], "a second request");
  assert.deepEqual(after(12, 50, range(0, 2_000)), [350, 2_000], "and a third");
  assert.deepEqual(after(40, 50, range(0, 2_000)), [350, 2_000], "and no more");
  assert.deepEqual(after(12, 50, range(0, 200)), [200, 200]);
});

Deno.test("PlayoutDelay waits for no second request of who tells what arrived, but a little longer", () => {
  const after = (missed: number, isTold: boolean) => {
    const delay = new PlayoutDelay(range(0, 2_000));
    for (let now = 0; now < 30_000; now += 1_000) delay.measured(0, missed, now, 50, isTold);
    return told(delay.valueFor(1))?.[0];
  };
  assert.deepEqual([2, 5, 12].map((missed) => after(missed, true)), [110, 190, 190]);
  assert.deepEqual([2, 5, 12].map((missed) => after(missed, false)), [110, 230, 350]);
});

Deno.test("PlayoutDelay does not take a later request for needless before nothing has needed it for a while", () => {
  const delay = new PlayoutDelay(range(0, 2_000));
  let now = 0;
  const after = (seconds: number, nacks: (second: number) => number) => {
    const waits = new Set<number | undefined>();
    for (let second = 0; second < seconds; second++, now += 1_000) {
      delay.measured(0, nacks(second), now, 50);
      waits.add(told(delay.valueFor(1))?.[0]);
    }
    return [...waits];
  };
  after(20, () => 5);
  assert.deepEqual(after(60, (second) => second % 12 < 5 ? 8 : 1), [230], "about the least of it");
  assert.equal(after(30, () => 2).at(-1), 110);
});

Deno.test("PlayoutDelay of which nothing is configured waits for repairs alone, and no longer than they are lost", () => {
  const delay = new PlayoutDelay({ ...range(0, 0), onlyRepairs: true });
  let now = 0;
  const after = (forMs: number, nacks: number, rttMs: number) => {
    for (const until = now + forMs; now < until; now += 1_000) {
      delay.measured(50, nacks, now, rttMs);
      delay.acknowledged(1, now);
    }
    return told(delay.valueFor(1));
  };
  const nothing = undefined;
  assert.deepEqual(after(10_000, 0, 50), nothing, "jitter is the receiver's own business");
  assert.deepEqual(after(1_000, 6, 50), nothing, "one packet of a slow stream");
  assert.deepEqual(after(10_000, 0, 50), nothing);
  assert.deepEqual(after(8_000, 2, 50), [110, 10_000], "a round trip, and until it is asked");
  assert.deepEqual(after(5_000, 2, 50), nothing, "it has arrived");
});

Deno.test("PlayoutDelay of which nothing is configured gives its wait back, and asks for none that is long", () => {
  const after = (nacks: number, rttMs: number, idleMs = 0) => {
    const delay = new PlayoutDelay({ ...range(0, 0), onlyRepairs: true });
    let now = 0;
    for (; now < 30_000; now += 1_000) delay.measured(0, nacks, now, rttMs);
    for (; now < 30_000 + idleMs; now += 1_000) delay.measured(0, 0, now, rttMs);
    return told(delay.valueFor(1));
  };
  assert.deepEqual(after(12, 50), [300, 10_000], "and asked again");
  assert.deepEqual(after(12, 200), [300, 10_000]);
  assert.deepEqual(after(3, 200), [260, 10_000]);
  assert.deepEqual(after(12, 250), undefined, "too far away");
  assert.deepEqual(after(12, 50, 40_000), [0, 10_000]);
});

Deno.test("PlayoutDelay of which nothing is configured does not come and go where the way is about too long", () => {
  const delay = new PlayoutDelay({ ...range(0, 0), onlyRepairs: true });
  let now = 0;
  const after = (seconds: number, rttMs: (second: number) => number) => {
    const waits = new Set<number | undefined>();
    for (let second = 0; second < seconds; second++, now += 1_000) {
      delay.measured(0, 8, now, rttMs(second));
      waits.add(told(delay.valueFor(1))?.[0]);
    }
    return [...waits];
  };
  after(20, () => 230);
  assert.deepEqual(after(30, (second) => second % 2 === 0 ? 225 : 255), [300]);
  assert.deepEqual(after(10, (second) => second === 3 ? 400 : 230), [300], "one that was late");
  after(20, () => 400);
  assert.deepEqual(after(10, () => 400), [0], "too far away");
});

Deno.test("PlayoutDelay says it until a packet has arrived that came after the change, not one that was late", () => {
  const delay = new PlayoutDelay(range(100, 500));
  for (const number of [70_000, 70_001, 70_002]) delay.valueFor(number);
  delay.acknowledged(70_002 & 0xffff, 0);
  delay.measured(30, 0, 1_000);
  assert.deepEqual(told(delay.valueFor(69_990)), [180, 500], "lost on its way to us, and repaired");
  delay.acknowledged(70_002 & 0xffff, 2_500);
  assert.deepEqual(told(delay.valueFor(70_003)), [180, 500], "the newest of before says nothing");
  delay.acknowledged(70_003 & 0xffff, 2_600);
  assert.equal(told(delay.valueFor(70_004)), undefined);
});

Deno.test("PlayoutDelay says a change for a second at least, as pictures that come late say what was said before", () => {
  const delay = new PlayoutDelay(range(100, 500));
  delay.valueFor(1);
  delay.acknowledged(1, 0);
  delay.measured(30, 0, 1_000);
  assert.deepEqual(told(delay.valueFor(2)), [180, 500]);
  delay.acknowledged(2, 1_020);
  assert.deepEqual(told(delay.valueFor(3)), [180, 500], "maybe not a picture's first packet");
  delay.acknowledged(3, 1_900);
  assert.deepEqual(told(delay.valueFor(4)), [180, 500], "what is sent again comes behind it");
  delay.acknowledged(4, 2_000);
  assert.equal(told(delay.valueFor(5)), undefined);
});

Deno.test("PlayoutDelay waits longer where much is asked for again, and not for a shared screen", () => {
  const delay = new PlayoutDelay(range(0, 1_000));
  for (let now = 0; now < 10_000; now += 1_000) delay.measured(10, 90, now);
  assert.deepEqual(told(delay.valueFor(1)), [160, 1_000]);
  const screen = new PlayoutDelay(range(50, 1_000, false));
  for (let now = 0; now < 10_000; now += 1_000) screen.measured(100, 90, now);
  assert.deepEqual(told(screen.valueFor(1)), [50, 1_000]);
});

Deno.test("PlayoutDelay takes a least without a most for ten seconds, and no more than 12 bits hold", () => {
  assert.deepEqual(told(new PlayoutDelay(range(200, 0)).valueFor(1)), [200, 10_000]);
  assert.deepEqual(told(new PlayoutDelay(range(0, 0)).valueFor(1)), [0, 0]);
  assert.deepEqual(told(new PlayoutDelay(range(90_000, 90_000)).valueFor(1)), [40_950, 40_950]);
  assert.deepEqual(told(new PlayoutDelay(range(300, 100)).valueFor(1)), [300, 300]);
});

const DELAY_ID = 6;
const CAPTURE_ID = 7;
const ORIENTATION_ID = 8;
const NUMBER_ID = 9;

/** A camera and its subscriber, who is told how long to wait. */
function camera(playoutDelay?: PlayoutDelayRange, rtx = true) {
  const vp8 = codec("video/VP8", 96, rtx ? 97 : undefined);
  const published = [
    { id: 1, uri: EXTENSION_URI.absCaptureTime },
    { id: 2, uri: EXTENSION_URI.playoutDelay },
    { id: 3, uri: EXTENSION_URI.videoOrientation },
  ];
  const up = new UpTrack({
    kind: "video",
    extensions: published,
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  up.bindLayer(0, 7, vp8, 0);
  const sink = new RecordingSink();
  const options: DownTrackOptions = {
    section: {
      mid: "1",
      kind: "video",
      ssrc: 5,
      ...(rtx ? { rtxSsrc: 6 } : {}),
      codecs: [vp8],
      extensions: [
        { id: DELAY_ID, uri: EXTENSION_URI.playoutDelay },
        { id: CAPTURE_ID, uri: EXTENSION_URI.absCaptureTime },
        { id: ORIENTATION_ID, uri: EXTENSION_URI.videoOrientation },
        { id: NUMBER_ID, uri: EXTENSION_URI.transportCc },
      ],
      ...(playoutDelay === undefined ? {} : { playoutDelay }),
    },
    publisherExtensions: published,
    sink,
    place: undefined,
    listener: layerListener(),
    target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
  };
  let down = new DownTrack(options);
  up.addDownTrack(down, 0);
  let number = 0;
  let keyAt = 1;
  /** As where the client's answer changes the section. */
  const remake = (now: number) => {
    up.removeDownTrack(down);
    down = new DownTrack(options, down);
    up.addDownTrack(down, now);
    keyAt = number + 1;
  };
  const ask = (numbers: readonly number[], now: number) =>
    down.receiveNack(Uint16Array.from(numbers), numbers.length, now);
  const send = (now: number) => {
    const pictureId = ++number;
    up.receive(
      0,
      viewOf(rtpPacket({
        ssrc: 7,
        payloadType: 96,
        sequenceNumber: number,
        timestamp: now * 90,
        marker: true,
        extensions: {
          1: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
          2: Uint8Array.of(9, 9, 9),
          3: Uint8Array.of(3),
        },
        payload: vp8Payload({ pictureId, tl0: pictureId, key: pictureId === keyAt }),
      })),
      now,
    );
    return viewOf(sink.packets.at(-1)!);
  };
  const report = (highest: number, jitter: number, now: number) => {
    const block = new ReportBlock();
    block.ssrc = 5;
    block.highestSequence = highest;
    block.jitter = jitter;
    down.receiveReport(20, block, now);
  };
  const pad = (now: number) => {
    assert.ok(down.padItself(now, 200));
    return viewOf(sink.packets.at(-1)!);
  };
  return { sink, send, pad, report, remake, ask };
}

const extension = (view: RtpView, id: number) => {
  const at = view.extensionOffset(id);
  return [...view.bytes.subarray(at, at + view.extensionLength(id))];
};

Deno.test("DownTrack writes its own playout delay in place of the publisher's, until it has arrived", () => {
  const { send, report, sink } = camera(range(100, 400));
  const first = send(0);
  assert.deepEqual(extension(first, DELAY_ID), [0x00, 0xa0, 0x28]);
  assert.deepEqual(extension(send(33), DELAY_ID), [0x00, 0xa0, 0x28]);
  report(sink.views.at(-1)!.sequenceNumber, 0, 50);
  assert.deepEqual(extension(send(66), DELAY_ID), []);
  // 20 ms of jitter: 200 are wanted, and 80 more in a second are given.
  report(sink.views.at(-1)!.sequenceNumber, 1_800, 1_050);
  assert.deepEqual(extension(send(1_100), DELAY_ID), [0x01, 0x20, 0x28]);
});

Deno.test("DownTrack passes on time of capture and orientation, and says nothing of delays unasked", () => {
  const { send } = camera();
  const view = send(0);
  assert.deepEqual(extension(view, CAPTURE_ID), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(extension(view, ORIENTATION_ID), [3]);
  assert.deepEqual(extension(view, DELAY_ID), [9, 9, 9], "what the publisher says");
});

Deno.test("Resender repeats a packet with the delay it had, byte for byte where there is no RTX", () => {
  const { ask, send, report, sink } = camera(range(100, 400), false);
  const first = send(0);
  report(first.sequenceNumber, 0, 10);
  send(33);
  const before = sink.packets.length;
  const [lost, later] = [sink.packets[0]!, sink.packets[1]!].map((packet) => [...packet]);
  ask([first.sequenceNumber, first.sequenceNumber + 1], 500);
  assert.deepEqual(sink.packets.slice(before).map((packet) => [...packet]), [lost, later]);
});

Deno.test("DownTrack that takes another's place goes on with its wait, and takes it back when nothing is lost", () => {
  const { send, report, ask, remake } = camera({ ...range(0, 0), onlyRepairs: true });
  let now = 0;
  const waits: (number | undefined)[] = [];
  const run = (seconds: number, isLossy: boolean) => {
    waits.length = 0;
    for (const end = now + seconds * 1_000; now < end; now += 100) {
      const view = send(now);
      if (extension(view, DELAY_ID).length > 0) waits.push(toldIn(view));
      if (now % 1_000 !== 900) continue;
      if (isLossy) ask([view.sequenceNumber], now);
      report(view.sequenceNumber, 0, now);
    }
    return [...new Set(waits)];
  };
  // A round trip of 20 ms, and more than one request in ten packets.
  assert.equal(run(10, true).at(-1), 300);
  assert.deepEqual(run(2, true), [], "it is known");
  remake(now);
  assert.deepEqual(run(5, true), [300], "maybe not to what plays it now");
  const back = run(30, false);
  assert.equal(back.at(-1), 0);
});

Deno.test("DownTrack's wait stands still where reports come with each request, whose share is taken over seconds", () => {
  // A round trip of 20 ms and until it is asked, and where more is lost later requests.
  for (const [loss, wait] of [[0.02, 80], [0.055, 200], [0.11, 300]] as const) {
    for (const seed of [1, 2]) {
      const random = new SeededRandom(seed);
      const { send, report, ask } = camera({ ...range(0, 0), onlyRepairs: true });
      const later = new Set<number>();
      let [last, reportedAt] = [0, 0];
      for (let now = 0; now < 60_000; now += 5) {
        const view = send(now);
        const told = extension(view, DELAY_ID).length > 0 ? toldIn(view) : last;
        if (told !== last && now >= 20_000) later.add(told);
        last = told;
        const isLost = random.chance(loss);
        if (!isLost && now - reportedAt < 1_000) continue;
        // libwebrtc puts a report before each request, and one has none otherwise in a second.
        report(view.sequenceNumber, 0, now);
        reportedAt = now;
        if (isLost) ask([view.sequenceNumber], now);
      }
      assert.equal(last, wait, `${loss}, ${seed}`);
      assert.deepEqual([...later], [], `${loss}, ${seed}: once it is there`);
    }
  }
});

Deno.test("DownTrack has nobody wait for padding that is asked for again, as of bursts that a path does not take", () => {
  const { send, pad, report, ask } = camera({ ...range(0, 0), onlyRepairs: true }, false);
  const lossy = (now: number, isPadding: boolean) => {
    const view = send(now);
    assert.deepEqual(extension(view, DELAY_ID), [], `after ${now} ms`);
    const lost = isPadding ? pad(now) : view;
    for (const after of [20, 60]) ask([lost.sequenceNumber], now + after);
    report(lost.sequenceNumber, 0, now + 80);
  };
  for (let now = 0; now < 10_000; now += 100) lossy(now, true);
  lossy(10_000, false);
  for (let now = 10_100; now < 13_000; now += 100) {
    const view = send(now);
    report(view.sequenceNumber, 0, now + 80);
    if (extension(view, DELAY_ID).length > 0) return;
  }
  assert.fail("for a picture it waits");
});

/** The least that a packet tells, ms. */
function toldIn(view: RtpView): number {
  const [first, second] = extension(view, DELAY_ID) as [number, number];
  return ((first << 4) | (second >> 4)) * 10;
}
