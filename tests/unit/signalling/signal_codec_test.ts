import assert from "node:assert/strict";
import {
  Codec,
  ICEServer,
  JoinResponse,
  ParticipantInfo,
  ParticipantUpdate,
  Pong,
  Room,
  RoomUpdate,
  ServerInfo,
  SignalRequest,
  SignalResponse,
} from "@livekit/protocol";
import type { SignalMessage } from "../../../lib/room/context/signal_message.ts";
import {
  decodeRequest,
  encodingOf,
  exceedsLimit,
  ResponseEncoder,
} from "../../../lib/signalling/signal_codec.ts";

Deno.test("decodeRequest() reads both encodings of a request and ignores unknown fields", () => {
  const ping = new SignalRequest({ message: { case: "ping", value: 5n } });
  assert.deepEqual(decodeRequest(ping.toBinary()), ping);
  assert.deepEqual(decodeRequest('{"ping":"5","later":[1]}'), ping);
  const withUnknown = new Uint8Array([...ping.toBinary(), 0xfa, 0x3f, 0x01, 0x00]);
  assert.deepEqual(decodeRequest(withUnknown)?.message, ping.message);
});

Deno.test("ResponseEncoder.encode() writes the encoding it is asked for", () => {
  const encoder = new ResponseEncoder();
  const binary = encoder.encode({ case: "pong", value: 7n }, "binary");
  const json = encoder.encode({ case: "pong", value: 7n }, "json");
  assert.equal(encodingOf(binary), "binary");
  assert.deepEqual(SignalResponse.fromBinary(binary as Uint8Array).message.value, 7n);
  assert.equal(encodingOf(json), "json");
  assert.deepEqual(JSON.parse(json as string), { pong: "7" });
});

Deno.test("ResponseEncoder.encode() writes answers to pings as the library does", () => {
  const encoder = new ResponseEncoder();
  const times = [0n, 1n, 1_790_000_000_000n, -1n, 2n ** 63n - 1n];
  for (const timestamp of times) {
    for (const lastPingTimestamp of times) {
      const value = new Pong({ lastPingTimestamp, timestamp });
      const message = { case: "pongResp", value } as const;
      const expected = new SignalResponse({ message }).toBinary();
      assert.deepEqual(encoder.encode(message, "binary"), expected);
    }
    const message = { case: "pong", value: timestamp } as const;
    const expected = new SignalResponse({ message }).toBinary();
    assert.deepEqual(encoder.encode(message, "binary"), expected);
  }
});

/** Three participants' infos, large and small; `encodings` counts how often each was written. */
function countedInfos() {
  const infos = [{ metadata: "x".repeat(300) }, {}, { attributes: { a: "1" } }].map((own, n) =>
    new ParticipantInfo({ ...own, sid: `PA_${n}`, version: n })
  );
  const encodings = infos.map(() => 0);
  let isEncoding = false;
  for (const [n, info] of infos.entries()) {
    // What writes a message asks for its type, as some others do.
    info.getType = () => {
      if (isEncoding) encodings[n]!++;
      return ParticipantInfo;
    };
  }
  const encoder = new ResponseEncoder();
  const encode = (message: SignalMessage): Uint8Array => {
    isEncoding = true;
    const frame = encoder.encode(message, "binary");
    isEncoding = false;
    return frame as Uint8Array;
  };
  return { infos, encodings, encode };
}

Deno.test("ResponseEncoder.encode() encodes an info once, in whatever updates it is sent", () => {
  const { infos, encodings, encode } = countedInfos();
  for (const left of [0, 1, 2, 0]) {
    const value = new ParticipantUpdate({ participants: infos.filter((_, n) => n !== left) });
    const frame = encode({ case: "update", value });
    const read = SignalResponse.fromBinary(frame);
    assert.ok(read.equals(new SignalResponse({ message: { case: "update", value } })));
  }
  assert.deepEqual(encodings, [1, 1, 1]);
});

Deno.test("ResponseEncoder.encode() encodes an info once for all who join, and nothing else less", () => {
  const { infos, encodings, encode } = countedInfos();
  const codec = new Codec({ mime: "video/VP8" });
  for (const others of [3, 2, 0]) {
    const value = new JoinResponse({
      room: new Room({ name: "lobby", metadata: "m", enabledCodecs: [codec], numParticipants: 3 }),
      iceServers: [new ICEServer({ urls: ["stun:example.com"] })],
      enabledPublishCodecs: [codec],
      participant: new ParticipantInfo({ sid: "PA_own" }),
      otherParticipants: infos.slice(0, others),
      serverInfo: new ServerInfo({ protocol: 17 }),
      sifTrailer: new Uint8Array([1, 2]),
      subscriberPrimary: true,
      pingInterval: 5,
    });
    const frame = encode({ case: "join", value });
    const read = SignalResponse.fromBinary(frame);
    assert.ok(read.equals(new SignalResponse({ message: { case: "join", value } })));
    assert.equal(value.otherParticipants.length, others, "what was given is as it was");
  }
  assert.deepEqual(encodings, [1, 1, 1]);
});

Deno.test("ResponseEncoder.encode() writes an empty update", () => {
  const message = { case: "update", value: new ParticipantUpdate() } as const;
  const frame = new ResponseEncoder().encode(message, "binary") as Uint8Array;
  assert.deepEqual(frame, new SignalResponse({ message }).toBinary());
});

Deno.test("ResponseEncoder.encode() encodes one message once for each encoding, and no other for it", () => {
  const encoder = new ResponseEncoder();
  const message = (name: string) =>
    ({ case: "roomUpdate", value: new RoomUpdate({ room: new Room({ name }) }) }) as const;
  const [first, second] = [message("one"), message("two")];
  const binary = encoder.encode(first, "binary");
  const json = encoder.encode(first, "json");
  assert.equal(encoder.encode(first, "binary"), binary);
  assert.equal(encoder.encode(first, "json"), json);
  assert.deepEqual(encoder.encode(second, "json"), json.toString().replace("one", "two"));
  assert.notDeepEqual(encoder.encode(second, "binary"), binary);
  assert.deepEqual(encoder.encode(first, "binary"), binary);
});

Deno.test("exceedsLimit() counts bytes on the wire, and 0 is no limit", () => {
  assert.equal(exceedsLimit(new Uint8Array(10), 10), false);
  assert.equal(exceedsLimit(new Uint8Array(11), 10), true);
  assert.equal(exceedsLimit("€€€", 9), false);
  assert.equal(exceedsLimit("€€€", 8), true);
  assert.equal(exceedsLimit(new Uint8Array(1_000), 0), false);
});
