/** A node that records a room is killed, and another one that has the room goes on. */
import assert from "node:assert/strict";
import { EgressClient, EgressStatus, EncodedFileOutput } from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { decodingErrors, probe } from "../support/process/probed_file.ts";
import { RedisServer } from "../support/process/redis_server.ts";
import { startRoomwire, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { WebhookReceiver } from "../support/process/webhook_receiver.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const fixture = CallFixture.forThisFile();

async function filesOf(folder: string, ending: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  return names.filter((name) => name.endsWith(ending)).map((name) => `${folder}/${name}`);
}

endToEndTest(
  "a room's recording goes on at another node when its own is killed, and both are playable",
  ["ffmpeg", "redis"],
  async () => {
    await using redis = await RedisServer.start();
    await using hooks = new WebhookReceiver();
    const folder = await Deno.makeTempDir({ prefix: "recordings" });
    const start = async (name: string) => {
      await Deno.mkdir(`${folder}/${name}`);
      return await startRoomwire({
        // Where nodes reach each other, too.
        address: "127.0.0.1",
        writes: folder,
        config: {
          recording: { directory: `${folder}/${name}` },
          redis: { address: `127.0.0.1:${redis.port}` },
          cluster: { lease: "1s" },
          webhook: { urls: [hooks.url], api_key: TEST_KEY },
        },
      });
    };
    try {
      await using a = await start("a");
      await using b = await start("b");
      const bothBegun = (name: string) =>
        eventually(`picture and sound of ${name}`, async () => {
          const kinds = [".webm", ".ogg"].map((end) => filesOf(`${folder}/${name}`, end));
          return (await Promise.all(kinds)).every((files) => files.length === 1);
        });
      const told = () =>
        hooks.events.flatMap(({ event, egressInfo }) =>
          egressInfo === undefined
            ? []
            : [`${egressInfo.egressId} ${event} ${EgressStatus[egressInfo.status]}`]
        );
      await fixture.callAt(a, "takeover", async (call) => {
        const ann = await call.join("rtc-node", "ann");
        await ann.publishVideo();
        await ann.publishAudio();
        const token = await mintToken({ room: call.room, identity: "bob" });
        const bob = await WireParticipant.open(b.url, token, { autoSubscribe: false });
        const egress = new EgressClient(b.httpUrl, TEST_KEY, TEST_SECRET);
        const output = { file: new EncodedFileOutput({ filepath: "" }) };
        const { egressId: first } = await egress.startRoomCompositeEgress(call.room, output);
        const isTold = (line: string) => eventually(line, () => told().includes(line));
        await isTold(`${first} egress_updated EGRESS_ACTIVE`);
        await bothBegun("b");
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        b.kill("SIGKILL");
        await b.status;
        await bob.vanish();
        await isTold(`${first} egress_ended EGRESS_FAILED`);
        const api = new EgressClient(a.httpUrl, TEST_KEY, TEST_SECRET);
        const [next] = await api.listEgress({ active: true });
        assert.match(next!.details, new RegExp(`goes on with ${first}`));
        await isTold(`${next!.egressId} egress_updated EGRESS_ACTIVE`);
        await bothBegun("a");
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        await api.stopEgress(next!.egressId);
        await isTold(`${next!.egressId} egress_ended EGRESS_COMPLETE`);
        const manifest = await Deno.readTextFile(`${folder}/a/${next!.egressId}.json`);
        assert.equal(JSON.parse(manifest).continues, first);
        const of = (id: string) => told().filter((line) => line.startsWith(id));
        assert.equal(of(first).filter((line) => line.includes("egress_ended")).length, 1);
        assert.equal(of(next!.egressId)[0], `${next!.egressId} egress_started EGRESS_STARTING`);
        for (const name of ["a", "b"]) {
          const files = [...await filesOf(`${folder}/${name}`, ".webm")];
          assert.equal(files.length, 1, name);
          const { streams } = await probe(files[0]!);
          assert.ok(streams[0]!.to - streams[0]!.from > 0.5, `${name}: ${streams[0]!.to} s`);
          assert.equal(await decodingErrors(files[0]!), "");
          assert.equal((await filesOf(`${folder}/${name}`, ".ogg")).length, 1);
        }
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
