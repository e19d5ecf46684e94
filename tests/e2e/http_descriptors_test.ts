/**
 * A process that has run out of descriptors goes on when there are some again. Needs no browser.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { until } from "../support/wire/until.ts";

const PROGRAM = fileURLToPath(new URL("../support/hostile/crowded_front.ts", import.meta.url));
const DESCRIPTORS = 120;
const HOST = "127.0.0.1";

const ignore = Deno.build.os === "windows";

Deno.test({
  name: "The HTTP listener opens again after it ran out of descriptors",
  ignore,
  fn: async () => {
    const crowded = new Deno.Command("/bin/sh", {
      args: [
        "-c",
        `ulimit -n ${DESCRIPTORS} && exec "$0" run --allow-net --allow-read --allow-env --no-check "$1"`,
        Deno.execPath(),
        PROGRAM,
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const said = crowded.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const port = Number((await said.read()).value);
    // A connection that is there already says nothing about the listener.
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    const answers = async () => {
      const response = await fetch(`http://${HOST}:${port}/`, {
        client,
        signal: AbortSignal.timeout(1_000),
      });
      return await response.text() === "hello";
    };
    const answersNow = () => answers().catch(() => false);
    assert.ok(await answers());
    const crowd = await Promise.all(
      Array.from({ length: 2 * DESCRIPTORS }, () => Deno.connect({ hostname: HOST, port })),
    );
    await until("the descriptors to be used up", async () => !await answersNow());
    for (const connection of crowd) connection.close();
    await until("an answer", answersNow);
    for (let at = 0; at < 10; at++) assert.ok(await answers());
    crowded.kill("SIGTERM");
    const counted = JSON.parse((await said.read()).value ?? "{}");
    assert.ok(counted.http_listener_reopened >= 1, JSON.stringify(counted));
    await said.cancel();
    await crowded.status;
  },
});
