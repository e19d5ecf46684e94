/**
 * What fuzzing begins with where nothing is kept yet: sound inputs, of which luck would not find the
 * long numbers that parsers begin with.
 *
 * @module
 */
import { DataPacket, SignalRequest } from "@livekit/protocol";
import { packMessage } from "../../../lib/wire/message_pack.ts";
import { ReportBlock } from "../../../lib/wire/rtcp.ts";
import { RtcpWriter } from "../../../lib/wire/rtcp_writer.ts";
import { rtpPacket } from "../../support/media/rtp_packets.ts";
import { sdpFixture } from "../../support/virtual/negotiation_fixtures.ts";
import { bindingRequest } from "../../support/wire/stun_requests.ts";

const text = (words: string) => new TextEncoder().encode(words);
const hex = (digits: string) => Uint8Array.fromHex(digits.replaceAll(" ", ""));

/** Everything that our own writer writes, in one compound. */
function reports(): Uint8Array {
  const writer = new RtcpWriter();
  const block = new ReportBlock();
  writer.senderReport(1, 2, 3, 4, 5, 6);
  writer.receiverReport(1, block);
  writer.nack(1, 2, Uint16Array.of(1, 5, 40), 3);
  writer.pictureLoss(1, 2);
  writer.receiverReferenceTime(1, 2, 3);
  writer.delaySinceReceiverReport(1, 2, 3, 4);
  writer.sourceDescription(1, "cname", "0");
  return writer.bytes.slice(0, writer.length);
}

const stun = bindingRequest({
  server: { ufrag: "abcd", pwd: "a-password-of-24-letters" },
  clientUfrag: "efgh",
  transaction: new Uint8Array(12),
  useCandidate: true,
});

/** Of the parsers that need some. */
const FIRST: Readonly<Record<string, readonly Uint8Array[]>> = {
  stun: [stun],
  stun_answer: [hex("0101000c2112a442 000000000000000000000000 0020000800012112 5e12a443")],
  turn: [
    hex("000300082112a442 000000000000000000000000 0019000411000000"),
    hex("40000004 01020304"),
  ],
  turn_framing: [
    hex("000300082112a442 000000000000000000000000 0019000411000000 40000004 01020304"),
  ],
  rtp: [
    rtpPacket({
      ssrc: 1,
      payloadType: 96,
      sequenceNumber: 1,
      timestamp: 1,
      extensions: { 1: text("0"), 3: hex("0001") },
      payload: hex("90808123100200"),
    }),
  ],
  rtcp: [
    reports(),
    hex("84ce0004 00000001 00000000 00000009 01000000"),
    hex("8fce0005 00000001 00000000 52454d42 01ffffff 00000009"),
    hex("8fcd0004 00000001 00000002 00010001 00000100"),
  ],
  transport_cc: [hex("0001000100000100 2001 04")],
  vp8: [hex("908081231002009d012a80026801")],
  size_h264: [hex("6764001facd9405005bb0110000003001000000303c0f1831960")],
  size_av1: [hex("180a0b0000000449a6bdfc000000")],
  size_vp9: [hex("aa01000030014000b402800168")],
  data_packet: [
    new DataPacket({
      destinationIdentities: ["a"],
      value: { case: "user", value: { payload: text("x"), topic: "t" } as never },
    }).toBinary(),
  ],
  signal_request: [
    new SignalRequest({
      message: { case: "offer", value: { type: "offer", sdp: "v=0", id: 1 } as never },
    }).toBinary(),
  ],
  signal_request_json: [text('{"ping":"1"}'), text('{"mute":{"sid":"TR_a","muted":true}}')],
  description: ["chromium_camera_mic_simulcast_offer", "firefox_answer_to_round_more"].map(
    (name) => text(sdpFixture(name)),
  ),
  sdp_fragment: [
    text(
      "a=ice-ufrag:abcd\r\na=ice-pwd:a-password-of-24-letters\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
    ),
  ],
  candidate: [text("candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host")],
  candidate_init: [
    text(
      '{"candidate":"candidate:1 1 udp 1 192.0.2.1 5000 typ host","sdpMid":"0","sdpMLineIndex":0}',
    ),
  ],
  proxy_header: [
    text("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    hex("0d0a0d0a000d0a515549540a 2111000c c0000201 c0000202 00010002"),
  ],
  forwarded_for: [text('for="[2001:db8::1]:80";by=10.0.0.1, for=192.0.2.1'), text("10.0.0.1, ::1")],
  message_pack: [packMessage({ a: [1, "b", null, true, Uint8Array.of(1)] })],
  link_frame: [packMessage([0, 1]), packMessage([2, "ND_a", {}, 1])],
  carried_message: [
    Uint8Array.of(1, ...packMessage(["GET", "/rtc", [["a", "b"]], new Uint8Array(), "::1"])),
    Uint8Array.of(2, ...packMessage([200, [["a", "b"]], new Uint8Array()])),
  ],
  client_hello: [
    hex(
      "fefd" + "07".repeat(32) + "00 00 0002c02b 0100" +
        "002d 000a00040002001d 000b00020100 000d00040002 0403 000e00050002000700 0017 0000 ff01000100",
    ),
  ],
  handshake_fragments: [hex("0100000200000000000000 02fefd")],
  data_channel_open: [hex("03000100000000000001 0000 61")],
  sctp_packet: [hex("1388138800000001 00000000 0003001100000001000000000000003361626300")],
  ip_address: [text("192.0.2.1"), text("2001:db8::1"), text("::ffff:192.0.2.1")],
  json_elements: [text('{"a":[1,"\\u0041"],"b":{"c":null}}')],
  token: [text(`${btoa('{"alg":"HS256"}')}.${btoa('{"iss":"k","exp":9}')}.x`)],
  layer_wish: [text('{"mediaId":"0","encodingId":"f","maxWidth":640}')],
  user_agent: [
    text("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36"),
  ],
};

/** Those of a parser. */
export function firstInputs(name: string): Uint8Array<ArrayBuffer>[] {
  return (FIRST[name] ?? []).map((bytes) => Uint8Array.from(bytes));
}
