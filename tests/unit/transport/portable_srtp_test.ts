import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { portableCipher } from "../../../lib/transport/portable_srtp.ts";
import type { SrtpSessionKeys } from "../../../lib/transport/srtp_keys.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

const HEADER_BYTES = 12;
const TAG_BYTES = 10;
const ROC = 0x0102_0304;
const SSRC = 0x8000_0001;

function keysFrom(random: SeededRandom): SrtpSessionKeys {
  return {
    profile: 1,
    rtpKey: random.bytes(16),
    rtpSalt: random.bytes(14),
    rtpAuth: random.bytes(20),
    rtcpKey: random.bytes(16),
    rtcpSalt: random.bytes(14),
    rtcpAuth: random.bytes(20),
  };
}

/** First 80 bits of the HMAC over the packet and the roll-over counter (RFC 3711 §4.2). */
function tagOf(key: Uint8Array, sealed: Uint8Array): Uint8Array {
  const counter = Uint8Array.of(1, 2, 3, 4);
  const digest = createHmac("sha1", key).update(sealed).update(counter).digest();
  return new Uint8Array(digest.subarray(0, TAG_BYTES));
}

Deno.test("portableCipher() tags packets of every length as HMAC-SHA1-80", () => {
  const random = new SeededRandom(1);
  const keys = keysFrom(random);
  const sealer = portableCipher(keys);
  const opener = portableCipher(keys);
  for (let payload = 0; payload <= 2048; payload += payload < 400 || payload > 2000 ? 1 : 61) {
    const length = HEADER_BYTES + payload;
    const clear = random.bytes(length);
    const packet = new Uint8Array(length + TAG_BYTES);
    packet.set(clear);
    const sealed = sealer.sealRtp(packet, length, HEADER_BYTES, SSRC, ROC, payload);
    assert.equal(sealed, length + TAG_BYTES);
    assert.deepEqual(packet.subarray(length), tagOf(keys.rtpAuth, packet.subarray(0, length)));
    assert.equal(opener.openRtp(packet, sealed, HEADER_BYTES, SSRC, ROC, payload), length);
    assert.deepEqual(packet.subarray(0, length), clear);
  }
});

Deno.test("portableCipher() refuses a packet with any one bit of it changed", () => {
  const random = new SeededRandom(2);
  const keys = keysFrom(random);
  const opener = portableCipher(keys);
  const length = HEADER_BYTES + 500;
  const packet = new Uint8Array(length + TAG_BYTES);
  packet.set(random.bytes(length));
  portableCipher(keys).sealRtp(packet, length, HEADER_BYTES, SSRC, ROC, 7);
  for (let bit = 0; bit < packet.length * 8; bit += 37) {
    const forged = packet.slice();
    forged[bit >> 3]! ^= 1 << (bit & 7);
    const opened = opener.openRtp(forged, forged.length, HEADER_BYTES, SSRC, ROC, 7);
    assert.equal(opened, -1, `bit ${bit}`);
  }
});
