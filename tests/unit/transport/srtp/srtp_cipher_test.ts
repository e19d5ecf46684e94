/** The cipher port's contract, on both twins. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { randomSessionKeys, SRTP_PROFILES, SRTP_TWINS } from "../../../support/media/srtp_twins.ts";

const HEADER_BYTES = 12;
const SHA1_TAG_BYTES = 10;
const ROC = 0x0102_0304;
const SSRC = 0x8000_0001;

/** First 80 bits of the HMAC over the packet and the roll-over counter (RFC 3711 §4.2). */
function tagOf(key: Uint8Array, sealed: Uint8Array): Uint8Array {
  const counter = Uint8Array.of(1, 2, 3, 4);
  const digest = createHmac("sha1", key).update(sealed).update(counter).digest();
  return new Uint8Array(digest.subarray(0, SHA1_TAG_BYTES));
}

for (const { name, factory } of SRTP_TWINS) {
  Deno.test(`SrtpCipher tags packets of every length as HMAC-SHA1-80, ${name}`, () => {
    const random = new SeededRandom(1);
    const keys = randomSessionKeys(1, random);
    const [sealer, opener] = [factory(keys), factory(keys)];
    for (let payload = 0; payload <= 2048; payload += payload < 400 || payload > 2000 ? 1 : 61) {
      const length = HEADER_BYTES + payload;
      const clear = random.bytes(length);
      const packet = new Uint8Array(length + SHA1_TAG_BYTES);
      packet.set(clear);
      const sealed = sealer.sealRtp(packet, length, HEADER_BYTES, SSRC, ROC, payload);
      assert.equal(sealed, length + SHA1_TAG_BYTES);
      assert.deepEqual(packet.subarray(length), tagOf(keys.rtpAuth, packet.subarray(0, length)));
      assert.equal(opener.openRtp(packet, sealed, HEADER_BYTES, SSRC, ROC, payload), length);
      assert.deepEqual(packet.subarray(0, length), clear);
    }
    sealer.close();
    opener.close();
  });

  for (const profile of SRTP_PROFILES) {
    const title = `${name}, profile ${profile}`;
    const make = (seed: number) => factory(randomSessionKeys(profile, new SeededRandom(seed)));

    Deno.test(`SrtpCipher refuses a packet with any one bit of it changed, ${title}`, () => {
      const [sealer, opener] = [make(2), make(2)];
      const length = HEADER_BYTES + 100;
      const packet = new Uint8Array(length + sealer.rtpOverhead);
      packet.set(new SeededRandom(3).bytes(length));
      sealer.sealRtp(packet, length, HEADER_BYTES, SSRC, ROC, 7);
      for (let bit = 0; bit < packet.length * 8; bit++) {
        const forged = packet.slice();
        forged[bit >> 3]! ^= 1 << (bit & 7);
        const opened = opener.openRtp(forged, forged.length, HEADER_BYTES, SSRC, ROC, 7);
        assert.equal(opened, -1, `bit ${bit}`);
      }
      const open = (ssrc: number, roc: number, seq: number) =>
        opener.openRtp(packet.slice(), packet.length, HEADER_BYTES, ssrc, roc, seq);
      assert.equal(open(SSRC, ROC + 1, 7), -1, "another roll-over counter");
      assert.equal(open(SSRC, ROC, 7), length);
      sealer.close();
      opener.close();
    });

    Deno.test(`SrtpCipher refuses RTCP with any one bit of it changed, ${title}`, () => {
      const [sealer, opener] = [make(4), make(4)];
      const packet = new Uint8Array(60 + sealer.rtcpOverhead);
      packet.set(new SeededRandom(5).bytes(60));
      const clear = packet.slice(0, 60);
      assert.equal(sealer.sealRtcp(packet, 60, SSRC, 0x7fff_fffe), packet.length);
      for (let bit = 0; bit < packet.length * 8; bit++) {
        const forged = packet.slice();
        forged[bit >> 3]! ^= 1 << (bit & 7);
        // The session reads the index out of the packet: a changed one is opened as what it says.
        const at = packet.length - opener.rtcpIndexFromEnd;
        const word = new DataView(forged.buffer).getUint32(at);
        if (word < 0x8000_0000) continue;
        const opened = opener.openRtcp(forged, forged.length, SSRC, word - 0x8000_0000);
        assert.equal(opened, -1, `bit ${bit}`);
      }
      assert.equal(opener.openRtcp(packet, packet.length, SSRC, 0x7fff_fffe), 60);
      assert.deepEqual(packet.subarray(0, 60), clear);
      sealer.close();
      opener.close();
    });

    Deno.test(`SrtpCipher.sealRtpFrom() seals as sealRtp() does, ${title}`, () => {
      const random = new SeededRandom(6);
      const [inPlace, fromSource] = [make(7), make(7)];
      const source = random.bytes(4000);
      const untouched = source.slice();
      for (let round = 0; round < 600; round++) {
        const headerLength = HEADER_BYTES + 4 * random.below(12);
        const prefixLength = random.below(round % 3 === 0 ? 40 : 4);
        const sourceLength = round % 50 === 0 ? 0 : random.below(1400);
        const sourceAt = random.below(source.length - sourceLength);
        const length = headerLength + prefixLength + sourceLength;
        const expected = new Uint8Array(length + inPlace.rtpOverhead);
        expected.set(random.bytes(headerLength + prefixLength));
        const out = expected.slice();
        expected.set(
          source.subarray(sourceAt, sourceAt + sourceLength),
          headerLength + prefixLength,
        );
        const sealed = inPlace.sealRtp(expected, length, headerLength, SSRC, ROC, round);
        const sealedFrom = fromSource.sealRtpFrom(
          out,
          headerLength,
          prefixLength,
          source,
          sourceAt,
          sourceLength,
          SSRC,
          ROC,
          round,
        );
        assert.equal(sealedFrom, sealed);
        assert.deepEqual(out, expected, `round ${round}`);
      }
      assert.deepEqual(source, untouched);
      inPlace.close();
      fromSource.close();
    });

    Deno.test(`SrtpCipher changes nothing before and behind a packet, ${title}`, () => {
      const cipher = make(8);
      const slab = new Uint8Array(4096).fill(0xa5);
      for (const [at, length] of [[0, 60], [1, 100], [7, 1200], [2049, 13], [3500, 12]] as const) {
        slab.fill(0xa5);
        const slot = slab.subarray(at, at + length + cipher.rtcpOverhead + 5);
        const sealed = cipher.sealRtp(slot, length, HEADER_BYTES, SSRC, 0, 1);
        assert.equal(sealed, length + cipher.rtpOverhead);
        assert.equal(cipher.openRtp(slot, sealed, HEADER_BYTES, SSRC, 0, 1), length);
        const sealedRtcp = cipher.sealRtcp(slot, length, SSRC, 1);
        assert.equal(cipher.openRtcp(slot, sealedRtcp, SSRC, 1), length);
        const outside = [...slab.subarray(0, at), ...slab.subarray(at + sealedRtcp)];
        assert.ok(outside.every((byte) => byte === 0xa5), `at ${at}`);
        assert.ok(slab.subarray(at, at + length).every((byte) => byte === 0xa5));
      }
      cipher.close();
    });

    Deno.test(`SrtpCipher refuses what reaches out of its array, ${title}`, () => {
      const cipher = make(9);
      const { rtpOverhead, rtcpOverhead } = cipher;
      const bytes = new Uint8Array(200);
      const refused: readonly (readonly [number, number])[] = [
        [200, 12], // no room for a tag
        [201 - rtpOverhead, 12],
        [500, 12],
        [100, 101],
        [100, -1],
        [-1, 12],
      ];
      for (const [length, header] of refused) {
        assert.equal(cipher.sealRtp(bytes, length, header, 1, 0, 1), 0, `${length} ${header}`);
      }
      for (const [length, header] of [[201, 12], [20, 12], [100, 95], [-5, 12], [100, -1]]) {
        assert.equal(cipher.openRtp(bytes, length!, header!, 1, 0, 1), -1, `${length} ${header}`);
      }
      for (const length of [201 - rtcpOverhead, 7, -1, 1000]) {
        assert.equal(cipher.sealRtcp(bytes, length, 1, 1), 0, `RTCP ${length}`);
      }
      for (const length of [201, 7 + rtcpOverhead, 0, -1]) {
        assert.equal(cipher.openRtcp(bytes, length, 1, 1), -1, `RTCP ${length}`);
      }
      const source = new Uint8Array(50);
      const from = (prefix: number, at: number, length: number) =>
        cipher.sealRtpFrom(bytes, 12, prefix, source, at, length, 1, 0, 1);
      for (const [prefix, at, length] of [[0, 1, 50], [0, -1, 10], [0, 0, -1], [-1, 0, 10]]) {
        assert.equal(from(prefix!, at!, length!), 0, `${prefix} ${at} ${length}`);
      }
      assert.equal(from(189 - rtpOverhead - 50, 0, 50), 0, "one byte too long");
      assert.ok(bytes.every((byte) => byte === 0), "nothing was changed");
      assert.equal(from(188 - rtpOverhead - 50, 0, 50), 200);
      cipher.close();
    });

    Deno.test(`SrtpCipher refuses everything after close(), ${title}`, () => {
      const cipher = make(10);
      const bytes = new Uint8Array(200);
      cipher.close();
      cipher.close();
      assert.equal(cipher.sealRtp(bytes, 100, 12, 1, 0, 1), 0);
      assert.equal(cipher.sealRtpFrom(bytes, 12, 0, new Uint8Array(80), 0, 80, 1, 0, 1), 0);
      assert.equal(cipher.openRtp(bytes, 100, 12, 1, 0, 1), -1);
      assert.equal(cipher.sealRtcp(bytes, 100, 1, 1), 0);
      assert.equal(cipher.openRtcp(bytes, 100, 1, 1), -1);
    });

    Deno.test(`SrtpCipher works on arrays of every kind of memory, ${title}`, () => {
      const [sealer, opener] = [make(11), make(11)];
      const size = 30 + sealer.rtpOverhead;
      const kinds: Readonly<Record<string, () => Uint8Array>> = {
        // Up to 64 bytes V8 keeps an array in its own heap, and moves it.
        "on the heap": () => new Uint8Array(size),
        "from a list": () => Uint8Array.from({ length: size }, () => 0),
        "part of a buffer": () => new Uint8Array(new ArrayBuffer(1000), 333, size),
        "resizable": () => new Uint8Array(new ArrayBuffer(size, { maxByteLength: 4096 })),
        "shared": () => new Uint8Array(new SharedArrayBuffer(size)),
      };
      const expected = new Uint8Array(size);
      expected.fill(0x11, 12, 30);
      sealer.sealRtp(expected, 30, HEADER_BYTES, SSRC, 0, 1);
      for (const [kind, create] of Object.entries(kinds)) {
        const views = Array.from({ length: 200 }, create);
        for (const view of views) {
          view.fill(0x11, 12, 30);
          assert.equal(sealer.sealRtp(view, 30, HEADER_BYTES, SSRC, 0, 1), size, kind);
        }
        // Enough garbage that the collector moves what can be moved.
        for (let i = 0; i < 20_000; i++) views.push(new Uint8Array(40));
        views.length = 200;
        for (const view of views) assert.deepEqual(view.slice(), expected, kind);
        for (const view of views) {
          assert.equal(opener.openRtp(view, size, HEADER_BYTES, SSRC, 0, 1), 30, kind);
          assert.ok(view.subarray(12, 30).every((byte) => byte === 0x11), kind);
        }
      }
      sealer.close();
      opener.close();
    });

    Deno.test(`SrtpCipher refuses memory that is gone and takes what was added, ${title}`, () => {
      const cipher = make(12);
      const moved = new Uint8Array(200);
      assert.ok(cipher.sealRtp(moved, 100, HEADER_BYTES, SSRC, 0, 1) > 0, "its address is known");
      const elsewhere = new Uint8Array(moved.buffer.transfer());
      assert.equal(cipher.sealRtp(moved, 100, HEADER_BYTES, SSRC, 0, 2), 0);
      assert.ok(cipher.sealRtp(elsewhere, 100, HEADER_BYTES, SSRC, 0, 2) > 0);
      const buffer = new ArrayBuffer(200, { maxByteLength: 400 });
      const shrunk = new Uint8Array(buffer);
      assert.ok(cipher.sealRtp(shrunk, 100, HEADER_BYTES, SSRC, 0, 3) > 0);
      const small = new ArrayBuffer(200, { maxByteLength: 400 });
      assert.ok(cipher.sealRtp(new Uint8Array(small), 100, HEADER_BYTES, SSRC, 0, 3) > 0);
      small.resize(400);
      const grown = new Uint8Array(small, 200, 200).fill(0x22);
      const expected = new Uint8Array(200).fill(0x22);
      assert.ok(cipher.sealRtp(grown, 100, HEADER_BYTES, SSRC, 0, 5) > 0);
      assert.ok(cipher.sealRtp(expected, 100, HEADER_BYTES, SSRC, 0, 5) > 0);
      assert.deepEqual(grown.slice(), expected, "what was not there before is sealed, too");
      buffer.resize(50);
      assert.equal(cipher.sealRtp(shrunk, 100, HEADER_BYTES, SSRC, 0, 4), 0);
      assert.equal(cipher.openRtp(shrunk, 100, HEADER_BYTES, SSRC, 0, 4), -1);
      assert.equal(
        cipher.sealRtpFrom(elsewhere, 12, 0, moved, 0, 50, SSRC, 0, 5),
        0,
        "nor are they read",
      );
      cipher.close();
    });
  }
}
