import assert from "node:assert/strict";
import fc from "fast-check";
import {
  AddTrackRequest,
  SignalRequest,
  SimulcastCodec,
  UpdateParticipantMetadata,
  UpdateSubscription,
  VideoLayer,
} from "@livekit/protocol";
import {
  hasFewElements,
  hasFewJsonElements,
  isQuickJson,
} from "../../../lib/wire/message_elements.ts";

const SEED = 20260128;

/** `{1: {…}}` and the like around `content`, as many times as there are field numbers. */
function nested(numbers: readonly number[], content: Uint8Array): Uint8Array {
  return numbers.reduceRight(
    (inner, number) =>
      new Uint8Array([...varint(number * 8 + 2), ...varint(inner.length), ...inner]),
    content,
  );
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [value % 128 + 128, ...varint(Math.floor(value / 128))];
}

const ADD_TRACK = 4;
const field = (name: string) => AddTrackRequest.fields.findJsonName(name)!.no;
const fits = (bytes: Uint8Array, limit: number) => hasFewElements(bytes, SignalRequest, limit);

Deno.test("hasFewElements() counts fields and list members of all messages within", () => {
  const layers = [new VideoLayer({ width: 1, height: 2 }), new VideoLayer()];
  const simulcastCodecs = [new SimulcastCodec({ codec: "vp8", layers: layers.slice() })];
  const request = new SignalRequest({
    message: {
      case: "addTrack",
      value: new AddTrackRequest({ cid: "c", layers, simulcastCodecs }),
    },
  });
  // addTrack 1, cid 1, two layers with two fields 4, codec with its name and its layers 6.
  assert.deepEqual([fits(request.toBinary(), 12), fits(request.toBinary(), 11)], [true, false]);
});

Deno.test("hasFewElements() counts what is packed and what is unknown", () => {
  const packed = nested([ADD_TRACK, field("audioFeatures")], new Uint8Array(1_000));
  assert.deepEqual([fits(packed, 1_002), fits(packed, 1_001)], [true, false]);
  const unknown = nested(
    [ADD_TRACK],
    new Uint8Array(1_000).fill(0xf8).map((b, i) => i % 2 ? 0 : b),
  );
  assert.equal(fits(unknown, 100), false);
  const map = new SignalRequest({
    message: {
      case: "updateMetadata",
      value: new UpdateParticipantMetadata({ attributes: { a: "1", b: "2" } }),
    },
  });
  assert.deepEqual([fits(map.toBinary(), 7), fits(map.toBinary(), 6)], [true, false]);
});

Deno.test("hasFewElements() takes a megabyte of text and bytes for one element each", () => {
  const text = new SignalRequest({
    message: { case: "addTrack", value: new AddTrackRequest({ name: "x".repeat(1_000_000) }) },
  });
  assert.equal(fits(text.toBinary(), 2), true);
});

Deno.test("hasFewElements() takes everything that decodes, and nothing that cannot be walked", () => {
  const request = fc.record({
    cid: fc.string(),
    width: fc.nat(),
    features: fc.array(fc.nat(9)),
    layers: fc.array(fc.record({ width: fc.nat(), rid: fc.string() })),
  });
  fc.assert(
    fc.property(request, fc.nat(), fc.nat(255), ({ cid, width, features, layers }, at, to) => {
      const value = new AddTrackRequest({
        cid,
        width,
        audioFeatures: features,
        layers: layers.map((layer) => new VideoLayer(layer)),
      });
      const bytes = new SignalRequest({ message: { case: "addTrack", value } }).toBinary();
      assert.equal(fits(bytes, bytes.length), true);
      bytes[at % bytes.length] = to;
      // Damaged or not, it returns; what it calls small is small.
      if (fits(bytes, 3)) assert.ok(SignalRequest.fromBinary(bytes) instanceof SignalRequest);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      // Whatever they are: what fits into less fits into more.
      for (const limit of [3, 10, 50]) if (fits(bytes, limit)) assert.ok(fits(bytes, limit + 1));
    }),
    { seed: SEED, numRuns: 5_000 },
  );
  for (const bytes of [[0x0a, 5], [0x0b], [0x80], [0x09, 1], [0x00, 0]]) {
    assert.equal(fits(new Uint8Array(bytes), 50), false);
  }
});

Deno.test("hasFewElements() refuses a field in another field's clothes, which decoders read otherwise", () => {
  const cid = new TextEncoder().encode("cid");
  assert.equal(fits(nested([ADD_TRACK, field("cid")], cid), 50), true);
  const asNumber = new Uint8Array([...varint(field("simulcastCodecs") * 8), 3, ...cid]);
  assert.equal(fits(nested([ADD_TRACK], asNumber), 50), false);
  const asText = nested([ADD_TRACK, field("width")], cid);
  assert.equal(fits(asText, 50), false);
});

Deno.test("hasFewJsonElements() counts members, and nothing in strings", () => {
  assert.deepEqual(
    ['{"a":[1,2,{}]}', '{"a":",,,[[[{{{"}', '{"a":"\\",\\\\\\",","b":"\\\\"}', '"unfinished,,,,,,']
      .map(
        (text) => [5, 4, 2, 1].map((limit) => hasFewJsonElements(text, limit)),
      ),
    [
      [true, false, false, false],
      [true, true, true, true],
      [true, true, true, false],
      [true, true, true, true],
    ],
  );
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.equal(hasFewJsonElements(text, text.length), true);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
});

Deno.test("isQuickJson() refuses numbers that take long to read, where they are numbers", () => {
  const long = "9".repeat(100);
  const quick = (value: unknown) => isQuickJson(value, SignalRequest);
  assert.equal(quick({ ping: "9223372036854775807" }), true);
  assert.equal(quick({ ping: long }), false);
  assert.equal(quick({ pingReq: { timestamp: long } }), false);
  assert.equal(quick({ addTrack: { name: long, cid: long } }), true);
  let deep: unknown = {};
  for (let i = 0; i < 40; i++) deep = { offer: deep };
  assert.equal(quick(deep), true, "what is no message of ours is not looked into");
  let list: unknown = [];
  for (let i = 0; i < 40; i++) list = [list];
  assert.equal(quick({ subscription: { trackSids: list } }), false);
});

Deno.test("A wish about ten thousand tracks is within what signalling reads", () => {
  const trackSids = Array.from({ length: 10_000 }, (_, i) => `TR_VC${i}`);
  const value = new UpdateSubscription({ trackSids, subscribe: true });
  const request = new SignalRequest({ message: { case: "subscription", value } });
  assert.equal(fits(request.toBinary(), 32_768), true);
  assert.equal(hasFewJsonElements(request.toJsonString(), 16_384), true);
});
