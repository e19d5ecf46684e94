import assert from "node:assert/strict";
import { connect as dial } from "node:net";
import { connect } from "node:tls";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import type { TransportDrop } from "../../../../lib/transport/drop_reasons.ts";
import type { Certificate, CertificateSource } from "../../../../lib/transport/tcp/certificate.ts";
import {
  TurnListeners,
  type TurnListenersOptions,
} from "../../../../lib/transport/turn/turn_listeners.ts";
import { parseIpNetwork } from "../../../../lib/wire/ip_network.ts";
import { chooseMediaPorts } from "../../../../lib/transport/media_ports.ts";
import { errorOf, message, OWN_ADDRESS } from "../../../support/virtual/turn_world.ts";
import { until } from "../../../support/wire/until.ts";

const HOST = "127.0.0.1";

function newCertificate(): Certificate {
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

const LOOPBACK = parseIpNetwork("127.0.0.0/8")!;
const PROXY = "PROXY TCP4 203.0.113.7 192.0.2.1 54321 443\r\n";

/** Listeners of streams, those that may have TLS with a certificate that can be renewed. */
async function open(options: Partial<TurnListenersOptions>, hasTls = true) {
  let renew: (certificate: Certificate) => void = () => {};
  const drops = new DropCounters<TransportDrop>();
  const certificate: CertificateSource = {
    current: newCertificate(),
    watch: (renewed) => {
      renew = renewed;
      return () => {};
    },
  };
  const listeners = new TurnListeners({
    listen: { udp: [], streams: [{ hostname: HOST, port: 0 }] },
    relayed: () => [OWN_ADDRESS],
    allocationsPerParticipant: 12,
    secretOf: () => undefined,
    isOwn: () => false,
    ...(hasTls ? { certificate } : {}),
    directory: { receiveStun() {} },
    platform: denoPlatform(silentLog),
    drops,
    ...options,
  });
  await listeners.open(chooseMediaPorts("off"), () => {});
  const { port } = listeners.bound.streams[0]!;
  return { listeners, port, drops, renew: (to: Certificate) => renew(to) };
}

/** As whom the server sees whoever asks (a Binding request); empty if it does not answer. */
async function mapped(port: number, before: string, hasTls: boolean): Promise<string> {
  const plain = dial(port, HOST);
  plain.on("error", () => {});
  if (before !== "") plain.write(before);
  const socket = hasTls ? connect({ socket: plain, rejectUnauthorized: false }) : plain;
  socket.on("error", () => {});
  const request = message(0x0001, new Uint8Array(12).fill(1), []);
  socket.once(hasTls ? "secureConnect" : "connect", () => {
    // In two pieces: streams have no bounds.
    socket.write(request.subarray(0, 3));
    setTimeout(() => socket.write(request.subarray(3)), 5);
  });
  const bytes = await new Promise<Uint8Array | undefined>((resolve) => {
    socket.once("data", (data) => resolve(Uint8Array.from(data)));
    socket.once("close", () => resolve(undefined));
  });
  socket.destroy();
  plain.destroy();
  if (bytes === undefined) return "";
  // XOR-MAPPED-ADDRESS (RFC 8489 §14.2) of IPv4 stands alone behind the header.
  const [a, b, c, d] = [...bytes.subarray(28, 32)].map((byte, at) => byte ^ MAGIC[at]!);
  return `${a}.${b}.${c}.${d}:${(bytes[26]! ^ MAGIC[0]) << 8 | bytes[27]! ^ MAGIC[1]}`;
}

const MAGIC = [0x21, 0x12, 0xa4, 0x42] as const;

for (const hasTls of [false, true]) {
  const over = hasTls ? "TLS" : "TCP";
  Deno.test(`TurnListeners take a configured proxy's word on who asks over ${over}, and no other`, async () => {
    const { listeners, port, drops } = await open({ proxies: [LOOPBACK] }, hasTls);
    assert.equal(await mapped(port, PROXY, hasTls), "203.0.113.7:54321");
    assert.match(await mapped(port, "PROXY UNKNOWN\r\n", hasTls), /^127\.0\.0\.1:\d+$/);
    assert.equal(await mapped(port, "", hasTls), "");
    assert.equal(drops.get("proxy_header_malformed"), 1);
    await listeners.close();
    const { listeners: others, port: theirs } = await open({}, hasTls);
    assert.equal(await mapped(theirs, PROXY, hasTls), "");
    assert.match(await mapped(theirs, "", hasTls), /^127\.0\.0\.1:\d+$/);
    await others.close();
  });
}

Deno.test("TurnListeners behind proxies show a renewed certificate, without a gap", async () => {
  const { listeners, port, renew } = await open({ proxies: [LOOPBACK] });
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const plain = dial(port, HOST);
      plain.write(PROXY);
      const socket = connect({ socket: plain, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
        plain.destroy();
      });
      socket.on("error", reject);
    });
  const first = await shown();
  renew(newCertificate());
  const second = await shown();
  assert.notEqual(first, second);
  renew({ cert: "no certificate", key: "" });
  assert.equal(await shown(), second);
  await listeners.close();
});

Deno.test("TurnListeners speak TLS, and go on with a renewed certificate", async () => {
  const { listeners, port, renew } = await open({});
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

Deno.test("TurnListeners count who does not believe their certificate, and who ends without a word not", async () => {
  const { listeners, port, drops } = await open({});
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const before = drops.get("tls_handshake_failed");
    const socket = connect({ host: HOST, port, maxVersion: version, rejectUnauthorized: true });
    socket.on("error", () => socket.destroy());
    await until("it to be counted", () => drops.get("tls_handshake_failed") === before + 1);
  }
  const silent = dial(port, HOST, () => silent.destroy());
  assert.equal((await ask(port)).code, 401);
  assert.equal(drops.get("tls_handshake_failed"), 2);
  await listeners.close();
});
