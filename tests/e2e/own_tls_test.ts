/**
 * TLS of the server's own: real clients over `wss://`, everything else over `https://`, and a
 * certificate that is renewed while they are in a call.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect } from "node:tls";
import { mintToken } from "../support/process/access_tokens.ts";
import { TestAuthority } from "../support/process/certificates.ts";
import { endToEndTest, mustIgnore } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { freeTcpPort } from "../support/process/roomwire_process.ts";
import {
  assertReceives,
  publishCameraAndMicrophone,
  remote,
} from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";

const HOST = "127.0.0.1";
const port = await freeTcpPort(HOST);
const authority = mustIgnore(["openssl"]) ? undefined : await TestAuthority.make();
const first = await authority?.issue("first");
// Whoever trusts the system's authorities trusts this one, too: rtc-node is one of those.
if (authority !== undefined) Deno.env.set("SSL_CERT_FILE", authority.certFile);
Deno.test.afterAll(async () => await authority?.[Symbol.asyncDispose]());

const fixture = CallFixture.forThisFile({
  config: first === undefined
    ? {}
    : { tls: { port, cert_file: first.certFile, key_file: first.keyFile }, demo: true },
  chromiumFlags: ["--ignore-certificate-errors"],
});

/** The name that a new handshake is shown. */
function shownName(): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: HOST, port, servername: "localhost", ca: authority!.cert };
    const socket = connect(options, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

/** What a stranger's client says of a handshake. */
async function handshake(...flags: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command("openssl", {
    args: ["s_client", "-connect", `${HOST}:${port}`, "-servername", "localhost", ...flags],
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

endToEndTest("openssl finds TLS 1.2 and 1.3, and nothing older", ["openssl"], async () => {
  await fixture.server();
  const trusted = ["-CAfile", authority!.certFile, "-verify_hostname", "localhost"];
  for (const [flag, name] of [["-tls1_2", "TLSv1.2"], ["-tls1_3", "TLSv1.3"]] as const) {
    const said = await handshake(flag, ...trusted);
    assert.match(said, new RegExp(`${name}, Cipher is `), said);
    assert.match(said, /Verify return code: 0 \(ok\)/);
  }
  for (const flag of ["-tls1", "-tls1_1"]) {
    // The client's own policy would not even try without the lower security level.
    const said = await handshake(flag, "-cipher", "DEFAULT:@SECLEVEL=0");
    assert.match(said, /Cipher is \(NONE\)/, said);
    assert.match(said, /no peer certificate available/);
  }
  assert.match(await handshake("-alpn", "h2,http/1.1"), /ALPN protocol: http\/1\.1/);
});

endToEndTest(
  "the API, WHIP, health and the demo page answer over TLS",
  ["openssl", "chromium"],
  async () => {
    await fixture.server();
    const url = `https://localhost:${port}`;
    using client = Deno.createHttpClient({ caCerts: [authority!.cert] });
    const get = (path: string, init: RequestInit = {}) => fetch(url + path, { client, ...init });
    assert.equal(await (await get("/")).text(), "OK");
    const token = await mintToken({ identity: "api", room: "none", grant: { roomList: true } });
    const rooms = await get("/twirp/livekit.RoomService/ListRooms", {
      method: "POST",
      headers: { "Authorization": `Bearer ${token}`, "Content-Type": "application/json" },
      body: "{}",
    });
    assert.deepEqual(await rooms.json(), { rooms: [] });
    assert.equal((await get("/whip/v1")).status, 204);
    const { page, context } = await (await fixture.chromium()).openPage(`${url}/demo`);
    assert.match(await page.title(), /Roomwire/i);
    assert.equal(await page.evaluate("isSecureContext"), true);
    await context.close();
  },
);

endToEndTest(
  "rtc-node and Chromium stay in a call over wss while the certificate is renewed, and another joins",
  ["openssl", "chromium"],
  async () => {
    const server = await fixture.server();
    const secure = { url: `wss://localhost:${port}`, httpUrl: `https://localhost:${port}` };
    await fixture.callAt({ ...server, ...secure }, "renewal", async (call) => {
      const ann = await call.join("rtc-node", "ann");
      const bob = await call.join("chromium", "bob");
      const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
      const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
      await assertReceives(bob, ann, fromAnn);
      assert.equal(await shownName(), "first");
      const second = await authority!.issue("second");
      // As renewals do, one file after the other; in between they do not belong together.
      await Deno.writeTextFile(first!.certFile, second.cert);
      await Deno.writeTextFile(first!.keyFile, second.key);
      await eventually("the renewed certificate", async () => await shownName() === "second");
      await assertReceives(ann, bob, fromBob);
      const eve = await call.join("chromium", "eve");
      await assertReceives(eve, ann, fromAnn);
      for (const client of [ann, bob]) await remote(client, "eve");
      // A broken pair changes nothing.
      await Deno.writeTextFile(first!.keyFile, "no key");
      const { logTail } = call.server;
      await eventually("a word about it", () => logTail().includes("the old one stays"));
      assert.equal(await shownName(), "second");
    });
  },
);
