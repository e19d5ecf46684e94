/**
 * One HTTP request over a bare TCP connection, for what `fetch` cannot send or show: the answer to
 * a refused WebSocket upgrade, and headers larger than a client would make them.
 *
 * @module
 */

/** What to send besides the address. */
export interface RawRequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Ask for a WebSocket. */
  readonly upgrade?: boolean;
}

const UPGRADE = {
  "Connection": "Upgrade",
  "Upgrade": "websocket",
  "Sec-WebSocket-Version": "13",
  // The example of RFC 6455 §1.3.
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** Sends a GET; gives status and body, which is empty if the upgrade was granted. */
export async function rawRequest(
  url: string,
  { headers = {}, upgrade = false }: RawRequestOptions = {},
): Promise<readonly [status: number, body: string]> {
  const { hostname, port, host, pathname, search } = new URL(url);
  const all = { Host: host, ...(upgrade ? UPGRADE : { Connection: "close" }), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  using connection = await Deno.connect({ hostname, port: Number(port) });
  // A server that has read enough answers and closes while the rest is still being written.
  writeAll(connection, `GET ${pathname}${search} HTTP/1.1\r\n${lines}\r\n`).catch(() => {});
  return await readAnswer(connection);
}

async function writeAll(connection: Deno.Conn, request: string): Promise<void> {
  const bytes = new TextEncoder().encode(request);
  let sent = 0;
  while (sent < bytes.length) sent += await connection.write(bytes.subarray(sent));
}

/** Reads up to the declared length, or the end. */
async function readAnswer(connection: Deno.Conn): Promise<readonly [number, string]> {
  const buffer = new Uint8Array(16 * 1024);
  let answer = "";
  for (;;) {
    const length = await connection.read(buffer);
    if (length === null) break;
    answer += new TextDecoder().decode(buffer.subarray(0, length));
    const end = answer.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const declared = /\r\ncontent-length: *(\d+)/i.exec(answer.slice(0, end))?.[1];
    if (statusOf(answer) === 101 || answer.length - end - 4 >= Number(declared ?? Infinity)) break;
  }
  return [statusOf(answer), answer.slice(answer.indexOf("\r\n\r\n") + 4)];
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}
