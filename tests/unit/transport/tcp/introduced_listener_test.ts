import assert from "node:assert/strict";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import type { TransportDrop } from "../../../../lib/transport/drop_reasons.ts";
import type { StunOrigin } from "../../../../lib/transport/ice/ice_directory.ts";
import { openTcpMux } from "../../../../lib/transport/tcp/tcp_mux.ts";
import { parseIpNetwork } from "../../../../lib/wire/ip_network.ts";
import { until } from "../../../support/wire/until.ts";

const HOST = "127.0.0.1";
/** A Binding request in its frame (RFC 4571 §2), without attributes. */
const FRAME = Uint8Array.from([
  ...[0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
  ...new Array(12).fill(7),
]);
const header = (address: string, port: number) =>
  new TextEncoder().encode(`PROXY TCP4 ${address} 192.0.2.1 ${port} 7881\r\n`);

/** A mux behind proxies on loopback that answers each request with itself. */
async function open(unnamedPerAddress = 32) {
  const { clock, timers } = denoPlatform(silentLog);
  const drops = new DropCounters<TransportDrop>();
  const from: string[] = [];
  const mux = await openTcpMux({
    hostname: HOST,
    port: 0,
    directory: {
      receiveStun(bytes: Uint8Array, length: number, origin: StunOrigin) {
        from.push(`${origin.remote.hostname}:${origin.remote.port}`);
        origin.reply(bytes, length);
      },
    },
    clock,
    timers,
    drops,
    log: silentLog,
    limits: { unnamedPerAddress },
    proxies: [parseIpNetwork("127.0.0.0/8")!],
  });
  return { mux, drops, from };
}

async function connect(port: number, ...parts: readonly Uint8Array[]): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: HOST, port });
  connection.setNoDelay(true);
  for (const part of parts) await connection.write(part);
  return connection;
}

async function readFrame(connection: Deno.TcpConn): Promise<Uint8Array> {
  const all = new Uint8Array(FRAME.length);
  for (let at = 0; at < all.length;) {
    const length = await connection.read(all.subarray(at));
    if (length === null) break;
    at += length;
  }
  return all;
}

Deno.test("TcpMux sees clients behind a proxy as who they are, however what comes is cut", async () => {
  const { mux, drops, from } = await open();
  const { port } = mux.localAddress;
  const first = header("203.0.113.7", 54321);
  const whole = await connect(port, Uint8Array.from([...first, ...FRAME]));
  assert.deepEqual(await readFrame(whole), FRAME);
  const bytes = [...header("203.0.113.8", 1), ...FRAME].map((byte) => Uint8Array.of(byte));
  const slow = await connect(port, ...bytes);
  assert.deepEqual(await readFrame(slow), FRAME);
  assert.deepEqual(from, ["203.0.113.7:54321", "203.0.113.8:1"]);
  // Again on the same connection.
  await whole.write(FRAME);
  assert.deepEqual(await readFrame(whole), FRAME);
  const direct = await connect(port, FRAME);
  assert.equal(await direct.read(new Uint8Array(1)).catch(() => null), null);
  assert.equal(drops.get("proxy_header_malformed"), 1);
  for (const connection of [whole, slow, direct]) connection.close();
  await until("their ends", () => mux.connections.total === 0);
  mux.close();
  await mux.closed;
});

Deno.test("TcpMux counts strangers by the address that a proxy names", async () => {
  const { mux, drops } = await open(1);
  const { port } = mux.localAddress;
  const connections = [
    await connect(port, header("203.0.113.7", 1)),
    await connect(port, header("203.0.113.8", 1)),
  ];
  await until("both", () => mux.connections.unnamed === 2);
  connections.push(await connect(port, header("203.0.113.7", 2)));
  await until("one to give way", () => drops.get("tcp_too_many_unnamed_from_address") === 1);
  await until("its end", () => mux.connections.total === 2);
  for (const connection of connections) connection.close();
  mux.close();
  await mux.closed;
});
