/**
 * The media engine with native SRTP ciphers, against clients with werift's: both ways, RTP and
 * RTCP, for the profiles werift knows; and what is left when connections end.
 */
import assert from "node:assert/strict";
import type { UpTrackId } from "../../lib/base/ids.ts";
import { createLocalEngine } from "../../lib/engine/local/local_engine.ts";
import { type MediaCrypto, nativeCrypto } from "../../lib/transport/media_crypto.ts";
import { clonedEngine } from "../support/virtual/cloned_engine.ts";
import { LIBCRYPTO } from "../support/media/srtp_twins.ts";
import { audioSection, AudioStream, TransportNumbers } from "../support/wire/wire_media.ts";
import { receptionReports, senderReportOf, senderReports } from "../support/wire/wire_rtcp.ts";
import { WireRoom } from "../support/wire/wire_room.ts";

const AUDIO = "audio-1" as UpTrackId;
/** Contexts a connection holds: of DTLS records both ways, and once something is carried of SRTP. */
const CONTEXTS_AT_FIRST = 2;
/** RTP, RTCP and DTLS records, both ways. */
const CONTEXTS_EACH = 6;

/** Registers a test on a room with native ciphers. werift's client keeps timers: no sanitizers. */
function nativeRoomTest(name: string, body: (room: WireRoom) => Promise<void>): void {
  Deno.test({
    name,
    ignore: LIBCRYPTO === undefined,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const before = LIBCRYPTO!.contexts;
      {
        await using room = await WireRoom.open((options) =>
          clonedEngine(createLocalEngine({ ...options, crypto: nativeTwins() }))
        );
        await body(room);
        assert.deepEqual(room.errors, [], "nothing failed inside the engine");
      }
      assert.equal(LIBCRYPTO!.contexts, before, "the engine's end frees every context");
    },
  });
}

function nativeTwins(): MediaCrypto {
  const result = nativeCrypto({ ok: true, library: LIBCRYPTO! });
  if (!result.ok) throw new Error(result.reason);
  return result.crypto;
}

for (const profile of [1, 7] as const) {
  nativeRoomTest(`MediaEngine forwards with native SRTP, profile ${profile}`, async (room) => {
    const from = await room.connect({ srtpProfile: profile });
    const to = await room.connect({ srtpProfile: profile });
    room.send({
      type: "set_receive",
      connection: from.id,
      sections: [audioSection("0", AUDIO)],
    });
    room.subscribe(to, AUDIO, "audio", 5000);
    const audio = new AudioStream(2000, "0", new TransportNumbers());
    for (let i = 0; i < 50; i++) await from.client.sendRtp(audio.packet());
    await room.until("every packet", () => to.client.rtpOf(5000).length === 50);
    const numbers = to.client.rtpOf(5000).map(({ sequenceNumber }) => sequenceNumber);
    assert.ok(numbers.every((seq, i) => i === 0 || ((seq - numbers[i - 1]!) & 0xffff) === 1));
    const ntp = 0xe900_0000_4000_0000n;
    await from.client.sendRtcp(senderReportOf(2000, ntp, 0));
    await room.until(
      "RTCP through both",
      () =>
        receptionReports(from.client.rtcp, 2000).some(({ lsr }) => lsr !== 0) &&
        senderReports(to.client.rtcp, 5000).length > 0,
    );
    const unsealed = Object.keys(room.drops.snapshot()).filter((name) => /^srt?cp?_/.test(name));
    assert.deepEqual(unsealed, []);
  });
}

nativeRoomTest("MediaEngine frees a connection's ciphers when it is closed", async (room) => {
  const before = LIBCRYPTO!.contexts;
  const peers = [await room.connect({ srtpProfile: 7 }), await room.connect()];
  assert.equal(LIBCRYPTO!.contexts, before + 2 * CONTEXTS_AT_FIRST);
  for (const { client } of peers) {
    await client.sendRtp(new AudioStream(2000, "0", new TransportNumbers()).packet());
  }
  await room.until(
    "ciphers for both",
    () => LIBCRYPTO!.contexts === before + 2 * CONTEXTS_EACH,
  );
  room.send({ type: "close_connection", connection: peers[0]!.id });
  assert.equal(LIBCRYPTO!.contexts, before + CONTEXTS_EACH);
  // The other one leaves by itself.
  await peers[1]!.client.closeNotify();
  await room.event("connection_failed", (event) => event.connection === peers[1]!.id);
  assert.equal(LIBCRYPTO!.contexts, before);
});
