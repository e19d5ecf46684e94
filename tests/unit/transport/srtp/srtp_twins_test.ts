/**
 * The twins against each other and against werift's pure functions, byte for byte, over random
 * packets of every size: what one seals is what the others seal, and what one opens the others
 * open.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { RtpHeader, SrtcpSession, SrtpSession as WeriftSession } from "werift";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { SrtpParameters } from "../../../../lib/transport/srtp/srtp_keys.ts";
import { SrtpSession } from "../../../../lib/transport/srtp/srtp_session.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import {
  mirrored,
  randomParameters,
  SRTP_PROFILES,
  SRTP_TWINS,
  type SrtpTwin,
} from "../../../support/media/srtp_twins.ts";

/** Room for every overhead. */
const ROOM_BYTES = 32;
const MAX_PAYLOAD_BYTES = 1500;

/** One session of each twin with the same keys, and a werift one where it knows the profile. */
class Peer {
  readonly drops = SRTP_TWINS.map(() => new DropCounters());
  readonly sessions: readonly SrtpSession[];
  readonly werift: WeriftSession | undefined;
  readonly weriftRtcp: SrtcpSession | undefined;

  constructor(parameters: SrtpParameters) {
    this.sessions = SRTP_TWINS.map(({ factory }: SrtpTwin, i) =>
      new SrtpSession({ parameters, drops: this.drops[i]!, cipherFactory: factory })
    );
    if (parameters.profile === 8) return;
    const options = {
      profile: parameters.profile,
      keys: {
        localMasterKey: Buffer.from(parameters.local.key),
        localMasterSalt: Buffer.from(parameters.local.salt),
        remoteMasterKey: Buffer.from(parameters.remote.key),
        remoteMasterSalt: Buffer.from(parameters.remote.salt),
      },
    };
    this.werift = new WeriftSession(options);
    this.weriftRtcp = new SrtcpSession(options);
  }

  /** What every twin makes of `bytes`, which must be the same. */
  all(bytes: Uint8Array, step: (session: SrtpSession, copy: Uint8Array) => number): Uint8Array {
    const results = this.sessions.map((session) => {
      const copy = bytes.slice();
      return copy.subarray(0, step(session, copy));
    });
    for (const result of results) assert.deepEqual(result, results[0]);
    return results[0]!;
  }

  close(): void {
    for (const session of this.sessions) session.close();
  }
}

/** An RTP packet, in a form that werift writes again as it read it. */
function rtp(random: SeededRandom, seq: number, ssrc: number, payload: number): Uint8Array {
  const sources = random.chance(0.3) ? random.below(16) : 0;
  const extensionWords = random.chance(0.5) ? 1 + random.below(4) : 0;
  const header = 12 + 4 * sources + (extensionWords === 0 ? 0 : 4 + 4 * extensionWords);
  const packet = random.bytes(header + payload);
  packet[0] = 0x80 | (extensionWords === 0 ? 0 : 0x10) | sources;
  packet.set([seq >> 8, seq], 2);
  new DataView(packet.buffer).setUint32(8, ssrc);
  if (extensionWords > 0) {
    // One element of one-byte form that fills the extension: werift drops padding.
    const at = 12 + 4 * sources;
    packet.set([0xbe, 0xde, 0, extensionWords, 0x10 | (extensionWords * 4 - 2)], at);
  }
  return packet;
}

function withRoom(packet: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(packet.length + ROOM_BYTES);
  bytes.set(packet);
  return bytes;
}

for (const profile of SRTP_PROFILES) {
  Deno.test(`SRTP twins and werift agree on RTP of every size, profile ${profile}`, () => {
    const random = new SeededRandom(200 + profile);
    const parameters = randomParameters(profile, random);
    const [sender, receiver] = [new Peer(parameters), new Peer(mirrored(parameters))];
    const ssrcs = [1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    // The first source passes a roll-over in the middle.
    const next = [65_300, 0, 40_000, 7];
    for (let size = 0; size <= MAX_PAYLOAD_BYTES; size++) {
      const source = random.below(ssrcs.length);
      const seq = next[source]! & 0xffff;
      next[source]! += 1;
      const clear = rtp(random, seq, ssrcs[source]!, size);
      const bytes = withRoom(clear);
      const sealed = sender.all(bytes, (session, copy) => session.protectRtp(copy, clear.length));
      assert.ok(sealed.length > clear.length);
      if (sender.werift !== undefined) {
        const header = RtpHeader.deSerialize(Buffer.from(clear));
        const payload = Buffer.from(clear.subarray(header.payloadOffset));
        assert.deepEqual(Buffer.from(sealed), sender.werift.encrypt(payload, header));
        assert.deepEqual(receiver.werift!.decrypt(Buffer.from(sealed)), Buffer.from(clear));
      }
      const opened = receiver.all(
        sealed,
        (session, copy) => session.unprotectRtp(copy, sealed.length),
      );
      assert.deepEqual(opened, clear, `size ${size}`);
      assert.equal(
        receiver.all(sealed, (session, copy) => session.unprotectRtp(copy, sealed.length)).length,
        0,
        "a second time it is a replay",
      );
    }
    assert.ok(next[0]! > 65_600, "the roll-over was passed");
    for (const drops of receiver.drops) {
      assert.deepEqual(drops.snapshot(), { srtp_replayed: MAX_PAYLOAD_BYTES + 1 });
    }
    sender.close();
    receiver.close();
  });

  Deno.test(`SRTP twins and werift agree on RTCP of every size, profile ${profile}`, () => {
    const random = new SeededRandom(300 + profile);
    const parameters = randomParameters(profile, random);
    const [sender, receiver] = [new Peer(parameters), new Peer(mirrored(parameters))];
    // werift counts from one, for each SSRC; the index is written with the packet, so either will
    // do.
    sender.all(withRoom(new Uint8Array(8)), (session, copy) => session.protectRtcp(copy, 8));
    for (let words = 1; words <= MAX_PAYLOAD_BYTES / 4; words++) {
      const clear = random.bytes(4 + 4 * words);
      clear.set([0x80, 200, words >> 8, words, 0xca, 0xfe, 0xba, 0xbe], 0);
      const bytes = withRoom(clear);
      const sealed = sender.all(bytes, (session, copy) => session.protectRtcp(copy, clear.length));
      if (sender.weriftRtcp !== undefined) {
        assert.deepEqual(receiver.weriftRtcp!.decrypt(Buffer.from(sealed)), Buffer.from(clear));
        const theirs = Uint8Array.from(sender.weriftRtcp.encrypt(Buffer.from(clear)));
        assert.deepEqual(theirs, sealed);
      }
      const open = (session: SrtpSession, copy: Uint8Array) =>
        session.unprotectRtcp(copy, sealed.length);
      const forged = sealed.slice();
      forged[random.below(sealed.length - 4)]! ^= 1 + random.below(255);
      assert.equal(receiver.all(forged, open).length, 0);
      assert.deepEqual(receiver.all(sealed, open), clear, `${words} words`);
      assert.equal(receiver.all(sealed, open).length, 0, "a second time it is a replay");
    }
    assert.deepEqual(receiver.drops.at(-1)!.snapshot(), receiver.drops[0]!.snapshot());
    sender.close();
    receiver.close();
  });

  Deno.test(`SRTP twins agree on what comes late, doubled, damaged or cut, profile ${profile}`, () => {
    const random = new SeededRandom(400 + profile);
    const parameters = randomParameters(profile, random);
    const [sender, receiver] = [new Peer(parameters), new Peer(mirrored(parameters))];
    const sent: Uint8Array[] = [];
    let highest = 64_000;
    let opened = 0;
    for (let round = 0; round < 2500; round++) {
      // Mostly the next number; sometimes one that is late, or far ahead.
      highest += random.chance(0.02) ? random.below(20_000) : 1;
      const seq = (highest - (random.chance(0.1) ? random.below(1500) : 0)) & 0xffff;
      const clear = rtp(random, seq, 99, random.below(200));
      const bytes = withRoom(clear);
      sent.push(
        sender.all(bytes, (session, copy) => session.protectRtp(copy, clear.length)).slice(),
      );
      const packet = sent[random.chance(0.1) ? random.below(sent.length) : sent.length - 1]!
        .slice();
      if (random.chance(0.1)) packet[random.below(packet.length)]! ^= 1 << random.below(8);
      const length = random.chance(0.05) ? random.below(packet.length) : packet.length;
      const clearAgain = receiver.all(
        packet,
        (session, copy) => session.unprotectRtp(copy, length),
      );
      if (clearAgain.length > 0) opened++;
    }
    assert.ok(opened > 1000, `${opened} opened`);
    const [first] = receiver.drops;
    for (const reason of ["srtp_not_authentic", "srtp_replayed", "srtp_malformed"]) {
      assert.ok(first!.get(reason) > 0, reason);
    }
    for (const drops of receiver.drops) assert.deepEqual(drops.snapshot(), first!.snapshot());
    sender.close();
    receiver.close();
  });
}
