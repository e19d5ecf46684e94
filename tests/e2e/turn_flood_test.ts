/**
 * Ten thousand connections to the ports of TURN and of ICE over TCP that say nothing, or half of
 * something, while two people are in a call.
 *
 * @module
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { TestAuthority } from "../support/process/certificates.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { freeTcpPort } from "../support/process/roomwire_process.ts";
import { assertSoundFlows } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";

const DOMAIN = "turn.example.org";
const COUNT = 10_000;
/** So many are open at once at this end: what the server closes makes room. */
const AT_ONCE = 2_000;
/** What all of it may add, MB: at either port 512 that have proved nothing, with TLS' own buffers. */
const MOST_MB = 150;

const authority = await TestAuthority.make();
Deno.test.afterAll(() => authority[Symbol.asyncDispose]());
const { certFile, keyFile } = await authority.issue("turn", [`DNS:${DOMAIN}`]);
const tlsPort = await freeTcpPort("127.0.0.1");
const fixture = CallFixture.forThisFile({
  config: {
    turn: {
      enabled: true,
      tls_port: tlsPort,
      domain: DOMAIN,
      bind_addresses: ["127.0.0.1"],
      cert_file: certFile,
      key_file: keyFile,
    },
  },
});

/** What strangers begin with: nothing, half of TLS' first record, half a frame, noise. */
const BEGINNINGS: readonly Uint8Array[] = [
  new Uint8Array(0),
  Uint8Array.of(22, 3, 1, 2, 0, 1, 0),
  Uint8Array.of(1, 0),
  new Uint8Array(64).fill(0x55),
];

/** Opens so many, a few at a time, from several addresses. */
async function flood(port: number, count: number): Promise<number> {
  const open = new Set<Socket>();
  let opened = 0;
  await new Promise<void>((resolve) => {
    const next = (number: number) => {
      if (number >= count) return resolve();
      const localAddress = `127.0.${1 + number % 40}.1`;
      const socket = connect({ port, host: "127.0.0.1", localAddress });
      open.add(socket);
      const gone = () => {
        open.delete(socket);
        socket.destroy();
      };
      socket.on("error", gone).on("close", gone).on("connect", () => {
        opened++;
        socket.write(BEGINNINGS[number % BEGINNINGS.length]!);
      });
      if (open.size >= AT_ONCE) open.values().next().value!.destroy();
      if (number % 20 === 0) setTimeout(() => next(number + 1), 5);
      else next(number + 1);
    };
    next(0);
  });
  for (const socket of open) socket.destroy();
  return opened;
}

function memoryMb(pid: number): number {
  const [, kb] = /VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  return Number(kb) / 1024;
}

endToEndTest(
  "ten thousand connections that prove nothing leave a call and the server's memory alone",
  ["openssl"],
  () =>
    fixture.call("flood", async (call) => {
      const { server } = call;
      const ann = await call.join("rtc-node", "ann");
      const tone = {
        sid: await ann.publishAudio({ hz: 440 }),
        kind: "audio",
        source: "microphone",
        hz: 440,
      } as const;
      const bob = await call.join("rtc-node", "bob");
      await assertSoundFlows(bob, tone);
      const before = memoryMb(server.pid);
      for (const port of [tlsPort, server.ports.tcp]) {
        const opened = await flood(port, COUNT / 2);
        console.log(`${opened} opened, ${Math.round(memoryMb(server.pid) - before)} MB more`);
        assert.ok(opened > COUNT / 4);
      }
      await assertSoundFlows(bob, tone);
      const { packetsLost } = await bob.media(tone.sid);
      assert.ok(packetsLost < 50, `${packetsLost} packets of the call were lost`);
      assert.ok(memoryMb(server.pid) - before < MOST_MB);
      const late = await call.join("rtc-node", "late");
      await assertSoundFlows(late, tone);
    }),
);
