import assert from "node:assert/strict";
import { SignalRequest, SignalResponse } from "@livekit/protocol";
import {
  decodeRequest,
  encodeResponse,
  encodingOf,
  exceedsLimit,
} from "../../../lib/signalling/signal_codec.ts";

Deno.test("decodeRequest() reads both encodings of a request and ignores unknown fields", () => {
  const ping = new SignalRequest({ message: { case: "ping", value: 5n } });
  assert.deepEqual(decodeRequest(ping.toBinary()), ping);
  assert.deepEqual(decodeRequest('{"ping":"5","later":[1]}'), ping);
  const withUnknown = new Uint8Array([...ping.toBinary(), 0xfa, 0x3f, 0x01, 0x00]);
  assert.deepEqual(decodeRequest(withUnknown)?.message, ping.message);
});

Deno.test("encodeResponse() writes the encoding it is asked for", () => {
  const binary = encodeResponse({ case: "pong", value: 7n }, "binary");
  const json = encodeResponse({ case: "pong", value: 7n }, "json");
  assert.equal(encodingOf(binary), "binary");
  assert.deepEqual(SignalResponse.fromBinary(binary as Uint8Array).message.value, 7n);
  assert.equal(encodingOf(json), "json");
  assert.deepEqual(JSON.parse(json as string), { pong: "7" });
});

Deno.test("exceedsLimit() counts bytes on the wire, and 0 is no limit", () => {
  assert.equal(exceedsLimit(new Uint8Array(10), 10), false);
  assert.equal(exceedsLimit(new Uint8Array(11), 10), true);
  assert.equal(exceedsLimit("€€€", 9), false);
  assert.equal(exceedsLimit("€€€", 8), true);
  assert.equal(exceedsLimit(new Uint8Array(1_000), 0), false);
});
