import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import {
  DtlsSession,
  type DtlsSessionOptions,
} from "../../../../lib/transport/dtls/dtls_session.ts";
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
const HOST = "127.0.0.1";
const [server, client] = [createCertificate(), createCertificate()];

/** How OpenSSL and a session of ours meet. */
interface Meeting {
  readonly seed: number;
  /** Part of the datagrams that is lost, each way. */
  readonly loss: number;
  /** The only one OpenSSL knows. */
  readonly profile: SrtpProfile;
  /** OpenSSL's arguments, but for certificate and SRTP. */
  args(ourPort: number): readonly string[];
  readonly own: SelfSigned;
  readonly theirs: SelfSigned;
  /** Where OpenSSL listens; absent if it begins. */
  readonly listensAt?: Deno.NetAddr;
  readonly options?: Partial<DtlsSessionOptions>;
}
type SelfSigned = ReturnType<typeof createCertificate>;

/** Both of them, once they have agreed. */
interface Met {
  readonly session: DtlsSession;
  readonly process: Deno.ChildProcess;
  /** What came of OpenSSL's first, and why it ended. */
  readonly data: Promise<string>;
  readonly closed: Promise<string>;
  /** The first of OpenSSL's output that is so. */
  readonly said: Promise<string>;
}

/**
 * One handshake over a real socket, up to the same keys on both sides.
 *
 * @param act What is done then.
 */
async function meet(meeting: Meeting, act: (met: Met) => Promise<void>): Promise<void> {
  const { seed, loss, profile, own, theirs, listensAt } = meeting;
  const random = new SeededRandom(seed);
  const dir = await Deno.makeTempDir();
  const socket = Deno.listenDatagram({ transport: "udp", hostname: HOST, port: 0 });
  await Deno.writeTextFile(`${dir}/cert.pem`, theirs.certPem);
  await Deno.writeTextFile(`${dir}/key.pem`, theirs.keyPem);
  const process = startOpenssl(dir, profile, meeting.args((socket.addr as Deno.NetAddr).port));
  const outcome = Promise.withResolvers<SrtpParameters | string>();
  const [data, closed] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  let address: Deno.Addr | undefined = listensAt;
  const session = new DtlsSession({
    certificate: own,
    platform: denoPlatform(),
    drops: new DropCounters(),
    fingerprints: [theirs.fingerprint],
    send: (datagram) => {
      if (!random.chance(loss)) socket.send(datagram, address!).catch(() => {});
    },
    listener: {
      onConnected: (srtp) => outcome.resolve(srtp ?? "without SRTP"),
      onData: (bytes, at, length) =>
        data.resolve(new TextDecoder().decode(bytes.subarray(at, at + length))),
      onClosed: closed.resolve,
      onFailed: (reason, detail) => outcome.resolve(`${reason}: ${detail}`),
    },
    ...meeting.options,
  });
  const reading = (async () => {
    for await (const [datagram, from] of socket) {
      address = listensAt ?? from;
      if (!random.chance(loss)) session.receive(datagram.slice());
    }
  })();
  const [keys, rest] = process.stdout.tee();
  const printed = readUntil(keys, /Keying material: ([0-9A-F]+)/);
  const said = readUntil(rest, /(from us)/);
  try {
    if (listensAt !== undefined) {
      session.setRole("client");
      session.pathReady(); // OpenSSL may not listen yet: the hello is repeated
    }
    const srtp = await within(`seed ${seed}`, outcome.promise);
    assert.equal(typeof srtp === "string" ? srtp : srtp.profile, profile);
    const material = session.exportKeyingMaterial(LABEL, keyingMaterialBytes(profile))!;
    const theirMaterial = await within("OpenSSL's keys", printed);
    assert.equal(Buffer.from(material).toString("hex").toUpperCase(), theirMaterial);
    await act({ session, process, data: data.promise, closed: closed.promise, said });
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

function startOpenssl(dir: string, profile: SrtpProfile, args: readonly string[]) {
  return new Deno.Command("openssl", {
    args: [
      ...args,
      ...["-cert", `${dir}/cert.pem`, "-key", `${dir}/key.pem`],
      ...["-use_srtp", PROFILE_NAMES[profile], "-keymatexport", LABEL],
      ...["-keymatexportlen", `${keyingMaterialBytes(profile)}`],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
}

/**
 * OpenSSL is the client.
 *
 * @param extraArgs Of `openssl s_client`.
 * @param isReached Whether it is asked for no cookie.
 */
function handshake(
  seed: number,
  loss: number,
  extraArgs: readonly string[],
  profile: SrtpProfile = 1,
  isReached = false,
): Promise<void> {
  const args = (port: number) => [
    ...["s_client", "-dtls1_2", "-connect", `${HOST}:${port}`],
    ...extraArgs,
  ];
  const options = { isReached: () => isReached };
  const meeting = { seed, loss, profile, args, own: server, theirs: client, options };
  return meet(meeting, async ({ process, data, closed }) => {
    if (loss > 0) return await process.stdin.close();
    const writer = process.stdin.getWriter();
    await writer.write(new TextEncoder().encode("hello\n"));
    assert.equal(await within("data", data), "hello\n");
    await writer.close();
    assert.equal(await within("close_notify", closed), "close_notify");
  });
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
function handshakeAsClient(
  seed: number,
  loss: number,
  extraArgs: readonly string[],
  profile: SrtpProfile = 1,
): Promise<void> {
  // Nobody else takes a port that was free a moment ago; OpenSSL cannot choose one itself.
  const free = Deno.listenDatagram({ transport: "udp", hostname: HOST, port: 0 });
  const listensAt = free.addr as Deno.NetAddr;
  free.close();
  const args = () => [
    ...["s_server", "-dtls1_2", "-accept", `${HOST}:${listensAt.port}`],
    ...["-Verify", "1", "-naccept", "1"],
    ...extraArgs,
  ];
  const options = { srtpProfiles: [1, 7, 8] as const };
  const meeting = { seed, loss, profile, args, own: client, theirs: server, listensAt, options };
  return meet(meeting, async ({ session, process, data, closed, said }) => {
    const writer = process.stdin.getWriter();
    if (loss === 0) {
      await writer.write(new TextEncoder().encode("hello\n"));
      assert.equal(await within("data", Promise.race([data, closed])), "hello\n");
      session.sendData(new TextEncoder().encode("from us\n"));
      session.close();
      // It serves one connection, and ends with it.
      await within("our goodbye", process.status);
      assert.equal(await within("our data", said), "from us");
    }
    await writer.close().catch(() => {});
  });
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
