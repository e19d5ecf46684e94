import assert from "node:assert/strict";
import { forwardedFor, type ForwardedHeader } from "../../lib/wire/forwarded_for.ts";
import { formatIpAddress, parseIpAddress } from "../../lib/wire/ip_address.ts";
import { MAX_PROXY_HEADER_BYTES, parseProxyHeader } from "../../lib/wire/proxy_header.ts";
import { mutate } from "../support/hostile/mutate.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

/** A header as a proxy writes it, and whom it names. */
function header(random: SeededRandom) {
  const size = random.chance(0.5) ? 4 : 16;
  const [source, destination] = [random.bytes(size), random.bytes(size)];
  // Neither is an IPv4 address in an IPv6 one.
  source[0]! |= 1;
  destination[0]! |= 1;
  const ports = random.bytes(4);
  const hostname = formatIpAddress(source);
  const port = ports[0]! << 8 | ports[1]!;
  if (random.chance(0.5)) {
    const words = [
      `PROXY TCP${size === 4 ? 4 : 6}`,
      hostname,
      formatIpAddress(destination),
      port,
      ports[2]! << 8 | ports[3]!,
    ];
    return { hostname, port, bytes: new TextEncoder().encode(`${words.join(" ")}\r\n`) };
  }
  const extra = random.bytes(random.below(300));
  const body = [...source, ...destination, ...ports, ...extra];
  const family = size === 4 ? 0x11 : 0x21;
  const bytes = [...SIGNATURE, 0x21, family, body.length >> 8, body.length & 255, ...body];
  return { hostname, port, bytes: Uint8Array.from(bytes) };
}

Deno.test("parseProxyHeader() finds the header's end however it is cut, whatever follows", () => {
  for (const seed of [1, 2, 0xbeef]) {
    const random = new SeededRandom(seed);
    for (let round = 0; round < 2_000; round++) {
      const { bytes, hostname, port } = header(random);
      const stream = Uint8Array.from([...bytes, ...random.bytes(random.below(200))]);
      const found = parseProxyHeader(stream, stream.length);
      assert.deepEqual(found, { length: bytes.length, source: { hostname, port } });
      const cut = random.below(bytes.length);
      assert.equal(parseProxyHeader(stream, cut), "incomplete");
    }
  }
});

Deno.test("parseProxyHeader() survives anything, and what it takes for a header is one", () => {
  const random = new SeededRandom(4_711);
  const seen = { whole: 0, incomplete: 0, malformed: 0 };
  for (let round = 0; round < 30_000; round++) {
    const bytes = random.chance(0.9)
      ? mutate(random, header(random).bytes)
      : random.bytes(random.below(400));
    const found = parseProxyHeader(bytes, bytes.length);
    if (typeof found === "string") {
      seen[found]++;
      // Nobody waits for what is longer than anything a proxy says.
      assert.ok(found === "malformed" || bytes.length < MAX_PROXY_HEADER_BYTES);
      continue;
    }
    seen.whole++;
    assert.ok(found.length <= bytes.length);
    if (found.source === undefined) continue;
    assert.ok(parseIpAddress(found.source.hostname) !== undefined);
    assert.ok(Number.isInteger(found.source.port) && found.source.port <= 0xffff);
  }
  for (const [kind, count] of Object.entries(seen)) assert.ok(count > 500, kind);
});

Deno.test("forwardedFor() always gives what our own proxy has written, whatever stands before", () => {
  const isOurs = (address: Uint8Array) => address[0] === 10 && address.length === 4;
  for (const seed of [3, 4, 0xcafe]) {
    const random = new SeededRandom(seed);
    for (let round = 0; round < 3_000; round++) {
      // Our proxy appends a client that is none of ours to whatever the client has written.
      const client = random.bytes(random.chance(0.5) ? 4 : 16);
      client[0]! |= 1;
      const address = formatIpAddress(client);
      const written = String.fromCharCode(
        ...random.bytes(random.below(60)).map((byte) =>
          random.chance(0.4) ? '",;=\\ for[]:1.'.charCodeAt(byte % 14) : 32 + byte % 95
        ),
      );
      const isIpv6 = address.includes(":");
      const rows: readonly (readonly [ForwardedHeader, string])[] = [
        ["X-Forwarded-For", `${written}, ${address}`],
        ["Forwarded", `${written}, for=${isIpv6 ? `"[${address}]"` : address}`],
      ];
      for (const [name, value] of rows) {
        assert.equal(forwardedFor("10.0.0.1", isOurs, name, value), address, `${name}: ${value}`);
      }
      const anything = forwardedFor("10.0.0.1", isOurs, "Forwarded", written);
      assert.ok(parseIpAddress(anything) !== undefined);
    }
  }
});
