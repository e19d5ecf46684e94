/** What a process is given that decodes strangers' sound. */
import assert from "node:assert/strict";
import { silentLog } from "../../../../lib/base/platform.ts";
import { soundTranscoders } from "../../../../lib/server/ffmpeg/sound_transcoders.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";
import { until } from "../../../support/wire/until.ts";
import { fakeFfmpeg } from "../../../support/process/fake_ffmpeg.ts";

Deno.test("a transcoder's process has nothing of our environment but where programs are", async () => {
  using fake = fakeFfmpeg('env > "$(dirname "$0")/env"');
  Deno.env.set("LIVEKIT_KEYS", "key: a-secret-of-the-server");
  try {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    assert.ok(
      soundTranscoders(1, { log: silentLog, clock: new VirtualPlatform().clock })(
        () => {},
        resolve,
      ) !== undefined,
    );
    await ended;
  } finally {
    Deno.env.delete("LIVEKIT_KEYS");
  }
  const names = Deno.readTextFileSync(`${fake.folder}/env`).trim().split("\n")
    .map((line) => line.split("=")[0]!);
  // Shells say where they are.
  assert.deepEqual(names.filter((name) => !["PWD", "OLDPWD", "SHLVL", "_"].includes(name)), [
    "PATH",
  ]);
});

Deno.test("who comes and goes starts no more processes than who stays", async () => {
  using _fake = fakeFfmpeg("exec sleep 60");
  const platform = new VirtualPlatform();
  const create = soundTranscoders(2, { log: silentLog, clock: platform.clock });
  const comeAndGo = () => {
    const transcoder = create(() => {}, () => {});
    transcoder?.close();
    return transcoder !== undefined;
  };
  let started = 0;
  // In real time, for processes to end meanwhile.
  for (let i = 0; i < 20; i++) {
    if (comeAndGo()) started++;
    await new Promise<void>((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(started, 2);
  platform.advance(2_000);
  await until("there is room again", comeAndGo);
  const stays = await until("there is more", () => create(() => {}, () => {}));
  platform.advance(10_000);
  stays.close();
  await until("the place of who stayed is free at once", comeAndGo);
});
