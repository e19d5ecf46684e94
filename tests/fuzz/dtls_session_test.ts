import assert from "node:assert/strict";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { createCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { writeClientHello } from "../../lib/transport/dtls/dtls_client_flight.ts";
import {
  readCertificateVerify,
  readClientHello,
  readClientKeyExchange,
  readList,
  readOfferedProfiles,
} from "../../lib/transport/dtls/dtls_client_hello.ts";
import { commonParameters } from "../../lib/transport/dtls/dtls_server_answer.ts";
import { readHandshakeFragments } from "../../lib/transport/dtls/dtls_records.ts";
import { DtlsSession } from "../../lib/transport/dtls/dtls_session.ts";
import { mutate } from "../support/hostile/mutate.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { settle, VirtualPlatform } from "../support/virtual/virtual_platform.ts";
import { readRecords } from "../unit/transport/dtls/sent_records.ts";
import { DtlsPair, within, WITHOUT_SANITIZERS } from "../unit/transport/dtls/dtls_peer.ts";

const [server, client] = [createCertificate(), createCertificate()];

Deno.test("DTLS readers take any bytes without a throw", () => {
  const random = new SeededRandom(11);
  for (let i = 0; i < 20_000; i++) {
    const bytes = random.bytes(random.below(80));
    if (random.chance(0.7)) bytes.set([22, 254, 253, 0, 0].slice(0, bytes.length));
    for (const record of readRecords(bytes)) {
      for (const fragment of readHandshakeFragments(record.body) ?? []) {
        assert.ok(fragment.offset + fragment.bytes.length <= fragment.length);
      }
    }
  }
});

Deno.test("readers of a client's messages take any bytes without a throw, and what is whole", () => {
  const random = new SeededRandom(14);
  let taken = 0;
  for (let i = 0; i < 40_000; i++) {
    const hello = writeClientHello(random.bytes(32), random.bytes(20), [1, 7, 8]);
    const read = readClientHello(random.chance(0.9) ? mutate(random, hello) : hello);
    if (read !== undefined && commonParameters(read, [7, 1]) !== undefined) taken++;
    const bytes = random.bytes(random.below(80));
    const share = readClientKeyExchange(bytes);
    assert.ok(share === undefined || share.length === bytes.length - 1);
    const verify = readCertificateVerify(bytes);
    assert.ok(verify === undefined || verify.signature.length === bytes.length - 4);
    assert.ok((readOfferedProfiles(bytes)?.length ?? 0) <= bytes.length);
    assert.ok((readList(bytes)?.length ?? 0) <= bytes.length);
  }
  assert.ok(taken > 4_000 && taken < 40_000, `${taken} were taken`);
});

Deno.test("DtlsSession survives random datagrams and never connects", () => {
  const random = new SeededRandom(12);
  const platform = new VirtualPlatform();
  const outcomes: string[] = [];
  const session = new DtlsSession({
    certificate: server,
    platform,
    drops: new DropCounters(),
    fingerprints: [client.fingerprint],
    send: () => {},
    listener: {
      onConnected: () => outcomes.push("connected"),
      onData: () => outcomes.push("data"),
      onClosed: () => outcomes.push("closed"),
      onFailed: (reason, detail) => outcomes.push(`${reason}: ${detail}`),
    },
  });
  for (let i = 0; i < 5000; i++) {
    const bytes = random.bytes(random.below(300));
    if (random.chance(0.9)) {
      bytes.set([20 + random.below(4), 254, 253, 0, random.below(2)].slice(0, bytes.length));
      if (bytes.length > 13) {
        bytes.set([(bytes.length - 13) >> 8, (bytes.length - 13) & 255], 11);
      }
    }
    session.receive(bytes);
  }
  assert.deepEqual(outcomes, []);
  session.close();
  assert.equal(platform.pendingTimers, 0);
});

Deno.test({
  name: "DtlsSession ends by itself, without a stray rejection, on handshakes with changed bytes",
  ...WITHOUT_SANITIZERS,
  fn: async () => {
    const rejections: unknown[] = [];
    const onRejection = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      rejections.push(event.reason);
    };
    addEventListener("unhandledrejection", onRejection);
    for (let seed = 1; seed <= 150; seed++) {
      const random = new SeededRandom(seed);
      const platform = new VirtualPlatform();
      let sent = 0;
      const target = random.below(7);
      const made = new DtlsPair({
        serverCertificate: server,
        clientCertificate: client,
        platform,
        toServer: (datagram, deliver) =>
          deliver(sent++ === target ? mutate(random, datagram) : datagram),
      });
      made.connect();
      for (let turn = 0; turn < 6; turn++) await settle();
      platform.advance(60_000);
      const outcome = await within(`seed ${seed}`, made.outcome);
      assert.match(outcome, /^(connected|dtls_failed|dtls_timeout|fingerprint_mismatch)/);
      made.session.close();
      assert.equal(platform.pendingTimers, 0);
    }
    await new Promise((done) => setTimeout(done, 0));
    removeEventListener("unhandledrejection", onRejection);
    assert.deepEqual(rejections, []);
  },
});

Deno.test({
  name: "DtlsSession keeps a live connection through changed and replayed records",
  ...WITHOUT_SANITIZERS,
  fn: async () => {
    const random = new SeededRandom(13);
    const made = new DtlsPair({
      serverCertificate: server,
      clientCertificate: client,
      platform: new VirtualPlatform(),
    });
    assert.equal(await within("the handshake", made.connect()), "connected");
    await within("the client", made.clientConnected);
    const seen = made.fromClient.slice();
    for (let i = 0; i < 5000; i++) {
      made.session.receive(mutate(random, seen[random.below(seen.length)]!));
    }
    assert.deepEqual(made.closed, []);
    assert.equal(made.session.connected, true);
    made.session.close();
  },
});
