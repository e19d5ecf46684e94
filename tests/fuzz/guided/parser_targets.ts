/**
 * Every parser of outside bytes as a function of bytes that throws if the parser breaks what it
 * promises. What an input may cost in time is bounded by whoever runs it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readCarried } from "../../../lib/cluster/carry/carried_message.ts";
import { readFrame, writeFrame } from "../../../lib/cluster/link/link_frames.ts";
import { opusSamples } from "../../../lib/recording/frames/opus_frames.ts";
import { vp9HeaderLength } from "../../../lib/recording/frames/vp9_frames.ts";
import { decodeJoinRequest } from "../../../lib/signalling/join_request.ts";
import { readToken } from "../../../lib/signalling/json_web_token.ts";
import { decodeRequest } from "../../../lib/signalling/signal_codec.ts";
import { parseUserAgent } from "../../../lib/signalling/user_agent.ts";
import { parseLayerWish } from "../../../lib/signalling/whep_layer.ts";
import { readClientHello } from "../../../lib/transport/dtls/dtls_client_hello.ts";
import { readHandshakeFragments } from "../../../lib/transport/dtls/dtls_records.ts";
import { packetChecksum } from "../../../lib/transport/sctp/crc32c.ts";
import { readDcep } from "../../../lib/transport/sctp/data_channel_messages.ts";
import { packetRefusal } from "../../../lib/transport/sctp/sctp_packet.ts";
import { isAv1KeyFrameStart } from "../../../lib/wire/av1_payload.ts";
import { DataPacketReader } from "../../../lib/wire/data_packet.ts";
import {
  dataTrackHandle,
  readDataTrackPacket,
  writeDataTrackPacket,
} from "../../../lib/wire/data_track_packet.ts";
import { datagramKind } from "../../../lib/wire/datagram_kind.ts";
import { DependencyDescriptor } from "../../../lib/wire/dependency_descriptor.ts";
import { DependencyStructure } from "../../../lib/wire/dependency_structure.ts";
import { FlexfecHeader, MOST_PROTECTED } from "../../../lib/wire/flexfec.ts";
import { forwardedFor } from "../../../lib/wire/forwarded_for.ts";
import { FrameSize } from "../../../lib/wire/frame_size.ts";
import { isH264KeyFrameStart, isH265KeyFrameStart } from "../../../lib/wire/h264_payload.ts";
import { parseCandidate, parseCandidateInit } from "../../../lib/wire/ice_candidate.ts";
import { formatIpAddress, parseIpAddress } from "../../../lib/wire/ip_address.ts";
import { CODEC } from "../../../lib/wire/key_frame.ts";
import { hasFewJsonElements } from "../../../lib/wire/message_elements.ts";
import { isUnpackable, packMessage, unpackMessage } from "../../../lib/wire/message_pack.ts";
import { packetTrailerLength } from "../../../lib/wire/packet_trailer.ts";
import { MAX_PROXY_HEADER_BYTES, parseProxyHeader } from "../../../lib/wire/proxy_header.ts";
import { RedPayload } from "../../../lib/wire/red_payload.ts";
import { type RtcpHandler, RtcpReader } from "../../../lib/wire/rtcp.ts";
import { RtpView } from "../../../lib/wire/rtp_view.ts";
import { parseSdpFragment } from "../../../lib/wire/sdp_fragment.ts";
import { SectionMemo } from "../../../lib/wire/sdp_tree.ts";
import { parseDescription } from "../../../lib/wire/session_description.ts";
import { FrameSplitter } from "../../../lib/wire/stream_framing.ts";
import { parseStun } from "../../../lib/wire/stun.ts";
import { readMappedAddress } from "../../../lib/wire/stun_query.ts";
import { parseTransportFeedback, TransportFeedback } from "../../../lib/wire/transport_cc.ts";
import { TurnSplitter } from "../../../lib/wire/turn_framing.ts";
import { parseTurn } from "../../../lib/wire/turn_message.ts";
import { Vp8Descriptor } from "../../../lib/wire/vp8_descriptor.ts";
import { Vp9Descriptor } from "../../../lib/wire/vp9_descriptor.ts";

/** Takes one input. Throws if the parser does, or breaks its promise. */
export type ParserTarget = (bytes: Uint8Array<ArrayBuffer>) => void;

const MAX_ELEMENTS = 10_000;
const decoder = new TextDecoder();
/** For parsers of text, which come to them decoded like this. */
const ofText = (take: (text: string) => void): ParserTarget => (bytes) =>
  take(decoder.decode(bytes));

/** The input lies in the middle of something else, which must not matter. */
function ofPayload(take: (bytes: Uint8Array, offset: number, length: number) => unknown) {
  const [clean, dirty] = [new Uint8Array(2_048), new Uint8Array(2_048).fill(0xa5)];
  return (bytes: Uint8Array) => {
    clean.fill(0, 4 + bytes.length, 64 + bytes.length);
    dirty.fill(0xa5, 4 + bytes.length, 64 + bytes.length);
    clean.set(bytes, 4);
    dirty.set(bytes, 4);
    const told = take(clean, 4, bytes.length);
    assert.equal(take(dirty, 4, bytes.length), told, "what lies beside has a say");
  };
}

const [vp8, vp9, size] = [new Vp8Descriptor(), new Vp9Descriptor(), new FrameSize()];
const [descriptor, structure] = [new DependencyDescriptor(), new DependencyStructure()];
const [red, flexfec, feedback] = [new RedPayload(), new FlexfecHeader(), new TransportFeedback()];
const [view, rtcp, dataPacket] = [new RtpView(), new RtcpReader(), new DataPacketReader()];
const memo = new SectionMemo();

const unsigned = (...numbers: number[]) => {
  for (const number of numbers) assert.equal(number, number >>> 0);
};
const handler: RtcpHandler = {
  senderReport: unsigned,
  goodbye: unsigned,
  pictureLoss: unsigned,
  fullIntra: unsigned,
  receiverReferenceTime: unsigned,
  delaySinceReceiverReference: unsigned,
  reportBlock: (sender, { ssrc, highestSequence }) => unsigned(sender, ssrc, highestSequence),
  nack: (ssrc, numbers, count) => {
    unsigned(ssrc, count);
    assert.ok(count <= numbers.length);
  },
  remb: (bps) => assert.ok(bps >= 0 && Number.isFinite(bps)),
  transportCc: (bytes, offset, length) => {
    assert.ok(offset >= 0 && offset + length <= bytes.length);
    parseTransportFeedback(bytes, offset, length, feedback);
  },
};

function frameSize(family: keyof typeof CODEC): ParserTarget {
  return ofPayload((bytes, offset, length) => {
    if (family === "vp8" && !vp8.parse(bytes, offset, length)) return "";
    if (family === "vp9" && !vp9.parse(bytes, offset, length)) return "";
    size.read(CODEC[family], bytes, offset, length, vp8, vp9);
    const { width, height } = size;
    assert.ok(width >= 0 && width <= 16_384 && height >= 0 && height <= 16_384);
    assert.equal(width === 0, height === 0);
    return `${width}x${height}`;
  });
}

const WIRE: Readonly<Record<string, ParserTarget>> = {
  stun: (bytes) => {
    datagramKind(bytes, bytes.length);
    const message = parseStun(bytes, bytes.length);
    const end = (message?.integrityOffset ?? -1) + 24;
    assert.ok(end === 23 || end >= 44 && end <= bytes.length);
  },
  stun_answer: (bytes) => void readMappedAddress(bytes, bytes.length),
  turn: (bytes) => void parseTurn(bytes, bytes.length),
  rtp: (bytes) => {
    if (!view.wrap(bytes, bytes.length)) return;
    assert.ok(view.payloadOffset >= 12 && view.payloadOffset + view.payloadLength <= bytes.length);
  },
  rtcp: (bytes) => void rtcp.read(bytes, bytes.length, handler),
  transport_cc: ofPayload((bytes, offset, length) => {
    if (!parseTransportFeedback(bytes, offset, length, feedback)) return -1;
    assert.ok(feedback.statusCount > 0 && feedback.statusCount <= feedback.deltas.length);
    return feedback.statusCount;
  }),
  vp8: ofPayload((bytes, offset, length) => {
    if (!vp8.parse(bytes, offset, length)) return -1;
    assert.ok(vp8.headerLength >= 1 && vp8.headerLength < length);
    return vp8.headerLength;
  }),
  vp9: ofPayload((bytes, offset, length) => {
    if (!vp9.parse(bytes, offset, length)) return -1;
    assert.ok(vp9.spatialId < 8 && vp9.pictureId < 0x8000);
    return vp9.pictureId;
  }),
  key_frames: ofPayload((bytes, offset, length) =>
    [isH264KeyFrameStart, isH265KeyFrameStart, isAv1KeyFrameStart]
      .map((isStart) => isStart(bytes, offset, length)).join()
  ),
  size_vp8: frameSize("vp8"),
  size_vp9: frameSize("vp9"),
  size_h264: frameSize("h264"),
  size_av1: frameSize("av1"),
  dependency_descriptor: (bytes) => {
    if (!descriptor.parse(bytes, 0, bytes.length)) return;
    if (descriptor.hasTemplateStructure && !descriptor.readStructure(structure)) {
      structure.templateCount = 0;
      return;
    }
    assert.ok(structure.templateCount <= 64 && structure.targetCount <= 32);
    if (!descriptor.readFrame(structure)) return;
    assert.ok(descriptor.frameDiffCount <= descriptor.frameDiffs.length);
  },
  red: ofPayload((bytes, offset, length) => {
    if (!red.parse(bytes, offset, length)) return -1;
    assert.equal(red.primaryOffset + red.primaryLength, offset + length);
    return red.copies;
  }),
  flexfec: ofPayload((bytes, offset, length) => {
    if (!flexfec.parse(bytes, offset, length)) return -1;
    assert.ok(flexfec.length <= length && flexfec.count >= 1 && flexfec.count <= MOST_PROTECTED);
    return flexfec.count;
  }),
  packet_trailer: (bytes) => {
    const told = packetTrailerLength(bytes, bytes.length, bytes.length);
    assert.ok(told === 0 || told >= 5 && told < bytes.length);
  },
  stream_framing: (bytes) => inTwoParts(bytes, () => new FrameSplitter(64)),
  turn_framing: (bytes) => inTwoParts(bytes, () => new TurnSplitter(1_500)),
  data_packet: (bytes) => {
    if (!dataPacket.read(bytes)) return;
    dataPacket.destinationIdentities();
    dataPacket.destinationSids();
    dataPacket.payload();
    dataPacket.nonce();
    dataPacket.requestId();
    dataPacket.stream();
  },
  data_track_packet: (bytes) => {
    const packet = readDataTrackPacket(bytes);
    assert.equal(dataTrackHandle(bytes), packet?.handle ?? 0);
    if (packet === undefined) return;
    assert.deepEqual(readDataTrackPacket(writeDataTrackPacket(packet)!), packet);
  },
  message_pack: (bytes) => {
    const value = unpackMessage(bytes, MAX_ELEMENTS);
    if (value === undefined) return;
    assert.ok(isUnpackable(bytes, MAX_ELEMENTS));
    assert.deepEqual(unpackMessage(packMessage(value), MAX_ELEMENTS), value);
  },
  proxy_header: (bytes) => {
    const found = parseProxyHeader(bytes, bytes.length);
    if (typeof found === "string") return;
    assert.ok(found.length <= Math.min(bytes.length, MAX_PROXY_HEADER_BYTES));
    if (found.source !== undefined) assert.ok(parseIpAddress(found.source.hostname));
  },
  forwarded_for: ofText((text) => {
    for (const header of ["X-Forwarded-For", "Forwarded"] as const) {
      const named = forwardedFor("192.0.2.1", ([first]) => first === 10, header, text);
      assert.ok(parseIpAddress(named), named);
    }
  }),
  description: ofText((text) => {
    const parsed = parseDescription(text);
    assert.deepEqual(parseDescription(text, memo), parsed);
    if (!parsed.ok) return;
    const mids = parsed.value.sections.map(({ mid }) => mid).filter((mid) => mid !== "");
    assert.equal(new Set(mids).size, mids.length);
  }),
  sdp_fragment: ofText((text) => void parseSdpFragment(text)),
  candidate: ofText((text) => void parseCandidate(text)),
  candidate_init: ofText((text) => void parseCandidateInit(text)),
  ip_address: ofText((text) => {
    const bytes = parseIpAddress(text);
    if (bytes !== undefined) assert.deepEqual(parseIpAddress(formatIpAddress(bytes)), bytes);
  }),
  json_elements: ofText((text) => void hasFewJsonElements(text, 100)),
};

/** Cut anywhere, a stream gives the same frames. */
function inTwoParts(
  bytes: Uint8Array,
  make: () => {
    push(
      chunk: Uint8Array,
      length: number,
      onFrame: (bytes: Uint8Array, length: number) => void,
    ): boolean;
  },
): void {
  const read = (...parts: readonly Uint8Array[]) => {
    const splitter = make();
    const frames: string[] = [];
    let isWhole = true;
    for (const part of parts) {
      isWhole = splitter.push(part, part.length, (frame, length) => {
        assert.ok(length <= frame.length);
        frames.push(frame.slice(0, length).toHex());
      });
    }
    return `${frames.join()} ${isWhole}`;
  };
  const middle = bytes.length >> 1;
  assert.equal(read(bytes.subarray(0, middle), bytes.subarray(middle)), read(bytes));
}

const ABOVE: Readonly<Record<string, ParserTarget>> = {
  sctp_packet: (bytes) => {
    if (bytes.length < 12) return;
    const packet = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    // With the sum put right, what is behind it is reached.
    packet.setUint32(8, packetChecksum(bytes, bytes.length), true);
    packetRefusal(bytes, packet, bytes.length, false);
  },
  data_channel_open: (bytes) => void readDcep(bytes),
  client_hello: (bytes) => void readClientHello(bytes),
  handshake_fragments: (bytes) => {
    const fragments = readHandshakeFragments(bytes) ?? [];
    assert.ok(fragments.length <= bytes.length / 12);
  },
  signal_request: (bytes) => void decodeRequest(bytes),
  signal_request_json: ofText((text) => void decodeRequest(text)),
  join_request: ofText((text) => void decodeJoinRequest(text)),
  token: ofText((text) => void readToken(text)),
  user_agent: ofText((text) => void parseUserAgent(text)),
  layer_wish: ofText((text) => void parseLayerWish(text)),
  opus: (bytes) => {
    const samples = opusSamples(bytes);
    assert.ok(samples >= 0 && samples <= 5_760);
  },
  vp9_header: ofPayload((bytes, offset, length) => {
    const told = vp9HeaderLength(bytes, offset, length);
    assert.ok(told === -1 || told >= 1 && told <= length);
    return told;
  }),
  link_frame: (bytes) => {
    const frame = readFrame(bytes);
    if (frame === undefined || frame === "unknown") return;
    assert.deepEqual(readFrame(writeFrame(frame)), frame);
  },
  carried_message: (bytes) => void readCarried(bytes),
};

/** All of them, by name. */
export const PARSER_TARGETS: Readonly<Record<string, ParserTarget>> = { ...WIRE, ...ABOVE };
