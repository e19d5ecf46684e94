/** LiveKit's tests of the one connection of `/rtc/v1`, over real sockets. */
import assert from "node:assert/strict";
import type { PublishOptions } from "../support/wire/wire_participant.ts";
import { scenario } from "./support.ts";

/** Decodes H.264 and must not be let send it. */
const clientInfo = { browser: "Firefox", os: "Linux" };
const h264: PublishOptions = {
  cid: "h264",
  codecs: ["video/H264"],
  announce: { simulcastCodecs: [{ codec: "h264", cid: "h264" }] },
};
const bothCodecs: PublishOptions = { codecs: ["video/H264", "video/VP8"], media: false };

/** The last section of an answer. */
const lastSection = (answer: string) => answer.split(/\r\n(?=m=)/).at(-1)!;

scenario("TestSinglePCMediaEngineUnionsCodecs", async (test) => {
  const alice = await test.join("alice");
  const { sid } = await alice.publish("video", h264);
  const dual = await test.join("dual", { flavour: "v0", clientInfo });
  await dual.publish("video", bothCodecs);
  assert.doesNotMatch(lastSection(dual.lastAnswer), /H264/, "the publisher's list alone");
  const single = await test.join("single", { flavour: "v1", clientInfo });
  assert.equal((await single.track(sid)).mime, "video/H264", "the subscriber's list as well");
});

scenario("TestSinglePCAnswerStripsSubscribeOnlyCodecsFromRecvSide", async (test) => {
  const alice = await test.join("alice");
  const { sid } = await alice.publish("video", h264);
  const single = await test.join("single", { flavour: "v1", clientInfo });
  await single.track(sid);
  await single.publish("video", bothCodecs);
  assert.match(lastSection(single.lastAnswer), /a=recvonly[^]*VP8\/90000/);
  assert.doesNotMatch(lastSection(single.lastAnswer), /H264/);
  assert.match(single.lastAnswer, /H264\/90000/, "it still comes in the other section");
});

scenario("TestConfigureAudioTransceiverEchoesOfferPayloadType", async (test) => {
  const bob = await test.join("bob", { flavour: "v1" });
  // Firefox's number for opus; ours is 111.
  bob.rewriteOffer = (sdp) => sdp.replace(/\b111\b/g, "109");
  const alice = await test.join("alice");
  const { sid } = await alice.publish("audio");
  const { payloadType, ssrc } = await bob.track(sid);
  assert.equal(payloadType, 109);
  assert.equal(bob.subscriber.packets(ssrc)[0]!.payloadType, 109);
});
