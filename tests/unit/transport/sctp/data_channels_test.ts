import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import {
  DEFAULT_DATA_POLICY,
  MAX_LOSSY_BUFFER_BYTES,
} from "../../../../lib/transport/sctp/data_channel_policy.ts";
import { MAX_PACKET_BYTES } from "../../../../lib/transport/sctp/sctp_packet.ts";
import { DataChannels, MAX_CHANNELS } from "../../../../lib/transport/sctp/data_channels.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { settle } from "../../../support/virtual/virtual_platform.ts";
import { within } from "../dtls/dtls_peer.ts";
import { dataAt, sctpPacket, SctpPair, type SctpPairOptions } from "./sctp_peer.ts";

const text = new TextEncoder();

/** Runs a test with a pair that is closed whatever happens. */
function withPair(name: string, options: SctpPairOptions, run: (pair: SctpPair) => Promise<void>) {
  Deno.test(name, async () => {
    const pair = new SctpPair(options);
    try {
      await within("the exchange", run(pair));
    } finally {
      await pair.close();
    }
  });
}

withPair(
  "DataChannels accepts the client's channels and carries messages both ways",
  {},
  async (pair) => {
    const reliable = pair.open("_reliable", 0);
    const own = pair.open("chat", 2, { ordered: false, maxRetransmits: 3 });
    await pair.until(() => pair.opened.length === 2 && own.readyState === "open");
    assert.deepEqual(pair.opened, ["_reliable", "chat"]);
    reliable.send(Buffer.from("up"));
    own.send("text");
    await pair.until(() => pair.messages.length === 2);
    assert.deepEqual(pair.messages[0], {
      label: "_reliable",
      bytes: text.encode("up"),
      isText: false,
    });
    assert.deepEqual(pair.messages[1], { label: "chat", bytes: text.encode("text"), isText: true });
    assert.equal(pair.send("_reliable", text.encode("down")), true);
    assert.equal(pair.send("chat", text.encode("words"), true), true);
    assert.equal(pair.send("nobody", text.encode("x")), false);
    await pair.until(() => pair.clientMessages.length === 2);
    // What may be lost goes first.
    assert.deepEqual(pair.clientMessages.map(({ data }) => String(data)), ["words", "down"]);
  },
);

withPair("DataChannels opens its own two with odd ids and LiveKit's reliability", {
  role: "create",
}, async (pair) => {
  await pair.until(() => pair.opened.length === 2);
  const seen = pair.clientChannels.map(({ label, id, ordered, maxRetransmits }) => ({
    label,
    id,
    ordered,
    maxRetransmits,
  }));
  assert.deepEqual(seen, [
    { label: "_reliable", id: 1, ordered: true, maxRetransmits: null },
    { label: "_lossy", id: 3, ordered: false, maxRetransmits: 0 },
  ]);
  assert.equal(pair.send("_lossy", text.encode("fast")), true);
  await pair.until(() => pair.clientMessages.length === 1);
});

withPair(
  "DataChannels opens channels with even ids as the DTLS client, beside the peer's odd ones",
  { role: "create", dtlsRole: "client", policy: { ...DEFAULT_DATA_POLICY, dataTracks: true } },
  async (pair) => {
    const own = pair.open("chat", 1);
    await pair.until(() => pair.opened.length === 4 && own.readyState === "open");
    assert.deepEqual(
      pair.clientChannels.map(({ label, id }) => [label, id]).sort(),
      [["_data_track", 4], ["_lossy", 2], ["_reliable", 0], ["chat", 1]],
    );
    assert.equal(pair.send("_reliable", text.encode("on stream 0")), true);
    own.send("on stream 1");
    await pair.until(() => pair.clientMessages.length === 1 && pair.messages.length === 1);
    assert.equal(String(pair.clientMessages[0]!.data), "on stream 0");
  },
);

withPair(
  "DataChannels delivers a burst of 4,000 messages in order",
  { role: "create" },
  async (pair) => {
    await pair.until(() => pair.channels.isOpen("_reliable"));
    for (let i = 0; i < 4000; i++) {
      const bytes = new Uint8Array(200);
      new DataView(bytes.buffer).setUint32(0, i);
      assert.equal(pair.send("_reliable", bytes), true);
    }
    assert.ok(pair.channels.bufferedAmount("_reliable") > 0);
    await pair.until(() => pair.clientMessages.length === 4000);
    pair.clientMessages.forEach(({ data }, i) => assert.equal((data as Buffer).readUInt32BE(0), i));
    assert.equal(pair.channels.bufferedAmount("_reliable"), 0);
  },
);

withPair(
  "DataChannels carries messages of 60 KB and of the largest size that the peer takes",
  { role: "create" },
  async (pair) => {
    await pair.until(() => pair.channels.isOpen("_reliable"));
    const random = new SeededRandom(5);
    const large = random.bytes(60_000);
    assert.equal(pair.send("_reliable", large), true);
    assert.equal(pair.send("_reliable", new Uint8Array(65_536)), true);
    assert.equal(pair.send("_reliable", new Uint8Array(65_537)), false);
    pair.clientChannels[0]!.send(Buffer.from(large));
    await pair.until(() => pair.clientMessages.length === 2 && pair.messages.length === 1);
    assert.deepEqual(new Uint8Array(pair.clientMessages[0]!.data as Buffer), large);
    assert.deepEqual(pair.messages[0]!.bytes, large);
  },
);

withPair("DataChannels carries empty messages as empty", { role: "create" }, async (pair) => {
  await pair.until(() => pair.channels.isOpen("_reliable"));
  assert.equal(pair.send("_reliable", new Uint8Array(0)), true);
  assert.equal(pair.send("_reliable", new Uint8Array(0), true), true);
  await pair.until(() => pair.clientMessages.length === 2);
  assert.equal((pair.clientMessages[0]!.data as Buffer).length, 0);
  assert.equal(pair.clientMessages[1]!.data, "");
});

withPair("DataChannels ends with its reason on a message over 65,535 bytes", {}, async (pair) => {
  const channel = pair.open("_reliable", 0);
  await pair.until(() => channel.readyState === "open");
  pair.client.remoteMaxMessageSize = 0;
  channel.send(Buffer.alloc(300_000));
  await pair.until(() => pair.failed.length > 0);
  assert.deepEqual(pair.failed, ["message_too_large"]);
  assert.deepEqual(pair.messages, []);
});

withPair("DataChannels drops broken packets and stays usable", {}, async (pair) => {
  const channel = pair.open("_reliable", 0);
  await pair.until(() => channel.readyState === "open");
  const tag = new DataView(pair.toServer.at(-1)!.buffer).getUint32(4);
  const broken: [string, Uint8Array][] = [
    ["sctp_too_short", Uint8Array.of(7)],
    ["sctp_too_short", new Uint8Array(11)],
    ["sctp_no_chunk", sctpPacket(tag, [])],
    ["sctp_bad_checksum", new Uint8Array(40)],
    ["sctp_bad_chunk", sctpPacket(tag, [0, 3, 0, 0])],
    ["sctp_bad_chunk", sctpPacket(tag, [0, 3, 0, 40, 1, 2, 3, 4])],
    ["sctp_bad_chunk", sctpPacket(tag, [4, 0, 0, 8, 0, 1, 0, 0])],
    ["sctp_bad_chunk", sctpPacket(tag, [130, 0, 0, 10, 0, 13, 0, 6, 1, 2, 0, 0])],
    // All was acknowledged, and then 65,535 numbers that were never sent.
    [
      "sctp_bad_sack",
      sctpPacket(tag, [
        3,
        0,
        0,
        20,
        ...lastTsn(pair.toClient),
        0,
        0,
        9,
        9,
        0,
        1,
        0,
        0,
        0,
        1,
        255,
        255,
      ]),
    ],
    ["sctp_no_chunk", sctpPacket(tag, [99, 0, 0, 4])],
    ["sctp_tsn_too_far", sctpPacket(tag, [192, 0, 0, 8, ...lastTsn(pair.toServer, 2 ** 20)])],
  ];
  for (const [reason, bytes] of broken) {
    const before = pair.drops.get(reason);
    pair.receive(bytes);
    await settle();
    assert.equal(
      pair.drops.get(reason),
      before + 1,
      `${reason}: ${Buffer.from(bytes).toString("hex")}`,
    );
  }
  channel.send("still here");
  await pair.until(() => pair.messages.length === 1);
  assert.deepEqual(pair.failed, []);
});

/** The last TSN sent in a direction, or one beyond it, as four bytes. */
function lastTsn(packets: readonly Uint8Array[], beyond = 0): number[] {
  const data = packets.findLast((bytes) => dataAt(bytes) > 0)!;
  const tsn = new DataView(data.buffer).getUint32(dataAt(data) + 4) + beyond;
  return [(tsn >>> 24) & 255, (tsn >>> 16) & 255, (tsn >>> 8) & 255, tsn & 255];
}

withPair(
  "DataChannels ignores a stray acknowledgement and an unknown payload type",
  {},
  async (pair) => {
    const channel = pair.open("_reliable", 0);
    await pair.until(() => channel.readyState === "open");
    const { sctp } = pair.client;
    await sctp.send(8, 50, Buffer.of(2), { ordered: true });
    await sctp.send(0, 99, Buffer.from("what"), { ordered: true });
    await sctp.send(0, 50, Buffer.of(3, 0), { ordered: true });
    await sctp.send(8, 51, Buffer.from("nobody"), { ordered: true });
    channel.send("fine");
    await pair.until(() => pair.messages.length === 1);
    assert.equal(pair.drops.get("data_unknown_channel"), 2);
    assert.equal(pair.drops.get("data_unknown_ppid"), 1);
    assert.equal(pair.drops.get("data_bad_dcep"), 1);
    assert.deepEqual(pair.failed, []);
  },
);

withPair("DataChannels reports a channel the client closes, and only that", {}, async (pair) => {
  const first = pair.open("_reliable", 0);
  const second = pair.open("chat", 2);
  await pair.until(() => first.readyState === "open" && second.readyState === "open");
  second.close();
  await pair.until(() => pair.closed.length === 1);
  assert.deepEqual(pair.closed, ["chat"]);
  assert.equal(pair.channels.isOpen("chat"), false);
  first.send("on");
  await pair.until(() => pair.messages.length === 1);
});

withPair("DataChannels refuses a flood of channels", {}, async (pair) => {
  for (let i = 0; i < MAX_CHANNELS + 3; i++) pair.open(`c${i}`, i * 2);
  await pair.until(() => pair.drops.get("data_too_many_channels") === 3);
  assert.equal(pair.opened.length, MAX_CHANNELS);
  assert.equal(pair.channels.open("mine", { ordered: true }), false);
});

Deno.test("DataChannels tells of no more channels than it admits, however often they are opened anew", async () => {
  let now = 0;
  const pair = new SctpPair({ now: () => now });
  try {
    let refused = 0;
    for (let i = 0; i < MAX_CHANNELS + 20; i++) {
      const channel = pair.open(`c${i}`, 2 * i);
      const refusedBefore = refused;
      await within(
        "an answer",
        pair.until(() => {
          refused = pair.drops.get("data_channels_opened_too_fast");
          return channel.readyState === "open" || refused > refusedBefore;
        }),
      );
      channel.close();
      await within("the end of it", pair.until(() => pair.closed.length === i + 1 - refused));
    }
    assert.equal(pair.opened.length, MAX_CHANNELS);
    assert.equal(refused, 20);
    now = 1_000;
    const later = pair.open("later", 1_000);
    await within("another second's channel", pair.until(() => later.readyState === "open"));
    assert.equal(pair.opened.length, MAX_CHANNELS + 1);
  } finally {
    await pair.close();
  }
});

withPair(
  "DataChannels drops and counts what a lossy channel cannot hold",
  { role: "create" },
  async (pair) => {
    await pair.until(() => pair.channels.isOpen("_lossy"));
    const bytes = new Uint8Array(60_000);
    for (let i = 0; i < 10; i++) assert.equal(pair.send("_lossy", bytes), true);
    assert.ok(pair.drops.get("data_lossy_buffer_full") > 0);
    assert.ok(pair.channels.bufferedAmount("_lossy") <= MAX_LOSSY_BUFFER_BYTES);
    for (let i = 0; i < 80; i++) pair.send("_reliable", bytes);
    assert.equal(pair.send("_reliable", bytes), false);
  },
);

withPair("DataChannels reports the client's abort", {}, async (pair) => {
  const channel = pair.open("_reliable", 0);
  await pair.until(() => channel.readyState === "open");
  await pair.client.stop();
  await pair.until(() => pair.failed.length > 0);
  assert.deepEqual(pair.failed, ["closed_by_peer"]);
  assert.equal(pair.send("_reliable", text.encode("x")), false);
});

/** Loses the first copy of every `n`th DATA packet. */
function losesEvery(n: number): (packet: Uint8Array, number: number) => boolean {
  const seen = new Set<number>();
  let data = 0;
  return (bytes) => {
    const at = dataAt(bytes);
    if (at < 0) return false;
    const tsn = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + 4);
    if (seen.has(tsn)) return false;
    seen.add(tsn);
    return data++ > 4 && data % n === 0;
  };
}

withPair("DataChannels keeps the reliable channel whole while lossy messages are given up", {
  role: "create",
  losesToClient: losesEvery(5),
}, async (pair) => {
  await pair.until(() => pair.channels.isOpen("_reliable") && pair.channels.isOpen("_lossy"));
  for (let i = 0; i < 60; i++) {
    pair.send("_lossy", text.encode(`lossy ${i}`));
    pair.send("_reliable", text.encode(`reliable ${i}`));
  }
  const reliable = () => pair.clientMessages.filter(({ label }) => label === "_reliable");
  await pair.until(() => reliable().length === 60);
  assert.deepEqual(
    reliable().map(({ data }) => String(data)),
    Array.from({ length: 60 }, (_, i) => `reliable ${i}`),
  );
  const lossy = pair.clientMessages.filter(({ label }) => label === "_lossy").length;
  assert.ok(lossy < 60 && lossy > 20, `${lossy} lossy messages came`);
});

withPair("DataChannels receives everything the client repeats after losses", {
  losesToServer: losesEvery(4),
}, async (pair) => {
  const channel = pair.open("_reliable", 0);
  await pair.until(() => channel.readyState === "open");
  const sent = Array.from({ length: 20 }, (_, i) => `${i}:`.padEnd(3000, "x"));
  for (const message of sent) channel.send(message);
  await pair.until(() => pair.messages.length === sent.length);
  assert.deepEqual(pair.messages.map(({ bytes }) => new TextDecoder().decode(bytes)), sent);
});

Deno.test("DataChannels.close() before anything came says nothing and leaves nothing behind", () => {
  const heard: string[] = [];
  const channels = new DataChannels({
    role: "create",
    dtlsRole: "server",
    remotePort: 5000,
    maxMessageSize: 0,
    drops: new DropCounters(),
    random: new SeededRandom(1),
    listener: {
      onOpen: (label) => heard.push(label),
      onMessage: (label) => heard.push(label),
      onClosed: (label) => heard.push(label),
      onFailed: (reason) => heard.push(reason),
    },
  }, 0);
  assert.equal(channels.send("_reliable", new Uint8Array(1), false, 0), false, "it is not open");
  channels.close();
  channels.close();
  channels.receive(new Uint8Array(1), 1, 0);
  assert.equal(channels.deliver(10, 0), false);
  assert.equal(channels.poll(new Uint8Array(MAX_PACKET_BYTES), 5_000), 0);
  assert.equal(channels.nextWakeAt(), Infinity);
  assert.deepEqual(heard, []);
});

withPair(
  "DataChannels names the first open channel that is the client's own",
  {},
  async (pair) => {
    pair.open("_reliable", 0);
    await pair.until(() => pair.opened.length === 1);
    assert.equal(pair.channels.ownLabel, undefined);
    const first = pair.open("first", 2);
    pair.open("second", 4);
    await pair.until(() => pair.opened.length === 3);
    assert.equal(pair.channels.ownLabel, "first");
    first.close();
    await pair.until(() => pair.closed.includes("first"));
    assert.equal(pair.channels.ownLabel, "second");
  },
);

withPair(
  "DataChannels takes as much as is said where it opens the channels: 262,144 bytes, and no more",
  { role: "create" },
  async (pair) => {
    await pair.until(() => pair.channels.isOpen("_reliable"));
    pair.client.remoteMaxMessageSize = 0;
    const largest = new SeededRandom(6).bytes(262_144);
    pair.clientChannels[0]!.send(Buffer.from(largest));
    await pair.until(() => pair.messages.length === 1);
    assert.deepEqual(pair.messages[0]!.bytes, largest);
    pair.clientChannels[0]!.send(Buffer.alloc(262_145));
    await pair.until(() => pair.failed.length > 0);
    assert.deepEqual(pair.failed, ["message_too_large"]);
  },
);
