/** LiveKit's tests of what a subscriber gets on the wire, over real sockets. */
import assert from "node:assert/strict";
import { MuteTrackRequest } from "@livekit/protocol";
import { until } from "../support/wire/until.ts";
import type { SubscribedTrack, WireParticipant } from "../support/wire/wire_participant.ts";
import { nackFor } from "../support/wire/wire_rtcp.ts";
import { scenario, type TestServer } from "./support.ts";

/** A camera, and a subscriber that has some packets of it. */
async function watched(
  test: TestServer,
  unsupported: readonly string[] = [],
): Promise<[WireParticipant, SubscribedTrack]> {
  const [alice, bob] = await Promise.all([test.join("alice"), test.join("bob", { unsupported })]);
  const { sid } = await alice.publish("video");
  const track = await bob.track(sid);
  await until("ten packets", () => bob.subscriber.packets(track.ssrc).length >= 10);
  return [bob, track];
}

scenario("TestDownTrackForwardsMedia", async (test) => {
  const [bob, track] = await watched(test);
  const packets = bob.subscriber.packets(track.ssrc);
  const [first] = packets;
  for (const [index, { bytes, payloadType, sequenceNumber }] of packets.entries()) {
    assert.equal((sequenceNumber - first!.sequenceNumber) & 0xffff, index, "contiguous");
    assert.equal(bytes[0]! & 0x20, 0, "no padding bit");
    assert.equal(payloadType, track.payloadType);
  }
});

scenario("TestDownTrackRetransmitsPacketsViaRTX", async (test) => {
  const [bob, track] = await watched(test);
  const { client } = bob.subscriber;
  const lost = bob.subscriber.packets(track.ssrc)[3]!;
  await client!.sendRtcp(nackFor(track.ssrc, lost.sequenceNumber));
  // What an estimate probes with comes on the same stream: other packets again.
  const resent = await until(
    "a retransmission",
    () =>
      bob.subscriber.packets(track.rtxSsrc!).find(({ bytes }) => {
        const [high = 0, low = 0] = payloadOf(bytes);
        return (high << 8 | low) === lost.sequenceNumber;
      }),
  );
  assert.notEqual(resent.payloadType, lost.payloadType);
  const payload = payloadOf(resent.bytes);
  assert.deepEqual(payload.subarray(2), payloadOf(lost.bytes));
});

scenario("TestDownTrackRetransmitsPacketsAsIs", async (test) => {
  const [bob, track] = await watched(test, ["video/rtx"]);
  const lost = bob.subscriber.packets(track.ssrc)[3]!;
  await bob.subscriber.client!.sendRtcp(nackFor(track.ssrc, lost.sequenceNumber));
  const again = () =>
    bob.subscriber.packets(track.ssrc).filter((packet) =>
      packet.sequenceNumber === lost.sequenceNumber
    );
  await until("a retransmission", () => again().length === 2);
  assert.deepEqual(payloadOf(again()[1]!.bytes), payloadOf(lost.bytes));
});

scenario("TestDownTrackSendsPaddingOnlyPackets", async (test) => {
  const [alice, carol] = await Promise.all([test.join("alice"), test.join("carol")]);
  const { sid } = await alice.publish("video");
  await carol.track(sid); // it is known what is sent
  const mute = (muted: boolean) =>
    alice.signal.send({ case: "mute", value: new MuteTrackRequest({ sid, muted }) });
  mute(true);
  await carol.remote("alice", ({ tracks }) => tracks.some((track) => track.muted));
  const bob = await test.join("bob");
  const track = await bob.track(sid, { media: false });
  const padding = () => bob.subscriber.client?.paddingOf(track.ssrc) ?? [];
  await until("padding", () => padding().length >= 3);
  for (const [index, { bytes, payloadType, sequenceNumber }] of padding().entries()) {
    assert.equal((sequenceNumber - padding()[0]!.sequenceNumber) & 0xffff, index, "contiguous");
    assert.equal(payloadType, track.payloadType);
    assert.equal(payloadOf(bytes).length, bytes.at(-1), "fully padding");
  }
  mute(false);
  const media = await until("media", () => bob.subscriber.packets(track.ssrc)[0]);
  const last = padding().at(-1)!;
  assert.equal((media.sequenceNumber - last.sequenceNumber) & 0xffff, 1);
});

/** What follows header and extensions. */
function payloadOf(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fixed = 12 + 4 * (bytes[0]! & 0x0f);
  return bytes.subarray(
    (bytes[0]! & 0x10) === 0 ? fixed : fixed + 4 + 4 * view.getUint16(fixed + 2),
  );
}
