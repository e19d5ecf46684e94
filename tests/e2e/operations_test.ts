/** What an operator asks a running server for, by the program itself. */
import assert from "node:assert/strict";
import type { VideoGrant } from "livekit-server-sdk";
import { stringify } from "yaml";
import { joinBytes } from "../../lib/base/joined_bytes.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { RoomwireCluster } from "../support/process/roomwire_cluster.ts";
import {
  projectTask,
  type RoomwireProcess,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import { CapturedCall } from "../support/media/captured_call.ts";
import { readPcapng } from "../support/media/pcapng_reader.ts";
import { disposeRtcNode, RtcNodeClient } from "../support/sdk/rtc_node_client.ts";

const ROOT = new URL("../../", import.meta.url);
const OPERATOR: VideoGrant = { roomJoin: false, roomAdmin: true, roomList: true };
const ANN = "room=standup&identity=ann";
/** Datagrams of it are notes. */
const NOTES_PORT = 9;
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

/** With what a command is run that asks a node. */
function configOf({ ports }: RoomwireProcess) {
  return {
    keys: { [TEST_KEY]: TEST_SECRET },
    port: ports.http,
    bind_addresses: ["127.0.0.1"],
    packet_capture: { enabled: true },
  };
}

/** What an operator's wish is answered by a node. */
async function askCapture({ httpUrl }: RoomwireProcess, wish: string, grant = OPERATOR) {
  const token = await mintToken({ identity: "operator", room: "", grant });
  const headers = { Authorization: `Bearer ${token}` };
  return await fetch(`${httpUrl}/operations/capture?${wish}`, { method: "POST", headers });
}

/** Why a capture of each connection ended. */
function endsOf(file: Uint8Array): unknown[] {
  const notes = readPcapng(file).datagrams.filter(({ ports }) => ports[0] === NOTES_PORT);
  return notes.map(({ bytes }) => JSON.parse(new TextDecoder().decode(bytes)).ended)
    .filter((ended) => ended !== undefined);
}

/** Both nodes say the same to wishes that are not granted. */
async function assertSameRefusals(asked: RoomwireProcess, serving: RoomwireProcess): Promise<void> {
  for (const wish of ["room=standup&identity=bob", "room=no&identity=ann", `${ANN}&seconds=x`]) {
    const [here, there] = [await askCapture(asked, wish), await askCapture(serving, wish)];
    assert.equal(here.status, there.status);
    assert.equal(await here.text(), await there.text());
  }
  const refused = await askCapture(asked, ANN, { roomAdmin: true, room: "standup" });
  assert.equal(refused.status, 401);
  await refused.body?.cancel();
}

/** One capture at a time, until it is left, and the next one until the participant leaves. */
async function assertEndsWithParticipant(
  ann: RtcNodeClient,
  asked: RoomwireProcess,
  serving: RoomwireProcess,
): Promise<void> {
  const first = await askCapture(asked, ANN);
  const reader = first.body!.getReader();
  await reader.read();
  const second = await askCapture(serving, ANN);
  assert.match(await second.text(), /this participant is captured already/);
  await reader.cancel();
  const third = await eventually("the capture that was left to end", async () => {
    const response = await askCapture(asked, ANN);
    if (response.ok) return response;
    await response.body?.cancel();
    return false;
  });
  const untilAnnLeaves = third.bytes();
  await ann.disconnect();
  assert.deepEqual([...new Set(endsOf(await untilAnnLeaves))], ["closed"]);
}

endToEndTest("any node of a cluster gives the packets of a participant", ["redis"], async () => {
  await using cluster = await RoomwireCluster.start({
    regions: ["eu", "eu"],
    config: { packet_capture: { enabled: true } },
  });
  const [asked, serving] = cluster.nodes as [RoomwireProcess, RoomwireProcess];
  await using ann = new RtcNodeClient("ann");
  await ann.connect(serving.url, await mintToken({ identity: "ann", room: "standup" }));
  await ann.publishAudio();
  const who = ["--room", "standup", "--identity", "ann"];
  const capture = await run("capture-packets", configOf(asked), ...who, "--seconds", "2");
  assert.deepEqual([capture.code, capture.err], [0, ""]);
  const call = new CapturedCall(capture.stdout);
  call.play();
  const [track] = call.upTracks.values();
  assert.ok(track!.stats()[0]!.packets > 50, "it can be played again");
  assert.deepEqual([...new Set(endsOf(capture.stdout))], ["time"]);
  const { err } = await run("capture-packets", configOf(asked), ...who.with(3, "bob"));
  assert.match(err, /answers 404: .*participant does not exist/);

  await assertSameRefusals(asked, serving);
  await assertEndsWithParticipant(ann, asked, serving);

  await using bob = new RtcNodeClient("bob");
  await bob.connect(serving.url, await mintToken({ identity: "bob", room: "standup" }));
  await bob.publishAudio();
  const last = await askCapture(asked, "room=standup&identity=bob");
  assert.equal(last.status, 200);
  const pieces: Uint8Array[] = [];
  for await (const piece of last.body!) {
    // Once there is something of it, its node dies.
    if (pieces.push(piece) === 1) await cluster.kill(1);
  }
  assert.deepEqual(endsOf(joinBytes(pieces)), ["node lost"]);
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
