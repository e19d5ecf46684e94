/**
 * Clients that reach the server through the TURN server inside it, and nowhere else.
 *
 * @module
 */
import assert from "node:assert/strict";
import { turnCredentials } from "../../lib/transport/turn/turn_credentials.ts";
import type { PionPeer } from "../support/peers/pion_peer.ts";
import { eventually } from "../support/process/eventually.ts";
import { assertReceives, publishCameraAndMicrophone } from "../support/sdk/call_assertions.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import {
  freeTcpPort,
  freeUdpPorts,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";

const udpPort = await freeUdpPorts("127.0.0.1", 1);
const tlsPort = await freeTcpPort("127.0.0.1");
const mediaPort = await freeUdpPorts("127.0.0.1", 2);
/** On two workers, so that sockets of the main thread are lent to them. */
const fixture = CallFixture.forThisFile({
  config: {
    workers: 2,
    rtc: { udp_port: `${mediaPort}-${mediaPort + 1}` },
    turn: {
      enabled: true,
      udp_port: udpPort,
      tls_port: tlsPort,
      domain: "turn.example.org",
      external_tls: true,
      bind_addresses: ["0.0.0.0"],
    },
  },
});

/** A server as a client is told of it; streams at their own port and without TLS. */
function serverOver(transport: "udp" | "tcp") {
  const expiresAt = Math.floor(Date.now() / 1000) + 300;
  const credentials = turnCredentials({ apiKey: TEST_KEY, sid: "PA_test", expiresAt }, TEST_SECRET);
  const port = transport === "udp" ? udpPort : tlsPort;
  return { urls: [`turn:127.0.0.1:${port}?transport=${transport}`], ...credentials };
}

async function assertArrives(receiver: PionPeer, sid: string): Promise<void> {
  await eventually("packets", () => (receiver.counts(sid)?.packets ?? 0) > 50, {
    seen: () => receiver.story(),
  });
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `relayed over UDP and over TCP, two see and hear each other and one who is not (${mode})`,
    ["chromium"],
    () =>
      fixture.call("relayed", async (call) => {
        const relay = { iceTransportPolicy: "relay" } as const;
        const ann = await call.join("chromium", "ann", { connect: { rtcConfig: relay } });
        const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
        const tcp = { ...relay, iceServers: [serverOver("tcp")] };
        const bob = await call.join("chromium", "bob", { connect: { rtcConfig: tcp } });
        const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
        const eve = await call.join("chromium", "eve");
        await assertReceives(bob, ann, fromAnn);
        await assertReceives(ann, bob, fromBob);
        await assertReceives(eve, ann, fromAnn);
        await assertReceives(eve, bob, fromBob);
        for (const [client, protocol] of [[ann, "udp"], [bob, "tcp"]] as const) {
          const transport = await client.transport("publisher");
          assert.equal(transport?.candidateType, "relay");
          assert.equal(transport?.relayProtocol, protocol);
        }
        assert.equal(
          (await eve.transport("subscriber") ?? await eve.transport("publisher"))
            ?.candidateType !== "relay",
          true,
        );
      }, mode),
  );

  endToEndTest(
    `pion relays over UDP and over TCP, both ways (${mode})`,
    ["go"],
    () =>
      fixture.call("relayed-pion", async (call) => {
        const ann = await call.joinPion("ann", { relay: serverOver("udp") });
        const ofAnn = await ann.publish({ kind: "video" });
        const bob = await call.joinPion("bob", { relay: serverOver("tcp") });
        const ofBob = await bob.publish({ kind: "audio" });
        await assertArrives(bob, ofAnn);
        await assertArrives(ann, ofBob);
        for (const peer of [ann, bob]) assert.deepEqual(peer.errors(), [], peer.identity);
      }, mode),
  );
}
