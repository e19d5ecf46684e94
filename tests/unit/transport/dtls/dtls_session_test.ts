import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import { CONTENT_TYPE, writeRecord } from "../../../../lib/transport/dtls/dtls_records.ts";
import { DtlsSession, HANDSHAKE_TIMEOUT_MS } from "../../../../lib/transport/dtls/dtls_session.ts";
import { keyingMaterialBytes } from "../../../../lib/transport/srtp/srtp_keys.ts";
import { HANDSHAKE_TWINS } from "../../../support/media/handshake_twins.ts";
import { RECORD_TWINS } from "../../../support/media/record_twins.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { settle, VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";
import { readRecords } from "./sent_records.ts";
import { DtlsPair, type PeerOptions, within, WITHOUT_SANITIZERS } from "./dtls_peer.ts";

const [server, alice, mallory] = [
  createCertificate(),
  createCertificate(),
  createCertificate(),
];

function pair(options: Partial<PeerOptions> = {}): DtlsPair {
  return new DtlsPair({
    serverCertificate: server,
    clientCertificate: alice,
    platform: new VirtualPlatform(),
    ...options,
  });
}

async function connected(options: Partial<PeerOptions> = {}): Promise<DtlsPair> {
  const made = pair(options);
  assert.equal(await within("the handshake", made.connect()), "connected");
  await within("the client", made.clientConnected);
  // werift's client starts epoch 1 over after its Finished and so repeats that record's number,
  // which a replay window rightly drops; no other client does.
  made.client.dtls.recordSequenceNumber = 100;
  return made;
}

function withClient(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, ...WITHOUT_SANITIZERS });
}

withClient(
  "DtlsSession connects, exports the client's keys and carries data both ways",
  async () => {
    const { session, client, srtp, received, receivedByClient, fromServer } = await connected();
    assert.ok(srtp);
    assert.equal(srtp.profile, 1, "the server's preference wins");
    const theirs = client.extractSessionKeys(16, 14);
    assert.deepEqual(Buffer.from(srtp.local.key), theirs.remoteKey);
    assert.deepEqual(Buffer.from(srtp.local.salt), theirs.remoteSalt);
    assert.deepEqual(Buffer.from(srtp.remote.key), theirs.localKey);
    assert.deepEqual(Buffer.from(srtp.remote.salt), theirs.localSalt);
    for (let i = 0; i < 20; i++) {
      await client.send(Buffer.from(`up ${i}`));
      assert.equal(session.sendData(new TextEncoder().encode(`down ${i}`)), true);
    }
    await settle();
    assert.deepEqual(received, Array.from({ length: 20 }, (_, i) => `up ${i}`));
    assert.deepEqual(receivedByClient, Array.from({ length: 20 }, (_, i) => `down ${i}`));
    const sealed = fromServer.flatMap(readRecords).filter((record) => record.epoch === 1);
    assert.equal(
      new Set(sealed.map((record) => record.sequence)).size,
      sealed.length,
      "a number used twice would break GCM",
    );
    session.close();
  },
);

for (const { name, crypto } of HANDSHAKE_TWINS) {
  const { factory: recordCipherFactory } = RECORD_TWINS.find((twin) => twin.name === name)!;
  for (const extendedMasterSecret of [true, false]) {
    const how = extendedMasterSecret ? "an extended" : "a plain";
    withClient(`DtlsSession with ${name} crypto connects by ${how} master secret`, async () => {
      const options = { crypto, recordCipherFactory, extendedMasterSecret };
      const { session, client, received, receivedByClient } = await connected(options);
      assert.equal(client.dtls.remoteExtendedMasterSecret, extendedMasterSecret);
      await client.send(Buffer.from("up"));
      session.sendData(new TextEncoder().encode("down"));
      await settle();
      assert.deepEqual([received, receivedByClient], [["up"], ["down"]]);
      session.close();
    });
  }

  withClient(`DtlsSession with ${name} crypto refuses who does not hold the key`, async () => {
    const made = pair({ crypto, recordCipherFactory, clientKey: mallory.keyPem });
    assert.equal(
      await within("the refusal", made.connect()),
      "dtls_failed: CertificateVerify does not verify",
    );
  });
}

withClient("DtlsSession takes the first of its SRTP profiles that the client offers", async () => {
  const cases = [
    { ours: [7, 8, 1], theirs: [8, 1, 7], chosen: 7, key: 16, salt: 12 },
    { ours: [7, 8, 1], theirs: [1, 8], chosen: 8, key: 32, salt: 12 },
    { ours: [1, 7, 8], theirs: [8, 7, 1], chosen: 1, key: 16, salt: 14 },
    { ours: [8], theirs: [1, 7, 8], chosen: 8, key: 32, salt: 12 },
  ] as const;
  for (const { ours, theirs, chosen, key, salt } of cases) {
    const made = await connected({ serverProfiles: ours, clientProfiles: theirs });
    assert.equal(made.srtp?.profile, chosen);
    const client = made.client.extractSessionKeys(key, salt);
    assert.deepEqual(Buffer.from(made.srtp.local.key), client.remoteKey);
    assert.deepEqual(Buffer.from(made.srtp.local.salt), client.remoteSalt);
    assert.deepEqual(Buffer.from(made.srtp.remote.key), client.localKey);
    assert.deepEqual(Buffer.from(made.srtp.remote.salt), client.localSalt);
    made.session.close();
  }
});

withClient("DtlsSession refuses a client that offers none of its SRTP profiles", async () => {
  const made = pair({ serverProfiles: [7], clientProfiles: [1, 8] });
  assert.match(await within("the refusal", made.connect()), /^dtls_failed/);
  assert.equal(made.srtp, undefined);
});

withClient("DtlsSession packs each flight into datagrams of at most 1,200 bytes", async () => {
  const made = await connected();
  const records = made.fromServer.flatMap(readRecords);
  assert.ok(made.fromServer.every((datagram) => datagram.length <= 1200));
  // HelloVerifyRequest, one for ServerHello to ServerHelloDone, one for ChangeCipherSpec and
  // Finished.
  assert.equal(made.fromServer.length, 3);
  assert.equal(records.length, 1 + 5 + 2);
  made.session.close();
});

withClient("DtlsSession refuses a client that does not hold its certificate's key", async () => {
  const made = pair({ clientKey: mallory.keyPem });
  assert.equal(
    await within("the refusal", made.connect()),
    "dtls_failed: CertificateVerify does not verify",
  );
  assert.equal(made.srtp, undefined);
  assert.equal(made.session.sendData(new Uint8Array(1)), false);
});

withClient("DtlsSession refuses a certificate that the description does not name", async () => {
  const made = pair({ fingerprints: [mallory.fingerprint] });
  assert.match(await within("the refusal", made.connect()), /^fingerprint_mismatch/);
  assert.equal(made.srtp, undefined);
});

withClient("DtlsSession releases no keys before it knows the fingerprint", async () => {
  const made = pair({ fingerprints: undefined });
  made.connect();
  await within("the client", made.clientConnected);
  await settle();
  assert.equal(made.srtp, undefined);
  assert.equal(made.session.connected, false);
  made.session.setRemoteFingerprints([alice.fingerprint]);
  assert.equal(made.session.connected, true);
  assert.ok(made.srtp);
  made.session.setRemoteFingerprints([mallory.fingerprint]);
  assert.equal(made.session.connected, false);
});

withClient("DtlsSession is not moved by spoofed plaintext once connected", async () => {
  const made = await connected();
  const hello = made.fromClient.find((datagram) => readRecords(datagram)[0]?.type === 22)!;
  const spoofed = [
    writeRecord(30, 0, 9, new Uint8Array(1)),
    writeRecord(CONTENT_TYPE.alert, 0, 10, Uint8Array.of(1, 0)),
    writeRecord(CONTENT_TYPE.alert, 0, 11, Uint8Array.of(2, 40)),
    writeRecord(CONTENT_TYPE.applicationData, 0, 12, new Uint8Array(20)),
    writeRecord(CONTENT_TYPE.alert, 1, 900, new Uint8Array(26)),
    writeRecord(CONTENT_TYPE.alert, 2, 1, Uint8Array.of(1, 0)),
    hello,
  ];
  const sent = made.fromServer.length;
  for (const datagram of spoofed) made.session.receive(datagram);
  await settle();
  assert.equal(made.fromServer.length, sent, "nothing is answered");
  assert.deepEqual(made.closed, []);
  await made.client.send(Buffer.from("still here"));
  await settle();
  assert.deepEqual(made.received, ["still here"]);
  assert.equal(made.drops.get("dtls_plaintext_late"), 1);
  assert.equal(made.drops.get("dtls_plaintext_record"), 4);
  assert.equal(made.drops.get("dtls_bad_record"), 1);
  assert.equal(made.drops.get("dtls_unknown_epoch"), 1);
  made.session.close();
});

withClient("DtlsSession is not stopped by spoofed alerts during the handshake", async () => {
  const noise = writeRecord(CONTENT_TYPE.alert, 0, 77, Uint8Array.of(2, 40));
  const made = await connected({
    toServer: (datagram, deliver) => {
      deliver(noise);
      deliver(datagram);
      deliver(writeRecord(63, 0, 78, new Uint8Array(1)));
    },
  });
  assert.ok(made.drops.get("dtls_plaintext_record") > 0);
  made.session.close();
});

withClient("DtlsSession drops a replayed record", async () => {
  const made = await connected();
  await made.client.send(Buffer.from("once"));
  await settle();
  made.session.receive(made.fromClient.at(-1)!);
  assert.deepEqual(made.received, ["once"]);
  assert.equal(made.drops.get("dtls_replayed"), 1);
  made.session.close();
});

withClient("DtlsSession.close() says goodbye in a record the client can open", async () => {
  const made = await connected();
  const goodbye = new Promise<void>((done) => made.client.onClose.subscribe(() => done()));
  made.session.close();
  await within("close_notify", goodbye);
  const last = readRecords(made.fromServer.at(-1)!)[0]!;
  assert.deepEqual([last.type, last.epoch], [CONTENT_TYPE.alert, 1]);
  assert.equal(made.session.sendData(new Uint8Array(1)), false);
  made.session.close();
  assert.equal(made.fromServer.at(-1)!.length, last.body.length + 13);
});

withClient("DtlsSession answers the client's close_notify and reports it once", async () => {
  const made = await connected();
  const packet = {
    recordLayerHeader: {
      contentType: CONTENT_TYPE.alert,
      protocolVersion: { major: 254, minor: 253 },
      epoch: 1,
      sequenceNumber: 101,
      contentLen: 2,
    },
    fragment: Buffer.of(1, 0),
  };
  type Packet = Parameters<typeof made.client.cipher.encryptPacket>[0];
  const sealed = made.client.cipher.encryptPacket(packet as unknown as Packet).fragment;
  const sent = made.fromServer.length;
  made.session.receive(writeRecord(CONTENT_TYPE.alert, 1, 101, sealed));
  made.session.receive(writeRecord(CONTENT_TYPE.alert, 1, 101, sealed));
  assert.deepEqual(made.closed, ["close_notify"]);
  assert.equal(made.fromServer.length, sent + 1);
  assert.equal(made.session.connected, false);
});

withClient("DtlsSession does no key work before the cookie comes back", async () => {
  const made = pair({ toClient: () => {} });
  made.connect();
  await settle();
  assert.equal(made.fromServer.length, 1);
  const verify = readRecords(made.fromServer[0]!)[0]!;
  assert.equal(verify.body[0], 3, "HelloVerifyRequest");
  assert.ok(made.fromServer[0]!.length < made.fromClient[0]!.length, "no amplification");
  made.session.close();
});

withClient("DtlsSession asks nobody for a cookie who is known to be there", async () => {
  const made = await connected({ isReached: () => true });
  const records = made.fromServer.flatMap(readRecords);
  assert.equal(made.fromServer.length, 2);
  assert.equal(records.length, 5 + 2);
  made.session.close();
});

withClient("DtlsSession holds to its question for a cookie, whatever is known later", async () => {
  let isReached = false;
  const made = pair({ isReached: () => isReached, toClient: () => {} });
  made.connect();
  await settle();
  const kindOf = (datagram: Uint8Array) => readRecords(datagram)[0]!.body[0];
  assert.deepEqual(made.fromServer.map(kindOf), [3], "HelloVerifyRequest");
  isReached = true;
  // A client counts the hello with the cookie, if it got the question; so must both.
  made.session.receive(made.fromClient[0]!.slice());
  assert.deepEqual(made.fromServer.map(kindOf), [3, 3]);
  made.session.close();
});

withClient(
  "DtlsSession connects when handshake datagrams are lost, doubled and reordered",
  async () => {
    const run = async (seed: number, isReached: () => boolean) => {
      const random = new SeededRandom(seed);
      const held: (() => void)[] = [];
      const toServer: NonNullable<PeerOptions["toServer"]> = (datagram, deliver) => {
        const fate = random.below(10);
        if (fate < 2) return;
        if (fate < 5) held.push(() => deliver(datagram));
        else {
          deliver(datagram);
          if (fate < 7) deliver(datagram);
          for (const later of held.splice(0)) later();
        }
      };
      const toClient: NonNullable<PeerOptions["toClient"]> = (datagram, deliver) => {
        if (random.below(10) >= 2) deliver(datagram);
      };
      const made = pair({ platform: denoPlatform(), toServer, toClient, isReached });
      assert.equal(
        await within(`seed ${seed}`, made.connect()),
        "connected",
        `seed ${seed}`,
      );
      const length = keyingMaterialBytes(1);
      const label = "EXTRACTOR-dtls_srtp";
      assert.deepEqual(
        Buffer.from(made.session.exportKeyingMaterial(label, length)!),
        made.client.exportKeyingMaterial(label, length),
      );
      made.session.close();
    };
    const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
    await Promise.all(seeds.flatMap((seed) => {
      // It may also be known only while the handshake is under way.
      let asked = 0;
      return [run(seed, () => false), run(seed, () => true), run(seed, () => ++asked > seed % 3)];
    }));
  },
);

Deno.test("DtlsSession gives up after its timeout and leaves no timer", () => {
  const platform = new VirtualPlatform();
  const failures: string[] = [];
  const session = new DtlsSession({
    certificate: server,
    platform,
    drops: new DropCounters(),
    send: () => {},
    listener: {
      onConnected: () => failures.push("connected"),
      onData: () => failures.push("data"),
      onClosed: () => failures.push("closed"),
      onFailed: (reason) => failures.push(reason),
    },
  });
  session.receive(Uint8Array.of(22, 254, 255));
  platform.advance(HANDSHAKE_TIMEOUT_MS - 1);
  assert.deepEqual(failures, []);
  platform.advance(1);
  assert.deepEqual(failures, ["dtls_timeout"]);
  session.close();
  assert.equal(platform.pendingTimers, 0);
});
