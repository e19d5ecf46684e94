/**
 * Recordings of a real client that go into a bucket while they are made. The bucket is this
 * project's stand-in, which checks signatures; by hand the same was done with a real service.
 */
import assert from "node:assert/strict";
import {
  AccessToken,
  EgressClient,
  type EgressInfo,
  EgressStatus,
  EncodedFileOutput,
  EncodedFileType,
  S3Upload,
} from "livekit-server-sdk";
import { BucketService } from "../support/process/bucket_service.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { decodingErrors, probe } from "../support/process/probed_file.ts";
import { startRoomwire, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { WebhookReceiver } from "../support/process/webhook_receiver.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";

const fixture = CallFixture.forThisFile();

endToEndTest(
  "a recording is in its bucket when it has ended, also after the server was killed meanwhile",
  ["ffmpeg"],
  async () => {
    await using service = new BucketService();
    await using hooks = new WebhookReceiver();
    const { bucket, settings } = service;
    const folder = await Deno.makeTempDir({ prefix: "recordings" });
    const options = {
      writes: folder,
      config: {
        recording: {
          directory: folder,
          replay: true,
          storage: { prefix: "calls", s3: settings, request_hosts: [settings.endpoint] },
        },
        webhook: { urls: [hooks.url], api_key: TEST_KEY },
      },
    };
    try {
      const server = await startRoomwire(options);
      const egress = new EgressClient(server.httpUrl, TEST_KEY, TEST_SECRET);
      const status = async (id: string) => (await egress.listEgress({ egressId: id }))[0]!;
      const until = (id: string, wanted: EgressStatus) =>
        eventually(`${id} to be ${EgressStatus[wanted]}`, async () => {
          const info: EgressInfo = await status(id);
          return info.status === wanted && info;
        });
      await fixture.callAt(server, "upload", async (call) => {
        const ann = await call.join("rtc-node", "ann");
        await ann.publishVideo();
        await ann.publishAudio();
        const record = (filepath: string, more = {}) =>
          egress.startParticipantEgress(call.room, "ann", {
            file: new EncodedFileOutput({ filepath, ...more }),
          });
        const { egressId } = await record("whole.webm", {
          fileType: EncodedFileType.DEFAULT_FILETYPE,
        });
        const s3 = new S3Upload({
          accessKey: settings.access_key,
          secret: settings.secret,
          endpoint: settings.endpoint,
          bucket: settings.bucket,
          forcePathStyle: true,
        });
        const asked = await record("asked.webm", { output: { case: "s3", value: s3 } });
        assert.ok(!asked.toJsonString().includes(settings.secret));
        const room = await egress.startRoomCompositeEgress(call.room, {
          file: new EncodedFileOutput({ filepath: "rooms/" }),
        });
        const ids = [egressId, asked.egressId, room.egressId];
        for (const id of ids) await until(id, EgressStatus.EGRESS_ACTIVE);
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        for (const id of ids) await egress.stopEgress(id);
        await until(room.egressId, EgressStatus.EGRESS_COMPLETE);
        await checkReplay(server.httpUrl, call.room, room.egressId, bucket);
        const done = await until(egressId, EgressStatus.EGRESS_COMPLETE);
        await until(asked.egressId, EgressStatus.EGRESS_COMPLETE);
        const [file] = done.fileResults;
        assert.equal(file!.filename, "whole.webm");
        assert.equal(file!.location, `${settings.endpoint}/rec/calls/whole.webm`);
        assert.equal(done.manifestLocation, `${settings.endpoint}/rec/calls/whole.json`);
        for (const name of ["whole", "asked"]) {
          const path = `${folder}/${name}.webm`;
          await Deno.writeFile(path, bucket.objects.get(`calls/${name}.webm`)!.bytes);
          assert.equal((await probe(path)).streams.length, 2);
          assert.equal(await decodingErrors(path), "");
        }
        const killed = await record("killed.webm");
        await until(killed.egressId, EgressStatus.EGRESS_ACTIVE);
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        server.kill("SIGKILL");
        await server.status;
        const told = JSON.stringify(hooks.events.map((event) => event.toJson()));
        assert.ok(told.includes("{secret}") && !told.includes(settings.secret));
        assert.ok(!server.logTail().includes(settings.secret));
      });
      assert.ok(!bucket.objects.has("calls/killed.webm"));
      await using _again = await startRoomwire(options);
      await eventually("the rest to be uploaded", () => bucket.objects.has("calls/killed.webm"));
      const path = `${folder}/killed.webm`;
      await Deno.writeFile(path, bucket.objects.get("calls/killed.webm")!.bytes);
      const { streams } = await probe(path);
      assert.ok(streams.length === 2 && streams.every(({ to }) => to > 1));
      assert.equal(await decodingErrors(path), "");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

/** A recording in the bucket is watched by what the server reads of it. */
async function checkReplay(
  origin: string,
  room: string,
  egressId: string,
  bucket: BucketService["bucket"],
): Promise<void> {
  const token = new AccessToken(TEST_KEY, TEST_SECRET, { identity: "host" });
  token.addGrant({ roomAdmin: true, room });
  const headers = { authorization: `Bearer ${await token.toJwt()}` };
  const listed = await (await fetch(`${origin}/replay/api/recordings`, { headers })).json();
  assert.deepEqual(
    listed.recordings.map((one: { egressId: string }) => one.egressId),
    [egressId],
  );
  const found = await fetch(`${origin}/replay/api/recordings/${egressId}`, { headers });
  const { link } = await found.json();
  const file = (which: string, range?: string) =>
    fetch(`${origin}/replay/files/${egressId}/${which}?link=${encodeURIComponent(link)}`, {
      headers: range === undefined ? {} : { range },
    });
  const journal = (await (await file("journal")).text()).trimEnd().split("\n");
  const names = journal.map((line) => JSON.parse(line)).flatMap(({ type, filename }) =>
    type === "file" ? [filename] : []
  );
  assert.equal(names.length, 2);
  for (const [n, name] of names.entries()) {
    const { bytes } = bucket.objects.get(`calls/${name}`)!;
    const whole = await file(String(n));
    assert.deepEqual(await whole.bytes(), bytes);
    const part = await file(String(n), "bytes=100-199");
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), `bytes 100-199/${bytes.length}`);
    assert.deepEqual(await part.bytes(), bytes.slice(100, 200));
  }
  const refused = await fetch(`${origin}/replay/files/${egressId}/0?link=none`);
  assert.equal(refused.status, 403);
  await refused.body?.cancel();
}
