import assert from "node:assert/strict";
import { MAX_PROXY_HEADER_BYTES, parseProxyHeader } from "../../../lib/wire/proxy_header.ts";

const parse = (bytes: Uint8Array) => parseProxyHeader(bytes, bytes.length);
const line = (text: string) => parse(new TextEncoder().encode(text));

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
function binary(command: number, family: number, body: readonly number[], size = body.length) {
  return Uint8Array.from([...SIGNATURE, command, family, size >> 8, size & 255, ...body]);
}
const IPV4 = [203, 0, 113, 7, 192, 0, 2, 1, 0xd4, 0x31, 0x01, 0xbb];
const IPV6 = [
  ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
  ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ...[0xd4, 0x31, 0x01, 0xbb],
];

Deno.test("parseProxyHeader() reads the lines of version 1", () => {
  const tcp4 = "PROXY TCP4 203.0.113.7 192.0.2.1 54321 443\r\n";
  assert.deepEqual(line(`${tcp4}GET / HTTP/1.1\r\n`), {
    length: tcp4.length,
    source: { hostname: "203.0.113.7", port: 54321 },
  });
  const tcp6 = "PROXY TCP6 2001:db8::7 2001:db8::1 54321 443\r\n";
  assert.deepEqual(line(tcp6), {
    length: tcp6.length,
    source: { hostname: "2001:db8::7", port: 54321 },
  });
  const mapped = "PROXY TCP6 ::ffff:203.0.113.7 ::1 1 65535\r\n";
  assert.deepEqual(line(mapped), {
    length: mapped.length,
    source: { hostname: "203.0.113.7", port: 1 },
  });
  assert.deepEqual(line("PROXY UNKNOWN\r\n"), { length: 15 });
  assert.deepEqual(line("PROXY UNKNOWN ff:: ee:: 1 2\r\nrest"), { length: 29 });
});

Deno.test("parseProxyHeader() reads version 2, with what may follow the addresses", () => {
  assert.deepEqual(parse(binary(0x21, 0x11, IPV4)), {
    length: 28,
    source: { hostname: "203.0.113.7", port: 54321 },
  });
  assert.deepEqual(parse(binary(0x21, 0x21, [...IPV6, 3, 0, 4, 1, 2, 3, 4])), {
    length: 59,
    source: { hostname: "2001:db8::7", port: 54321 },
  });
  // LOCAL, addresses that are none, datagrams, and paths of UNIX sockets.
  for (const [command, family] of [[0x20, 0x11], [0x21, 0], [0x21, 0x12], [0x21, 0x31]] as const) {
    assert.deepEqual(parse(binary(command, family, IPV4)), { length: 28 });
  }
  assert.deepEqual(parse(binary(0x20, 0, [])), { length: 16 });
});

Deno.test("parseProxyHeader() waits for the rest of what may become a header, and no longer", () => {
  const whole: readonly Uint8Array[] = [
    new TextEncoder().encode("PROXY TCP4 203.0.113.7 192.0.2.1 54321 443\r\n"),
    binary(0x21, 0x11, IPV4),
  ];
  for (const bytes of whole) {
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(parseProxyHeader(bytes, length), "incomplete", `${length}`);
    }
  }
  const endless = new Uint8Array(107).fill(0x31);
  endless.set(new TextEncoder().encode("PROXY TCP4 "));
  assert.equal(parseProxyHeader(endless, 106), "incomplete");
  assert.equal(parseProxyHeader(endless, 107), "malformed");
});

Deno.test("parseProxyHeader() refuses what is no header, as early as it shows", () => {
  const lines = [
    "G",
    "PROXX",
    "PROXY TCP4 203.0.113.7 192.0.2.1 54321 443\rX",
    "PROXY TCP4 203.0.113.7 192.0.2.1 54321\r\n",
    "PROXY TCP4 203.0.113.7 192.0.2.1 54321 443 1\r\n",
    "PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n",
    "PROXY TCP4 203.0.113.7 192.0.2.1 054 443\r\n",
    "PROXY TCP4 203.0.113.7 192.0.2.1 -1 443\r\n",
    "PROXY TCP4  203.0.113.7 192.0.2.1 1 443\r\n",
    "PROXY TCP4 203.0.113.700 192.0.2.1 1 443\r\n",
    "PROXY TCP4 2001:db8::7 2001:db8::1 1 443\r\n",
    "PROXY TCP6 203.0.113.7 192.0.2.1 1 443\r\n",
    "PROXY TCP6 fe80::1%eth0 fe80::2 1 443\r\n",
    "PROXY UDP4 203.0.113.7 192.0.2.1 1 443\r\n",
    "PROXY \r\n",
  ];
  for (const text of lines) assert.equal(line(text), "malformed", text);
  assert.equal(parse(Uint8Array.from([0x0d, 0x0a, 0x0a])), "malformed");
  assert.equal(parse(binary(0x11, 0x11, IPV4)), "malformed", "version 1 in binary");
  assert.equal(parse(binary(0x22, 0x11, IPV4)), "malformed", "a command that is none");
  assert.equal(parse(binary(0x21, 0x11, IPV4.slice(1))), "malformed", "addresses cut off");
  assert.equal(parse(binary(0x21, 0x21, IPV4)), "malformed", "addresses of the other family");
  const most = MAX_PROXY_HEADER_BYTES - 16;
  assert.equal(parse(binary(0x21, 0x11, IPV4, most)), "incomplete");
  assert.equal(parse(binary(0x21, 0x11, IPV4, most + 1)), "malformed");
});
