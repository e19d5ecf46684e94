/** What an operator asks a running server for, by the program itself. */
import assert from "node:assert/strict";
import { stringify } from "yaml";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import {
  projectTask,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import { CapturedCall } from "../support/media/captured_call.ts";
import { readPcapng } from "../support/media/pcapng_reader.ts";
import { disposeRtcNode, RtcNodeClient } from "../support/sdk/rtc_node_client.ts";

const ROOT = new URL("../../", import.meta.url);
const CANARY = "canary-of-the-report-0123456789";
const SECRETS = {
  keys: { [TEST_KEY]: TEST_SECRET, second: CANARY },
  prometheus: { username: "prometheus", password: CANARY },
  webhook: { urls: [`http://user:${CANARY}@127.0.0.1:9/${CANARY}`], api_key: "second" },
  rtc: {
    turn_servers: [{ host: "turn.example", port: 3478, username: "u", credential: CANARY }],
  },
};

/** Runs a command of the project as its task does. */
async function run(task: string, config: unknown, ...flags: string[]) {
  const [program, ...words] = (await projectTask(task)).split(/\s+/);
  const child = new Deno.Command(program === "deno" ? Deno.execPath() : program!, {
    args: [...words, ...flags, "--config-body", stringify(config)],
    cwd: ROOT,
    signal: AbortSignal.timeout(60_000),
  });
  const { code, stdout, stderr } = await child.output();
  return { code, stdout, err: new TextDecoder().decode(stderr) };
}

endToEndTest("report and capture-packets tell of a call, and of no secret", [], async () => {
  const settings = { ...SECRETS, packet_capture: { enabled: true } };
  await using server = await startRoomwire({ config: settings });
  const config = { ...settings, port: server.ports.http, bind_addresses: ["127.0.0.1"] };
  await using ann = new RtcNodeClient("ann");
  await ann.connect(server.url, await mintToken({ identity: "ann", room: "standup" }));
  await ann.publishAudio();

  const [report, capture] = await Promise.all([
    run("report", config),
    run("capture-packets", config, "--room", "standup", "--identity", "ann", "--seconds", "2"),
  ]);
  assert.deepEqual([report.code, report.err], [0, ""]);
  const text = new TextDecoder().decode(report.stdout);
  assert.ok(!text.includes(CANARY) && !text.includes(TEST_SECRET), "a secret is in the report");
  const { check, server: told } = JSON.parse(text);
  assert.ok(check.length > 5);
  const [room] = told.rooms;
  assert.equal(room.name, "standup");
  assert.deepEqual([room.shown[0].identity, room.shown[0].tracks.length], ["ann", 1]);
  assert.deepEqual(told.configuration.keys, { [TEST_KEY]: "<secret>", second: "<secret>" });
  assert.ok(told.log.some((line: string) => line.includes("participant connected")));
  assert.ok(told.engine.upTracks.length === 1);

  assert.deepEqual([capture.code, capture.err], [0, ""]);
  const { datagrams } = readPcapng(capture.stdout);
  assert.ok(datagrams.length > 50, `${datagrams.length} datagrams`);
  const call = new CapturedCall(capture.stdout);
  call.play();
  const [track] = call.upTracks.values();
  assert.ok(track!.stats()[0]!.packets > 50, "it can be played again");

  // Nobody but an operator gets any of it.
  const url = `${server.httpUrl}/operations/report`;
  assert.equal((await fetch(url)).status, 401);
  const token = await mintToken({ identity: "ann", room: "standup" });
  const asAnn = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(asAnn.status, 401);
});

endToEndTest("report says that no server answers, and what can be seen from here", [], async () => {
  const config = { ...SECRETS, port: 1, bind_addresses: ["127.0.0.1"], development: true };
  const { code, stdout } = await run("report", config);
  const text = new TextDecoder().decode(stdout);
  const { server, why, configuration } = JSON.parse(text);
  assert.deepEqual([code, server], [0, null]);
  assert.match(why, /^Nobody answers at http:\/\/127\.0\.0\.1:1/);
  assert.equal(configuration.port, 1);
  assert.ok(!text.includes(CANARY));
  await disposeRtcNode();
});
