/**
 * The program as a process: exit status, one clear line for each startup error, and signals. Each
 * test starts the program, so there are few.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DisconnectReason, LeaveRequest, LeaveRequest_Action } from "@livekit/protocol";
import { signAccessToken } from "../../../lib/signalling/access_token.ts";
import { joinUrl } from "../../support/process/join_url.ts";
import { freeTcpPort, freeUdpPort } from "../../support/process/roomwire_process.ts";
import { SignalClient, UpgradeRefused } from "../../support/wire/signal_client.ts";

const ROOT = new URL("../../../", import.meta.url);
const ADDRESS = "127.0.0.1";
const KEYS = { apiKey: "key", secret: "s".repeat(32) };

interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    // Without "manual" it says that it waits, where another process looks at node_modules.
    args: [
      ...["run", "--no-check", "--no-prompt", "--node-modules-dir=manual", "--allow-all"],
      ...["main.ts", ...args],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", LIVEKIT_KEYS: "", LIVEKIT_CONFIG: "" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(args: readonly string[]): Promise<Finished> {
  const { code, stdout, stderr } = await start(args).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** Status 1 and exactly one line, which is not a stack trace. */
function assertOneLine({ code, err }: Finished, pattern: RegExp): void {
  assert.equal(code, 1, err);
  assert.equal(err.trimEnd().split("\n").length, 1, err);
  assert.match(err, pattern);
}

async function freePorts(): Promise<string[]> {
  return [
    ...["--bind", ADDRESS, "--node-ip", ADDRESS, "--keys", `key: ${KEYS.secret}`],
    ...["--port", String(await freeTcpPort(ADDRESS))],
    ...["--tcp-port", String(await freeTcpPort(ADDRESS))],
    ...["--udp-port", String(await freeUdpPort(ADDRESS))],
  ];
}

/** Reads until a line contains `text`; leaves the stream open for the rest. */
async function untilLine(
  reader: ReadableStreamDefaultReader<string>,
  text: string,
): Promise<string> {
  let all = "";
  while (!all.includes(text)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`It ended before "${text}":\n${all}`);
    all += value;
  }
  return all;
}

async function drain(reader: ReadableStreamDefaultReader<string>): Promise<string> {
  let all = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return all;
    all += value;
  }
}

Deno.test("main: no key, an unreadable file and a wrong configuration are one line and status 1", async () => {
  const [noRelay, noKey, noFile, wrong] = await Promise.all([
    run(["--dev", "--config-body", "turn:\n  enabled: true"]),
    run([]),
    run(["--config", "/nonexistent/livekit.yaml"]),
    run(["--config-body", "rtc:\n  tcp_prot: 1"]),
  ]);
  assertOneLine(noRelay, /^turn: set udp_port, tls_port or both\n$/);
  assertOneLine(noKey, /^one of key-file or keys must be provided\n$/);
  assertOneLine(noFile, /^Cannot read "\/nonexistent\/livekit\.yaml": no such file\n$/);
  assertOneLine(
    wrong,
    /^--config-body:2: rtc\.tcp_prot: unknown key, did you mean "tcp_port"\?\n$/,
  );
});

Deno.test("main: a busy HTTP port and a busy media port are one line and status 1", async () => {
  const http = Deno.listen({ hostname: ADDRESS, port: 0 });
  const args = await freePorts();
  args[args.indexOf("--port") + 1] = String(http.addr.port);
  assertOneLine(await run(args), /Cannot listen on tcp 127\.0\.0\.1:\d+: another program/);
  http.close();
  const media = Deno.listenDatagram({ hostname: "0.0.0.0", port: 0, transport: "udp" });
  const udp = await freePorts();
  udp[udp.indexOf("--udp-port") + 1] = String((media.addr as Deno.NetAddr).port);
  const busy = await run(udp);
  media.close();
  assert.equal(busy.code, 1);
  assert.match(busy.err.trimEnd().split("\n").at(-1)!, /Cannot listen on udp .*another program/);
  assert.ok(!/^\s+at /m.test(busy.err), busy.err);
});

Deno.test("main: generate-keys, create-join-token and ports print what LiveKit prints", async () => {
  const token = ["create-join-token", "--dev", "--room", "den", "--identity", "ann"];
  const [keys, join, ports] = await Promise.all([
    run(["generate-keys"]),
    run(token),
    run(["ports", "--dev", "--udp-port", "9000"]),
  ]);
  assert.match(keys.out, /^API Key: {2}API\w{12}\nAPI Secret: {2}[0-9A-Za-z]{40,43}\n$/);
  const [, jwt = "", link] = /^Token: (\S+)\nDemo: (\S+)\n$/.exec(join.out) ?? [];
  assert.equal(link, `http://localhost:7880/demo#token=${jwt}&name=ann`);
  const claims = JSON.parse(atob(jwt.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/")));
  assert.equal(claims.sub, "ann");
  assert.deepEqual(claims.video, { roomJoin: true, room: "den" });
  assert.equal(claims.exp - claims.nbf, 30 * 24 * 3600);
  assert.match(ports.out, /^TCP Ports\n7880 - HTTP service\n7881 - ICE\/TCP\nUDP Ports\n9000 - /);
});

Deno.test("main: ports names those of TURN and RTMP, which a firewall has to let in, too", async () => {
  const config = {
    keys: { key: "s".repeat(32) },
    rtc: { udp_port: 9000 },
    turn: { enabled: true, domain: "turn.example.org", external_tls: true },
    ingress: { rtmp_port: 1935 },
  };
  const turnOf = (ports: Record<string, number>) =>
    run([
      "ports",
      "--config-body",
      JSON.stringify({ ...config, turn: { ...config.turn, ...ports } }),
    ]);
  const [both, none] = await Promise.all([
    turnOf({ tls_port: 5349, udp_port: 3478 }),
    run(["ports", "--dev", "--udp-port", "9000"]),
  ]);
  assert.equal(
    both.out,
    "TCP Ports\n7880 - HTTP service\n7881 - ICE/TCP\n5349 - TURN/TLS\n1935 - RTMP\n" +
      "UDP Ports\n9000 - ICE/UDP\n3478 - TURN/UDP\n",
  );
  assert.doesNotMatch(none.out, /TURN|RTMP/);
});

Deno.test("main: SIGTERM ends a running server with status 0, and its log is JSON without others' addresses", async () => {
  const child = start(await freePorts());
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const before = await untilLine(reader, '"listening"');
  child.kill("SIGTERM");
  const log = before + await drain(reader);
  await child.stdout.cancel();
  assert.equal((await child.status).code, 0, log);
  const lines = log.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ message }) => message).slice(-2), ["stopping", "stopped"]);
  const { advertised } = lines.find(({ message }) => message === "listening");
  assert.equal(advertised[0], ADDRESS, "what clients are told is no secret");
  const rest = log.replace(JSON.stringify(advertised), "");
  assert.ok(!/\d+\.\d+\.\d+\.\d+|eyJ/.test(rest), log);
});

Deno.test("main: a second signal ends a server at once that is still waiting for a request", async () => {
  const ports = await freePorts();
  const child = start(ports);
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  await untilLine(reader, '"listening"');
  const port = Number(ports[ports.indexOf("--port") + 1]);
  const connection = await Deno.connect({ hostname: ADDRESS, port });
  // A request whose body never comes keeps an orderly stop waiting. Without a token it would be
  // answered at once; that it is told to go on says that its body is waited for.
  const claims = { identity: "", video: { roomList: true } };
  const token = await signAccessToken(KEYS, claims, Date.now(), 60_000);
  const head = "POST /twirp/livekit.RoomService/ListRooms HTTP/1.1\r\nHost: a\r\n" +
    `Authorization: Bearer ${token}\r\nExpect: 100-continue\r\n` +
    "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n";
  await connection.write(new TextEncoder().encode(head));
  const answer = new Uint8Array(1_024);
  const length = await connection.read(answer) ?? 0;
  assert.match(new TextDecoder().decode(answer.subarray(0, length)), /^HTTP\/1\.1 100 /);
  child.kill("SIGTERM");
  await untilLine(reader, '"stopping"');
  child.kill("SIGTERM");
  const { code } = await child.status;
  assert.equal(code, 130);
  connection.close();
  await reader.cancel();
  await child.stdout.cancel();
});

/** Somebody who has joined by signalling alone. */
async function joined(ports: readonly string[], identity: string): Promise<SignalClient> {
  const port = ports[ports.indexOf("--port") + 1];
  const claims = { identity, video: { roomJoin: true, room: "den" } };
  const token = await signAccessToken(KEYS, claims, Date.now(), 60_000);
  const client = await SignalClient.open(joinUrl(`ws://${ADDRESS}:${port}`, token));
  await client.message("join");
  return client;
}

async function statusOf(ports: readonly string[], path: string): Promise<number> {
  const port = ports[ports.indexOf("--port") + 1];
  const response = await fetch(`http://${ADDRESS}:${port}${path}`);
  await response.body?.cancel();
  return response.status;
}

Deno.test("main: SIGTERM waits for who is there, and a second one tells them to join elsewhere", async () => {
  const ports = await freePorts();
  const child = start(ports);
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  await untilLine(reader, '"listening"');
  const ann = await joined(ports, "ann");
  child.kill("SIGTERM");
  await untilLine(reader, '"draining"');
  assert.equal(await statusOf(ports, "/"), 406);
  await assert.rejects(joined(ports, "bob"), UpgradeRefused);
  assert.deepEqual(ann.all("leave"), []);
  child.kill("SIGTERM");
  const leave = await ann.message("leave");
  assert.equal(leave.action, LeaveRequest_Action.RECONNECT);
  assert.equal(leave.reason, DisconnectReason.SERVER_SHUTDOWN);
  const { code } = await child.status;
  assert.equal(code, 130);
  await ann.close();
  await reader.cancel();
  await child.stdout.cancel();
});

Deno.test("main: SIGTERM ends the server when the last has left, or after --drain-timeout", async () => {
  const [leaving, staying] = [await freePorts(), [
    ...await freePorts(),
    "--drain-timeout",
    "300ms",
  ]];
  const children = [start(leaving), start(staying)];
  const readers = children.map(({ stderr }) =>
    stderr.pipeThrough(new TextDecoderStream()).getReader()
  );
  for (const reader of readers) await untilLine(reader, '"listening"');
  const ann = await joined(leaving, "ann");
  const bob = await joined(staying, "bob");
  children.forEach((child) => child.kill("SIGTERM"));
  assert.equal((await bob.message("leave")).action, LeaveRequest_Action.RECONNECT);
  await untilLine(readers[0]!, '"draining"');
  ann.send({ case: "leave", value: new LeaveRequest() });
  for (const child of children) {
    assert.equal((await child.status).code, 0);
    await child.stdout.cancel();
  }
  for (const reader of readers) await reader.cancel();
  for (const client of [ann, bob]) await client.close();
});

Deno.test("main: --dev prints two links whose page gets tokens that the server accepts", async () => {
  const args = (await freePorts()).filter((_, index, all) =>
    !["--keys", "--bind"].includes(all[index]!) && !["--keys", "--bind"].includes(all[index - 1]!)
  );
  const child = start(["--dev", ...args]);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const printed = await untilLine(reader, "name=bob");
  const links = [...printed.matchAll(/http:\/\/localhost:(\d+)\/demo\/(\w+)#name=(\w+)/g)];
  assert.deepEqual(links.map(([, , room, name]) => [room, name]), [
    ["standup", "alice"],
    ["standup", "bob"],
  ]);
  for (const [, port, room, name] of links) {
    const at = `http://${ADDRESS}:${port}`;
    assert.match(await (await fetch(`${at}/demo/${room}`)).text(), /^<!doctype html>/);
    const given = await fetch(`${at}/demo/api/token`, {
      method: "POST",
      body: JSON.stringify({ room, name }),
    });
    const { token } = await given.json();
    const response = await fetch(`${at}/rtc/validate?access_token=${token}`);
    assert.equal(await response.text(), "success");
  }
  child.kill("SIGINT");
  await drain(reader);
  await child.stderr.cancel();
  assert.equal((await child.status).code, 0);
});
