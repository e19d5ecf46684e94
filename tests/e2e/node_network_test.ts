/** The network between the nodes of test clusters delays, loses and cuts as it is told. */
import assert from "node:assert/strict";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { NodeNetwork } from "../support/wire/node_network.ts";

const PORT = 9_000;
/** Answers datagrams one by one, and connections with how many bytes came and their sum. */
const ECHO = `
  const [hostname] = Deno.args;
  const socket = Deno.listenDatagram({ hostname, port: ${PORT}, transport: "udp" });
  (async () => { for await (const [bytes, from] of socket) await socket.send(bytes, from); })();
  const listener = Deno.listen({ hostname, port: ${PORT} });
  console.log("ready");
  for await (const connection of listener) {
    let count = 0, sum = 0;
    for await (const bytes of connection.readable) {
      count += bytes.length;
      for (const byte of bytes) sum = (sum + byte) % 65536;
      if (count >= 1_000_000) break;
    }
    console.log(count, sum);
  }
`;
/**
 * Sends datagrams with their numbers, then a million bytes; says how many came back, how soon the
 * first, and a sum. No more are on their way than a socket's buffer holds while its reader has no
 * processor, and who answers late is waited for.
 */
const ASK = `
  const [hostname, port] = [Deno.args[0], ${PORT}];
  const socket = Deno.listenDatagram({ hostname: "0.0.0.0", port: 0, transport: "udp" });
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const began = performance.now();
  let first = 0, answers = 0, highest = -1;
  (async () => {
    for await (const [bytes] of socket) {
      if (++answers === 1) first = performance.now() - began;
      highest = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    }
  })().catch(() => {});
  const datagram = new DataView(new ArrayBuffer(200));
  let patience = 2000;
  for (let i = 0; i < 1000; i++) {
    datagram.setUint32(0, i);
    await socket.send(new Uint8Array(datagram.buffer), { hostname, port, transport: "udp" });
    if (i % 5 === 4) await pause(1);
    while (i - highest > 100 && patience-- > 0) await pause(1);
  }
  for (let before = -1; before < answers;) {
    before = answers;
    await pause(1000);
  }
  if (Deno.args[1] === "datagrams") {
    console.log(JSON.stringify({ first, answers }));
    Deno.exit();
  }
  const connection = await Deno.connect({ hostname, port });
  const bytes = Uint8Array.from({ length: 1_000_000 }, (_, at) => (at * 7) & 0xff);
  const writer = connection.writable.getWriter();
  await writer.write(bytes);
  let sum = 0;
  for (const byte of bytes) sum = (sum + byte) % 65536;
  console.log(JSON.stringify({ first, answers, sum }));
  Deno.exit();
`;

/** A Deno of its own inside; its lines. */
function runInside(network: NodeNetwork, index: number, script: string, ...args: string[]) {
  const place = network.places[index]!;
  const deno = ["eval", "--unstable-net", script, ...args];
  const [program, ...rest] = place.command(Deno.execPath(), ...deno);
  const child = new Deno.Command(program!, { args: rest, stdout: "piped" }).spawn();
  return { child, lines: child.stdout.pipeThrough(new TextDecoderStream()).getReader() };
}

async function ask(network: NodeNetwork, ...args: string[]) {
  const { child, lines } = runInside(network, 0, ASK, network.places[1]!.address, ...args);
  const { value } = await lines.read();
  await lines.cancel();
  await child.status;
  return JSON.parse(value!) as { first: number; answers: number; sum: number };
}

endToEndTest("NodeNetwork delays, loses, cuts and joins", ["network-namespaces"], async () => {
  const distance = { delayMs: 20, loss: 0.1 };
  await using network = await NodeNetwork.create(["east", "west"], distance);
  const echo = runInside(network, 1, ECHO, network.places[1]!.address);
  await echo.lines.read();
  try {
    const far = await ask(network);
    assert.ok(far.first >= 40, `the first answer came after ${far.first} ms`);
    // 81 % come back; seven standard deviations are 9 %.
    assert.ok(far.answers > 720 && far.answers < 900, `${far.answers} answers`);
    assert.equal((await echo.lines.read()).value, `1000000 ${far.sum}\n`);
    await network.setWire(0, 1, { isCut: true });
    assert.equal((await ask(network, "datagrams")).answers, 0);
    await network.setWire(0, 1, { isCut: false, delayMs: 0, loss: 0 });
    assert.equal((await ask(network, "datagrams")).answers, 1000);
  } finally {
    echo.child.kill("SIGKILL");
    await echo.lines.cancel();
    await echo.child.status;
  }
});
