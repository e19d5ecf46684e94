/**
 * A program of its own that answers every datagram with the same bytes: `udp_echo.ts ADDRESS`
 * prints the port it listens on.
 *
 * @module
 */
const conn = Deno.listenDatagram({ transport: "udp", hostname: Deno.args[0]!, port: 0 });
console.log((conn.addr as Deno.NetAddr).port);
const buffer = new Uint8Array(2048);
for (;;) {
  try {
    const [bytes, remote] = await conn.receive(buffer);
    await conn.send(bytes, remote);
  } catch {
    // The network may be down for a while.
  }
}
