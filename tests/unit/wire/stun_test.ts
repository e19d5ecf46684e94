import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { classes, Message, methods, parseMessage } from "werift";
import { parseIpAddress } from "../../../lib/wire/ip_address.ts";
import {
  BINDING_REQUEST,
  BINDING_SUCCESS,
  MAX_ANSWER_BYTES,
  parseStun,
  type StunMac,
  verifyIntegrity,
  writeBindingError,
  writeBindingSuccess,
} from "../../../lib/wire/stun.ts";

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
const macOf = (key: string): StunMac => (bytes, length) =>
  createHmac("sha1", key).update(bytes.subarray(0, length)).digest();

/** RFC 5769 §2: password of all samples, and the samples. */
const SAMPLE_MAC = macOf("VOkJxbRl1RmTxUk/WvJxBt");
const SAMPLE_REQUEST = bytesOf(`
  00010058 2112a442 b7e7a701 bc34d686 fa87dfae
  80220010 5354554e 20746573 7420636c 69656e74
  00240004 6e0001ff
  80290008 932ff9b1 51263b36
  00060009 6576746a 3a683676 59202020
  00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
  80280004 e57a3bcf`);
const SAMPLE_IPV4_RESPONSE = bytesOf(`
  0101003c 2112a442 b7e7a701 bc34d686 fa87dfae
  8022000b 74657374 20766563 746f7220
  00200008 0001a147 e112a643
  00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
  80280004 c07d4c96`);
const SAMPLE_IPV6_RESPONSE = bytesOf(`
  01010048 2112a442 b7e7a701 bc34d686 fa87dfae
  8022000b 74657374 20766563 746f7220
  00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
  00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
  80280004 c8fb0b4c`);

Deno.test("parseStun() reads the request of RFC 5769 §2.1", () => {
  const message = parseStun(SAMPLE_REQUEST, SAMPLE_REQUEST.length)!;
  assert.equal(message.messageType, BINDING_REQUEST);
  assert.equal(message.username, "evtj:h6vY");
  assert.equal(message.priority, 0x6e0001ff);
  assert.equal(message.controlled, true);
  assert.equal(message.controlling, false);
  assert.equal(message.useCandidate, false);
  assert.deepEqual(message.unknownRequired, []);
});

Deno.test("verifyIntegrity() accepts all samples of RFC 5769 and leaves their bytes alone", () => {
  for (const sample of [SAMPLE_REQUEST, SAMPLE_IPV4_RESPONSE, SAMPLE_IPV6_RESPONSE]) {
    const bytes = sample.slice();
    const message = parseStun(bytes, bytes.length)!;
    assert.equal(verifyIntegrity(bytes, message, SAMPLE_MAC), true);
    assert.deepEqual(bytes, sample);
    assert.equal(
      verifyIntegrity(bytes, message, macOf("VOkJxbRl1RmTxUk/WvJxBu")),
      false,
    );
  }
});

Deno.test("parseStun() or verifyIntegrity() refuses a sample with any one bit changed", () => {
  // Except in the type of FINGERPRINT: under another type it is an attribute nobody has to read.
  const fingerprint = SAMPLE_REQUEST.length - 8;
  for (let bit = 0; bit < SAMPLE_REQUEST.length * 8; bit++) {
    if (bit >> 4 === fingerprint >> 1) continue;
    const bytes = SAMPLE_REQUEST.slice();
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    const message = parseStun(bytes, bytes.length);
    const isAccepted = message !== undefined &&
      verifyIntegrity(bytes, message, SAMPLE_MAC);
    assert.equal(isAccepted, false, `bit ${bit}`);
  }
});

Deno.test("parseStun() reads the RFC 5769 sample inside a larger buffer, and refuses it cut", () => {
  const buffer = new Uint8Array(2048);
  buffer.set(SAMPLE_REQUEST);
  assert.equal(parseStun(buffer, SAMPLE_REQUEST.length)?.username, "evtj:h6vY");
  for (let length = 0; length < SAMPLE_REQUEST.length; length++) {
    assert.equal(parseStun(buffer, length), undefined, `length ${length}`);
  }
});

/** A request as werift's ICE agent writes it. */
function weriftRequest(build: (message: Message) => void, pwd = "secretsecretsecretsecret") {
  const message = new Message(methods.BINDING, classes.REQUEST);
  build(message);
  message.addMessageIntegrity(Buffer.from(pwd)).addFingerprint();
  return Uint8Array.from(message.bytes);
}

Deno.test("parseStun() reads what werift writes", () => {
  const bytes = weriftRequest((message) =>
    message
      .setAttribute("USERNAME", "local:remote")
      .setAttribute("PRIORITY", 1853824767)
      .setAttribute("ICE-CONTROLLING", 0x0123456789abcdefn)
      .setAttribute("USE-CANDIDATE", null)
  );
  const message = parseStun(bytes, bytes.length)!;
  assert.equal(message.username, "local:remote");
  assert.equal(message.priority, 1853824767);
  assert.equal(message.controlling, true);
  assert.equal(message.controlled, false);
  assert.equal(message.useCandidate, true);
  assert.equal(
    verifyIntegrity(bytes, message, macOf("secretsecretsecretsecret")),
    true,
  );
});

Deno.test("parseStun() does not read attributes behind MESSAGE-INTEGRITY", () => {
  const message = new Message(methods.BINDING, classes.REQUEST);
  message.setAttribute("USERNAME", "local:remote").addMessageIntegrity(Buffer.from("pwd"));
  // USE-CANDIDATE, appended by someone on the way who does not know the password.
  const forged = new Uint8Array([...message.bytes, 0, 0x25, 0, 0]);
  forged[3]! += 4;
  const parsed = parseStun(forged, forged.length)!;
  assert.equal(parsed.useCandidate, false);
  assert.equal(verifyIntegrity(forged, parsed, macOf("pwd")), true);
});

Deno.test("parseStun() names unknown comprehension-required attributes, eight at most", () => {
  const bytes = new Uint8Array(20 + 12 * 4);
  bytes.set(SAMPLE_REQUEST.subarray(0, 20));
  bytes[3] = 12 * 4;
  for (let i = 0; i < 12; i++) bytes.set([i === 0 ? 0xff : 0x7f, i, 0, 0], 20 + 4 * i);
  const message = parseStun(bytes, bytes.length)!;
  assert.deepEqual(message.unknownRequired, [1, 2, 3, 4, 5, 6, 7, 8].map((i) => 0x7f00 + i));
  assert.equal(verifyIntegrity(bytes, message, macOf("")), false);
});

Deno.test("writeBindingSuccess() maps addresses as RFC 5769 §2.2 and §2.3 do", () => {
  const samples: [string, Uint8Array][] = [
    ["192.0.2.1", SAMPLE_IPV4_RESPONSE],
    ["2001:db8:1234:5678:11:2233:4455:6677", SAMPLE_IPV6_RESPONSE],
  ];
  for (const [hostname, sample] of samples) {
    const out = new Uint8Array(MAX_ANSWER_BYTES).fill(0xaa);
    const address = parseIpAddress(hostname)!;
    const length = writeBindingSuccess(out, SAMPLE_REQUEST, address, 32853, SAMPLE_MAC);
    // Header without its length, and XOR-MAPPED-ADDRESS, which follows SOFTWARE in the samples.
    assert.deepEqual(out.slice(4, 20), sample.slice(4, 20));
    assert.deepEqual(out.slice(20, 28 + address.length), sample.slice(36, 44 + address.length));
    const message = parseStun(out, length)!;
    assert.equal(message.messageType, BINDING_SUCCESS);
    assert.equal(verifyIntegrity(out, message, SAMPLE_MAC), true);
  }
});

Deno.test("writeBindingSuccess() writes what werift accepts, byte for byte as it would", () => {
  const pwd = Buffer.from("secretsecretsecretsecret");
  const request = weriftRequest((message) => message.setAttribute("USERNAME", "a:b"));
  const out = new Uint8Array(MAX_ANSWER_BYTES).fill(0xaa);
  const address = parseIpAddress("198.51.100.7")!;
  const length = writeBindingSuccess(out, request, address, 50_001, macOf(pwd.toString()));
  const theirs = new Message(methods.BINDING, classes.RESPONSE, Buffer.from(request.slice(8, 20)));
  theirs.setAttribute("XOR-MAPPED-ADDRESS", ["198.51.100.7", 50_001]);
  theirs.addMessageIntegrity(pwd).addFingerprint();
  assert.deepEqual(out.slice(0, length), Uint8Array.from(theirs.bytes));
  const parsed = parseMessage(Buffer.from(out.slice(0, length)), pwd)!;
  assert.deepEqual(parsed.getAttributeValue("XOR-MAPPED-ADDRESS"), ["198.51.100.7", 50_001]);
});

Deno.test("writeBindingError() writes what werift reads, with and without unknown attributes", () => {
  const pwd = Buffer.from("secretsecretsecretsecret");
  const request = weriftRequest((message) => message.setAttribute("USERNAME", "a:b"));
  const cases = [[400, "Bad Request"], [420, "Unknown Attribute"], [487, "Role Conflict"]] as const;
  for (const [code, reason] of cases) {
    const out = new Uint8Array(MAX_ANSWER_BYTES).fill(0xaa);
    const unknown = code === 420 ? [0x7f01, 0x7f02, 0x7f03] : [];
    const length = writeBindingError(out, request, code, unknown, macOf(pwd.toString()));
    const parsed = parseMessage(Buffer.from(out.slice(0, length)), pwd)!;
    assert.equal(parsed.messageClass, classes.ERROR);
    assert.deepEqual(parsed.getAttributeValue("ERROR-CODE"), [code, reason]);
    if (code === 420) assert.deepEqual(parsed.getAttributeValue("UNKNOWN-ATTRIBUTES"), unknown);
  }
});

Deno.test("writeBindingError() fits MAX_ANSWER_BYTES whatever it is given", () => {
  const out = new Uint8Array(MAX_ANSWER_BYTES);
  const unknown = Array.from({ length: 100 }, (_, i) => 0x7000 + i);
  const length = writeBindingError(out, SAMPLE_REQUEST, 420, unknown, SAMPLE_MAC);
  assert.ok(length <= MAX_ANSWER_BYTES);
  assert.equal(parseStun(out, length) !== undefined, true);
});
