/** Real sockets, as what is tried is what the kernel does. */
import assert from "node:assert/strict";
import {
  Errno,
  libc,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_NOSIGNAL,
} from "../../../../lib/transport/datagrams/libc.ts";
import { findConnection } from "../../../../lib/transport/datagrams/socket_options.ts";
import { chooseMediaPorts } from "../../../../lib/transport/media_ports.ts";
import { realLibc } from "../../../support/wire/datagram_peers.ts";

const ignore = !libc().ok;
const HOST = "127.0.0.1";
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** `tcpi_notsent_bytes` in words of 32 bits (linux/tcp.h). */
const NOT_SENT_AT = 36;

/** What the kernel takes of a connection that nobody reads, and how much of it is not sent. */
async function taken(listener: Deno.TcpListener, flags: number) {
  const { port } = listener.addr;
  const [reader, conn] = await Promise.all([
    Deno.connect({ hostname: HOST, port }),
    listener.accept(),
  ]);
  const calls = realLibc();
  const { fd } = findConnection(calls, listener.addr, conn.remoteAddr)!;
  const chunk = new Uint8Array(4 * 1024);
  let bytes = 0;
  for (;;) {
    const all = MSG_DONTWAIT | MSG_NOSIGNAL | flags;
    const sent = Number(calls.sharing.send(fd, chunk, BigInt(chunk.length), all));
    if (sent < 0) break;
    bytes += sent;
  }
  assert.equal(calls.errno(), Errno.EAGAIN);
  const info = new Int32Array(64);
  assert.equal(calls.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, Uint32Array.of(256)), 0);
  reader.close();
  conn.close();
  return { bytes, unsent: info[NOT_SENT_AT]! };
}

Deno.test({
  name: "what a listener accepts takes little that cannot be sent, once that is said of it",
  ignore,
  async fn() {
    const listener = Deno.listen({ hostname: HOST, port: 0 });
    const before = await taken(listener, 0);
    chooseMediaPorts("auto").limitUnsent(listener.addr);
    const after = await taken(listener, 0);
    const inSegments = await taken(listener, MSG_EOR);
    listener.close();
    assert.ok(before.unsent > 500_000, `${before.unsent} bytes before`);
    // Up to 64 KiB are added to a segment without a look at what waits.
    assert.ok(after.unsent <= 80_000, `${after.unsent} bytes`);
    assert.ok(inSegments.unsent <= 16_000, `${inSegments.unsent} bytes`);
  },
});
