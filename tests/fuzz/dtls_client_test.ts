import assert from "node:assert/strict";
import { readClientHello } from "../../lib/transport/dtls/dtls_client_hello.ts";
import { commonParameters } from "../../lib/transport/dtls/dtls_server_answer.ts";
import { createCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { writeClientHello } from "../../lib/transport/dtls/dtls_client_flight.ts";
import {
  CONTENT_TYPE,
  HANDSHAKE_HEADER_BYTES,
  HANDSHAKE_TYPE,
  MAX_PLAINTEXT_BYTES,
  writeHandshake,
  writeRecord,
} from "../../lib/transport/dtls/dtls_records.ts";
import {
  readCertificate,
  readCertificateRequest,
  readChosenProfile,
  readHelloVerifyRequest,
  readServerHello,
  readServerKeyExchange,
} from "../../lib/transport/dtls/dtls_server_flight.ts";
import { mutate } from "../support/hostile/mutate.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { type DtlsEnd, DtlsTwins } from "../unit/transport/dtls/dtls_twins.ts";

const [server, client] = [createCertificate(), createCertificate()];
/** All a server may say in the clear. */
const SERVER_TYPES = [
  HANDSHAKE_TYPE.helloVerifyRequest,
  HANDSHAKE_TYPE.serverHello,
  HANDSHAKE_TYPE.certificate,
  HANDSHAKE_TYPE.serverKeyExchange,
  HANDSHAKE_TYPE.certificateRequest,
  HANDSHAKE_TYPE.serverHelloDone,
  HANDSHAKE_TYPE.finished,
];

function twins(seed = 1): DtlsTwins {
  return new DtlsTwins({ client, server, seed });
}

Deno.test("the readers of a server's flight take any bytes, and only whole messages", () => {
  const random = new SeededRandom(21);
  const readers = [
    readHelloVerifyRequest,
    readServerHello,
    readCertificate,
    readServerKeyExchange,
    readCertificateRequest,
    readChosenProfile,
  ];
  let taken = 0;
  for (let i = 0; i < 60_000; i++) {
    const bytes = random.bytes(random.below(60));
    // Small numbers where lengths stand, so that some of it is whole.
    for (let at = 0; at < bytes.length; at++) if (random.chance(0.6)) bytes[at] = random.below(4);
    for (const read of readers) {
      if (read(bytes) === undefined) continue;
      taken++;
      assert.equal(read(Uint8Array.from([...bytes, 0])), undefined, "a byte too many");
    }
  }
  assert.ok(taken > 100, `${taken} were whole`);
});

Deno.test("a hello of ours is one that a server can read, whatever the cookie", () => {
  const random = new SeededRandom(22);
  for (let i = 0; i < 256; i++) {
    const cookie = random.bytes(i);
    const [randomBytes, profiles] = [random.bytes(32), [1, 7, 8] as const];
    const hello = readClientHello(writeClientHello(randomBytes, cookie, profiles));
    assert.deepEqual(hello?.cookie, cookie);
    assert.deepEqual(hello.random, randomBytes);
    const common = commonParameters(hello, [8, 1]);
    assert.deepEqual(common, { curve: 29, profile: 8, isExtended: true });
  }
});

Deno.test("DtlsSession as a client survives whatever a server says, and never connects", async () => {
  let failed = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed);
    const made = twins(seed);
    made.client.tamper = () => {};
    await made.run(1);
    for (let i = 0; i < 300; i++) {
      const type = SERVER_TYPES[random.below(SERVER_TYPES.length)]!;
      const body = random.bytes(random.below(80));
      const message = writeHandshake(type, random.below(7), body);
      if (random.chance(0.3)) message[HANDSHAKE_HEADER_BYTES - 1] = random.below(100);
      const epoch = random.chance(0.1) ? 1 : 0;
      made.client.session.receive(writeRecord(CONTENT_TYPE.handshake, epoch, i, message));
      made.client.session.receive(random.bytes(random.below(200)));
    }
    for (const event of made.client.events) {
      assert.match(event, /^failed: dtls_failed: (?!internal)/);
    }
    failed += made.client.events.length;
    await made.close();
  }
  assert.ok(failed > 0);
});

Deno.test("DtlsSession as a client ends by itself on handshakes with changed bytes", async () => {
  const outcomes = new Map<string, number>();
  for (let seed = 1; seed <= 200; seed++) {
    const random = new SeededRandom(seed);
    const made = twins(seed);
    const target = random.below(4);
    let sent = 0;
    const changing: DtlsEnd["tamper"] = (datagram, deliver) =>
      deliver(sent++ === target ? mutate(random, datagram) : datagram);
    if (random.chance(0.7)) made.server.tamper = changing;
    else made.client.tamper = changing;
    await made.run(100);
    await made.platform.advanceAsync(40_000, 500);
    const outcome = made.client.events[0] ?? "nothing";
    assert.match(outcome, /^(connected|failed: (dtls_failed|dtls_timeout|fingerprint_mismatch))/);
    assert.doesNotMatch(outcome, /internal error/, `seed ${seed}`);
    const kind = outcome.split(":")[0]!;
    outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
    if (made.client.srtp !== undefined && made.server.srtp !== undefined) {
      assert.deepEqual(made.client.srtp.local, made.server.srtp.remote);
    }
    await made.close();
  }
  assert.ok((outcomes.get("connected") ?? 0) > 20 && (outcomes.get("failed") ?? 0) > 20);
});

Deno.test("DtlsSession as a client keeps a live connection through changed and replayed records", async () => {
  const random = new SeededRandom(23);
  const made = twins();
  await made.run(200);
  assert.deepEqual(made.client.events, ["connected"]);
  const seen = made.server.sent.slice();
  const sent = made.client.sent.length;
  for (let i = 0; i < 5000; i++) {
    made.client.session.receive(mutate(random, seen[random.below(seen.length)]!));
  }
  assert.deepEqual(made.client.events, ["connected"]);
  assert.equal(made.client.sent.length, sent, "nothing of it is answered");
  await made.close();
});

Deno.test("DtlsSession as a client bounds what a server makes it send and compute", async () => {
  const made = twins();
  made.client.tamper = () => {};
  await made.run(1);
  const random = new SeededRandom(24);
  let sequence = 0;
  const send = (type: number, messageSeq: number, length: number, offset: number, size: number) => {
    const message = writeHandshake(type, messageSeq, random.bytes(size));
    const view = new DataView(message.buffer);
    view.setUint32(0, (type << 24) | length);
    view.setUint32(5, (offset << 8) | (message[9]! & 0xff));
    message.set([size >> 16, (size >> 8) & 255, size & 255], 9);
    made.client.session.receive(writeRecord(CONTENT_TYPE.handshake, 0, sequence++, message));
  };
  // Endless fragments of certificates that never end, at every place of the flight.
  const started = performance.now();
  for (let i = 0; i < 20_000; i++) {
    const place = random.below(5);
    const type = SERVER_TYPES[place + 1]!;
    send(type, place, MAX_PLAINTEXT_BYTES, random.below(15_000), 1_000);
  }
  const each = (performance.now() - started) / 20_000;
  assert.ok(each < 1, `${each} ms a datagram`);
  assert.deepEqual(made.client.events, []);
  assert.equal(made.client.sent.length, 1, "one hello, which is older than all of it");
  await made.close();
});

Deno.test("readCertificate() goes through thousands of certificates once and keeps the first", () => {
  const list = [0, 0, 3, 1, 2, 3];
  while (list.length < MAX_PLAINTEXT_BYTES - 8) list.push(0, 0, 0);
  const body = Uint8Array.from([
    list.length >> 16,
    (list.length >> 8) & 255,
    list.length & 255,
    ...list,
  ]);
  // On a busy machine one try may be without a processor for a while; not each of several.
  const took = Array.from({ length: 5 }, () => {
    const started = performance.now();
    assert.deepEqual(readCertificate(body), Uint8Array.of(1, 2, 3));
    return performance.now() - started;
  });
  assert.ok(Math.min(...took) < 250, "nobody holds the thread longer");
});
