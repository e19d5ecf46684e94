import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import { DtlsSession } from "../../../../lib/transport/dtls/dtls_session.ts";
import {
  keyingMaterialBytes,
  type SrtpParameters,
  type SrtpProfile,
} from "../../../../lib/transport/srtp/srtp_keys.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { within } from "./dtls_peer.ts";

const hasOpenssl = await new Deno.Command("openssl", { args: ["version"], stdout: "null" }).output()
  .then((done) => done.success, () => false);
if (!hasOpenssl) console.log("skipping the openssl tests: no `openssl` on the path");

/** OpenSSL's names. */
const PROFILE_NAMES: Readonly<Record<SrtpProfile, string>> = {
  1: "SRTP_AES128_CM_SHA1_80",
  7: "SRTP_AEAD_AES_128_GCM",
  8: "SRTP_AEAD_AES_256_GCM",
};
const LABEL = "EXTRACTOR-dtls_srtp";
const [server, client] = [createCertificate(), createCertificate()];

/**
 * One handshake over a real socket; both directions lose datagrams with probability `loss`.
 *
 * @param profile The only one the client offers.
 * @param isReached Whether the client is asked for no cookie.
 */
async function handshake(
  seed: number,
  loss: number,
  extraArgs: string[],
  profile: SrtpProfile = 1,
  isReached = false,
): Promise<void> {
  const random = new SeededRandom(seed);
  const dir = await Deno.makeTempDir();
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  await Deno.writeTextFile(`${dir}/cert.pem`, client.certPem);
  await Deno.writeTextFile(`${dir}/key.pem`, client.keyPem);
  const length = keyingMaterialBytes(profile);
  const process = new Deno.Command("openssl", {
    args: `s_client -dtls1_2 -connect 127.0.0.1:${
      (socket.addr as Deno.NetAddr).port
    } -cert ${dir}/cert.pem
      -key ${dir}/key.pem -use_srtp ${PROFILE_NAMES[profile]} -keymatexport ${LABEL}
      -keymatexportlen ${length}`.split(/\s+/).concat(extraArgs),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const outcome = Promise.withResolvers<string>();
  let srtp: SrtpParameters | undefined;
  const data = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<string>();
  let address: Deno.Addr | undefined;
  const session = new DtlsSession({
    certificate: server,
    platform: denoPlatform(),
    drops: new DropCounters(),
    fingerprints: [client.fingerprint],
    isReached: () => isReached,
    send: (datagram) => {
      if (!random.chance(loss)) socket.send(datagram, address!).catch(() => {});
    },
    listener: {
      onConnected: (parameters) => {
        srtp = parameters;
        outcome.resolve("connected");
      },
      onData: (bytes, at, length) =>
        data.resolve(new TextDecoder().decode(bytes.subarray(at, at + length))),
      onClosed: closed.resolve,
      onFailed: (reason, detail) => outcome.resolve(`${reason}: ${detail}`),
    },
  });
  const reading = (async () => {
    for await (const [datagram, from] of socket) {
      address = from;
      if (!random.chance(loss)) session.receive(datagram.slice());
    }
  })();
  const printed = readUntil(process.stdout, /Keying material: ([0-9A-F]+)/);
  try {
    assert.equal(await within(`seed ${seed}`, outcome.promise), "connected");
    assert.equal(srtp?.profile, profile);
    const material = await within("the client's keys", printed);
    assert.equal(
      Buffer.from(session.exportKeyingMaterial(LABEL, length)!).toString("hex").toUpperCase(),
      material,
    );
    if (loss === 0) {
      const writer = process.stdin.getWriter();
      await writer.write(new TextEncoder().encode("hello\n"));
      assert.equal(await within("data", data.promise), "hello\n");
      await writer.close();
      assert.equal(await within("close_notify", closed.promise), "close_notify");
    } else await process.stdin.close();
  } finally {
    session.close();
    try {
      process.kill("SIGKILL");
    } catch { /* it has ended by itself */ }
    await process.status;
    socket.close();
    await reading;
    await Deno.remove(dir, { recursive: true });
  }
}

/** The first match of `pattern` in a stream, which is then read to its end. */
async function readUntil(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<string> {
  const found = Promise.withResolvers<string>();
  let text = "";
  (async () => {
    for await (const chunk of stream) {
      text += new TextDecoder().decode(chunk);
      const match = pattern.exec(text);
      if (match) found.resolve(match[1]!);
    }
    found.resolve(`nothing in: ${text}`);
  })();
  return await found.promise;
}

Deno.test({
  name: "DtlsSession connects with OpenSSL, agrees on keys, carries data and closes",
  ignore: !hasOpenssl,
  fn: () => handshake(1, 0, []),
});

Deno.test({
  name: "DtlsSession agrees with OpenSSL on each SRTP profile and the keys of it",
  ignore: !hasOpenssl,
  fn: async () => {
    for (const profile of [7, 8] as const) await handshake(1, 0, [], profile);
  },
});

Deno.test({
  name: "DtlsSession connects with OpenSSL over P-256, small fragments and 15 % loss",
  ignore: !hasOpenssl,
  fn: async () => {
    for (const seed of [1, 2, 3]) {
      await handshake(seed, 0.15, [
        "-mtu",
        "256",
        "-groups",
        seed === 1 ? "P-256" : "X25519:P-256",
      ]);
    }
  },
});

Deno.test({
  name: "DtlsSession connects with OpenSSL without a cookie, and with 15 % loss",
  ignore: !hasOpenssl,
  fn: async () => {
    await handshake(1, 0, [], 7, true);
    for (const seed of [1, 2]) await handshake(seed, 0.15, ["-mtu", "256"], 7, true);
  },
});

/**
 * The other way round: OpenSSL listens and we are the client.
 *
 * @param extraArgs Of `openssl s_server`.
 */
async function handshakeAsClient(
  seed: number,
  loss: number,
  extraArgs: string[],
  profile: SrtpProfile = 1,
): Promise<void> {
  const random = new SeededRandom(seed);
  const dir = await Deno.makeTempDir();
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  // Nobody else takes a port that was free a moment ago; OpenSSL cannot choose one itself.
  const free = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr as Deno.NetAddr;
  free.close();
  await Deno.writeTextFile(`${dir}/cert.pem`, server.certPem);
  await Deno.writeTextFile(`${dir}/key.pem`, server.keyPem);
  const length = keyingMaterialBytes(profile);
  const process = new Deno.Command("openssl", {
    args: `s_server -dtls1_2 -accept 127.0.0.1:${port} -cert ${dir}/cert.pem -key ${dir}/key.pem
      -Verify 1 -naccept 1 -use_srtp ${PROFILE_NAMES[profile]} -keymatexport ${LABEL}
      -keymatexportlen ${length}`.split(/\s+/).concat(extraArgs),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const outcome = Promise.withResolvers<string>();
  const data = Promise.withResolvers<string>();
  let srtp: SrtpParameters | undefined;
  const address = { transport: "udp", hostname: "127.0.0.1", port } as const;
  const session = new DtlsSession({
    certificate: client,
    platform: denoPlatform(),
    drops: new DropCounters(),
    fingerprints: [server.fingerprint],
    srtpProfiles: [1, 7, 8],
    send: (datagram) => {
      if (!random.chance(loss)) socket.send(datagram, address).catch(() => {});
    },
    listener: {
      onConnected: (parameters) => {
        srtp = parameters;
        outcome.resolve("connected");
      },
      onData: (bytes, at, length) =>
        data.resolve(new TextDecoder().decode(bytes.subarray(at, at + length))),
      onClosed: (reason) => data.resolve(reason),
      onFailed: (reason, detail) => outcome.resolve(`${reason}: ${detail}`),
    },
  });
  const reading = (async () => {
    for await (const [datagram] of socket) {
      if (!random.chance(loss)) session.receive(datagram.slice());
    }
  })();
  const [keys, rest] = process.stdout.tee();
  const printed = readUntil(keys, /Keying material: ([0-9A-F]+)/);
  const heard = readUntil(rest, /(from us)/);
  try {
    session.setRole("client");
    session.pathReady(); // OpenSSL may not listen yet: the hello is repeated
    assert.equal(await within(`seed ${seed}`, outcome.promise), "connected");
    assert.equal(srtp?.profile, profile);
    const material = await within("the server's keys", printed);
    assert.equal(
      Buffer.from(session.exportKeyingMaterial(LABEL, length)!).toString("hex").toUpperCase(),
      material,
    );
    const writer = process.stdin.getWriter();
    if (loss === 0) {
      await writer.write(new TextEncoder().encode("hello\n"));
      assert.equal(await within("data", data.promise), "hello\n");
      session.sendData(new TextEncoder().encode("from us\n"));
      session.close();
      // It serves one connection, and ends with it.
      await within("our goodbye", process.status);
      assert.equal(await within("our data", heard), "from us");
    }
    await writer.close().catch(() => {});
  } finally {
    session.close();
    try {
      process.kill("SIGKILL");
    } catch { /* it has ended by itself */ }
    await process.status;
    socket.close();
    await reading;
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test({
  name: "DtlsSession as a client connects with OpenSSL, carries data and closes",
  ignore: !hasOpenssl,
  fn: () => handshakeAsClient(1, 0, []),
});

Deno.test({
  name: "DtlsSession as a client agrees with OpenSSL on each SRTP profile and the keys of it",
  ignore: !hasOpenssl,
  fn: async () => {
    for (const profile of [7, 8] as const) await handshakeAsClient(1, 0, [], profile);
  },
});

Deno.test({
  name: "DtlsSession as a client connects with OpenSSL over P-256, small fragments and 15 % loss",
  ignore: !hasOpenssl,
  fn: async () => {
    for (const seed of [1, 2, 3]) {
      const groups = seed === 1 ? "P-256" : "X25519:P-256";
      await handshakeAsClient(seed, 0.15, ["-mtu", "256", "-groups", groups]);
    }
  },
});
