import assert from "node:assert/strict";
import { SocketAddressTable } from "../../../../lib/transport/datagrams/socket_address.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const AF_INET = 2;
const AF_INET6 = 10;

/** A `sockaddr` as words, byte by byte as `ip(7)` and `ipv6(7)` describe it. */
function sockaddr(family: number, port: number, address: readonly number[], scope = 0): Int32Array {
  const bytes = new Uint8Array(32);
  bytes.set([family, 0, port >> 8, port & 0xff]);
  bytes.set(address, family === AF_INET ? 4 : 8);
  bytes[24] = scope;
  return new Int32Array(bytes.buffer);
}

Deno.test("SocketAddressTable.find() gives the address of the kernel's bytes, and the same object again", () => {
  const table = new SocketAddressTable(AF_INET);
  const words = sockaddr(AF_INET, 7882, [192, 0, 2, 255]);
  const address = table.find(words, 0);
  assert.equal(address.transport, "udp");
  assert.equal(address.hostname, "192.0.2.255");
  assert.equal(address.port, 7882);
  assert.equal(table.find(words.slice(), 0), address);
  assert.notEqual(table.find(sockaddr(AF_INET, 7883, [192, 0, 2, 255]), 0), address);
  assert.notEqual(table.find(sockaddr(AF_INET, 7882, [192, 0, 2, 254]), 0), address);
  const written = new Int32Array(8);
  address.writeTo(written, 0);
  assert.deepEqual(written, words);
});

Deno.test("SocketAddressTable writes IPv6 as RFC 5952 §4 has it, and mapped IPv4 dotted", () => {
  const table = new SocketAddressTable(AF_INET6);
  // By 16-bit groups.
  const cases: [number[], string][] = [
    [[0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], "2001:db8::1"],
    [[0x2001, 0xdb8, 0, 1, 1, 1, 1, 1], "2001:db8:0:1:1:1:1:1"],
    [[0x2001, 0, 0, 1, 0, 0, 0, 1], "2001:0:0:1::1"],
    [[0x2001, 0xdb8, 0, 0, 1, 0, 0, 1], "2001:db8::1:0:0:1"],
    [[0, 0, 0, 0, 0, 0, 0, 0], "::"],
    [[0, 0, 0, 0, 0, 0, 0, 1], "::1"],
    [[0xfe80, 0, 0, 0, 0, 0, 0, 0], "fe80::"],
    [[1, 2, 3, 4, 5, 6, 7, 8], "1:2:3:4:5:6:7:8"],
    [[0, 2, 3, 4, 5, 6, 7, 0], "0:2:3:4:5:6:7:0"],
    [[0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201], "::ffff:192.0.2.1"],
  ];
  for (const [groups, text] of cases) {
    const bytes = groups.flatMap((group) => [group >> 8, group & 0xff]);
    const words = sockaddr(AF_INET6, 9, bytes);
    const address = table.find(words, 0);
    assert.equal(address.hostname, text);
    // And back: the same peer when only its text is known.
    assert.equal(table.of({ transport: "udp", hostname: text, port: 9 }), address);
  }
});

Deno.test("SocketAddressTable tells link-local peers of two interfaces apart, but not flow labels", () => {
  const table = new SocketAddressTable(AF_INET6);
  const linkLocal = [0xfe, 0x80, ...new Array(13).fill(0), 1];
  const first = table.find(sockaddr(AF_INET6, 9, linkLocal, 2), 0);
  assert.notEqual(table.find(sockaddr(AF_INET6, 9, linkLocal, 3), 0), first);
  const labelled = sockaddr(AF_INET6, 9, linkLocal, 2);
  labelled[1] = 0x1234;
  assert.equal(table.find(labelled, 0), first);
});

Deno.test("SocketAddressTable.of() takes what its sockets can send to, and nothing else", () => {
  const v4 = new SocketAddressTable(AF_INET);
  const v6 = new SocketAddressTable(AF_INET6);
  const remote = (hostname: string, port = 9) => ({ transport: "udp" as const, hostname, port });
  const address = v4.of(remote("192.0.2.1"))!;
  assert.equal(v4.of(remote("192.0.2.1")), address);
  assert.equal(v4.of(address), address);
  assert.equal(v4.find(sockaddr(AF_INET, 9, [192, 0, 2, 1]), 0), address);
  // An IPv6 socket reaches IPv4 by mapping it, given as a value or as another socket's address.
  assert.equal(v6.of(remote("192.0.2.1"))!.hostname, "::ffff:192.0.2.1");
  assert.equal(v6.of(address)!.hostname, "::ffff:192.0.2.1");
  for (const bad of ["::1", "", "example.com", "192.0.2", "192.0.2.1.5"]) {
    assert.equal(v4.of(remote(bad)), undefined, bad);
  }
  for (const port of [-1, 65_536, NaN]) assert.equal(v4.of(remote("192.0.2.9", port)), undefined);
});

Deno.test("SocketAddressTable does not grow under a flood and keeps whom it knows", () => {
  const random = new SeededRandom(11);
  for (const family of [AF_INET, AF_INET6] as const) {
    const table = new SocketAddressTable(family);
    const words = new Int32Array(8);
    const invent = () => {
      for (let i = 0; i < 7; i++) words[i] = random.uint32();
      words[0] = family | random.below(0x10000) << 16;
    };
    const live = Array.from({ length: 1000 }, () => {
      invent();
      const address = table.find(words, 0);
      // A peer is somebody who sends more than once.
      assert.equal(table.find(words, 0), address);
      return { words: words.slice(), address };
    });
    let kept = 0;
    for (let flood = 0; flood < 200_000; flood++) {
      invent();
      table.find(words, 0);
      if (flood % 20 > 0) continue;
      const { words: known, address } = live[flood / 20 % live.length]!;
      const found = table.find(known, 0);
      assert.deepEqual([found.hostname, found.port], [address.hostname, address.port]);
      if (found === address) kept++;
    }
    assert.ok(table.size <= SocketAddressTable.capacity);
    // Among 4,096 sets of four a few are full of live ones, where newcomers take turns with them.
    assert.ok(kept > 9_900, `${kept} of 10,000`);
  }
});
