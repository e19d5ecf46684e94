/** The kernel's choice as a program, run by a small interpreter of classic BPF. */
import assert from "node:assert/strict";
import { FROM_IP_HEADER } from "../../../../lib/transport/datagrams/shared_port.ts";
import {
  MAX_STEERED,
  steeringKey,
  steeringProgram,
} from "../../../../lib/transport/tcp/steering_program.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

/** Longest program that the kernel takes (`BPF_MAXINSNS`). */
const MAX_INSTRUCTIONS = 4096;

/** A packet as the kernel has it: the IP header apart, as loads reach either. */
interface Packet {
  readonly ip: Uint8Array;
  readonly datagram: Uint8Array;
}

function packet(source: Uint8Array, port: number, datagram: Uint8Array): Packet {
  const isV4 = source.length === 4;
  const ip = new Uint8Array(isV4 ? 28 : 48);
  ip[0] = isV4 ? 0x45 : 0x60;
  ip.set(source, isV4 ? 12 : 8);
  new DataView(ip.buffer).setUint16(isV4 ? 20 : 40, port);
  return { ip, datagram };
}

/** `man 4 bpf` and `linux/filter.h`: a load beyond the packet ends the program with 0. */
function run(program: ReturnType<typeof steeringProgram>, { ip, datagram }: Packet): number {
  const kept = new Uint32Array(16);
  let [a, x] = [0, 0];
  for (let at = 0; at < program.length; at++) {
    const [code, ifTrue, ifFalse, k] = program[at]!;
    const load = (bytes: number) => {
      const from = k < 0 ? ip : datagram;
      const offset = k < 0 ? k - FROM_IP_HEADER : k;
      if (offset + bytes > from.length) return undefined;
      return from.subarray(offset, offset + bytes).reduce((sum, byte) => sum * 256 + byte, 0);
    };
    const jumpIf = (holds: boolean) => void (at += holds ? ifTrue : ifFalse);
    switch (code) {
      case 0x30:
      case 0x28:
      case 0x20: {
        const loaded = load(code === 0x30 ? 1 : code === 0x28 ? 2 : 4);
        if (loaded === undefined) return 0;
        a = loaded;
        break;
      }
      case 0x00:
        a = k;
        break;
      case 0x80:
        a = datagram.length;
        break;
      case 0x01:
        x = k;
        break;
      case 0x07:
        x = a;
        break;
      case 0x03:
        kept[k] = x;
        break;
      case 0x61:
        x = kept[k]!;
        break;
      case 0x54:
        a = (a & k) >>> 0;
        break;
      case 0x24:
        a = Math.imul(a, k) >>> 0;
        break;
      case 0x74:
        a >>>= k;
        break;
      case 0x0c:
        a = (a + x) >>> 0;
        break;
      case 0xac:
        a = (a ^ x) >>> 0;
        break;
      case 0x05:
        at += k;
        break;
      case 0x15:
        jumpIf(a === k);
        break;
      case 0x35:
        jumpIf(a >= k);
        break;
      case 0x06:
        return k;
      case 0x16:
        return a;
      default:
        assert.fail(`instruction ${code}`);
    }
  }
  return assert.fail("it ran out of the program");
}

const MEDIA = Uint8Array.of(0x40, 0x01, 0, 12, 0x80, 96, 0, 1);
const REPORT = Uint8Array.of(0x40, 0x01, 0, 8, 0x80, 205, 0, 1);
/** A record of DTLS around a SACK alone, of data around a message, behind a channel's header. */
const ACKNOWLEDGEMENT = new Uint8Array(4 + 65);
ACKNOWLEDGEMENT.set([0x40, 0x01, 0, 65, 23]);
const MESSAGE = new Uint8Array(4 + 69);
MESSAGE.set([0x40, 0x01, 0, 69, 23]);
const SENDER_REPORT = Uint8Array.of(0x7f, 0xff, 0, 8, 0x80, 200, 0, 1);

function randomClient(random: SeededRandom) {
  const source = random.bytes(random.chance(0.5) ? 4 : 16);
  const port = 1024 + random.below(60_000);
  const words = [...source].map((byte) => byte.toString(16).padStart(2, "0"));
  const hostname = source.length === 4
    ? source.join(".")
    : [0, 2, 4, 6, 8, 10, 12, 14].map((i) => words[i]! + words[i + 1]!).join(":");
  return { source, port, hostname };
}

Deno.test("steeringProgram() finds the seat of each client, and nobody's of all others", () => {
  const random = new SeededRandom(7);
  for (const count of [1, 2, 8, 9, 64, 500, MAX_STEERED]) {
    const clients = Array.from({ length: count }, () => randomClient(random));
    const seats = new Map(
      clients.map((client) => [steeringKey(client)!, 1 + 2 * random.below(31)]),
    );
    const program = steeringProgram(seats);
    assert.ok(program.length <= MAX_INSTRUCTIONS, `${program.length} instructions`);
    for (const [, ifTrue, ifFalse] of program) {
      assert.ok(ifTrue >= 0 && ifTrue < 256 && ifFalse >= 0 && ifFalse < 256);
    }
    for (const client of clients) {
      const { source, port } = client;
      const seat = seats.get(steeringKey(client)!)!;
      const goesTo = (bytes: Uint8Array) => run(program, packet(source, port, bytes));
      assert.equal(goesTo(MEDIA), seat);
      assert.equal(goesTo(REPORT), seat + 1);
      assert.equal(goesTo(ACKNOWLEDGEMENT), seat + 1);
      assert.equal(goesTo(MESSAGE), seat);
      assert.equal(goesTo(SENDER_REPORT), seat);
      assert.equal(goesTo(Uint8Array.of(0, 1, 0, 0)), 0, "a request is the server's");
      assert.equal(goesTo(Uint8Array.of(0x40, 0, 0, 0)), 0, "and what carries nothing");
      assert.equal(run(program, packet(source, port ^ 1, MEDIA)), 0);
    }
    for (let i = 0; i < 200; i++) {
      const stranger = randomClient(random);
      if (seats.has(steeringKey(stranger)!)) continue;
      assert.equal(run(program, packet(stranger.source, stranger.port, MEDIA)), 0);
    }
  }
});

Deno.test("steeringProgram() with the most different seats is not too long for the kernel", () => {
  const seats = new Map(Array.from({ length: 2 * MAX_STEERED }, (_, i) => [i * 7, 1 + 2 * i]));
  const { length } = steeringProgram(seats);
  assert.ok(length <= MAX_INSTRUCTIONS, `${length} instructions`);
});

Deno.test("steeringProgram() of nobody leaves everything to the first socket", () => {
  const program = steeringProgram(new Map());
  assert.equal(run(program, packet(Uint8Array.of(192, 0, 2, 1), 5000, MEDIA)), 0);
});

Deno.test("steeringKey() of an address of IPv4 is one key, however it is written", () => {
  const plain = steeringKey({ hostname: "192.0.2.1", port: 5000 });
  assert.equal(steeringKey({ hostname: "::ffff:192.0.2.1", port: 5000 }), plain);
  assert.notEqual(steeringKey({ hostname: "192.0.2.1", port: 5001 }), plain);
  assert.notEqual(steeringKey({ hostname: "192.0.2.2", port: 5000 }), plain);
  assert.equal(steeringKey({ hostname: "example.org", port: 5000 }), undefined);
});
