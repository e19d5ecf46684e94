import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { RtpHeader, SrtcpSession, SrtpSession as WeriftSession } from "werift";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { SrtpParameters, SrtpProfile } from "../../../lib/transport/srtp_keys.ts";
import { saltBytes } from "../../../lib/transport/srtp_keys.ts";
import { MAX_RECEIVED_SSRCS, SrtpSession } from "../../../lib/transport/srtp_session.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

const PROFILES: readonly SrtpProfile[] = [1, 7];

function parameters(profile: SrtpProfile, seed = 1): SrtpParameters {
  const random = new SeededRandom(seed);
  const master = () => ({ key: random.bytes(16), salt: random.bytes(saltBytes(profile)) });
  return { profile, local: master(), remote: master() };
}

/** A sender and a receiver that share keys. */
function sessions(profile: SrtpProfile) {
  const ours = parameters(profile);
  const drops = new DropCounters();
  const sender = new SrtpSession({ parameters: ours, drops: new DropCounters() });
  const receiver = new SrtpSession({
    parameters: { profile, local: ours.remote, remote: ours.local },
    drops,
  });
  return { sender, receiver, drops };
}

function weriftKeys({ local, remote, profile }: SrtpParameters) {
  return {
    profile,
    keys: {
      localMasterKey: Buffer.from(local.key),
      localMasterSalt: Buffer.from(local.salt),
      remoteMasterKey: Buffer.from(remote.key),
      remoteMasterSalt: Buffer.from(remote.salt),
    },
  };
}

/** An RTP packet in a buffer with room for the tag, one byte off any alignment. */
function rtp(seq: number, { ssrc = 0x1234_5678, size = 100, extension = 0 } = {}) {
  const header = 12 + (extension > 0 ? 4 + extension * 4 : 0);
  const length = header + size;
  const bytes = new Uint8Array(new ArrayBuffer(length + 65), 1);
  bytes[0] = extension > 0 ? 0x90 : 0x80;
  bytes.set([96, seq >> 8, seq, 0, 0, 1, 2], 1);
  new DataView(bytes.buffer, 1).setUint32(8, ssrc);
  // One element of one-byte form that fills the extension: werift drops padding as it writes headers.
  if (extension > 0) bytes.set([0xbe, 0xde, 0, extension, 0x10 | (extension * 4 - 2)], 12);
  for (let i = header; i < length; i++) bytes[i] = i * 7 + seq;
  return { bytes, length };
}

/** What `receiver` says of a packet: its clear bytes, or 0. */
function pass(sender: SrtpSession, receiver: SrtpSession, seq: number, ssrc?: number): number {
  const { bytes, length } = rtp(seq, ssrc === undefined ? {} : { ssrc });
  const clear = bytes.slice(0, length);
  const opened = receiver.unprotectRtp(bytes, sender.protectRtp(bytes, length));
  if (opened !== 0) assert.deepEqual(bytes.slice(0, opened), clear);
  return opened;
}

for (const profile of PROFILES) {
  Deno.test(`SrtpSession seals and opens exactly as werift does, profile ${profile}`, () => {
    const ours = parameters(profile);
    const drops = new DropCounters();
    const session = new SrtpSession({ parameters: ours, drops });
    const peer = new WeriftSession(
      weriftKeys({ profile, local: ours.remote, remote: ours.local }),
    );
    for (const [i, size] of [0, 1, 3, 15, 16, 17, 100, 1188, 1200].entries()) {
      const { bytes, length } = rtp(1000 + i, { size, extension: i % 3 });
      const clear = Buffer.from(bytes.slice(0, length));
      const sealed = session.protectRtp(bytes, length);
      // werift's pure functions give what the bytes must be, and its receiver must open ours.
      assert.deepEqual(peer.decrypt(Buffer.from(bytes.slice(0, sealed))), clear, `size ${size}`);
      const header = RtpHeader.deSerialize(clear);
      const theirs = peer.encrypt(clear.subarray(header.payloadOffset), header);
      const inbound = new Uint8Array(theirs.length + 3);
      inbound.set(theirs, 0);
      const opened = session.unprotectRtp(inbound, theirs.length);
      assert.deepEqual(Buffer.from(inbound.slice(0, opened)), clear, `size ${size}`);
    }
    assert.deepEqual(drops.snapshot(), {});
  });

  Deno.test(`SrtpSession makes the same bytes as werift with the same keys, profile ${profile}`, () => {
    const ours = parameters(profile);
    const session = new SrtpSession({ parameters: ours, drops: new DropCounters() });
    const werift = new WeriftSession(weriftKeys(ours));
    const { bytes, length } = rtp(77, { size: 1200 });
    const clear = Buffer.from(bytes.slice(0, length));
    const sealed = session.protectRtp(bytes, length);
    assert.deepEqual(
      Buffer.from(bytes.slice(0, sealed)),
      werift.encrypt(clear.subarray(12), RtpHeader.deSerialize(clear)),
    );
  });

  Deno.test(`SrtpSession and werift open each other's SRTCP, profile ${profile}`, () => {
    const ours = parameters(profile);
    const drops = new DropCounters();
    const session = new SrtpSession({ parameters: ours, drops });
    const peer = new SrtcpSession(weriftKeys({ profile, local: ours.remote, remote: ours.local }));
    for (let i = 0; i < 5; i++) {
      const report = new Uint8Array(28 + i * 4);
      report.set([0x80, 200, 0, 6 + i, 0xaa, 0xbb, 0xcc, i]);
      report.fill(i + 1, 8);
      const bytes = new Uint8Array(report.length + session.overhead);
      bytes.set(report);
      const sealed = session.protectRtcp(bytes, report.length);
      assert.equal(sealed, bytes.length);
      assert.deepEqual(peer.decrypt(Buffer.from(bytes)), Buffer.from(report));
      const theirs = Uint8Array.from(peer.encrypt(Buffer.from(report)));
      const opened = session.unprotectRtcp(theirs, theirs.length);
      assert.deepEqual(theirs.slice(0, opened), report);
    }
    assert.deepEqual(drops.snapshot(), {});
  });

  Deno.test(`SrtpSession follows a wrap with losses around it, profile ${profile}`, () => {
    const { sender, receiver, drops } = sessions(profile);
    assert.ok(pass(sender, receiver, 65_400) > 0);
    assert.ok(pass(sender, receiver, 150) > 0, "65400 to 150");
    for (let round = 0; round < 4; round++) {
      for (let seq = 200; seq < 65_400; seq += 16_000) assert.ok(pass(sender, receiver, seq) > 0);
      assert.ok(pass(sender, receiver, 65_433) > 0);
      assert.ok(pass(sender, receiver, 102) > 0, "204 lost across the wrap");
      assert.ok(pass(sender, receiver, 65_500) > 0, "late, from before the wrap");
      assert.ok(pass(sender, receiver, 103) > 0);
    }
    assert.deepEqual(drops.snapshot(), {});
  });

  Deno.test(`SrtpSession refuses replays and what is older than its window, profile ${profile}`, () => {
    const { sender, receiver, drops } = sessions(profile);
    const { bytes, length } = rtp(5000);
    const sealed = sender.protectRtp(bytes, length);
    const copy = bytes.slice();
    assert.equal(receiver.unprotectRtp(bytes, sealed), length);
    assert.equal(receiver.unprotectRtp(copy.slice(), sealed), 0);
    assert.ok(pass(sender, receiver, 5900) > 0);
    assert.equal(receiver.unprotectRtp(copy.slice(), sealed), 0, "still in the window");
    assert.ok(pass(sender, receiver, 4999) > 0, "late but new");
    assert.ok(pass(sender, receiver, 9000) > 0);
    assert.equal(receiver.unprotectRtp(copy.slice(), sealed), 0, "below the window");
    assert.equal(pass(sender, receiver, 7000), 0);
    assert.equal(drops.get("srtp_replayed"), 4);
  });

  Deno.test(`SrtpSession refuses SRTCP that is replayed or not encrypted, profile ${profile}`, () => {
    const { sender, receiver, drops } = sessions(profile);
    const bytes = new Uint8Array(64);
    bytes.set([0x80, 201, 0, 1, 9, 9, 9, 9]);
    const sealed = sender.protectRtcp(bytes, 8);
    const indexAt = sealed - (profile === 1 ? 14 : 4);
    const plain = bytes.slice();
    plain[indexAt]! &= 0x7f;
    assert.equal(receiver.unprotectRtcp(plain, sealed), 0);
    assert.equal(drops.get("srtcp_not_encrypted"), 1);
    assert.equal(receiver.unprotectRtcp(bytes.slice(), sealed), 8);
    assert.equal(receiver.unprotectRtcp(bytes.slice(), sealed), 0);
    assert.equal(drops.get("srtcp_replayed"), 1);
    const changed = bytes.slice();
    changed[indexAt + 3]! ^= 1;
    assert.equal(receiver.unprotectRtcp(changed, sealed), 0);
    assert.equal(drops.get("srtcp_not_authentic"), 1);
  });

  Deno.test(`SrtpSession drops what was changed or cut and stays usable, profile ${profile}`, () => {
    const { sender, receiver, drops } = sessions(profile);
    assert.ok(pass(sender, receiver, 1) > 0);
    const { bytes, length } = rtp(2);
    const sealed = sender.protectRtp(bytes, length);
    for (let at = 0; at < sealed; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 0x10;
      assert.equal(receiver.unprotectRtp(changed, sealed), 0, `byte ${at}`);
    }
    for (let cut = 0; cut < sealed; cut++) {
      assert.equal(receiver.unprotectRtp(bytes.slice(), cut), 0, `cut to ${cut}`);
    }
    assert.equal(receiver.unprotectRtp(bytes.slice(0, sealed), sealed + 4), 0, "longer than it is");
    assert.ok(drops.get("srtp_not_authentic") > 0 && drops.get("srtp_malformed") > 0);
    assert.equal(receiver.unprotectRtp(bytes, sealed), length, "the true packet still opens");
  });
}

Deno.test("SrtpSession keeps state for a bounded number of received SSRCs", () => {
  const { sender, receiver, drops } = sessions(1);
  for (let ssrc = 1; ssrc <= MAX_RECEIVED_SSRCS; ssrc++) pass(sender, receiver, 1, ssrc);
  assert.ok(pass(sender, receiver, 2, 1) > 0);
  assert.equal(drops.get("srtp_source_forgotten"), 0);
  assert.ok(pass(sender, receiver, 1, 9999) > 0);
  assert.equal(drops.get("srtp_source_forgotten"), 1);
  assert.equal(pass(sender, receiver, 2, 1), 0, "the SSRC heard last is remembered: a replay");
  assert.ok(pass(sender, receiver, 1, 2) > 0, "the longest silent one was forgotten");
});

Deno.test("SrtpSession does not seal what has no room for a tag or is no RTP", () => {
  const { sender } = sessions(1);
  const { bytes, length } = rtp(1);
  assert.equal(sender.protectRtp(bytes.subarray(0, length + 9), length), 0);
  assert.equal(sender.protectRtp(new Uint8Array(100), 50), 0);
  assert.equal(sender.protectRtp(bytes, 11), 0);
  assert.equal(sender.protectRtcp(new Uint8Array(20), 8), 0);
});
