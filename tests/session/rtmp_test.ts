/** RTMP from an encoder's first byte to the media plane, on virtual time and without sockets. */
import assert from "node:assert/strict";
import { IngressInput, IngressState_Status as Status, TrackType } from "@livekit/protocol";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import type { IngressDrop } from "../../lib/ingress/drop_reasons.ts";
import { RtmpConnections, type RtmpSocket } from "../../lib/ingress/rtmp_connections.ts";
import { RtpView } from "../../lib/wire/rtp_view.ts";
import { IngressWorld } from "../support/virtual/ingress_world.ts";
import {
  AAC_FRAME,
  AAC_START,
  avcFrame,
  avcStart,
  command,
  hello,
  media,
  metadata,
  opusFrame,
  opusStart,
  publishing,
  RtmpReplies,
} from "../support/wire/rtmp_encoder.ts";

/** An encoder's end of a connection. */
class Encoder implements RtmpSocket {
  readonly replies = new RtmpReplies();
  isClosed = false;
  /** Whether it reads what it is told. */
  reads = true;
  #waiting: Uint8Array[] = [];
  #reader: PromiseWithResolvers<void> | undefined;

  constructor(readonly address: string) {}

  send(...pieces: Uint8Array[]): void {
    this.#waiting.push(...pieces);
    this.#reader?.resolve();
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#waiting.length === 0 && !this.isClosed) {
      this.#reader = Promise.withResolvers();
      await this.#reader.promise;
    }
    const next = this.#waiting.shift();
    if (this.isClosed || next === undefined) return null;
    const part = next.subarray(0, into.length);
    if (part.length < next.length) this.#waiting.unshift(next.subarray(part.length));
    into.set(part);
    return part.length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (!this.reads) await new Promise(() => {});
    this.replies.push(bytes);
    return bytes.length;
  }

  close(): void {
    this.isClosed = true;
    this.#reader?.resolve();
  }

  /** Bytes that were not read yet. */
  get waiting(): number {
    return this.#waiting.reduce((sum, { length }) => sum + length, 0);
  }

  get last(): string {
    return this.replies.commands.at(-1) ?? "";
  }
}

/** A node that takes RTMP. */
class RtmpNode extends IngressWorld {
  readonly counters = new DropCounters<IngressDrop>();
  /** Gives one packet of Opus for each frame of AAC; how it ends is the test's. */
  transcoder: { push(): void; close(): void; end(): void } | undefined;
  transcodes = false;
  readonly connections: RtmpConnections = new RtmpConnections({
    platform: this.world.platform,
    transcode: (packet, end) => {
      if (!this.transcodes) return undefined;
      const push = () => packet(Uint8Array.of(0xfc, 1));
      return this.transcoder = { push, end, close: () => this.transcoder = undefined };
    },
    ingresses: this.service,
    whip: () => this.whip,
    limits: { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 },
    counters: this.counters,
    send: (connection, packets) =>
      this.world.engine.send({ type: "source_packets", connection, packets }),
  }, { connections: 4, perAddress: 2 });

  /** What an encoder at `address` is served by. */
  encoder(address = "198.51.100.7"): Encoder {
    const encoder = new Encoder(address);
    void this.connections.serve(encoder);
    return encoder;
  }

  rtmp(more = {}) {
    return this.create({ inputType: IngressInput.RTMP_INPUT, ...more });
  }

  /** An encoder that may publish by `key`. */
  async begun(key: string, address?: string): Promise<Encoder> {
    const encoder = this.encoder(address);
    await this.say(encoder, publishing(key));
    assert.equal(encoder.last, "onStatus NetStream.Publish.Start publishing");
    return encoder;
  }

  /** Sends, and lets everything happen. */
  async say(encoder: Encoder, ...pieces: Uint8Array[]): Promise<void> {
    encoder.send(...pieces);
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
      await this.world.settle();
    }
  }

  /** The media plane has taken up the connection of who publishes. */
  async up(): Promise<void> {
    const connection = this.participant()!.publisher.id;
    this.world.engine.emit({ type: "connection_connected", connection, protocol: "tcp" });
    await this.settle();
  }

  /** Payload type and marker of each packet of RTP that the media plane was given. */
  packets(): string[] {
    const view = new RtpView();
    return this.world.engine.commands.flatMap((command) => {
      if (command.type !== "source_packets") return [];
      const found: string[] = [];
      const { packets } = command;
      for (let at = 0; at < packets.length;) {
        const length = packets[at]! << 8 | packets[at + 1]!;
        const bytes = packets.subarray(at + 2, at + 2 + length);
        at += 2 + length;
        if (bytes[1] === 200) continue;
        assert.ok(view.wrap(bytes));
        found.push(`${view.payloadType}${view.marker ? " end" : ""}`);
      }
      return found;
    });
  }
}

Deno.test("an encoder publishes by RTMP: H.264 and Opus, from its first key frame on", async () => {
  const node = new RtmpNode();
  const ann = await node.world.joined("ann");
  const { ingressId, streamKey } = await node.rtmp();
  const encoder = await node.begun(`${streamKey}?x=1`);
  await node.say(
    encoder,
    metadata("videocodecid", "audiocodecid"),
    media("video", avcStart(), 0),
    media("video", avcFrame(false), 0),
    media("video", avcFrame(true, 2_000), 33),
  );
  assert.equal(node.participant(), undefined, "the sound is waited for");
  await node.say(encoder, media("audio", opusStart(), 40), media("audio", opusFrame(), 40));
  const opened = node.world.engine.commands.findLast(({ type }) => type === "open_connection");
  assert.equal(opened?.type === "open_connection" && opened.isSource, true);
  await node.up();
  await node.say(encoder, media("audio", opusFrame(), 60));
  const { tracks } = node.participant()!.info();
  assert.deepEqual(tracks.map(({ type, mimeType }) => [type, mimeType]), [
    [TrackType.AUDIO, "audio/opus"],
    [TrackType.VIDEO, "video/H264"],
  ]);
  assert.equal(tracks[0]!.stereo, true);
  const sps = "108";
  assert.deepEqual(node.packets(), [sps, "108", "108 end", "111", "111"]);
  assert.equal(ann.participant.subscriptions.subscribedTracks().length, 2);
  assert.equal((await node.get(ingressId)).state!.status, Status.ENDPOINT_PUBLISHING);
  await node.say(encoder, command("deleteStream", 6, null, 1));
  assert.equal(node.participant(), undefined);
  assert.equal(encoder.isClosed, true);
  assert.equal(node.connections.size, 0);
  assert.deepEqual(node.told.map((line) => line.split(" ")[0]), [
    "ingress_started",
    "ingress_ended",
  ]);
});

Deno.test("an encoder with a key that opens nothing is told so in words", async () => {
  const node = new RtmpNode();
  const whip = await node.create();
  for (
    const [key, words] of [["x", /no ingress/], ["", /no ingress/], [whip.streamKey, /WHIP_INPUT/]]
  ) {
    const encoder = node.encoder();
    await node.say(encoder, publishing(key as string), media("video", avcStart(), 0));
    assert.match(encoder.last, /^onStatus NetStream\.Publish\.Denied/);
    assert.match(encoder.last, words as RegExp);
    assert.equal(encoder.isClosed, true);
  }
  assert.equal(node.counters.snapshot().rtmp_key_unknown, 3);
  assert.equal(node.world.rooms.list().length, 0);
});

Deno.test("what viewers could not show ends the publishing with words, and is in the state", async () => {
  const cases = [
    [[
      media("video", avcStart(), 0),
      media("video", avcFrame(true, 99, 66), 0),
      media("video", avcFrame(false, 99, 0), 33),
    ], /B-frames/],
    [[media("video", Uint8Array.from([0x90, 0x68, 0x76, 0x63, 0x31, 1]), 0)], /hvc1.*H\.264/],
    [[media("video", Uint8Array.of(0x12, 1), 0)], /video 2/],
    [[media("video", Uint8Array.of(0x17, 0, 0, 0, 0, 1), 0)], /configuration/],
    [[
      media("video", avcStart(), 0),
      media("video", Uint8Array.of(0x17, 1, 0, 0, 0, 255, 0, 0, 0), 0),
    ], /picture/],
  ] as const;
  for (const [pieces, words] of cases) {
    const node = new RtmpNode();
    const { ingressId, streamKey } = await node.rtmp();
    const encoder = await node.begun(streamKey);
    await node.say(encoder, metadata("videocodecid"), ...pieces);
    await node.settle();
    assert.match(encoder.last, words);
    assert.equal(node.participant(), undefined);
    const { state } = await node.get(ingressId);
    assert.equal(state!.status, Status.ENDPOINT_ERROR);
    assert.match(state!.error, words);
    assert.equal(node.told.at(-1), `ingress_ended ${ingressId} ENDPOINT_ERROR`);
  }
});

/** The beginning of a stream of AAC and H.264. */
const soundAndPicture = () => [
  metadata("videocodecid", "audiocodecid"),
  media("audio", AAC_START, 0),
  media("video", avcStart(), 0),
  media("video", avcFrame(true), 0),
];

Deno.test("sound that viewers do not take is left out and said, and the video goes on", async () => {
  const node = new RtmpNode();
  const { ingressId, streamKey } = await node.rtmp();
  const encoder = await node.begun(streamKey);
  await node.say(encoder, ...soundAndPicture());
  await node.up();
  await node.say(encoder, media("video", avcFrame(false), 33));
  const { state } = await node.get(ingressId);
  assert.equal(state!.status, Status.ENDPOINT_PUBLISHING);
  assert.match(state!.error, /AAC.*left out/);
  assert.deepEqual(node.participant()!.info().tracks.length, 1);
  assert.deepEqual(new Set(node.packets()), new Set(["108", "108 end"]));
});

Deno.test("AAC is turned into Opus where that can be done, and left out once it cannot", async () => {
  const node = new RtmpNode();
  node.transcodes = true;
  const { ingressId, streamKey } = await node.rtmp();
  const encoder = await node.begun(streamKey);
  await node.say(encoder, ...soundAndPicture());
  await node.up();
  await node.say(encoder, media("audio", AAC_FRAME, 21), media("audio", AAC_FRAME, 42));
  assert.equal((await node.get(ingressId)).state!.error, "");
  assert.equal(node.packets().filter((packet) => packet === "111").length, 2);
  node.transcoder!.end();
  await node.say(encoder, media("audio", AAC_FRAME, 64));
  assert.match((await node.get(ingressId)).state!.error, /transcoded any more/);
  assert.equal(node.participant()!.closed, false);
  encoder.close();
  await node.settle();
  assert.equal(node.transcoder, undefined, "it ends with its stream");
});

Deno.test("sound that is announced and never comes is not waited for", async () => {
  const node = new RtmpNode();
  const { streamKey } = await node.rtmp();
  const encoder = await node.begun(streamKey);
  await node.say(
    encoder,
    metadata("videocodecid", "audiocodecid"),
    media("video", avcStart(), 0),
  );
  assert.equal(node.participant(), undefined);
  await node.world.pass(2_100);
  assert.equal(node.participant()!.info().tracks.length, 1);
});

Deno.test("an encoder ends with its ingress, and with who takes its place", async () => {
  const node = new RtmpNode();
  const { ingressId, streamKey } = await node.rtmp();
  const begin = async () => {
    const encoder = await node.begun(streamKey);
    await node.say(
      encoder,
      metadata("videocodecid"),
      media("video", avcStart(), 0),
      media("video", avcFrame(true), 0),
    );
    await node.up();
    return encoder;
  };
  const first = await begin();
  const second = await begin();
  assert.deepEqual([first.isClosed, second.isClosed], [true, false]);
  assert.match(first.last, /participant was ended/);
  await node.call("DeleteIngress", { ingressId });
  await node.settle();
  assert.equal(second.isClosed, true);
  assert.equal(node.participant(), undefined);
  const third = node.encoder();
  await node.say(third, publishing(streamKey));
  assert.match(third.last, /Denied/);
});

Deno.test("who publishes nothing in time, falls silent, or does not read, is ended", async () => {
  const node = new RtmpNode();
  const { streamKey } = await node.rtmp();
  const mute = node.encoder("198.51.100.1");
  const slow = node.encoder("198.51.100.2");
  await node.say(slow, hello().subarray(0, 700));
  const silent = await node.begun(streamKey, "198.51.100.3");
  await node.say(
    silent,
    metadata("videocodecid"),
    media("video", avcStart(), 0),
    media("video", avcFrame(true), 0),
  );
  const deaf = node.encoder("198.51.100.4");
  deaf.reads = false;
  await node.say(deaf, publishing("x").subarray(0, 1 + 2 * 1536));
  // 100 pings at a time: whoever asks and does not read is not answered for ever.
  const ping = Uint8Array.of(2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 1, 2, 3, 4);
  for (let at = 0; at < 5_000; at++) deaf.send(ping);
  for (let turn = 0; turn < 300 && !deaf.isClosed; turn++) await node.settle();
  assert.equal(deaf.isClosed, true);
  assert.equal(node.counters.snapshot().rtmp_slow_reader, 1);
  await node.world.pass(11_000, 500);
  await node.settle();
  assert.deepEqual([mute.isClosed, slow.isClosed, silent.isClosed], [true, true, false]);
  await node.world.pass(5_000, 500);
  await node.settle();
  assert.equal(silent.isClosed, true);
  assert.equal(node.counters.snapshot().rtmp_too_slow, 3);
  assert.equal(node.connections.size, 0);
});

Deno.test("there are so many RTMP connections, in all and from one address", async () => {
  const node = new RtmpNode();
  const all = [1, 1, 1, 2, 2, 3].map((at) => node.encoder(`2001:db8:0:${at}::${at}`));
  await node.settle();
  assert.deepEqual(all.map(({ isClosed }) => isClosed), [false, false, true, false, false, true]);
  all[0]!.close();
  await node.settle();
  const late = node.encoder("2001:db8:0:1::99");
  await node.settle();
  assert.equal(late.isClosed, false);
  node.connections.close();
  await node.world.pass(1_100);
  await node.settle();
  assert.equal(node.connections.size, 0);
  const after = node.encoder();
  assert.equal(after.isClosed, true);
});

Deno.test("who has no key yet is not read for long", async () => {
  const node = new RtmpNode();
  const encoder = node.encoder();
  await node.say(encoder, publishing("x").subarray(0, 1 + 2 * 1536));
  // Nothing of it is wrong, and nothing of use.
  const empty = Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0);
  await node.say(encoder, ...Array.from({ length: 3_000 }, () => empty));
  assert.equal(encoder.isClosed, false, "36 KB");
  for (let turn = 0; turn < 200; turn++) await node.settle();
  await node.say(encoder, ...Array.from({ length: 3_000 }, () => empty));
  for (let turn = 0; turn < 200 && !encoder.isClosed; turn++) await node.settle();
  assert.equal(encoder.isClosed, true, "72 KB");
});

Deno.test("pictures in too many parts end the publishing", async () => {
  const node = new RtmpNode();
  const { ingressId, streamKey } = await node.rtmp();
  const encoder = await node.begun(streamKey);
  await node.say(encoder, metadata("videocodecid"), media("video", avcStart(), 0));
  const parts = new Uint8Array(5 + 5 * 200);
  parts.set([0x17, 1]);
  for (let at = 5; at < parts.length; at += 5) parts.set([0, 0, 0, 1, 0x65], at);
  for (let at = 0; at < 60; at++) encoder.send(media("video", parts, at));
  for (let turn = 0; turn < 30; turn++) await node.settle();
  assert.match((await node.get(ingressId)).state!.error, /too many packets/);
});

Deno.test("an encoder that floods is read no faster than its share", async () => {
  const node = new RtmpNode();
  const { streamKey } = await node.rtmp();
  const encoder = await node.begun(streamKey);
  const picture = media("video", avcFrame(false, 60_000), 0);
  let sent = 0;
  for (let at = 0; at < 200; at++) {
    encoder.send(picture);
    sent += picture.length;
  }
  for (let turn = 0; turn < 30; turn++) await node.settle();
  const before = node.world.platform.clock.now();
  let left = sent;
  while (left > 0 && node.world.platform.clock.now() - before < 10_000) {
    await node.world.pass(20, 1);
    left = encoder.waiting;
  }
  const elapsed = node.world.platform.clock.now() - before;
  // 12 MB at 10 MB a second, 4 MB of which may come at once.
  assert.ok(elapsed >= 600 && elapsed <= 1_200, `${elapsed} ms`);
});
