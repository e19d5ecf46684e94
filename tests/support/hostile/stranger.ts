/**
 * A stranger that wants to be in the way, as a process of its own so that its work does not slow
 * the test down. Runs one attack, says `ready` once it stands, and keeps it up until its input
 * ends.
 *
 * Arguments: the attack, the server's HTTP port, and a number whose meaning is the attack's.
 *
 * @module
 */
import { connect, type Socket } from "node:net";

const [attack, portText, countText] = Deno.args;
const port = Number(portText);
const count = Number(countText);
const AT_ONCE = 100;

/** Opens a connection from an address of its own; resolves when it is open or has failed. */
function open(localAddress: string, onOpen: (socket: Socket) => void = () => {}): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, localAddress });
    socket.on("error", () => resolve());
    socket.once("connect", () => {
      onOpen(socket);
      resolve();
    });
    // What the server sends is of no interest, but its end is.
    socket.resume();
  });
}

async function many(addressOf: (index: number) => string, onOpen?: (socket: Socket) => void) {
  for (let from = 0; from < count; from += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, at) => open(addressOf(from + at), onOpen)),
    );
  }
}

/** Sixteen networks, or one. */
const spread = (index: number) => `127.0.1.${index % 16 + 1}`;
const alone = () => "127.0.0.1";

const POST = "POST /twirp/livekit.RoomService/ListRooms HTTP/1.1\r\nHost: x\r\n" +
  "Content-Type: application/protobuf\r\n";
const MEBIBYTES_10 = 10 * 1024 * 1024;

/** The beginning of a TLS handshake's first message of 512 bytes (RFC 8446 §4.1.2). */
const CLIENT_HELLO_BEGUN = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/** A list of empty names as large as a request may be. */
function emptyNames(): Uint8Array {
  const body = new Uint8Array(MEBIBYTES_10 - 2);
  for (let at = 0; at < body.length; at += 2) body[at] = 0x0a;
  return body;
}

const ATTACKS: Readonly<Record<string, () => Promise<void>>> = {
  idle: () => many(spread),
  idle_from_one_address: () => many(alone),
  slow_headers: () =>
    many(spread, (socket) => {
      socket.write("GET / HT");
      const drip = setInterval(() => socket.write("T"), 2_000);
      socket.once("close", () => clearInterval(drip));
    }),
  half_open_tls: () =>
    many(spread, (socket) => {
      socket.write(Uint8Array.from(CLIENT_HELLO_BEGUN));
      const drip = setInterval(() => socket.write(Uint8Array.of(7)), 2_000);
      socket.once("close", () => clearInterval(drip));
    }),
  slow_bodies: () =>
    many(spread, (socket) => {
      socket.write(`${POST}Content-Length: 1000000\r\n\r\n`);
      const drip = setInterval(() => socket.write("\n"), 500);
      socket.once("close", () => clearInterval(drip));
    }),
  empty_elements: () => {
    const body = emptyNames();
    return many(alone, (socket) => {
      socket.write(`${POST}Content-Length: ${body.length}\r\n\r\n`);
      socket.write(body);
    });
  },
  aborted_bodies: () =>
    many(alone, (socket) => {
      socket.write(`${POST}Content-Length: 1000000\r\n\r\nxxxx`);
      setTimeout(() => socket.destroy(), 20);
    }),
};

await ATTACKS[attack!]!();
console.log("ready");
await Deno.stdin.read(new Uint8Array(1));
Deno.exit();
