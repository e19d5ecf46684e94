/** What data channels do when one side reads slower than the other writes. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { DataChannelPolicy } from "../../../../lib/base/media_vocabulary.ts";
import {
  BACKLOG_BYTES,
  DEFAULT_DATA_POLICY,
  MAX_LOSSY_BUFFER_BYTES,
} from "../../../../lib/transport/sctp/data_channel_policy.ts";
import type { SctpInternals } from "../../../support/wire/werift_sctp_repairs.ts";
import { SlowReader } from "../../../support/wire/slow_reader.ts";
import { until } from "../../../support/wire/until.ts";
import { within } from "../dtls/dtls_peer.ts";
import { SctpPair, type SctpPairOptions } from "./sctp_peer.ts";

/** A pair whose clock the test moves. */
interface Stage {
  readonly pair: SctpPair;
  /** Of the client; it reads nothing until it is told to. */
  readonly reader: SlowReader;
  at(now: number): void;
}

function staged(name: string, options: SctpPairOptions, run: (stage: Stage) => Promise<void>) {
  Deno.test(name, async () => {
    let now = 0;
    const pair = new SctpPair({ ...options, now: () => now });
    const reader = new SlowReader(pair.client.sctp as unknown as SctpInternals);
    const at = (later: number) => now = later;
    try {
      await within("the exchange", run({ pair, reader, at }));
    } finally {
      await pair.close();
    }
  });
}

const policy = (changes: Partial<DataChannelPolicy>) => ({ ...DEFAULT_DATA_POLICY, ...changes });
const SMALL = new Uint8Array(16_000);
const FLOODER = 1;
const TALKER = 2;

/** Sends as `sender` until the client's window is full and `bytes` wait behind it. */
async function fill(pair: SctpPair, bytes: number, sender = 0): Promise<void> {
  const { channels } = pair;
  const sctp = pair.client.sctp as unknown as SctpInternals;
  while (sctp.advertisedRwnd > SMALL.length) {
    pair.send("_reliable", SMALL);
    await until("the message to be taken", () => channels.bufferedAmount("_reliable") === 0);
  }
  while (channels.bufferedAmount("_reliable") < bytes) {
    assert.ok(pair.send("_reliable", SMALL, false, sender));
  }
}

staged("DataChannels opens a third channel for data tracks, if they are used", {
  role: "create",
  policy: policy({ dataTracks: true }),
}, async ({ pair }) => {
  await pair.until(() => pair.opened.length === 3);
  const { label, ordered, maxRetransmits } = pair.clientChannels[2]!;
  assert.deepEqual({ label, ordered, maxRetransmits }, {
    label: "_data_track",
    ordered: false,
    maxRetransmits: 0,
  });
});

staged("DataChannels closes a client's data track channel where they are not used", {}, async (
  { pair },
) => {
  const channel = pair.open("_data_track", 0, { ordered: false, maxRetransmits: 0 });
  await pair.until(() => channel.readyState === "closed");
  assert.deepEqual(pair.opened, []);
  assert.equal(pair.drops.get("data_tracks_not_enabled"), 1);
});

staged("DataChannels lets lossy messages pass reliable ones that wait", {
  role: "create",
}, async ({ pair, reader }) => {
  reader.readAll();
  await pair.until(() => pair.channels.isOpen("_reliable") && pair.channels.isOpen("_lossy"));
  for (let i = 0; i < 40; i++) pair.send("_reliable", SMALL);
  pair.send("_lossy", new Uint8Array(1));
  await pair.until(() => pair.clientMessages.some(({ label }) => label === "_lossy"));
  assert.ok(pair.clientMessages.length < 10, `${pair.clientMessages.length} came first`);
  await pair.until(() => pair.clientMessages.length === 41);
});

staged("DataChannels.holdReliable() stops a client by its window, and loses nothing", {}, async (
  { pair, reader },
) => {
  reader.readAll();
  const reliable = pair.open("_reliable", 0);
  const lossy = pair.open("_lossy", 2, { ordered: false, maxRetransmits: 0 });
  await pair.until(() => reliable.readyState === "open" && lossy.readyState === "open");
  pair.channels.holdReliable(true);
  const count = 120; // 1.9 MB, twice the window
  for (let i = 0; i < count; i++) {
    reliable.send(Buffer.alloc(16_000, i));
    if (i === 5) lossy.send(Buffer.from("passes"));
  }
  await pair.until(() => pair.messages.length === 1);
  assert.equal(pair.messages[0]!.label, "_lossy");
  const sctp = pair.client.sctp as unknown as SctpInternals;
  const unsent = () => sctp.outboundQueue.reduce((sum, { bookSize }) => sum + bookSize, 0);
  const window = () => new DataView(pair.toClient.at(-1)!.buffer).getUint32(20);
  await until("the window to close", () => window() < 16_000);
  assert.ok(unsent() > 700_000, `${unsent()} bytes wait at the client`);
  assert.equal(pair.messages.length, 1);
  pair.channels.holdReliable(false);
  pair.pump();
  await pair.until(() => pair.messages.length === count + 1);
  pair.messages.slice(1).forEach(({ bytes }, i) => assert.equal(bytes[0], i & 0xff));
});

staged("DataChannels drops reliable messages for a reader below the threshold only", {
  role: "create",
  policy: policy({ slowThresholdBps: 80_000 }),
}, async ({ pair, reader, at }) => {
  await pair.until(() => pair.channels.isOpen("_reliable"));
  await fill(pair, 2 * BACKLOG_BYTES);
  const { channels } = pair;
  assert.equal(pair.isBacklogged(false), true, "writers should wait");
  // 20 kB/s, twice the threshold.
  at(1000);
  const before = channels.bufferedAmount("_reliable");
  reader.read(32_000);
  await until("a message to be taken", () => channels.bufferedAmount("_reliable") < before);
  assert.equal(pair.isBacklogged(true), true);
  assert.equal(pair.send("_reliable", SMALL), true);
  // Nothing for 2 s more.
  at(3500);
  assert.equal(pair.isBacklogged(true), false, "nobody waits for it");
  // Its oldest messages make room for new ones, so that it soon sees what is new.
  assert.equal(pair.send("_reliable", SMALL), true);
  assert.ok(pair.drops.get("data_slow_reader") > 1);
  assert.ok(channels.bufferedAmount("_reliable") < 3 * SMALL.length);
  reader.readAll();
  pair.send("_reliable", Uint8Array.of(7));
  await pair.until(() => pair.clientMessages.at(-1)?.data.length === 1);
});

staged("DataChannels keeps what is new for a slow reader behind a large message that has begun", {
  role: "create",
  policy: policy({ slowThresholdBps: 8 }),
}, async ({ pair, reader, at }) => {
  await pair.until(() => pair.channels.isOpen("_reliable"));
  await fill(pair, SMALL.length);
  at(3_000);
  const news = [1, 2, 3].map((number) => Uint8Array.of(number, 0, 0));
  for (const one of news) pair.send("_reliable", one);
  reader.readAll();
  pair.send("_reliable", Uint8Array.of(9));
  await pair.until(() => pair.clientMessages.at(-1)?.data.length === 1);
  const last = pair.clientMessages.slice(-4).map(({ data }) => data[0]);
  assert.deepEqual(last, [1, 2, 3, 9]);
});

staged("DataChannels tells writers to go on when half of the backlog is gone", {
  role: "create",
  policy: policy({ slowThresholdBps: 8 }),
}, async ({ pair, reader }) => {
  await pair.until(() => pair.channels.isOpen("_reliable"));
  await fill(pair, BACKLOG_BYTES);
  const { channels } = pair;
  reader.read(48_000);
  await until("messages to be taken", () => !pair.isBacklogged(false));
  assert.deepEqual([pair.isBacklogged(false), pair.isBacklogged(true)], [false, true]);
  reader.readAll();
  await until("half of them to be taken", () => !pair.isBacklogged(true));
  assert.ok(channels.bufferedAmount("_reliable") < BACKLOG_BYTES / 2);
});

staged("DataChannels without a threshold keeps reliable messages until its buffer is full", {
  role: "create",
}, async ({ pair, at }) => {
  await pair.until(() => pair.channels.isOpen("_reliable"));
  await fill(pair, 2 * 1024 * 1024);
  at(60_000);
  assert.equal(pair.isBacklogged(false), false);
  assert.equal(pair.send("_reliable", SMALL), true, "slow as it is");
  assert.equal(pair.drops.get("data_slow_reader"), 0);
});

staged("DataChannels drops lossy messages that would wait longer than the target", {
  role: "create",
  policy: policy({ dataTracks: true, lossyTargetLatencyMs: 1000, dataTrackTargetLatencyMs: 100 }),
}, async ({ pair, at }) => {
  const { channels, drops } = pair;
  await pair.until(() => channels.isOpen("_lossy") && channels.isOpen("_data_track"));
  await fill(pair, 1);
  const message = new Uint8Array(5000);
  // The window is full, so these wait; nothing is known of the rate yet.
  for (const label of ["_lossy", "_data_track"]) {
    for (let i = 0; i < 4; i++) pair.send(label, message);
  }
  assert.equal(drops.get("data_lossy_late"), 0);
  at(1000);
  for (const label of ["_lossy", "_data_track"]) pair.send(label, message);
  assert.equal(drops.get("data_lossy_late"), 2, "a reader that takes nothing");
});

staged("DataChannels lets who writes little go on, and pass, where a reader stopped for a flood", {
  role: "create",
  policy: policy({ slowThresholdBps: 8 }),
}, async ({ pair, reader }) => {
  const { channels } = pair;
  await pair.until(() => channels.isOpen("_reliable"));
  await fill(pair, BACKLOG_BYTES, FLOODER);
  assert.equal(pair.isBacklogged(false, FLOODER), true);
  assert.equal(pair.isBacklogged(false, TALKER), false);
  pair.send("_reliable", Uint8Array.of(7), false, TALKER);
  assert.equal(pair.isBacklogged(false, TALKER), false, "what he wrote is little");
  // So much that it is no longer.
  for (let i = 0; i < 2; i++) pair.send("_reliable", new Uint8Array(9_000), false, TALKER);
  assert.equal(pair.isBacklogged(false, TALKER), true);
  reader.readAll();
  await pair.until(() => pair.clientMessages.at(-1)?.data.length === 1);
  // One of the flood had begun, one was next, and one had its turn.
  const left = channels.bufferedAmount("_reliable") - 2 * 9_000;
  assert.ok(left >= BACKLOG_BYTES - 4 * SMALL.length, `${left} bytes of the flood still wait`);
  await until("the rest to be taken", () => channels.bufferedAmount("_reliable") === 0);
  assert.equal(pair.isBacklogged(true, FLOODER), false);
});

staged("DataChannels gives up what a flood wrote to a slow reader, not what somebody else did", {
  role: "create",
  policy: policy({ slowThresholdBps: 80_000 }),
}, async ({ pair, reader, at }) => {
  await pair.until(() => pair.channels.isOpen("_reliable"));
  await fill(pair, 2 * BACKLOG_BYTES, FLOODER);
  const talk = [1, 2, 3].map((number) => Uint8Array.of(number, 0, 0));
  for (const one of talk) pair.send("_reliable", one, false, TALKER);
  at(3_500);
  for (let i = 0; i < 20; i++) pair.send("_reliable", SMALL, false, FLOODER);
  assert.ok(pair.drops.get("data_slow_reader") > 20);
  assert.ok(pair.channels.bufferedAmount("_reliable") < 3 * SMALL.length);
  reader.readAll();
  pair.send("_reliable", Uint8Array.of(9), false, FLOODER);
  await pair.until(() => pair.clientMessages.at(-1)?.data.length === 1);
  const small = pair.clientMessages.filter(({ data }) => data.length < 16);
  assert.deepEqual(small.map(({ data }) => data[0]), [1, 2, 3, 9]);
});

for (const slowThresholdBps of [0, 8]) {
  staged(`DataChannels keeps room for who can be held, threshold ${slowThresholdBps}`, {
    role: "create",
    policy: policy({ slowThresholdBps }),
  }, async ({ pair, reader }) => {
    const { channels, drops } = pair;
    await pair.until(() => channels.isOpen("_reliable"));
    await fill(pair, 1);
    for (const bytes of [SMALL, new Uint8Array(2)]) {
      while (pair.send("_reliable", bytes, false, FLOODER, false));
    }
    const flooded = channels.bufferedAmount("_reliable");
    assert.ok(flooded > 2 * 1024 * 1024, `${flooded} bytes of those that nobody holds`);
    assert.equal(drops.get("data_reliable_buffer_full"), 2);
    assert.equal(pair.isBacklogged(false, TALKER), false);
    for (let i = 0; i < 20; i++) {
      assert.ok(pair.send("_reliable", Uint8Array.of(i), false, TALKER), "nothing is lost");
    }
    assert.equal(pair.isBacklogged(false, TALKER), false, "what he wrote is little");
    reader.readAll();
    const talk = () => pair.clientMessages.filter(({ data }) => data.length === 1);
    await pair.until(() => talk().length === 20);
    assert.deepEqual(talk().map(({ data }) => data[0]), Array.from({ length: 20 }, (_, i) => i));
  });
}

staged("DataChannels lets everybody wait, however little he wrote, before anything is lost", {
  role: "create",
  policy: policy({ slowThresholdBps: 8 }),
}, async ({ pair, reader }) => {
  const { channels } = pair;
  await pair.until(() => channels.isOpen("_reliable"));
  await fill(pair, 1);
  // Writers that were told to wait, and had more under way.
  let wasTold = false;
  for (let sender = 10; !wasTold; sender++) {
    assert.ok(pair.send("_reliable", SMALL, false, sender), "nothing is lost");
    wasTold = pair.isBacklogged(false, TALKER);
  }
  const before = channels.bufferedAmount("_reliable");
  reader.readAll();
  await until("it to be read", () => channels.bufferedAmount("_reliable") < before);
  await until("him to go on", () => !pair.isBacklogged(true, TALKER));
});

for (const label of ["_lossy", "_data_track"]) {
  staged(`DataChannels drops what a flood has too much on ${label}, within the same bounds`, {
    role: "create",
    policy: policy({ dataTracks: true }),
  }, async ({ pair, reader }) => {
    const { channels, drops } = pair;
    await pair.until(() => channels.isOpen("_reliable") && channels.isOpen(label));
    await fill(pair, 1);
    for (let i = 0; i < 1_000; i++) pair.send(label, new Uint8Array(1_000), false, FLOODER);
    const dropped = drops.get("data_lossy_buffer_full");
    assert.ok(dropped > 500, `${dropped} of the flood were too many`);
    for (let i = 0; i < 20; i++) pair.send(label, new Uint8Array(500), false, TALKER);
    assert.ok(channels.bufferedAmount(label) <= MAX_LOSSY_BUFFER_BYTES);
    reader.readAll();
    const talk = () => pair.clientMessages.filter(({ data }) => data.length === 500).length;
    await pair.until(() => talk() === 20);
  });
}

staged("DataChannels drops late lossy messages of who has most of them waiting", {
  role: "create",
  policy: policy({ lossyTargetLatencyMs: 1000 }),
}, async ({ pair, reader, at }) => {
  const { channels, drops } = pair;
  await pair.until(() => channels.isOpen("_lossy"));
  await fill(pair, 1);
  for (let i = 0; i < 20; i++) pair.send("_lossy", new Uint8Array(5_000), false, FLOODER);
  at(1_000); // it took nothing meanwhile
  pair.send("_lossy", new Uint8Array(1), false, TALKER);
  assert.ok(drops.get("data_lossy_late") > 0);
  assert.ok(channels.bufferedAmount("_lossy") <= 8 * 1_024);
  reader.readAll();
  await pair.until(() => pair.clientMessages.some(({ data }) => data.length === 1));
});
