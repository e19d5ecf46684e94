import assert from "node:assert/strict";
import { prf, TlsKeySchedule } from "../../../../lib/transport/dtls/tls_key_schedule.ts";
import { HANDSHAKE_TWINS } from "../../../support/media/handshake_twins.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);

for (const { name, crypto } of HANDSHAKE_TWINS) {
  Deno.test(`the PRF of TLS 1.2 gives the published values of P_SHA256 with ${name} crypto`, () => {
    const secret = bytes("9bbe436ba940f017b17652849a71db35");
    const seed = bytes("a0ba9f936cda311827a6f796ffd5198c");
    assert.equal(
      prf(crypto, secret, "test label", seed, 100).toHex(),
      "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a" +
        "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab" +
        "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701" +
        "87347b66",
    );
  });

  Deno.test(`TlsKeySchedule with ${name} crypto gives each purpose bytes of its own`, () => {
    const randoms = { client: new Uint8Array(32).fill(1), server: new Uint8Array(32).fill(2) };
    const preMaster = new Uint8Array(32).fill(3);
    const hash = crypto.sha256(Uint8Array.of(1, 2, 3));
    const plain = new TlsKeySchedule(crypto, preMaster, randoms, undefined);
    const extended = new TlsKeySchedule(crypto, preMaster, randoms, hash);
    const values = [plain, extended].flatMap((schedule) => {
      const { client, server } = schedule.recordKeys();
      assert.deepEqual([client.key.length, client.salt.length], [16, 4]);
      assert.equal(schedule.verifyData("client", hash).length, 12);
      return [
        client.key,
        server.key,
        client.salt,
        server.salt,
        schedule.verifyData("client", hash),
        schedule.verifyData("server", hash),
        schedule.exportKeys("EXTRACTOR-dtls_srtp", 60),
      ];
    });
    assert.equal(new Set(values.map((value) => value.toHex())).size, values.length);
  });
}
