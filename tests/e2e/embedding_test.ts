/**
 * The module and the examples outside of the clone: installed as a package by npm into a folder of
 * its own, and used from there by clients who know nothing of it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { npmPackage } from "../../build/release/npm_package.ts";
import { VERSION } from "../../lib/server/version.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import {
  freeTcpPort,
  freeUdpPort,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { disposeRtcNode, RtcNodeClient } from "../support/sdk/rtc_node_client.ts";
import { until } from "../support/wire/until.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url);
const LOOPBACK = "127.0.0.1";
const ENDS_WITHIN_MS = 10_000;

Deno.test.afterAll(disposeRtcNode);

/** An example in a folder of its own; disposing removes it. */
async function copied(name: string) {
  const folder = await Deno.makeTempDir({ prefix: "roomwire_example_" });
  const source = fileURLToPath(new URL(`${name}/`, EXAMPLES));
  for await (const entry of Deno.readDir(source)) {
    await Deno.copyFile(`${source}${entry.name}`, `${folder}/${entry.name}`);
  }
  return {
    folder,
    run: async (program: string, ...args: string[]) => {
      const { success, stdout, stderr } = await command(program, args, folder).output();
      const text = new TextDecoder();
      assert.ok(
        success,
        `${program} ${args.join(" ")}: ${text.decode(stdout)}${text.decode(stderr)}`,
      );
    },
    start: (env: Record<string, string>, ...args: string[]) =>
      new Example(command(Deno.execPath(), ["task", "start", ...args], folder, env).spawn()),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

function command(program: string, args: string[], cwd: string, env: Record<string, string> = {}) {
  return new Deno.Command(program, {
    args,
    cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** A running example. */
class Example implements AsyncDisposable {
  said = "";
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<unknown>;

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    const read = async (stream: ReadableStream<Uint8Array>) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) this.said += text;
    };
    this.#output = Promise.all([read(child.stdout), read(child.stderr)]);
  }

  stop(): void {
    this.#child.kill("SIGTERM");
  }

  /** Its status, once it has ended. */
  async ended(): Promise<number> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), ENDS_WITHIN_MS);
    const { code } = await this.#child.status;
    clearTimeout(timer);
    await this.#output;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.ended();
  }
}

/** The application's own interface, as its page uses it. */
class AppVisitor {
  #cookie = "";

  constructor(readonly home: string) {}

  async post(path: string, body: unknown): Promise<Response> {
    const response = await fetch(`${this.home}${path}`, {
      method: "POST",
      headers: { "Cookie": this.#cookie },
      body: JSON.stringify(body),
    });
    const cookie = response.headers.get("Set-Cookie")?.split(";")[0];
    if (cookie !== undefined) this.#cookie = cookie;
    return response;
  }

  async status(path: string, body: unknown): Promise<number> {
    const response = await this.post(path, body);
    await response.body?.cancel();
    return response.status;
  }
}

endToEndTest("examples/token_app, with the package from npm, lets people in and carries calls", [
  "node",
], async () => {
  await using app = await copied("token_app");
  await Deno.writeFile(`${app.folder}/roomwire-${VERSION}.tgz`, await npmPackage());
  await app.run("npm", "install", "--no-audit", "--no-fund", "--prefer-offline");
  await app.run(Deno.execPath(), "check", "main.ts");
  const port = await freeTcpPort(LOOPBACK);
  await using server = app.start({
    PORT: String(port),
    UDP_PORT: String(await freeUdpPort(LOOPBACK)),
    APP_USERS: "ann:a-long-password:host,bob:another-password",
  });
  const home = `http://${LOOPBACK}:${port}`;
  await eventually("the application", async () => {
    const page = await fetch(home).catch(() => undefined);
    return (await page?.text())?.includes("<h1>Calls</h1>");
  });
  const [ann, bob] = [new AppVisitor(home), new AppVisitor(home)];
  assert.equal(await ann.status("/token", { room: "standup" }), 401);
  assert.equal(await ann.status("/sign-in", { name: "ann", password: "another-password" }), 401);
  assert.equal(await ann.status("/sign-in", { name: "ann", password: "a-long-password" }), 204);
  assert.equal(await bob.status("/sign-in", { name: "bob", password: "another-password" }), 204);
  assert.equal(await bob.status("/token", { room: "standup" }), 404, "only hosts open rooms");
  assert.equal(await ann.status("/token", { room: "../x" }), 400);
  const { token: annsToken } = await (await ann.post("/token", { room: "standup" })).json();
  const { token: bobsToken } = await (await bob.post("/token", { room: "standup" })).json();
  {
    const url = home.replace("http", "ws");
    await using first = await WireParticipant.open(url, annsToken);
    await using second = await WireParticipant.open(url, bobsToken);
    await Promise.all([first.connected(), second.connected()]);
    const { sid } = await first.publish("audio");
    const { ssrc } = await second.track(sid);
    await until("media", () => second.subscriber.packets(ssrc).length > 10);
  }
  assert.equal(await bob.status("/sign-out", {}), 204);
  assert.equal(await bob.status("/token", { room: "standup" }), 401);
  server.stop();
  assert.equal(await server.ended(), 0, server.said);
});

/** A WAV file's samples. */
function samplesOf(path: string): Int16Array {
  const bytes = Deno.readFileSync(path);
  const view = new DataView(bytes.buffer);
  const word = (at: number) => new TextDecoder().decode(bytes.subarray(at, at + 4));
  assert.deepEqual([word(0), word(8), word(36)], ["RIFF", "WAVE", "data"]);
  assert.equal(view.getUint32(4, true), bytes.length - 8);
  assert.equal(view.getUint32(24, true), 48_000);
  assert.equal(view.getUint32(40, true), bytes.length - 44);
  return new Int16Array(bytes.buffer, 44);
}

/** How high the last half second that is loud sounds, Hz. */
function pitchOf(samples: Int16Array): number {
  const loud = samples.findLastIndex((sample) => Math.abs(sample) > 4_000);
  const window = samples.subarray(Math.max(0, loud - 24_000), loud);
  let rising = 0;
  for (let i = 1; i < window.length; i++) if (window[i - 1]! < 0 && window[i]! >= 0) rising++;
  return rising / (window.length / 48_000);
}

endToEndTest("examples/voice_recorder writes every voice into a file of its own", [], async () => {
  await using bot = await copied("voice_recorder");
  await using server = await startRoomwire();
  const tones = { ann: 440, bob: 660 };
  const env = {
    LIVEKIT_URL: server.url,
    LIVEKIT_API_KEY: TEST_KEY,
    LIVEKIT_API_SECRET: TEST_SECRET,
  };
  await using recorder = bot.start(env, "standup", "out");
  await eventually("the recorder", () => recorder.said.includes("recording standup"));
  const read = () => {
    const lines = Deno.readTextFileSync(`${bot.folder}/out/transcript.jsonl`).trim().split("\n");
    return lines.map((line) => JSON.parse(line) as Record<string, string | number>);
  };
  const size = ({ name }: { readonly name: string }) =>
    Deno.statSync(`${bot.folder}/out/${name}`).size;
  const files = () =>
    [...Deno.readDirSync(`${bot.folder}/out`)].filter(({ name }) => name.endsWith(".wav"));
  {
    await using stack = new AsyncDisposableStack();
    for (const [identity, hz] of Object.entries(tones)) {
      const client = stack.use(new RtcNodeClient(identity));
      await client.connect(server.url, await mintToken({ room: "standup", identity }));
      await client.publishAudio({ hz });
    }
    // Two seconds of each: 96,000 bytes a second.
    await eventually(
      "sound of both",
      () => files().length === 2 && files().every((file) => size(file) > 192_000),
    );
  }
  assert.equal(await recorder.ended(), 0, recorder.said);
  for (const [identity, hz] of Object.entries(tones)) {
    const [begun, ...spoken] = read().filter(({ speaker }) => speaker === identity);
    assert.ok(Math.abs(Date.parse(String(begun!.recordedFrom)) - Date.now()) < 60_000);
    const samples = samplesOf(`${bot.folder}/out/${begun!.file}`);
    assert.ok(Math.abs(pitchOf(samples) - hz) < 0.05 * hz, `${identity}: ${pitchOf(samples)} Hz`);
    assert.ok(spoken.length > 0, `${identity} spoke`);
    for (const { file, from, to } of spoken) {
      assert.equal(file, begun!.file);
      assert.ok(Number(from) < Number(to) && Number(to) <= samples.length / 48_000);
    }
  }
});
