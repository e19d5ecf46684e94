import assert from "node:assert/strict";
import { writeClientHello } from "../../../../lib/transport/dtls/dtls_client_flight.ts";
import {
  type ClientHello,
  readClientHello,
} from "../../../../lib/transport/dtls/dtls_client_hello.ts";
import {
  commonParameters,
  writeServerHello,
} from "../../../../lib/transport/dtls/dtls_server_answer.ts";
import { readServerHello } from "../../../../lib/transport/dtls/dtls_server_flight.ts";
import { EXTENSION, vector16, vector8, words } from "../../../../lib/transport/dtls/tls_vectors.ts";

const HELLO = readClientHello(writeClientHello(new Uint8Array(32), new Uint8Array(0), [1, 7, 8]))!;

/** A hello that says something else in one extension, or leaves it out. */
function saying(type: number, value: readonly number[] | undefined): ClientHello {
  const extensions = new Map(HELLO.extensions);
  extensions.delete(type);
  if (value !== undefined) extensions.set(type, Uint8Array.from(value));
  return { ...HELLO, extensions };
}

const list = (...values: number[]) => vector16(words(values));

Deno.test("commonParameters() takes what both can do, by our preference", () => {
  assert.deepEqual(commonParameters(HELLO, [7, 1]), { curve: 29, profile: 7, isExtended: true });
  const { supportedGroups, useSrtp, extendedMasterSecret, signatureAlgorithms } = EXTENSION;
  const curveOf = (...groups: number[]) =>
    commonParameters(saying(supportedGroups, list(...groups)), [1])?.curve;
  assert.equal(curveOf(0x6399, 23, 24, 29), 29);
  assert.equal(curveOf(24, 23), 23);
  assert.equal(curveOf(24, 25), undefined);
  assert.equal(curveOf(), undefined);
  assert.equal(commonParameters(saying(supportedGroups, undefined), [1])?.curve, 23, "any");
  assert.equal(commonParameters(saying(supportedGroups, [0, 29]), [1]), undefined, "no list");
  const plain = commonParameters(saying(extendedMasterSecret, undefined), [1]);
  assert.equal(plain?.isExtended, false);
  const data = commonParameters(saying(useSrtp, undefined), [1])!;
  assert.equal(data.profile, undefined, "data channels only");
  const offered = (...profiles: number[]) => [...list(...profiles), ...vector8([])];
  assert.equal(commonParameters(saying(useSrtp, offered(8)), [1, 7]), undefined);
  assert.equal(commonParameters(saying(useSrtp, offered(2, 7)), [1, 7])?.profile, 7);
  assert.equal(commonParameters(saying(useSrtp, [...offered(7), 0]), [7]), undefined);
  const signs = (...schemes: number[]) =>
    commonParameters(saying(signatureAlgorithms, list(...schemes)), [1]) !== undefined;
  assert.deepEqual([signs(0x0804, 0x0403), signs(0x0401, 0x0503), signs()], [true, false, false]);
});

Deno.test("commonParameters() has nothing in common with older versions, or without our suite", () => {
  const suites = (...values: number[]) => ({
    ...HELLO,
    cipherSuites: Uint8Array.from(words(values)),
  });
  assert.equal(commonParameters(suites(0xc02f, 0xcca9), [1]), undefined, "of RSA is not ours");
  assert.ok(commonParameters(suites(0xc02f, 0xc02b), [1]));
  assert.equal(commonParameters({ ...HELLO, version: 0xfeff }, [1]), undefined, "DTLS 1.0");
  assert.equal(commonParameters({ ...HELLO, version: 0x0303 }, [1]), undefined, "TLS");
  assert.ok(commonParameters({ ...HELLO, version: 0xfefc }, [1]), "1.3 and 1.2");
  const compressions = Uint8Array.of(1);
  assert.equal(commonParameters({ ...HELLO, compressions }, [1]), undefined);
});

Deno.test("writeServerHello() names no extension that the client did not", () => {
  const answered = (hello: ClientHello) => {
    const bytes = writeServerHello(new Uint8Array(32), hello, commonParameters(hello, [1])!);
    return [...readServerHello(bytes)!.extensions.keys()].sort((a, b) => a - b);
  };
  const { pointFormats, useSrtp, extendedMasterSecret, renegotiationInfo } = EXTENSION;
  assert.deepEqual(answered(HELLO), [
    pointFormats,
    useSrtp,
    extendedMasterSecret,
    renegotiationInfo,
  ]);
  const bare = { ...HELLO, extensions: new Map<number, Uint8Array>() };
  assert.deepEqual(answered(bare), []);
  const cipherSuites = Uint8Array.of(0xc0, 0x2b, 0x00, 0xff);
  assert.deepEqual(answered({ ...bare, cipherSuites }), [renegotiationInfo], "by RFC 5746 §3.3");
});
