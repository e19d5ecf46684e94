/**
 * Chromium, of whose traffic only TLS gets through, at the TURN server inside the program.
 *
 * @module
 */
import assert from "node:assert/strict";
import { turnCredentials } from "../../lib/transport/turn/turn_credentials.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { TestAuthority } from "../support/process/certificates.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import {
  freeTcpPort,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import { assertReceives, publishCameraAndMicrophone } from "../support/sdk/call_assertions.ts";
import { ChromiumBrowser } from "../support/sdk/chromium.ts";
import { serveClientPage } from "../support/sdk/client_page_server.ts";

const HOST = "127.0.0.1";
const DOMAIN = "turn.example.org";

endToEndTest(
  "Chromium relays over TLS, in both connection modes, with one who does not",
  ["chromium", "openssl"],
  async () => {
    await using authority = await TestAuthority.make();
    const { certFile, keyFile } = await authority.issue("turn", [`DNS:${DOMAIN}`]);
    const tls_port = await freeTcpPort(HOST);
    const turn = {
      enabled: true,
      tls_port,
      domain: DOMAIN,
      bind_addresses: [HOST],
      cert_file: certFile,
      key_file: keyFile,
    };
    await using server = await startRoomwire({ config: { turn } });
    await using browser = await ChromiumBrowser.launch({
      extraFlags: [`--host-resolver-rules=MAP ${DOMAIN} ${HOST}`, "--ignore-certificate-errors"],
    });
    await using pages = serveClientPage();
    const expiresAt = Math.floor(Date.now() / 1000) + 300;
    const account = { apiKey: TEST_KEY, sid: "PA_tls", expiresAt };
    const rtcConfig = {
      iceTransportPolicy: "relay",
      iceServers: [{
        urls: [`turns:${DOMAIN}:${tls_port}?transport=tcp`],
        ...turnCredentials(account, TEST_SECRET),
      }],
    } as const;
    for (const [room, singlePeerConnection] of [["one", true], ["two", false]] as const) {
      const join = async (identity: string, options: object) => {
        const client = await browser.openClient(identity, pages.url);
        await client.connect(server.url, await mintToken({ identity, room }), {
          singlePeerConnection,
          ...options,
        });
        return client;
      };
      await using ann = await join("ann", {});
      await using bob = await join("bob", { rtcConfig });
      const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
      const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
      await assertReceives(bob, ann, fromAnn);
      await assertReceives(ann, bob, fromBob);
      const transport = await bob.transport("publisher");
      assert.deepEqual(
        [transport?.candidateType, transport?.relayProtocol],
        ["relay", "tls"],
      );
    }
  },
);
