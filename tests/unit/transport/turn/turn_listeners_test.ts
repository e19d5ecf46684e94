import assert from "node:assert/strict";
import { connect } from "node:tls";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import type { TransportDrop } from "../../../../lib/transport/drop_reasons.ts";
import {
  type TurnCertificate,
  TurnListeners,
} from "../../../../lib/transport/turn/turn_listeners.ts";
import { chooseMediaPorts } from "../../../../lib/transport/media_ports.ts";
import { errorOf, message, OWN_ADDRESS } from "../../../support/virtual/turn_world.ts";

const HOST = "127.0.0.1";

function newCertificate(): TurnCertificate {
  const { certPem, keyPem } = createCertificate();
  return { cert: certPem, key: keyPem };
}

/** Asks for an allocation over TLS: the code of the answer, and the fingerprint seen. */
function ask(port: number): Promise<{ readonly code: number; readonly fingerprint: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: HOST, port, rejectUnauthorized: false }, () => {
      socket.write(message(0x0003, new Uint8Array(12).fill(1), []));
    });
    socket.on("error", reject);
    socket.on("data", (bytes) => {
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      resolve({ code: errorOf(Uint8Array.from(bytes)), fingerprint: fingerprint256 });
    });
  });
}

/** The same until the certificate is another one; in between nobody may listen. */
async function askAnother(port: number, before: string): ReturnType<typeof ask> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await ask(port).catch(() => undefined);
    if (answer !== undefined && answer.fingerprint !== before) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("the certificate stays the same");
}

Deno.test("TurnListeners speak TLS, and go on with a renewed certificate", async () => {
  let renew: (certificate: TurnCertificate) => void = () => {};
  const listeners = new TurnListeners({
    listen: { udp: [], streams: [{ hostname: HOST, port: 0 }] },
    relayed: [OWN_ADDRESS],
    allocationsPerParticipant: 12,
    secretOf: () => undefined,
    isOwn: () => false,
    certificate: {
      current: newCertificate(),
      watch: (renewed) => {
        renew = renewed;
        return () => {};
      },
    },
    directory: { receiveStun() {} },
    platform: denoPlatform(silentLog),
    drops: new DropCounters<TransportDrop>(),
  });
  await listeners.open(chooseMediaPorts("off"), () => {});
  const { port } = listeners.bound.streams[0]!;
  const first = await ask(port);
  assert.equal(first.code, 401);
  renew(newCertificate());
  const second = await askAnother(port, first.fingerprint);
  assert.equal(second.code, 401);
  assert.notEqual(first.fingerprint, second.fingerprint);
  renew({ cert: "no certificate", key: "" });
  assert.deepEqual(await ask(port), second, "a broken one changes nothing");
  await listeners.close();
});
