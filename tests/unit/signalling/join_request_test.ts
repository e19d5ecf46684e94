import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import {
  AddTrackRequest,
  ClientInfo,
  ClientInfo_SDK,
  ConnectionSettings,
  JoinRequest,
  ReconnectReason,
  SessionDescription,
  WrappedJoinRequest,
  WrappedJoinRequest_Compression as Compression,
} from "@livekit/protocol";
import type { AccessToken } from "../../../lib/signalling/access_token.ts";
import {
  decodeJoinRequest,
  MAX_JOIN_REQUEST_BYTES,
  wishesOfJoinRequest,
} from "../../../lib/signalling/join_request.ts";
import {
  type JoinParameters,
  readJoinParameters,
} from "../../../lib/signalling/join_parameters.ts";

/** URL-safe base64 with padding. */
function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-").replaceAll("/", "_");
}

function wrapped(joinRequest: Uint8Array, compression = Compression.NONE): string {
  return base64(new WrappedJoinRequest({ joinRequest, compression }).toBinary());
}

/** The smallest valid request of exactly `length` bytes: metadata fills it up. */
function requestOf(length: number): Uint8Array {
  const header = new JoinRequest({ metadata: "x".repeat(length - 5) }).toBinary();
  return new JoinRequest({ metadata: "x".repeat(length - 5 - (header.length - length)) })
    .toBinary();
}

function errorOf(encoded: string): string | undefined {
  const decoded = decodeJoinRequest(encoded);
  return decoded.ok ? undefined : decoded.message;
}

const REQUEST = new JoinRequest({
  clientInfo: new ClientInfo({ sdk: ClientInfo_SDK.JS, protocol: 16, browser: "Chrome" }),
  connectionSettings: new ConnectionSettings({ autoSubscribe: true, adaptiveStream: true }),
  metadata: "hello",
  participantAttributes: { a: "1", empty: "" },
  addTrackRequests: [new AddTrackRequest({ cid: "cam" }), new AddTrackRequest({ cid: "mic" })],
  publisherOffer: new SessionDescription({ type: "offer", sdp: "v=0", id: 7 }),
});

Deno.test("decodeJoinRequest() reads plain and compressed requests", () => {
  for (
    const encoded of [
      wrapped(REQUEST.toBinary()),
      wrapped(gzipSync(REQUEST.toBinary()), Compression.GZIP),
    ]
  ) {
    const decoded = decodeJoinRequest(encoded);
    assert.ok(decoded.ok);
    assert.ok(decoded.request.equals(REQUEST));
  }
});

Deno.test("decodeJoinRequest() names each fault in LiveKit's words", () => {
  const rows: [string, string][] = [
    ["not base64!", "cannot base64 decode wrapped join request"],
    ["EgA", "cannot base64 decode wrapped join request"], // no padding
    ["/+A=", "cannot base64 decode wrapped join request"], // not the URL-safe letters
    [base64(Uint8Array.of(0x0a, 0xff)), "cannot unmarshal wrapped join request"],
    [wrapped(Uint8Array.of(0x0a, 0xff)), "cannot unmarshal join request"],
    [
      wrapped(gzipSync(Uint8Array.of(0x0a, 0xff)), Compression.GZIP),
      "cannot unmarshal join request",
    ],
    [wrapped(REQUEST.toBinary(), Compression.GZIP), "cannot read decompressed join request"],
    [
      wrapped(gzipSync(REQUEST.toBinary()).subarray(0, 20), Compression.GZIP),
      "cannot read decompressed join request",
    ],
    [wrapped(new Uint8Array(), Compression.GZIP), "cannot read decompressed join request"],
  ];
  for (const [encoded, message] of rows) assert.equal(errorOf(encoded), message);
});

Deno.test("decodeJoinRequest() takes a mebibyte and not a byte more, compressed or not", () => {
  for (
    const [compression, pack] of [
      [Compression.NONE, (bytes: Uint8Array) => bytes],
      [Compression.GZIP, (bytes: Uint8Array) => gzipSync(bytes)],
    ] as const
  ) {
    const most = requestOf(MAX_JOIN_REQUEST_BYTES);
    assert.equal(most.length, MAX_JOIN_REQUEST_BYTES);
    assert.equal(errorOf(wrapped(pack(most), compression)), undefined);
    const over = requestOf(MAX_JOIN_REQUEST_BYTES + 1);
    assert.equal(errorOf(wrapped(pack(over), compression)), "join request too large");
  }
});

Deno.test("decodeJoinRequest() stops inflating a bomb at the limit", () => {
  // 256 MiB of zeros; inflating them whole would show as memory.
  const bomb = gzipSync(new Uint8Array(256 * 1024 * 1024));
  const before = Deno.memoryUsage().external;
  assert.equal(errorOf(wrapped(bomb, Compression.GZIP)), "join request too large");
  assert.ok(Deno.memoryUsage().external - before < 32 * 1024 * 1024);
});

Deno.test("wishesOfJoinRequest() takes settings as they stand: what is not set is off", () => {
  const wishes = wishesOfJoinRequest(new JoinRequest());
  assert.deepEqual(
    [wishes.autoSubscribe, wishes.adaptiveStream, wishes.reconnect],
    [false, false, false],
  );
  assert.equal(wishes.subscriberAllowPause, undefined, "the configuration decides");
  assert.equal(wishes.autoSubscribeDataTrack, false);
  assert.equal(wishes.publisherOffer, undefined);
  assert.equal(wishes.singlePeerConnection, true);
  assert.equal("participantSid" in wishes, false);
});

Deno.test("wishesOfJoinRequest() knows a session to resume, and no reasons from the future", () => {
  const reconnectReason = 99 as ReconnectReason;
  const wishes = wishesOfJoinRequest(
    new JoinRequest({ reconnect: true, participantSid: "PA_x", reconnectReason }),
  );
  assert.deepEqual([wishes.reconnect, wishes.participantSid], [true, "PA_x"]);
  assert.equal(wishes.reconnectReason, ReconnectReason.RR_UNKNOWN);
});

function token(canUpdateOwnMetadata: boolean): AccessToken {
  const video = { roomJoin: true, room: "r", canPublish: true, canUpdateOwnMetadata };
  return {
    identity: "ann",
    name: "",
    metadata: "of the token",
    attributes: { a: "0", b: "2", empty: "stays" },
    roomPreset: "",
    video,
    // Only what the reader of join parameters looks at.
  } as unknown as AccessToken;
}

function read(encoded: string, more = "", canUpdateOwnMetadata = true) {
  const query = new URLSearchParams(`join_request=${encodeURIComponent(encoded)}${more}`);
  const limits = { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 };
  const request = {
    query,
    token: token(canUpdateOwnMetadata),
    userAgent: "",
    socketAddress: "::1",
  };
  return readJoinParameters(request, limits, true, () => ({ ok: true }));
}

function joined(result: ReturnType<typeof read>): JoinParameters {
  assert.ok(result.ok, JSON.stringify(result));
  return result.join;
}

Deno.test("readJoinParameters() takes everything from the join request and nothing from the query", () => {
  const query = "&auto_subscribe=0&publish=x&attributes=!&protocol=3&reconnect=1&sid=PA_y";
  const join = joined(read(wrapped(REQUEST.toBinary()), query));
  assert.equal(join.identity, "ann");
  assert.equal(join.publish, undefined);
  assert.deepEqual([join.autoSubscribe, join.adaptiveStream, join.reconnect], [true, true, false]);
  assert.deepEqual([join.clientInfo.protocol, join.clientInfo.address], [16, "::1"]);
  assert.deepEqual(join.addTrackRequests.map(({ cid }) => cid), ["cam", "mic"]);
  assert.equal(join.publisherOffer?.id, 7);
});

Deno.test("readJoinParameters() lets a join request replace metadata and add attributes", () => {
  const join = joined(read(wrapped(REQUEST.toBinary())));
  assert.equal(join.metadata, "hello");
  assert.deepEqual(join.attributes, { a: "1", b: "2", empty: "stays" });
  const silent = joined(read(wrapped(new JoinRequest().toBinary()), "", false));
  assert.equal(silent.metadata, "of the token");
});

Deno.test("readJoinParameters() refuses metadata or attributes of a join request without the grant", () => {
  for (const own of [{ metadata: "m" }, { participantAttributes: { a: "1" } }]) {
    const result = read(wrapped(new JoinRequest(own).toBinary()), "", false);
    assert.deepEqual(result, {
      ok: false,
      status: 401,
      body: "no permissions to access the room",
    });
  }
});
