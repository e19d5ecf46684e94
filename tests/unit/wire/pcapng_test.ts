import assert from "node:assert/strict";
import { pcapngDatagram, pcapngHeader } from "../../../lib/wire/pcapng.ts";
import { joinBytes } from "../../../lib/base/joined_bytes.ts";
import { readPcapng } from "../../support/media/pcapng_reader.ts";

const DATAGRAM = {
  interfaceId: 0,
  isSent: false,
  timeUs: 1_767_225_600_123_456,
  serverPort: 5004,
  clientPort: 50_000,
};

Deno.test("pcapng files have what was written, whatever lengths do not divide by four", () => {
  const bytes = (length: number) => Uint8Array.from({ length }, (_, at) => at * 7);
  const datagrams = [0, 1, 2, 3, 4, 5, 1_200].flatMap((length) => [
    { ...DATAGRAM, length, bytes: bytes(length) },
    { ...DATAGRAM, interfaceId: 1, isSent: true, length: length + 1_000, bytes: bytes(length) },
  ]);
  for (const comment of ["", "a", "ab", "abc", "größer"]) {
    const file = joinBytes([
      pcapngHeader("Roomwire", comment, ["publisher", "subscriber"]),
      ...datagrams.map(pcapngDatagram),
    ]);
    const read = readPcapng(file);
    assert.equal(read.comment, comment);
    assert.deepEqual(read.interfaces, ["publisher", "subscriber"]);
    assert.equal(read.datagrams.length, datagrams.length);
    for (const [at, { interfaceId, isSent, timeUs, length, bytes }] of datagrams.entries()) {
      const one = read.datagrams[at]!;
      assert.equal(one.on, read.interfaces[interfaceId]);
      assert.deepEqual([one.isSent, one.timeUs, one.length], [isSent, timeUs, length]);
      assert.deepEqual(one.bytes, bytes);
      assert.deepEqual(one.ports, isSent ? [5004, 50_000] : [50_000, 5004]);
      assert.equal(isSent ? one.from : one.to, "192.0.2.1");
    }
  }
});

Deno.test("pcapngDatagram() refuses what is no datagram", () => {
  const bytes = new Uint8Array(10);
  assert.throws(() => pcapngDatagram({ ...DATAGRAM, length: 70_000, bytes }), RangeError);
  assert.throws(() => pcapngDatagram({ ...DATAGRAM, length: 9, bytes }), RangeError);
});
