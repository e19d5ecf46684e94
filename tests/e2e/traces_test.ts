/** Traces as the runtime exports them: one for each session, with its id in the log. */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { TraceReceiver } from "../support/process/trace_receiver.ts";
import { startRoomwire, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { disposeRtcNode, RtcNodeClient } from "../support/sdk/rtc_node_client.ts";
import { RoomServiceClient } from "livekit-server-sdk";

Deno.test.afterAll(() => disposeRtcNode());

endToEndTest(
  "a join is one trace from the request to the first packet, named in the log",
  [],
  async () => {
    await using receiver = new TraceReceiver();
    await using server = await startRoomwire({ env: receiver.env });
    await using ann = new RtcNodeClient("ann");
    await ann.connect(server.url, await mintToken({ identity: "ann", room: "standup" }));
    await ann.publishAudio();
    await using bob = new RtcNodeClient("bob");
    await bob.connect(server.url, await mintToken({ identity: "bob", room: "standup" }));
    await new RoomServiceClient(server.httpUrl, TEST_KEY, TEST_SECRET).listRooms();

    const joins = await eventually("two joins", () => {
      const found = receiver.named("join");
      return found.length === 2 && found;
    }, { seen: () => receiver.spans.map(({ name }) => name) });
    assert.equal(new Set(joins.map(({ traceId }) => traceId)).size, 2);
    for (const join of joins) {
      const identity = join.attributes["roomwire.participant"];
      const isAnn = identity === "ann";
      assert.equal(join.attributes["roomwire.room"], "standup");
      assert.equal(
        join.attributes["roomwire.outcome"],
        isAnn ? "publish" : "subscribe-stream-start",
      );
      assert.ok(join.endMs > join.startMs);
      const steps = await eventually("its steps", () => {
        const below = receiver.spans.filter(({ parent }) => parent === join.spanId);
        const wanted = [
          "join response",
          "publisher ICE",
          "publisher DTLS",
          isAnn ? "publish" : "subscribe",
        ];
        return wanted.every((name) => below.some((span) => span.name === name)) && below;
      }, { seen: () => receiver.spans.map(({ name }) => name) });
      for (const { traceId, startMs, name } of steps) {
        assert.equal(traceId, join.traceId);
        assert.ok(startMs >= join.startMs, name);
      }
      const line = server.logTail().split("\n")
        .find((line) => line.includes(`"${identity}"`) && line.includes("participant connected"));
      assert.equal(JSON.parse(line!).traceId, join.traceId);
    }
    const [call] = await eventually("the call", () => {
      const calls = receiver.named("livekit.RoomService/ListRooms");
      return calls.length > 0 && calls;
    });
    assert.equal(call!.attributes["http.response.status_code"], 200);
    assert.ok(!JSON.stringify(receiver.spans).includes(TEST_SECRET));
  },
);
