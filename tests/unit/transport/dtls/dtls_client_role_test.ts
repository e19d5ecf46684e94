import assert from "node:assert/strict";
import { PORTABLE_HANDSHAKE_CRYPTO } from "../../../../lib/transport/crypto/portable_handshake_crypto.ts";
import { portableRecordCipher } from "../../../../lib/transport/crypto/portable_record_cipher.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import {
  CONTENT_TYPE,
  HANDSHAKE_TYPE,
  readHandshakeFragments,
  writeHandshake,
  writeRecord,
} from "../../../../lib/transport/dtls/dtls_records.ts";
import type { DtlsHandshake } from "../../../../lib/transport/dtls/dtls_handshake.ts";
import { DtlsServerHandshake } from "../../../../lib/transport/dtls/dtls_server_handshake.ts";
import { HANDSHAKE_TIMEOUT_MS } from "../../../../lib/transport/dtls/dtls_session.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { openedBy, readRecords } from "./sent_records.ts";
import { type DtlsEnd, DtlsTwins, type TwinsOptions } from "./dtls_twins.ts";

const [server, client, mallory] = [
  createCertificate(),
  createCertificate(),
  createCertificate(),
];
const LABEL = "EXTRACTOR-dtls_srtp";

const twins = (options: Partial<TwinsOptions> = {}) =>
  new DtlsTwins({ client, server, ...options });

async function connected(options: Partial<TwinsOptions> = {}): Promise<DtlsTwins> {
  const made = twins(options);
  await made.run(200);
  assert.deepEqual([made.client.events, made.server.events], [["connected"], ["connected"]]);
  return made;
}

/** Types of the plain handshake messages in what an end sent, in order. */
function typesSent({ sent }: DtlsEnd): (number | undefined)[] {
  return sent.flatMap(readRecords)
    .filter(({ type, epoch }) => type === CONTENT_TYPE.handshake && epoch === 0)
    .map(({ body }) => body[0]);
}

/** Changes one plain handshake message of a kind, wherever it stands in a datagram. */
function rewriting(
  type: number,
  change: (body: Uint8Array) => Uint8Array,
): (datagram: Uint8Array) => Uint8Array {
  return (datagram) =>
    Uint8Array.from(
      readRecords(datagram).flatMap((record) => {
        const fragment = record.type === CONTENT_TYPE.handshake && record.epoch === 0
          ? readHandshakeFragments(record.body)?.[0]
          : undefined;
        const body = fragment?.type === type
          ? writeHandshake(type, fragment.messageSeq, change(fragment.bytes.slice()))
          : record.body;
        return [...writeRecord(record.type, record.epoch, record.sequence, body)];
      }),
    );
}

function flipped(at: number): (body: Uint8Array) => Uint8Array {
  return (body) => {
    body[at < 0 ? body.length + at : at]! ^= 1;
    return body;
  };
}

/** Runs with a server whose messages of a kind are changed; tells what the client made of it. */
async function against(
  type: number,
  change: (body: Uint8Array) => Uint8Array,
): Promise<string | undefined> {
  const made = twins();
  const rewrite = rewriting(type, change);
  made.server.tamper = (datagram, deliver) => deliver(rewrite(datagram));
  await made.run(500);
  assert.equal(made.client.srtp, undefined, "no keys");
  assert.equal(made.client.session.sendData(new Uint8Array(1)), false);
  await made.close();
  return made.client.events[0];
}

Deno.test("DtlsSession as a client connects, agrees on keys and carries data both ways", async () => {
  const made = await connected();
  assert.deepEqual(typesSent(made.client), [
    HANDSHAKE_TYPE.clientHello,
    HANDSHAKE_TYPE.clientHello,
    HANDSHAKE_TYPE.certificate,
    HANDSHAKE_TYPE.clientKeyExchange,
    HANDSHAKE_TYPE.certificateVerify,
  ]);
  assert.deepEqual(
    made.client.session.exportKeyingMaterial(LABEL, 60),
    made.server.session.exportKeyingMaterial(LABEL, 60),
  );
  assert.deepEqual(made.client.srtp?.local, made.server.srtp?.remote);
  assert.deepEqual(made.client.srtp?.remote, made.server.srtp?.local);
  for (let i = 0; i < 20; i++) {
    made.client.say(`up ${i}`);
    made.server.say(`down ${i}`);
  }
  await made.platform.advanceAsync(50);
  assert.deepEqual(made.server.received, Array.from({ length: 20 }, (_, i) => `up ${i}`));
  assert.deepEqual(made.client.received, Array.from({ length: 20 }, (_, i) => `down ${i}`));
  const sealed = made.client.sent.flatMap(readRecords).filter(({ epoch }) => epoch === 1);
  assert.equal(
    new Set(sealed.map(({ sequence }) => sequence)).size,
    sealed.length,
    "a number used twice would break GCM",
  );
  assert.ok(made.client.sent.every(({ length }) => length <= 1200));
  await made.close();
});

Deno.test("DtlsSession as a client takes the SRTP profile that the server chose", async () => {
  const cases = [
    { ours: [7, 8, 1], theirs: [8, 1, 7], chosen: 8 },
    { ours: [1], theirs: [7, 1], chosen: 1 },
    { ours: [7, 1], theirs: [7, 8], chosen: 7 },
  ] as const;
  for (const { ours, theirs, chosen } of cases) {
    const made = await connected({ clientProfiles: ours, serverProfiles: theirs });
    assert.equal(made.client.srtp?.profile, chosen);
    assert.deepEqual(made.client.srtp?.local, made.server.srtp?.remote);
    await made.close();
  }
});

Deno.test("DtlsSession as a client refuses another certificate than was described", async () => {
  const made = twins({ fingerprints: [mallory.fingerprint] });
  await made.run(500);
  assert.deepEqual(made.client.events, ["failed: fingerprint_mismatch: handshake"]);
  assert.equal(made.client.srtp, undefined);
  assert.deepEqual(made.server.events, ["connected", "closed: fatal_alert"], "it is told");
  await made.close();
});

Deno.test("DtlsSession as a client releases no keys before it knows the fingerprint", async () => {
  const made = twins({ fingerprints: [] });
  await made.run(500);
  assert.deepEqual(made.client.events, []);
  made.client.session.setRemoteFingerprints([server.fingerprint]);
  assert.deepEqual(made.client.events, ["connected"]);
  made.client.session.setRemoteFingerprints([mallory.fingerprint]);
  assert.deepEqual(made.client.events, [
    "connected",
    "failed: fingerprint_mismatch: new description",
  ]);
  await made.close();
});

Deno.test("DtlsSession as a client refuses a server that does not hold its certificate's key", async () => {
  const stolen = { ...server, keyPem: mallory.keyPem };
  const made = twins({ server: stolen, fingerprints: [server.fingerprint] });
  await made.run(500);
  assert.deepEqual(made.client.events, [
    "failed: dtls_failed: ServerKeyExchange does not verify",
  ]);
  await made.close();
});

Deno.test("DtlsSession as a client refuses every changed message of flight 4", async () => {
  const { serverHello, certificate, serverKeyExchange, certificateRequest, serverHelloDone } =
    HANDSHAKE_TYPE;
  const failed = (detail: string) => `failed: dtls_failed: ${detail}`;
  const cases: [number, (body: Uint8Array) => Uint8Array, string][] = [
    [serverHello, flipped(1), "no common version"],
    // The server's random value is signed.
    [serverHello, flipped(10), "ServerKeyExchange does not verify"],
    // 2 of version, 32 of random, no session: then the suite and the compression.
    [serverHello, flipped(36), "no common parameters"],
    [serverHello, flipped(37), "no common parameters"],
    [serverHello, (body) => body.subarray(0, body.length - 1), "bad ServerHello"],
    [certificate, flipped(2), "no server certificate"],
    [certificate, () => Uint8Array.of(0, 0, 0), "no server certificate"],
    [serverKeyExchange, flipped(0), "bad ServerKeyExchange"],
    [serverKeyExchange, flipped(2), "ServerKeyExchange does not verify"],
    [serverKeyExchange, flipped(20), "ServerKeyExchange does not verify"],
    [serverKeyExchange, flipped(-1), "ServerKeyExchange does not verify"],
    [certificateRequest, (body) => Uint8Array.of(...body, 0), "bad CertificateRequest"],
    [
      certificateRequest,
      () => Uint8Array.of(1, 1, 0, 2, 4, 1, 0, 0),
      "our certificate is not wanted",
    ],
    [serverHelloDone, () => Uint8Array.of(0), "bad ServerHelloDone"],
  ];
  for (const [type, change, detail] of cases) {
    assert.equal(await against(type, change), failed(detail), `${type} ${change}`);
  }
});

Deno.test("DtlsSession as a client notices a hello that was changed on the way", async () => {
  const made = twins();
  // The order of suites is nothing that either side would stumble over.
  const rewrite = rewriting(HANDSHAKE_TYPE.clientHello, (body) => {
    const suites = 2 + 32 + 1 + 1 + body[35]! + 2;
    const [a, b] = [body.slice(suites, suites + 2), body.slice(suites + 2, suites + 4)];
    body.set([...b, ...a], suites);
    return body;
  });
  made.client.tamper = (datagram, deliver) => deliver(rewrite(datagram));
  await made.run(500);
  assert.equal(made.client.srtp, undefined);
  assert.deepEqual(made.server.events, [
    "failed: dtls_failed: CertificateVerify does not verify",
  ]);
  await made.close();
});

Deno.test("DtlsSession as a client refuses a Finished that does not fit", async () => {
  const made = twins();
  let answer = (_datagram: Uint8Array) => {};
  const drive: DtlsHandshake = new DtlsServerHandshake({
    certificate: server,
    profiles: [1],
    recordCipherFactory: portableRecordCipher,
    crypto: PORTABLE_HANDSHAKE_CRYPTO,
    platform: made.platform,
    drops: made.server.drops,
    owner: {
      // Its own Finished, the only sealed record, is held back.
      send: (datagram) => {
        if (readRecords(datagram).every(({ epoch }) => epoch === 0)) answer(datagram);
      },
      isReached: () => false,
      proven: () => {
        const finished = writeHandshake(HANDSHAKE_TYPE.finished, 6, new Uint8Array(12));
        answer(drive.seal(CONTENT_TYPE.handshake, finished)!);
      },
      failed: (detail) => assert.fail(detail),
      guarded: (step) => step(),
    },
  });
  answer = (datagram) => {
    made.platform.timers.after(1, () => made.client.session.receive(datagram));
  };
  made.client.tamper = (datagram) => {
    for (const record of readRecords(datagram)) {
      if (record.type !== CONTENT_TYPE.handshake) continue;
      const body = record.epoch === 0 ? record.body : openedBy(drive.records!, record)!;
      for (const fragment of readHandshakeFragments(body)!) drive.receive(fragment, record.epoch);
    }
  };
  await made.run(500);
  assert.deepEqual(made.client.events, ["failed: dtls_failed: Finished does not verify"]);
  assert.equal(made.client.srtp, undefined);
  drive.end();
  await made.close();
});

Deno.test("DtlsSession as a client believes nothing under keys that are not the same", async () => {
  // Without the extension the client computes another master secret than the server.
  const outcome = await against(HANDSHAKE_TYPE.serverHello, (body) => {
    const at = body.findIndex((_, i) =>
      i > 37 && body[i] === 0 && body[i + 1] === 23 && body[i + 2] === 0 && body[i + 3] === 0
    );
    const cut = Uint8Array.from([...body.subarray(0, at), ...body.subarray(at + 4)]);
    new DataView(cut.buffer).setUint16(38, cut.length - 40);
    return cut;
  });
  assert.equal(outcome, undefined);
});

Deno.test("DtlsSession as a client connects when datagrams are lost, doubled and reordered", async () => {
  let resent = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const made = twins({ seed });
    const random = new SeededRandom(seed);
    const unreliable: DtlsEnd["tamper"] = (datagram, deliver) => {
      const fate = random.below(10);
      if (fate < 3) return;
      deliver(datagram, random.below(60));
      if (fate < 5) deliver(datagram, random.below(60));
    };
    made.client.tamper = made.server.tamper = unreliable;
    await made.run(25_000);
    assert.deepEqual(made.client.events, ["connected"], `seed ${seed}`);
    assert.deepEqual(made.server.events, ["connected"], `seed ${seed}`);
    assert.deepEqual(made.client.srtp?.local, made.server.srtp?.remote);
    resent += made.client.sent.length - 3;
    const numbers = made.client.sent.flatMap(readRecords)
      .map(({ epoch, sequence }) => `${epoch} ${sequence}`);
    assert.equal(new Set(numbers).size, numbers.length, "no record number twice");
    await made.close();
  }
  assert.ok(resent > 30);
});

Deno.test("DtlsSession as a client waits for a server that starts late", async () => {
  const made = twins();
  let deaf = true;
  made.client.tamper = (datagram, deliver) => {
    if (!deaf) deliver(datagram);
  };
  await made.run(12_000);
  const hellos = made.client.sent.length;
  assert.ok(hellos >= 7 && hellos <= 12, `${hellos} hellos in 12 s`);
  deaf = false;
  await made.platform.advanceAsync(3000);
  assert.deepEqual(made.client.events, ["connected"]);
  await made.close();
});

Deno.test("DtlsSession as a client gives up after its timeout and leaves no timer", async () => {
  const made = twins();
  made.client.tamper = () => {};
  await made.run(HANDSHAKE_TIMEOUT_MS - 10);
  assert.deepEqual(made.client.events, []);
  await made.platform.advanceAsync(10);
  assert.deepEqual(made.client.events, ["failed: dtls_timeout: hello"]);
  assert.ok(made.client.sent.length < 25, "it does not flood");
  assert.equal(made.platform.pendingTimers, 0);
});

Deno.test("DtlsSession as a client says nothing before there is a path", async () => {
  const made = twins();
  made.client.session.setRole("client");
  await made.platform.advanceAsync(5000);
  assert.equal(made.client.sent.length, 0);
  made.client.session.pathReady();
  assert.equal(made.client.sent.length, 1);
  await made.close();
});

Deno.test("DtlsSession starts as a client when its role is told after the path", async () => {
  const made = twins();
  made.client.session.pathReady();
  await made.platform.advanceAsync(5000);
  assert.equal(made.client.sent.length, 0);
  made.client.session.setRole("client");
  await made.platform.advanceAsync(200);
  assert.deepEqual(made.client.events, ["connected"]);
  await made.close();
});

Deno.test("DtlsSession keeps its role, and fails where it would have to change", async () => {
  const made = await connected();
  const sent = made.client.sent.length;
  made.client.session.setRole("client");
  made.server.session.setRole("server");
  assert.equal(made.client.sent.length, sent, "the same again is nothing new");
  made.client.say("still here");
  await made.platform.advanceAsync(50);
  assert.deepEqual(made.server.received, ["still here"]);
  made.client.session.setRole("server");
  assert.deepEqual(made.client.events, ["connected", "failed: dtls_failed: change of role"]);
  await made.platform.advanceAsync(50);
  assert.deepEqual(made.server.events, ["connected", "closed: fatal_alert"]);
  await made.close();
});

Deno.test("DtlsSession takes the client role although a hello came before it was told", async () => {
  // A server answers it with a HelloVerifyRequest, which binds nobody.
  const made = twins();
  const stray = twins();
  stray.client.tamper = () => {};
  await stray.run(1);
  made.client.session.receive(stray.client.sent[0]!);
  assert.equal(made.client.sent.length, 1);
  await made.run(200);
  assert.deepEqual(made.client.events, ["connected"]);
  await made.close();
  await stray.close();
});

Deno.test("DtlsSession as a client is not moved by spoofed plaintext", async () => {
  const made = twins();
  const noise = [
    writeRecord(CONTENT_TYPE.alert, 0, 77, Uint8Array.of(2, 40)),
    writeRecord(63, 0, 78, new Uint8Array(1)),
    writeRecord(CONTENT_TYPE.applicationData, 0, 79, new Uint8Array(20)),
    writeRecord(
      CONTENT_TYPE.handshake,
      0,
      80,
      writeHandshake(HANDSHAKE_TYPE.finished, 4, new Uint8Array(12)),
    ),
    writeRecord(
      CONTENT_TYPE.handshake,
      0,
      81,
      writeHandshake(HANDSHAKE_TYPE.serverHelloDone, 5, new Uint8Array(0)),
    ),
    writeRecord(
      CONTENT_TYPE.handshake,
      0,
      82,
      writeHandshake(HANDSHAKE_TYPE.clientHello, 0, new Uint8Array(50)),
    ),
    writeRecord(CONTENT_TYPE.handshake, 0, 83, writeHandshake(0, 1, new Uint8Array(0))),
  ];
  made.server.tamper = (datagram, deliver) => {
    for (const bytes of noise) deliver(bytes);
    deliver(datagram);
    for (const bytes of noise) deliver(bytes);
  };
  await made.run(500);
  assert.deepEqual(made.client.events, ["connected"]);
  const sent = made.client.sent.length;
  const flight4 = made.server.sent.find((datagram) => datagram.length > 500)!;
  for (
    const bytes of [...noise, flight4, writeRecord(CONTENT_TYPE.alert, 1, 900, new Uint8Array(26))]
  ) {
    made.client.session.receive(bytes);
  }
  assert.equal(made.client.sent.length, sent, "nothing is answered");
  assert.equal(made.client.session.connected, true);
  assert.equal(made.client.drops.get("dtls_bad_record"), 1);
  await made.close();
});

Deno.test("DtlsSession as a client drops replayed records", async () => {
  const made = await connected();
  made.server.say("once");
  await made.platform.advanceAsync(50);
  const before = made.client.drops.get("dtls_replayed");
  for (const datagram of made.server.sent) made.client.session.receive(datagram);
  assert.deepEqual(made.client.received, ["once"]);
  assert.ok(made.client.drops.get("dtls_replayed") > before);
  await made.close();
});

Deno.test("DtlsSession as a client says goodbye, and hears it", async () => {
  const made = await connected();
  made.server.session.close();
  await made.platform.advanceAsync(50);
  assert.deepEqual(made.client.events, ["connected", "closed: close_notify"]);
  const other = await connected();
  other.client.session.close();
  await other.platform.advanceAsync(50);
  assert.deepEqual(other.server.events, ["connected", "closed: close_notify"]);
  await made.close();
  await other.close();
});

Deno.test("DtlsSession as a client says hello again for at most eight cookies", async () => {
  const made = twins();
  made.client.tamper = () => {};
  made.client.session.setRole("client");
  made.client.session.pathReady();
  for (let i = 0; i < 50; i++) {
    const request = writeHandshake(
      HANDSHAKE_TYPE.helloVerifyRequest,
      0,
      Uint8Array.of(254, 253, 4, 1, 2, 3, i),
    );
    made.client.session.receive(writeRecord(CONTENT_TYPE.handshake, 0, i, request));
  }
  assert.equal(made.client.sent.length, 1 + 8);
  await made.close();
});
