import assert from "node:assert/strict";
import { LeaveRequest, ParticipantInfo_State as State } from "@livekit/protocol";
import { type Platform, silentLog } from "../../lib/base/platform.ts";
import { createLocalEngine } from "../../lib/engine/local/local_engine.ts";
import { UPDATE_BATCH_INTERVAL_MS } from "../../lib/room/participant/participant_updates.ts";
import { parseConfig } from "../../lib/server/config/config_parsing.ts";
import { createServer } from "../../lib/server/whole_server.ts";
import type { SfuServer } from "../../lib/server/sfu_server.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { joinUrl } from "../support/process/join_url.ts";
import { TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { scaledPlatform } from "../support/virtual/scaled_platform.ts";
import { SignalClient } from "../support/wire/signal_client.ts";
import { until } from "../support/wire/until.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";
import { heapInUse } from "../support/process/heap_growth.ts";

const HOST = "127.0.0.1";
const ROOM = "departures";

interface TestServer extends AsyncDisposable {
  readonly server: SfuServer;
  readonly url: string;
}

async function start(platform: Platform): Promise<TestServer> {
  const free = [{ hostname: HOST, port: 0 }];
  const server = createServer(
    parseConfig({ keys: { [TEST_KEY]: TEST_SECRET }, rtc: { node_ip: HOST } }),
    platform,
    { createEngine: (options) => createLocalEngine({ ...options, udp: free, tcp: free }) },
  );
  await server.listenMedia();
  const http = Deno.serve({ hostname: HOST, port: 0, onListen() {} }, server.handler);
  return {
    server,
    url: `ws://${HOST}:${http.addr.port}`,
    async [Symbol.asyncDispose]() {
      await server.close();
      await http.shutdown();
    },
  };
}

// The client's interval of two seconds between checks stays below the ten of an interruption.
const FACTOR = 4;
/** 15 s without a check and 5 s of grace; a moment more for the timers between. */
const GONE_AFTER_S = { min: 19, max: 24 };

Deno.test({
  name: "Room shows a client that was killed as gone after 15 s of silence and 5 s of grace",
  // werift's DTLS client, which the test clients use, has timers that cannot be stopped.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const platform = scaledPlatform(FACTOR, silentLog);
    await using test = await start(platform);
    const join = async (identity: string) => {
      const client = await WireParticipant.open(
        test.url,
        await mintToken({ identity, room: ROOM }),
      );
      await client.connected();
      return client;
    };
    await using witness = await join("witness");
    const victim = await join("victim");
    await victim.publish("audio");
    await witness.remote("victim", ({ tracks }) => tracks.length === 1);
    const room = test.server.rooms.get(ROOM)!;
    await until("the victim to be ACTIVE", () => room.byIdentity("victim")?.active);
    const { sid } = room.byIdentity("victim")!;

    const killedAt = platform.clock.now();
    await victim.vanish();
    await until("the witness to hear of it", () => !witness.remotes.has("victim"));
    const afterS = (platform.clock.now() - killedAt) / 1_000;
    assert.ok(afterS >= GONE_AFTER_S.min && afterS <= GONE_AFTER_S.max, `gone after ${afterS} s`);
    const told = witness.signal.all("update").flatMap(({ participants }) => participants)
      .filter((info) => info.sid === sid).at(-1)!;
    assert.equal(told.state, State.DISCONNECTED);
    assert.equal(room.byIdentity("victim"), undefined);
  },
});

/** Joins between two looks at the heap. */
const JOINS = 500;
const AT_ONCE = 25;
/** Looks: in the first rounds code is compiled and tables grow; what is kept shows in each. */
const ROUNDS = 5;
/** What five hundred sessions may leave, in all; one alone is several times ten kilobytes. */
const MAX_GROWTH_BYTES = 250_000;

Deno.test("Room is left as it was by a thousand joins and leaves: heap, timers, sockets", async () => {
  // One stays without a connection, which the server ends after a minute, so its time is the
  // process's.
  const platform = scaledPlatform(1, silentLog);
  await using test = await start(platform);
  // The next one takes its place.
  const stay = async () => {
    const token = await mintToken({ identity: "stayer", room: ROOM });
    const client = await SignalClient.open(joinUrl(test.url, token));
    await client.message("join");
    return client;
  };
  let stayer = await stay();
  /** News that waited for their batch are sent: they are no growth. */
  const batchIsSent = async () => {
    const since = platform.clock.now();
    await until("a batch", () => platform.clock.now() > since + UPDATE_BATCH_INTERVAL_MS + 500);
    stayer.received.length = 0;
  };
  const visit = async (number: number) => {
    const identity = `guest${number}`;
    const token = await mintToken({ identity, room: ROOM });
    const client = await SignalClient.open(joinUrl(test.url, token));
    await client.message("join");
    client.send({ case: "leave", value: new LeaveRequest() });
    await client.ended();
  };
  const visits = async (from: number, to: number) => {
    for (let first = from; first < to; first += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => visit(first + i)));
    }
  };
  const growth: number[] = [];
  let heap = Infinity;
  for (let round = 0; round < ROUNDS && !(growth.at(-1)! < MAX_GROWTH_BYTES); round++) {
    stayer = await stay();
    await visits(round * JOINS, (round + 1) * JOINS);
    const room = test.server.rooms.get(ROOM)!;
    await until("everybody to have left", () => [...room.participants()].length === 1);
    await batchIsSent();
    const before = heap;
    heap = heapInUse();
    if (round > 0) growth.push(heap - before);
  }
  assert.ok(growth.at(-1)! < MAX_GROWTH_BYTES, `${growth} bytes more, each after ${JOINS} joins`);
  await stayer.close();
});
