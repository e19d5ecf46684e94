/**
 * The server behind Caddy, nginx and HAProxy, each with its file of `deploy/`: an SDK joins through
 * it, and limits by address are about who is behind the proxy, whatever that one says of itself.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import { connect as dial } from "node:net";
import { connect as dialSecure } from "node:tls";
import WebSocket from "ws";
import { mintToken } from "../support/process/access_tokens.ts";
import { TestAuthority, type TestCertificate } from "../support/process/certificates.ts";
import { deployedConfig, deploymentFile, replaced } from "../support/process/deployment_files.ts";
import { endToEndTest, mustIgnore, type Requirement } from "../support/process/e2e_requirements.ts";
import { ProxyProgram } from "../support/process/proxy_program.ts";
import {
  freeTcpPort,
  type RoomwireProcess,
  startRoomwire,
} from "../support/process/roomwire_process.ts";
import { assertReceives, publishCameraAndMicrophone } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";

const HOST = "127.0.0.1";
/** Of one address. */
const MAX_SESSIONS = 2;
const LETSENCRYPT = "/etc/letsencrypt/live/media.example.org/";
const authority = mustIgnore(["openssl"]) ? undefined : await TestAuthority.make();
// Whoever trusts the system's authorities trusts this one, too: rtc-node is one of those.
if (authority !== undefined) Deno.env.set("SSL_CERT_FILE", authority.certFile);
Deno.test.afterAll(async () => await authority?.[Symbol.asyncDispose]());
const fixture = CallFixture.forThisFile();

/** A server, and a program in front of it. */
interface Site extends AsyncDisposable {
  readonly server: RoomwireProcess;
  /** Where the program speaks TLS, and where HTTP. */
  readonly port: number;
  readonly clearPort?: number;
}

/** A configuration of `deploy/`, with what a test needs besides. */
function configOf(path: string, more: Readonly<Record<string, unknown>> = {}) {
  // Ports are those that are free here.
  const { port: _port, bind_addresses: _bind, rtc: _rtc, ...raw } = deployedConfig(path);
  return { ...raw, limit: { max_sessions_per_address: MAX_SESSIONS }, ...more };
}

async function open(
  config: Readonly<Record<string, unknown>>,
  start: (server: RoomwireProcess, certificate: TestCertificate) => Promise<
    { readonly program: ProxyProgram; readonly port: number; readonly clearPort?: number }
  >,
): Promise<Site> {
  await using stack = new AsyncDisposableStack();
  const names = ["DNS:localhost", "DNS:turn.example.org", "IP:127.0.0.1"];
  const certificate = await authority!.issue("proxy", names);
  const server = stack.use(await startRoomwire({ config }));
  const { program, ...ports } = await start(server, certificate);
  stack.use(program);
  const whole = stack.move();
  return { server, ...ports, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}

async function caddy(): Promise<Site> {
  return await open(configOf("caddy/Caddyfile"), async (server, { certFile, keyFile }) => {
    const port = await freeTcpPort(HOST);
    const site = replaced(deploymentFile("caddy/Caddyfile"), {
      "media.example.org {": `https://localhost:${port}, https://${HOST}:${port} {
	bind ${HOST}
	tls ${certFile} ${keyFile}`,
      "127.0.0.1:7880": `${HOST}:${server.ports.http}`,
    });
    const file = `{
	admin off
	auto_https disable_redirects
}
${site}`;
    const args = ["run", "--adapter", "caddyfile", "--config", "FOLDER/Caddyfile"];
    return { program: await ProxyProgram.start("caddy", args, { Caddyfile: file }, port), port };
  });
}

async function nginx(): Promise<Site> {
  return await open(configOf("nginx/roomwire.conf"), async (server, { certFile, keyFile }) => {
    const port = await freeTcpPort(HOST);
    const clearPort = await freeTcpPort(HOST, port);
    const site = replaced(deploymentFile("nginx/roomwire.conf"), {
      "    listen [::]:80;\n": "",
      "    listen [::]:443 ssl;\n": "",
      "listen 80;": `listen ${HOST}:${clearPort};`,
      "listen 443 ssl;": `listen ${HOST}:${port} ssl;`,
      [`${LETSENCRYPT}fullchain.pem`]: certFile,
      [`${LETSENCRYPT}privkey.pem`]: keyFile,
      "server 127.0.0.1:7880;": `server ${HOST}:${server.ports.http};`,
    });
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path FOLDER/${name};`).join("\n");
    const main = `daemon off; user root; pid FOLDER/pid; error_log stderr;
events { worker_connections 256; }
http { access_log off; ${temporary}
${site}}`;
    const args = ["-e", "stderr", "-c", "FOLDER/nginx.conf"];
    const program = await ProxyProgram.start("nginx", args, { "nginx.conf": main }, port);
    return { program, port, clearPort };
  });
}

async function haproxy(): Promise<Site> {
  const tls = await freeTcpPort(HOST);
  const turn = await freeTcpPort(HOST, tls);
  const path = "haproxy/haproxy.cfg";
  const raw = configOf(path) as ReturnType<typeof configOf> & {
    readonly tls: object;
    readonly turn: object;
  };
  const certificate = await authority!.issue("own", [
    "DNS:localhost",
    "DNS:turn.example.org",
    "IP:127.0.0.1",
  ]);
  const files = { cert_file: certificate.certFile, key_file: certificate.keyFile };
  const config = {
    ...raw,
    tls: { ...raw.tls, ...files, port: tls },
    turn: { ...raw.turn, ...files, tls_port: turn },
  };
  return await open(config, async () => {
    const port = await freeTcpPort(HOST);
    const clearPort = await freeTcpPort(HOST, port);
    const file = replaced(deploymentFile(path), {
      "frontend clear": `global\n    maxconn 100\n\nfrontend clear`,
      "bind :80": `bind ${HOST}:${clearPort}`,
      "bind :443": `bind ${HOST}:${port}`,
      "127.0.0.1:7443": `${HOST}:${tls}`,
      "127.0.0.1:5349": `${HOST}:${turn}`,
    });
    const args = ["-db", "-f", "FOLDER/haproxy.cfg"];
    const program = await ProxyProgram.start("haproxy", args, { "haproxy.cfg": file }, port);
    return { program, port, clearPort };
  });
}

/** The status with which a client from `localAddress` is let in, or not. */
async function comeIn(
  { port }: Site,
  localAddress: string,
  identity: string,
  clients: DisposableStack,
): Promise<number> {
  const token = await mintToken({ room: "limits", identity });
  const Client = WebSocket as unknown as new (url: string, options: object) => EventEmitter & {
    terminate(): void;
  };
  const client = new Client(`wss://${HOST}:${port}/rtc?protocol=16&access_token=${token}`, {
    headers: {
      "X-Forwarded-For": "198.51.100.1",
      "Forwarded": "for=198.51.100.1",
      "X-Real-IP": "198.51.100.1",
    },
    // A connection of its own, from that address.
    createConnection: () => {
      const socket = dial({ host: HOST, port, localAddress });
      return dialSecure({ socket, ca: authority!.cert, host: HOST });
    },
  });
  client.on("error", () => {});
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  client.on("upgrade", () => resolve(101));
  client.on(
    "unexpected-response",
    (_request: unknown, { statusCode }: { readonly statusCode: number }) => resolve(statusCode),
  );
  client.on("close", () => reject(new Error("closed")));
  clients.defer(() => client.terminate());
  return await promise;
}

const SITES: readonly (readonly [Requirement, () => Promise<Site>])[] = [
  ["caddy", caddy],
  ["nginx", nginx],
  ["haproxy", haproxy],
];

for (const [name, start] of SITES) {
  endToEndTest(`rtc-node joins through ${name}, and limits are of who is behind it`, [
    "openssl",
    name,
  ], async () => {
    await using site = await start();
    const { server, port } = site;
    const through = { url: `wss://${HOST}:${port}`, httpUrl: `https://${HOST}:${port}` };
    using client = Deno.createHttpClient({ caCerts: [authority!.cert] });
    assert.equal(await (await fetch(`${through.httpUrl}/`, { client })).text(), "OK");
    await fixture.callAt({ ...server, ...through }, `through-${name}`, async (call) => {
      const ann = await call.join("rtc-node", "ann");
      const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
      const bob = await call.join("rtc-node", "bob");
      await assertReceives(bob, ann, fromAnn);
    });
    using clients = new DisposableStack();
    const statuses: number[] = [];
    for (let at = 0; at <= MAX_SESSIONS; at++) {
      statuses.push(await comeIn(site, "127.0.0.7", `seven-${at}`, clients));
    }
    assert.deepEqual(statuses, [101, 101, 429]);
    assert.equal(await comeIn(site, "127.0.0.8", "eight", clients), 101);
  });
}

endToEndTest(
  "HAProxy leads port 80 to TLS, and TURN by its name",
  ["openssl", "haproxy"],
  async () => {
    await using site = await haproxy();
    const { port, clearPort } = site;
    const response = await fetch(`http://localhost:${clearPort}/demo`, { redirect: "manual" });
    assert.equal(response.status, 308);
    assert.equal(response.headers.get("Location"), "https://media.example.org/demo");
    // A Binding request (RFC 8489 §6): the answer says whom the server sees.
    const request = Uint8Array.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array(12).fill(7)]);
    const socket = dial({ host: HOST, port, localAddress: "127.0.0.9" });
    const secure = dialSecure(
      { socket, ca: authority!.cert, servername: "turn.example.org" },
      () => {
        secure.write(request);
      },
    );
    const answer = await new Promise<Uint8Array>((resolve, reject) => {
      secure.once("data", (bytes) => resolve(Uint8Array.from(bytes)));
      secure.once("error", reject);
      secure.once("close", () => reject(new Error("closed")));
    });
    secure.destroy();
    const magic = [0x21, 0x12, 0xa4, 0x42];
    const seen = [...answer.subarray(28, 32)].map((byte, at) => byte ^ magic[at]!);
    assert.deepEqual(seen, [127, 0, 0, 9]);
  },
);

endToEndTest("systemd takes the unit, and finds little to fear in it", ["systemd"], async () => {
  const unit = new URL("../../deploy/systemd/roomwire.service", import.meta.url).pathname;
  const folder = await Deno.makeTempDir({ prefix: "roomwire-unit-" });
  try {
    // Here the program is not where it will be.
    const text = replaced(await Deno.readTextFile(unit), {
      "/usr/local/bin/roomwire": "/bin/true",
    });
    await Deno.writeTextFile(`${folder}/roomwire.service`, text);
    const analyze = async (...args: readonly string[]) => {
      const { success, stdout, stderr } = await new Deno.Command("systemd-analyze", {
        args: [...args, `${folder}/roomwire.service`],
      }).output();
      const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      return { success, said };
    };
    const { success, said } = await analyze("verify", "--man=no");
    assert.ok(success, said);
    // From 0 (nothing to fear) to 100 (everything).
    const security = await analyze("security", "--offline=true", "--threshold=25");
    assert.ok(security.success, security.said);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
