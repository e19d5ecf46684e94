/** The relay that stands for a bad network in other tests. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { LossyProxy } from "../support/process/lossy_proxy.ts";
import { until } from "../support/wire/until.ts";

const CLIENTS = 8;
const AT_A_TIME = 20;

Deno.test("LossyProxy ends quietly in the middle of what clients send", async () => {
  const server = createSocket("udp4");
  let arrived = 0;
  server.on("message", (bytes, { port, address }) => {
    arrived++;
    server.send(bytes, port, address);
  });
  await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
  const clients = Array.from({ length: CLIENTS }, () => createSocket("udp4"));
  let sending: ReturnType<typeof setInterval> | undefined;
  try {
    for (let round = 0; round < 20; round++) {
      const proxy = new LossyProxy(round);
      proxy.down.delayMs = proxy.up.delayMs = round % 2;
      const port = await proxy.portFor("127.0.0.1", server.address().port);
      const before = arrived;
      sending = setInterval(() => {
        for (let i = 0; i < AT_A_TIME; i++) {
          for (const client of clients) client.send("x", port, "127.0.0.1");
        }
      });
      await until("what was sent", () => arrived > before + CLIENTS);
      await proxy[Symbol.asyncDispose]();
      clearInterval(sending);
    }
    assert.ok(arrived > 20 * CLIENTS);
  } finally {
    clearInterval(sending);
    for (const socket of [server, ...clients]) socket.close();
  }
});
