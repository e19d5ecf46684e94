import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { RtpHeader, SrtcpSession, SrtpSession as WeriftSession } from "werift";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import {
  deriveSessionKeys,
  type SrtpParameters,
  type SrtpProfile,
} from "../../../../lib/transport/srtp/srtp_keys.ts";
import { MAX_RECEIVED_SSRCS, SrtpSession } from "../../../../lib/transport/srtp/srtp_session.ts";
import { writtenPacket } from "../../../support/media/rtp_packets.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import {
  LIBCRYPTO,
  mirrored,
  randomParameters,
  SRTP_PROFILES,
  SRTP_TWINS,
  type SrtpTwin,
} from "../../../support/media/srtp_twins.ts";

/** A twin and a profile, with what makes sessions of them. */
class Case {
  constructor(readonly twin: SrtpTwin, readonly profile: SrtpProfile) {}

  get title(): string {
    return `${this.twin.name}, profile ${this.profile}`;
  }

  parameters(seed = 1): SrtpParameters {
    return randomParameters(this.profile, new SeededRandom(seed));
  }

  session(parameters: SrtpParameters, drops = new DropCounters()): SrtpSession {
    return new SrtpSession({ parameters, drops, cipherFactory: this.twin.factory });
  }

  /** A sender and a receiver that share keys. */
  pair() {
    const ours = this.parameters();
    const drops = new DropCounters();
    return { sender: this.session(ours), receiver: this.session(mirrored(ours), drops), drops };
  }
}

const CASES = SRTP_TWINS.flatMap((twin) => SRTP_PROFILES.map((profile) => new Case(twin, profile)));
/** werift does not know AES-256. */
const WERIFT_CASES = CASES.filter(({ profile }) => profile !== 8);

function weriftKeys({ local, remote, profile }: SrtpParameters) {
  if (profile === 8) throw new Error("werift does not know AES-256");
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
  // One element of one-byte form that fills the extension: werift drops padding as it writes
  // headers.
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

for (const each of WERIFT_CASES) {
  Deno.test(`SrtpSession seals and opens exactly as werift does, ${each.title}`, () => {
    const ours = each.parameters();
    const drops = new DropCounters();
    const session = each.session(ours, drops);
    const peer = new WeriftSession(weriftKeys(mirrored(ours)));
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
    session.close();
  });

  Deno.test(`SrtpSession and werift open each other's SRTCP, ${each.title}`, () => {
    const ours = each.parameters();
    const drops = new DropCounters();
    const session = each.session(ours, drops);
    const peer = new SrtcpSession(weriftKeys(mirrored(ours)));
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
    session.close();
  });
}

for (const each of CASES) {
  Deno.test(`SrtpSession follows a wrap with losses around it, ${each.title}`, () => {
    const { sender, receiver, drops } = each.pair();
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
    sender.close();
    receiver.close();
  });

  Deno.test(`SrtpSession refuses replays and what is older than its window, ${each.title}`, () => {
    const { sender, receiver, drops } = each.pair();
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
    sender.close();
    receiver.close();
  });

  Deno.test(`SrtpSession refuses SRTCP that is replayed or not encrypted, ${each.title}`, () => {
    const { sender, receiver, drops } = each.pair();
    const bytes = new Uint8Array(64);
    bytes.set([0x80, 201, 0, 1, 9, 9, 9, 9]);
    const sealed = sender.protectRtcp(bytes, 8);
    const indexAt = sealed - (each.profile === 1 ? 14 : 4);
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
    sender.close();
    receiver.close();
  });

  Deno.test(`SrtpSession drops what was changed or cut and stays usable, ${each.title}`, () => {
    const { sender, receiver, drops } = each.pair();
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
    sender.close();
    receiver.close();
  });

  Deno.test(`SrtpSession.protectWritten() seals as protectRtp() does, ${each.title}`, () => {
    const ours = each.parameters();
    const drops = new DropCounters();
    const [whole, from] = [each.session(ours), each.session(ours, drops)];
    const source = new SeededRandom(9).bytes(5000);
    // Through a roll-over, with and without an extension and rewritten bytes before the source's.
    for (let i = 0; i < 300; i++) {
      const size = (i * 131) % 1200;
      const prefix = Math.min(size, i % 5);
      const { bytes, length } = rtp((65_400 + i) & 0xffff, { size, extension: i % 3 });
      const sourceAt = (i * 37) % 3000;
      bytes.set(source.subarray(sourceAt, sourceAt + size - prefix), length - size + prefix);
      const out = bytes.slice();
      out.fill(0xee, length - size + prefix);
      const sealed = whole.protectRtp(bytes, length);
      const start = length - size + prefix;
      const packet = writtenPacket(out, start, source, sourceAt, size - prefix);
      assert.equal(from.protectWritten(out, packet), sealed);
      assert.deepEqual(out.subarray(0, sealed), bytes.subarray(0, sealed), `packet ${i}`);
    }
    assert.deepEqual(drops.snapshot(), {});
    const { bytes } = rtp(500, { size: 0 });
    const seal = (written: number, at: number, size: number) =>
      from.protectWritten(bytes, writtenPacket(bytes, written, source, at, size));
    assert.equal(seal(12, 4990, 11), 0, "beyond the source");
    assert.equal(seal(12, 0, bytes.length), 0, "no room");
    assert.equal(seal(11, 0, 20), 0, "no header");
    assert.deepEqual(drops.snapshot(), { srtp_cannot_seal: 3 });
    whole.close();
    from.close();
  });

  Deno.test(`SrtpSession.protectWritten() goes by no packet's note of another stream, ${each.title}`, () => {
    const [ours, others] = [each.parameters(1), each.parameters(2)];
    const [mine, theirs] = [each.session(ours), each.session(others)];
    const [alone, theirAlone] = [each.session(ours), each.session(others)];
    const source = new SeededRandom(4).bytes(100);
    const first = rtp(65_530, { size: 0 });
    // One object for two streams and two peers, over the roll-over of the one: the other peer's
    // streams begin after it, and have not rolled over.
    const shared = { ...writtenPacket(first.bytes, first.length, source, 0, 40) };
    for (let i = 0; i < 40; i++) {
      const isOther = i % 3 === 1;
      const { bytes, length } = rtp((65_530 + i) & 0xffff, { size: 0 });
      if (isOther) bytes[11]! ^= 1;
      const isTheirs = i >= 10 && i % 4 === 2;
      const [session, control] = isTheirs ? [theirs, theirAlone] : [mine, alone];
      const packet = writtenPacket(bytes, length, source, 0, 40);
      const wanted = new Uint8Array(100);
      const got = new Uint8Array(100);
      wanted.set(bytes.subarray(0, length));
      got.set(bytes.subarray(0, length));
      Object.assign(shared, { ...packet });
      assert.equal(session.protectWritten(got, shared), control.protectWritten(wanted, packet));
      assert.deepEqual(got, wanted, `packet ${i}`);
    }
    for (const session of [mine, theirs, alone, theirAlone]) session.close();
  });

  Deno.test(`SrtpSession says what is the newest of its sender, ${each.title}`, () => {
    const { sender, receiver } = each.pair();
    const isNewest = (seq: number, ssrc: number) => {
      assert.ok(pass(sender, receiver, seq, ssrc) > 0);
      return receiver.isNewest;
    };
    assert.deepEqual([65_534, 1, 65_535, 0, 2].map((seq) => isNewest(seq, 1)), [
      ...[true, true, false, false, true],
    ]);
    assert.equal(isNewest(7, 2), true, "another sender");
    const reports = [1, 2].map(() => {
      const bytes = new Uint8Array(64);
      bytes.set([0x80, 201, 0, 1, 9, 9, 9, 9]);
      return { bytes, length: sender.protectRtcp(bytes, 8) };
    });
    for (const [at, wanted] of [[1, true], [0, false]] as const) {
      const { bytes, length } = reports[at]!;
      assert.equal(receiver.unprotectRtcp(bytes, length), 8);
      assert.equal(receiver.isNewest, wanted);
    }
    sender.close();
    receiver.close();
  });

  Deno.test(`SrtpSession counts what comes after close() as dropped, ${each.title}`, () => {
    const { sender, receiver, drops } = each.pair();
    const { bytes, length } = rtp(1);
    const sealed = sender.protectRtp(bytes, length);
    const report = new Uint8Array(64);
    report.set([0x80, 201, 0, 1, 9, 9, 9, 9]);
    const sealedReport = sender.protectRtcp(report, 8);
    receiver.close();
    receiver.close();
    assert.equal(receiver.unprotectRtp(bytes, sealed), 0);
    assert.equal(receiver.unprotectRtcp(report, sealedReport), 0);
    assert.equal(receiver.protectRtp(rtp(2).bytes, length), 0);
    const written = writtenPacket(rtp(3).bytes, 12, new Uint8Array(40), 0, 40);
    assert.equal(receiver.protectWritten(rtp(3).bytes, written), 0);
    assert.equal(receiver.protectRtcp(report, 8), 0);
    assert.deepEqual(drops.snapshot(), { srtp_closed: 5 });
    sender.close();
  });
}

Deno.test("SrtpSession keeps state for a bounded number of received SSRCs", () => {
  const { sender, receiver, drops } = CASES[0]!.pair();
  for (let ssrc = 1; ssrc <= MAX_RECEIVED_SSRCS; ssrc++) pass(sender, receiver, 1, ssrc);
  assert.ok(pass(sender, receiver, 2, 1) > 0);
  assert.equal(drops.get("srtp_source_forgotten"), 0);
  assert.ok(pass(sender, receiver, 1, 9999) > 0);
  assert.equal(drops.get("srtp_source_forgotten"), 1);
  assert.equal(pass(sender, receiver, 2, 1), 0, "the SSRC heard last is remembered: a replay");
  assert.ok(pass(sender, receiver, 1, 2) > 0, "the longest silent one was forgotten");
});

Deno.test("SrtpSession does not seal what has no room for a tag or is no RTP", () => {
  const { sender } = CASES[0]!.pair();
  const { bytes, length } = rtp(1);
  assert.equal(sender.protectRtp(bytes.subarray(0, length + 9), length), 0);
  assert.equal(sender.protectRtp(new Uint8Array(100), 50), 0);
  assert.equal(sender.protectRtp(bytes, 11), 0);
  assert.equal(sender.protectRtcp(new Uint8Array(20), 8), 0);
});

Deno.test({
  name: "SrtpSession.close() gives every native context back, ten thousand times",
  ignore: LIBCRYPTO === undefined,
  fn: () => {
    const native = CASES.filter(({ twin }) => twin.name === "native");
    const before = LIBCRYPTO!.contexts;
    for (let i = 0; i < 5000; i++) {
      const { sender, receiver } = native[i % native.length]!.pair();
      assert.ok(pass(sender, receiver, 1) > 0);
      assert.equal(LIBCRYPTO!.contexts, before + 8, "for RTP and RTCP, both ways, twice");
      sender.close();
      receiver.close();
    }
    assert.equal(LIBCRYPTO!.contexts, before);
  },
});

/**
 * Far above what the collector leaves lying about, far below what a kept cipher would add up to.
 */
const MAX_GROWTH_MIB = 30;

/**
 * By how much resident memory grows in so many rounds, MiB; some before them warm up.
 *
 * Native memory is counted for the whole process alone, so no other file may run in it at the same
 * time: with `deno test --parallel` these tests see what others take.
 */
function growthMiB(rounds: number, step: () => void): number {
  for (let i = 0; i < rounds / 10; i++) step();
  const before = Deno.memoryUsage().rss;
  for (let i = 0; i < rounds; i++) step();
  return (Deno.memoryUsage().rss - before) / 2 ** 20;
}

// The portable GCM ciphers hold nothing but their keys.
for (const each of CASES.filter(({ twin, profile }) => twin.name === "native" || profile === 1)) {
  Deno.test(`SrtpCipher.close() leaves no memory behind, ${each.title}`, () => {
    const keys = deriveSessionKeys(each.profile, each.parameters().local);
    const grown = growthMiB(60_000, () => each.twin.factory(keys).close());
    assert.ok(grown < MAX_GROWTH_MIB, `${grown} MiB`);
  });
}

Deno.test("deriveSessionKeys() leaves no memory behind", () => {
  const { local } = CASES[0]!.parameters();
  const grown = growthMiB(10_000, () => void deriveSessionKeys(1, local));
  assert.ok(grown < MAX_GROWTH_MIB, `${grown} MiB`);
});

Deno.test("SrtpSession closes the first cipher when the second cannot be made", () => {
  let [made, closed] = [0, 0];
  assert.throws(() =>
    new SrtpSession({
      parameters: CASES[0]!.parameters(),
      drops: new DropCounters(),
      cipherFactory: (keys) => {
        if (made++ === 1) throw new Error("no memory");
        const cipher = SRTP_TWINS[0]!.factory(keys);
        return Object.assign(cipher, { close: () => closed++ });
      },
    }), /no memory/);
  assert.deepEqual([made, closed], [2, 1]);
});
