/** The paths that real clients are put behind delay, lose and hold up as they are told. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { ImpairedPaths } from "../support/wire/impaired_paths.ts";

const PORT = 9_000;
/** As many as a socket's buffer surely holds. */
const AT_ONCE = 40;
/** Says that it is there, and answers each datagram by a short one. */
const ECHO = `
  const socket = Deno.listenDatagram({ hostname: "0.0.0.0", port: ${PORT}, transport: "udp" });
  console.log("ready");
  for await (const [bytes, from] of socket) {
    await socket.send(bytes.subarray(0, 16), from);
  }
`;

/** Sends datagrams of 1,000 bytes of IP in bursts; when each answer came, ms. */
async function ask(address: string, count: number, waitMs: number): Promise<number[]> {
  const socket = createSocket("udp4");
  const began = performance.now();
  const answers: number[] = [];
  socket.on("message", () => answers.push(performance.now() - began));
  for (let i = 0; i < count; i++) {
    if (i > 0 && i % AT_ONCE === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    socket.send(new Uint8Array(972), PORT, address);
  }
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return answers;
}

endToEndTest("ImpairedPaths delay, lose and hold up each path by itself", [
  "network-namespaces",
], async () => {
  await using paths = await ImpairedPaths.create(2);
  const deno = ["eval", "--unstable-net", ECHO];
  const children = [0, 1].map((path) => {
    const [program, ...args] = paths.command(path, Deno.execPath(), ...deno);
    return new Deno.Command(program!, { args, stdout: "piped" }).spawn();
  });
  try {
    for (const { stdout } of children) await stdout.getReader().read();
    const [slow, lossy] = [paths.address(0), paths.address(1)];
    await paths.set(0, {
      down: { delayMs: 20, rateBps: 400_000, queueMs: 300 },
      up: { delayMs: 20, jitterMs: 10 },
    });
    await paths.set(1, { down: { loss: 0.2 }, up: {} });
    const late = await ask(slow, AT_ONCE, 1_500);
    // 20 ms each: the first waits for nobody, and what would wait for more than 300 ms is dropped.
    assert.ok(late.length >= 16 && late.length < 30, `${late.length} answers`);
    assert.ok(late[0]! >= 60, `the first answer came after ${late[0]} ms`);
    assert.ok(late.at(-1)! >= 40 + 15 * 20, `the last answer came after ${late.at(-1)} ms`);
    // 80 % come through; seven standard deviations are 13 %.
    const came = (await ask(lossy, 500, 1_000)).length;
    assert.ok(came > 335 && came < 465, `${came} answers`);
    await paths.set(1, { down: {}, up: {} });
    assert.equal((await ask(lossy, 200, 1_000)).length, 200);
  } finally {
    for (const child of children) {
      child.kill("SIGKILL");
      await child.status;
    }
  }
});
