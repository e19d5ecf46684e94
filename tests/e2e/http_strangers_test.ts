/**
 * What strangers may do to the HTTP listener without anybody else noticing: while they do it, and
 * after it, newcomers are answered and join, media flows, and no memory stays behind. Needs no
 * browser.
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { TestAuthority } from "../support/process/certificates.ts";
import { mustIgnore } from "../support/process/e2e_requirements.ts";
import {
  freeTcpPort,
  type RoomwireProcess,
  startRoomwire,
} from "../support/process/roomwire_process.ts";
import { type Standstill, standstillDuring } from "../support/process/standstill.ts";
import { pause, until } from "../support/wire/until.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const STRANGER = new URL("../support/hostile/stranger.ts", import.meta.url);
const ROOM = "strangers";
/** Is made on the port that speaks TLS. */
const TLS_ATTACK = "half_open_tls";
const MAX_MAIN_THREAD_MS = 250;
const MAX_MEDIA_MS = 100;
/** How much of its memory may be more after an attack than before. */
const MAX_GROWTH = 1.2;
/** On a shared machine others may be in the way: then an attack is repeated until they are not. */
const ATTEMPTS = 4;
/** For so long a server stands still that does. */
const STOPPED_MS = 600;
/** An attack goes on for so long once it stands. */
const STANDS_FOR_MS = 2_500;

/**
 * V8 looks for garbage half a minute after the last of it was made, and some seconds after that:
 * about as long as a test may wait. Here it does so soon.
 */
const SOON_COLLECTED = {
  DENO_V8_FLAGS: "--gc-memory-reducer-start-delay-ms=500,--memory-reducer-delay-ms=500",
};

const ATTACKS: readonly (readonly [attack: string, count: number, what: string])[] = [
  [TLS_ATTACK, 10_000, "10,000 handshakes of TLS that never end"],
  ["idle", 18_000, "18,000 idle connections from 16 addresses"],
  ["idle_from_one_address", 18_000, "18,000 idle connections from the newcomers' own address"],
  ["slow_headers", 4_000, "4,000 requests whose header never ends"],
  ["slow_bodies", 3_000, "3,000 bodies that drip"],
  ["empty_elements", 100, "100 requests of five million empty list elements, without a token"],
  ["aborted_bodies", 2_000, "2,000 bodies whose senders go away"],
];

const join = async (server: RoomwireProcess, identity: string) =>
  await WireParticipant.open(server.url, await mintToken({ room: ROOM, identity }));

/** Resident memory, bytes. */
async function memoryOf({ pid }: RoomwireProcess): Promise<number> {
  const [, pages] = (await Deno.readTextFile(`/proc/${pid}/statm`)).split(" ");
  return Number(pages) * 4_096;
}

/** Runs one attack; `whileItStands` begins when it does. */
async function attacked<T>(
  port: number,
  attack: string,
  count: number,
  whileItStands: (stands: Promise<unknown>) => Promise<T>,
): Promise<T> {
  // Strangers have processors of their own; here they give way to others, but not to all.
  const nice = ["-n", "5", Deno.execPath(), "run", "--allow-net", "--no-check"];
  const stranger = new Deno.Command("/usr/bin/nice", {
    args: [...nice, STRANGER.href, attack, `${port}`, `${count}`],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const said = stranger.stdout.getReader();
  try {
    return await whileItStands(said.read());
  } finally {
    await stranger.stdin.close();
    await said.cancel();
    await stranger.status;
  }
}

/** How long a subscriber and whoever asks wait from the attack's first connection on. */
const standstillOf = (server: RoomwireProcess, subscriber: WireParticipant) => {
  return (stands: Promise<unknown>) =>
    standstillDuring(server, subscriber, async () => {
      await stands;
      await using newcomer = await join(server, "newcomer");
      await newcomer.connected();
      await pause(STANDS_FOR_MS);
    });
};

const isQuiet = ({ mainThreadMs, mediaMs }: Standstill) =>
  mainThreadMs <= MAX_MAIN_THREAD_MS && mediaMs <= MAX_MEDIA_MS;

const ignore = Deno.build.os !== "linux";
if (ignore) console.log("What strangers do to HTTP is tested on Linux only: it needs 127.0.1.0/28");

Deno.test({
  name: "A server that stands still is seen to, however much else the machine has to do",
  ignore,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using server = await startRoomwire({ config: { workers: 1 } });
    await using ann = await join(server, "ann");
    await using bob = await join(server, "bob");
    await Promise.all([ann.connected(), bob.connected()]);
    const { sid } = await ann.publish("audio");
    await bob.track(sid);
    const { mainThreadMs, mediaMs } = await standstillDuring(server, bob, async () => {
      await pause(100);
      server.kill("SIGSTOP");
      await pause(STOPPED_MS);
      server.kill("SIGCONT");
      await pause(100);
    });
    assert.ok(mainThreadMs > MAX_MAIN_THREAD_MS, `${mainThreadMs} ms`);
    assert.ok(mediaMs > MAX_MEDIA_MS, `${mediaMs} ms`);
  },
});

for (const [attack, count, what] of ATTACKS) {
  Deno.test({
    name: `Strangers keep nobody waiting and leave nothing behind: ${what}`,
    ignore: ignore || (attack === TLS_ATTACK && mustIgnore(["openssl"])),
    // werift's DTLS client, which the test clients use, has timers that cannot be stopped.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await using authority = attack === TLS_ATTACK ? await TestAuthority.make() : undefined;
      const certificate = await authority?.issue("server");
      const port = await freeTcpPort("127.0.0.1");
      const tls = certificate &&
        { port, cert_file: certificate.certFile, key_file: certificate.keyFile };
      await using server = await startRoomwire({
        config: { workers: 1, ...(tls === undefined ? {} : { tls }) },
        env: SOON_COLLECTED,
      });
      const target = tls === undefined ? server.ports.http : port;
      await using ann = await join(server, "ann");
      await using bob = await join(server, "bob");
      await Promise.all([ann.connected(), bob.connected()]);
      const { sid } = await ann.publish("audio");
      await bob.track(sid);
      // What the first attack makes the runtime allocate once is no leak.
      await attacked(target, attack, count, (stands) => stands);
      const before = await memoryOf(server);
      const runs: Standstill[] = [];
      do runs.push(await attacked(target, attack, count, standstillOf(server, bob))); while (
        !runs.some(isQuiet) && runs.length < ATTEMPTS
      );
      assert.ok(runs.some(isQuiet), JSON.stringify(runs));
      let most = 0;
      await until(
        "memory to be back",
        async () => (most = await memoryOf(server)) <= before * MAX_GROWTH,
        () => ({ before, after: most }),
      );
      await using late = await join(server, "late");
      await late.connected();
      const log = server.logTail();
      assert.doesNotMatch(log, /"level":"(?:ERROR|WARN)"/, log);
    },
  });
}
