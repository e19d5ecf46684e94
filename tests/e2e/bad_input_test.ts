/**
 * Bad input over real HTTP and WebSockets, each with the exact answer, while two bystanders are in
 * a call: they go on receiving, and nothing of it reaches them. Needs no browser.
 *
 * What a single function answers is tested beside it in `tests/unit/`; here is what gets through
 * the whole server. Answers are those of LiveKit's server.
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import {
  AddTrackRequest,
  DataPacket,
  RequestResponse_Reason as Reason,
  TrackSource,
  TrackType,
  UpdateParticipantMetadata,
  WrappedJoinRequest_Compression as Compression,
} from "@livekit/protocol";
import type { AnyDrop } from "../../lib/server/drop_reasons.ts";
import { ROOM } from "../conformance/support.ts";
import {
  badInputTest,
  DENIED,
  DOORS,
  JOIN,
  knock,
  malloryIn,
  sign,
  twirp,
  urlBase64,
  wrapped,
} from "../support/hostile/bad_input.ts";
import { until } from "../support/wire/until.ts";
import { heapInUse } from "../support/process/heap_growth.ts";

const NO_PERMISSION = "no permissions to access the room";
const INVALID = "invalid authorization token";
const OTHER_SECRET = "some-other-secret-of-the-same-sort";

badInputTest("A bad token opens no door, and each says why in the same words", async (test) => {
  const now = Math.floor(Date.now() / 1000);
  const good = await sign();
  const header = btoa('{"alg":"none"}').replaceAll("=", "");
  const rows: readonly (readonly [what: string, token: string, body: string])[] = [
    ["nonsense", "nonsense", INVALID],
    ["an unknown key", await sign({ iss: "nobody" }), "invalid API key"],
    [
      "another secret",
      await sign({}, { secret: OTHER_SECRET }),
      `${INVALID}: token signature is invalid: signature is invalid`,
    ],
    [
      "no signature",
      `${header}.${good.split(".")[1]}.`,
      `${INVALID}: token signature is invalid: signing method is not allowed`,
    ],
    [
      "another algorithm",
      await sign({}, { alg: "HS384" }),
      `${INVALID}: token signature is invalid: signing method is not allowed`,
    ],
    [
      "expired",
      await sign({ exp: now - 120 }),
      `${INVALID}: token has invalid claims: token is expired`,
    ],
    [
      "future",
      await sign({ nbf: now + 120 }),
      `${INVALID}: token has invalid claims: token is not valid yet`,
    ],
    [
      "never expiring",
      await sign({ exp: undefined }),
      `${INVALID}: token has invalid claims: token is missing required claim: exp claim is required`,
    ],
  ];
  for (const [what, token, body] of rows) {
    for (const door of DOORS) {
      assert.deepEqual(await knock(test, door, token), [401, body], `${what} at ${door.path}`);
    }
    assert.deepEqual(await twirp(test, "RoomService/ListRooms", token, {}), [401, body], what);
  }
});

badInputTest(
  "A token that lacks what joining needs is refused in LiveKit's order",
  async (test) => {
    const long = "x".repeat(257);
    const rows: readonly (readonly [token: string, status: number, body: string])[] = [
      ["", 401, NO_PERMISSION],
      [await sign({ video: undefined }), 401, NO_PERMISSION],
      [await sign({ video: { room: ROOM }, sub: "" }), 401, "permissions denied"],
      [await sign({ video: { roomJoin: true }, sub: "" }), 400, "identity cannot be empty"],
      [
        await sign({ video: { roomJoin: true }, sub: long }),
        400,
        "participant identity length exceeds limits: max length 256",
      ],
      [await sign({ video: { roomJoin: true } }), 400, "no room name"],
      [
        await sign({ video: { roomJoin: true, room: long } }),
        400,
        "room name length exceeds limits: max length 256",
      ],
      [
        await sign({ video: { roomJoin: true, room: "never-made" } }),
        404,
        "requested room does not exist",
      ],
    ];
    for (const [token, status, body] of rows) {
      for (const door of DOORS) {
        assert.deepEqual(await knock(test, door, token), [status, body], door.path);
      }
    }
    const attributes = encodeURIComponent(btoa('{"a":"1"}'));
    const listener = await sign({ video: { ...JOIN, canPublish: false } });
    for (const door of DOORS.filter(({ query }) => query === "")) {
      for (const query of ["publish=cam", `attributes=${attributes}`]) {
        assert.deepEqual(await knock(test, { ...door, query }, listener), [401, NO_PERMISSION]);
      }
    }
  },
  { room: { auto_create: false } },
);

badInputTest(
  "A token for another room opens that room and nothing else",
  async (test, { carol, dave }) => {
    const token = { room: "elsewhere" };
    const mallory = await test.join("mallory", { token });
    assert.deepEqual(mallory.join.otherParticipants, []);
    assert.equal(mallory.join.room!.name, "elsewhere");
    const eve = await test.join("eve", { token });
    await eve.openData();
    const payload = new TextEncoder().encode("hello?");
    const say = (to: { destinationIdentities?: string[]; destinationSids?: string[] }) =>
      mallory.sendData({ value: { case: "user", value: { payload, ...to } } });
    await say({ destinationIdentities: ["carol", "dave"] });
    await say({ destinationSids: [carol.sid, dave.sid] });
    await say({});
    await until("what is said to everybody", () => eve.data.length > 0);
    assert.equal(eve.data.length, 1);
    const admin = await sign({ video: { roomAdmin: true, room: "elsewhere" } });
    const remove = { room: ROOM, identity: "carol" };
    assert.deepEqual(await twirp(test, "RoomService/RemoveParticipant", admin, remove), DENIED);
  },
);

badInputTest("An oversized token is refused, or joins nowhere", async (test) => {
  const large = await sign({ metadata: "m".repeat(20_000) });
  const huge = "t".repeat(2_000_000);
  for (const door of DOORS) {
    // As LiveKit: validation knows nothing of it, the session does not come up.
    const expected = door.upgrade ? [500, "metadata size exceeds limits"] : [200, "success"];
    assert.deepEqual(await knock(test, door, large), expected, door.path);
    // No header of this size comes as far as the server's own code.
    const [status] = await knock(test, door, huge);
    assert.ok(status === 400 || status === 431, `${status} at ${door.path}`);
  }
  assert.equal(test.server.rooms.get(ROOM)!.byIdentity("mallory"), undefined);
}, { limit: { max_metadata_size: 10_000 } });

badInputTest(
  "A join request that cannot be read is refused, bombs without being inflated",
  async (test) => {
    const bomb = gzipSync(new Uint8Array(32 * 1024 * 1024));
    const undecodable = Uint8Array.of(0x0a, 0xff, 0xff);
    const rows = [
      ["!!", "cannot base64 decode wrapped join request"],
      [urlBase64(undecodable), "cannot unmarshal wrapped join request"],
      [wrapped(undecodable), "cannot unmarshal join request"],
      [wrapped(undecodable, Compression.GZIP), "cannot read decompressed join request"],
      [wrapped(bomb, Compression.GZIP), "join request too large"],
      [wrapped(gzipSync(bomb), Compression.GZIP), "cannot unmarshal join request"],
    ] as const;
    const token = await sign();
    const before = Deno.memoryUsage().external;
    let most = before;
    for (const [request, body] of rows) {
      const query = `join_request=${encodeURIComponent(request)}`;
      for (const door of DOORS) {
        assert.deepEqual(await knock(test, { ...door, query }, token), [400, body], door.path);
        most = Math.max(most, Deno.memoryUsage().external);
      }
    }
    assert.ok(most - before < 24 * 1024 * 1024, `${most - before} bytes; a bomb is 32 MiB`);
    for (const door of DOORS.filter(({ path }) => path.startsWith("/rtc/v1"))) {
      const expected = [400, "join_request is required"];
      assert.deepEqual(await knock(test, { ...door, query: "" }, token), expected);
    }
  },
);

/** Announcements of one client; the server keeps the first twenty. */
const ANNOUNCEMENTS = 10_000;
const PENDING = 20;
const AT_ONCE = 250;

badInputTest(
  "10,000 AddTracks are answered with LIMIT_EXCEEDED and leave nothing",
  async (test, bystanders) => {
    const { signal } = await malloryIn(test, bystanders);
    let [published, refused] = [0, 0];
    const name = "n".repeat(1_000);
    const announce = async (from: number, to: number) => {
      for (let cid = from; cid < to; cid++) {
        const track = {
          cid: `cid${cid}`,
          name,
          type: TrackType.AUDIO,
          source: TrackSource.MICROPHONE,
        };
        signal.send({ case: "addTrack", value: new AddTrackRequest(track) });
        if ((cid + 1) % AT_ONCE !== 0) continue;
        await until(`${cid + 1} answers`, () => published + refused === cid + 1);
        signal.received.length = 0;
      }
    };
    signal.onMessage = (message) => {
      if (message.case === "trackPublished") published++;
      if (message.case !== "requestResponse") return;
      refused++;
      assert.equal(message.value.reason, Reason.LIMIT_EXCEEDED);
      assert.equal(message.value.message, "Cannot add track: 20 pending, limit is 20");
    };
    await announce(0, 1_000);
    const before = heapInUse();
    await announce(1_000, ANNOUNCEMENTS);
    const growth = heapInUse() - before;
    assert.deepEqual([published, refused], [PENDING, ANNOUNCEMENTS - PENDING]);
    // The names alone of those that were refused are 9 MB.
    assert.ok(growth < 4_000_000, `the heap grew by ${growth} bytes`);
  },
);

badInputTest(
  "A participant's own oversized metadata is answered with LIMIT_EXCEEDED",
  async (test, bystanders) => {
    const { signal } = await malloryIn(test, bystanders);
    const rows = [
      { name: "x".repeat(257) },
      { metadata: "x".repeat(524_289) },
      { attributes: { key: "x".repeat(65_536) } },
    ];
    for (const [at, update] of rows.entries()) {
      const value = new UpdateParticipantMetadata({ ...update, requestId: at + 1 });
      signal.send({ case: "updateMetadata", value });
      const answer = await signal.message("requestResponse", (one) => one.requestId === at + 1);
      assert.equal(answer.reason, Reason.LIMIT_EXCEEDED);
    }
  },
);

badInputTest(
  "Data packets that may not pass are dropped and counted, and end nobody",
  async (test, bystanders) => {
    const mallory = await malloryIn(test, bystanders);
    await mallory.openData();
    await bystanders.settle();
    const { channels } = mallory.publisher.client!;
    const { counters } = test.server;
    const dropped = (reason: AnyDrop) =>
      until(`the drop ${reason}`, () => counters.get(reason) > 0);
    channels!.send("_reliable", Uint8Array.of(0x0a, 0xff, 0xff));
    await dropped("data_undecodable");
    channels!.send("_reliable", new DataPacket({ participantIdentity: "carol" }).toBinary());
    await dropped("data_unknown_value");
    const permission = { canSubscribe: true, canPublish: true, canPublishData: false };
    await test.api.updateParticipant(ROOM, "mallory", { permission });
    await bystanders.settle();
    const user = { case: "user", value: { payload: new Uint8Array(10) } } as const;
    channels!.send("_reliable", new DataPacket({ value: user }).toBinary());
    await dropped("data_not_allowed");
  },
);

badInputTest(
  "A data message over 65,535 bytes ends its sender's channels and reaches nobody",
  async (test, bystanders) => {
    const mallory = await malloryIn(test, bystanders);
    await mallory.openData();
    await bystanders.settle();
    const packetWith = (length: number) => {
      const user = { case: "user", value: { payload: new Uint8Array(length) } } as const;
      return new DataPacket({ value: user }).toBinary();
    };
    const around = packetWith(60_000).length - 60_000;
    const tooLong = packetWith(65_536 - around);
    assert.equal(tooLong.length, 65_536);
    const { client } = mallory.publisher;
    client!.channels!.send("_reliable", tooLong);
    await until(
      "the end of the sender's channels",
      () => !client!.channels!.isOpen("_reliable"),
      () => mallory.describe(),
    );
    assert.equal(mallory.signal.closed, undefined);
  },
);
