/**
 * A whole server loses a media worker: those who were on it are told to join anew, and can; others
 * notice nothing.
 */
import assert from "node:assert/strict";
import { LeaveRequest_Action as Action } from "@livekit/protocol";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import { createWorkerPool } from "../../lib/engine/worker/worker_pool.ts";
import { parseConfig } from "../../lib/server/config/config_parsing.ts";
import { createServer } from "../../lib/server/whole_server.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { MortalWorkers } from "../support/wire/mortal_workers.ts";
import { freeUdpPort, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { until } from "../support/wire/until.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const HOST = "127.0.0.1";

Deno.test({
  name: "createServer() makes participants of a lost worker join anew, and nobody else",
  // werift's DTLS client, which the test clients use, has timers that cannot be stopped.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const ports = [await freeUdpPort(HOST), await freeUdpPort(HOST)];
    const workers = new MortalWorkers(ports);
    await using server = createServer(
      parseConfig({ keys: { [TEST_KEY]: TEST_SECRET }, rtc: { node_ip: HOST } }),
      denoPlatform(),
      {
        createEngine: ({ platform, drops }) =>
          createWorkerPool({
            platform,
            udpOf: ports.map((port) => [{ hostname: HOST, port }]),
            tcp: [],
            advertised: [HOST],
            drops: drops!,
            spawn: workers.spawn,
          }),
      },
    );
    await server.listenMedia();
    const http = Deno.serve({ hostname: HOST, port: 0, onListen() {} }, server.handler);
    const clients: WireParticipant[] = [];
    const join = async (room: string, identity: string) => {
      const token = await mintToken({ room, identity });
      const client = await WireParticipant.open(`ws://${HOST}:${http.addr.port}`, token);
      clients.push(client);
      await client.connected();
      return client;
    };
    const portOf = (client: WireParticipant) => {
      const offers = client.signal.all("offer");
      return Number(/a=candidate:\S+ 1 udp \S+ \S+ (\d+)/i.exec(offers[0]!.sdp)![1]);
    };
    try {
      const [ann, bob] = [await join("lost", "ann"), await join("lost", "bob")];
      await ann.publish("audio");
      await bob.remote("ann", ({ tracks }) => tracks.length === 1);
      assert.equal(portOf(ann), portOf(bob));
      let witness = await join("kept 0", "witness");
      for (let i = 1; portOf(witness) === portOf(ann); i++) {
        witness = await join(`kept ${i}`, "witness");
      }

      workers.kill(portOf(ann), "fail");
      for (const client of [ann, bob]) {
        await until("to be told", () => client.signal.all("leave").length > 0);
        assert.equal(client.signal.all("leave")[0]!.action, Action.RECONNECT);
      }
      assert.equal(server.counters.get("media_worker_lost"), 1);

      const again = [await join("lost", "ann"), await join("lost", "bob")];
      await again[0]!.publish("audio");
      await again[1]!.remote("ann", ({ tracks }) => tracks.length === 1);
      assert.deepEqual(witness.signal.all("leave"), []);
      assert.equal(witness.signal.closed, undefined);
    } finally {
      await Promise.all(clients.map((client) => client.vanish()));
      await server.close();
      await http.shutdown();
    }
  },
});
