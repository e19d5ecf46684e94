/**
 * coturn's own tools against the TURN server: another author's reading of the same RFCs.
 *
 * @module
 */
import assert from "node:assert/strict";
import { turnCredentials } from "../../lib/transport/turn/turn_credentials.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import {
  freeTcpPort,
  freeUdpPorts,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";

const HOST = "127.0.0.1";
/** uclient says for up to 15 s what came of its packets. */
const LIMIT_S = "30";
/** uclient binds channels to the peer's port and to the next one, as RTCP once had. */
const MEDIA_PORTS = 2;

const [media, udp, stream] = [
  await freeUdpPorts(HOST, MEDIA_PORTS),
  await freeUdpPorts(HOST, 1),
  await freeTcpPort(HOST),
];

function start() {
  return startRoomwire({
    config: {
      rtc: { udp_port: `${media}-${media + MEDIA_PORTS - 1}` },
      turn: {
        enabled: true,
        udp_port: udp,
        tls_port: stream,
        domain: "turn.example.org",
        external_tls: true,
        bind_addresses: [HOST],
      },
    },
  });
}

/** What a program says, and its status. */
async function run(program: string, ...args: readonly string[]) {
  const command = new Deno.Command("timeout", { args: [LIMIT_S, program, ...args] });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, said: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** `turnutils_uclient` as one participant of its own. */
function uclient(sid: string, peerPort: number, ...flags: readonly string[]) {
  const expiresAt = Math.floor(Date.now() / 1000) + 300;
  const { username, credential } = turnCredentials(
    { apiKey: TEST_KEY, sid, expiresAt },
    TEST_SECRET,
  );
  return run(
    "turnutils_uclient",
    ...["-v", "-c", "-u", username, "-w", credential, "-n", "3", "-e", HOST],
    ...["-r", `${peerPort}`, ...flags, HOST],
  );
}

endToEndTest(
  "coturn's tools find what the TURN server does, and nothing else",
  ["coturn"],
  async () => {
    await using _server = await start();
    const { said: reflexive } = await run("turnutils_stunclient", "-p", `${udp}`, HOST);
    assert.match(reflexive, /UDP reflexive addr: 127\.0\.0\.1:\d+/);

    const ways = [
      ["channels over UDP", "-p", `${udp}`],
      ["Send indications", "-s", "-p", `${udp}`],
      ["channels over TCP", "-t", "-p", `${stream}`],
      ["more requests than are needed", "-G", "-p", `${udp}`],
    ] as const;
    await Promise.all(ways.map(async ([way, ...flags], index) => {
      const { code, said } = await uclient(`PA_${index}`, media, ...flags);
      assert.equal(code, 0, `${way}: ${said}`);
      // Of its own accord it asks for peers that it makes up, and refreshes IPv6, which it has not.
      const errors = [...said.matchAll(/error (\d+)/g)].map(([, number]) => number);
      assert.ok(errors.every((number) => flags[0] === "-G" && /403|443/.test(number!)), way + said);
      // Nobody answers who is not in a room.
      assert.match(said, /tot_send_msgs=3, tot_recv_msgs=0/, way);
    }));
    const foreign = await uclient("PA_foreign", 9, "-p", `${udp}`);
    assert.match(foreign.said, /channel bind: error 403/);
    assert.notEqual(foreign.code, 0);
    const wrong = await uclient("PA_wrong", media, "-p", `${udp}`, "-w", "nothing of ours");
    assert.match(wrong.said, /error 400/);
    assert.notEqual(wrong.code, 0);
  },
);
