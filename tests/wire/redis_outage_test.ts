import assert from "node:assert/strict";
import type { RedisTls } from "../../lib/cluster/directory/redis_connection.ts";
import type { RedisDirectory } from "../../lib/cluster/directory/redis_directory.ts";
import { mustIgnore } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import {
  connectedDirectory,
  openDirectory,
  redisOptions,
} from "../support/process/redis_handles.ts";
import { RedisServer } from "../support/process/redis_server.ts";
import { freeTcpPort } from "../support/process/roomwire_process.ts";
import {
  A,
  B,
  DIRECTORY_TESTS,
  entered,
  joining,
  nodeRecord,
} from "../support/virtual/directory_table.ts";

const ignore = mustIgnore(["redis"]);
/** A question fails within a second; so long is waited for it on a machine with other work, ms. */
const HANG_MS = 5_000;

/** Every question, by a name. */
function questions(directory: RedisDirectory): [string, () => Promise<unknown>][] {
  const room = "r";
  const closing = { keeper: A, number: 1 };
  return [
    ["heartbeat", () => directory.heartbeat(nodeRecord(A))],
    ["withdraw", () => directory.withdraw(A)],
    ["enter", () => directory.enter(joining(room, A, "ann", "PA_9"))],
    ["release", () => directory.release({ room, identity: "ann", number: 1 })],
    ["leave", () => directory.leave({ room, node: A })],
    ["close", () => directory.close(room, closing)],
    ["remove", () => directory.remove(room, "q")],
    ["find", () => directory.find(room)],
    ["claim", () => directory.claim(room, "ann")],
    ["claims", () => directory.claims(room)],
    ["list", () => directory.list()],
    ["roomsOf", () => directory.roomsOf(A)],
    ["bury", () => directory.bury({ room, dead: B, by: A })],
    ["forget", () => directory.forget(B)],
  ];
}

/** All of them at a time, each of which has to say that the directory is away. */
async function assertAway(directory: RedisDirectory): Promise<void> {
  await Promise.all(
    questions(directory).map(async ([name, ask]) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const hangs = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${name} hangs`)), HANG_MS);
      });
      await assert.rejects(Promise.race([ask(), hangs]), { code: "directory_down" }, name);
      clearTimeout(timer);
    }),
  );
}

const isUp = (directory: RedisDirectory) => () => directory.status === "up";

Deno.test({
  name: "RedisDirectory: with Redis killed every question fails, and it is used when it is back",
  ignore,
  fn: async () => {
    const server = await RedisServer.start();
    const directory = await connectedDirectory(redisOptions(server.address));
    const told: string[] = [];
    directory.onStatus((status) => told.push(status));
    assert.equal((await directory.heartbeat(nodeRecord(A))).known, false);
    assert.deepEqual(await directory.nodes(), [nodeRecord(A)]);
    await server.kill();
    await assertAway(directory);
    assert.deepEqual(await directory.nodes(), [nodeRecord(A)]);
    // What failed long ago fails at once.
    await assertAway(directory);
    assert.deepEqual(told, ["down"]);
    await using _again = await RedisServer.start([], { port: server.port });
    await eventually("the connection", isUp(directory));
    assert.deepEqual(told, ["down", "up"]);
    assert.deepEqual(await directory.nodes(), [nodeRecord(A)]);
    assert.equal((await directory.heartbeat(nodeRecord(A))).known, false);
    assert.equal((await entered(directory.enter(joining("r", A, "ann", "PA_1")))).created, true);
    await directory.end();
    await assert.rejects(directory.find("r"), { code: "closed" });
  },
});

Deno.test({
  name: "RedisDirectory: with Redis stopped every question fails, and what they left is undone",
  ignore,
  fn: async () => {
    await using server = await RedisServer.start();
    const directory = await connectedDirectory(redisOptions(server.address));
    const first = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    server.signal("SIGSTOP");
    // These are carried out later, when nobody waits for them any more.
    const { number } = first.claim!;
    await Promise.all([
      assert.rejects(directory.enter(joining("r", A, "bob", "PA_2")), { code: "directory_down" }),
      assert.rejects(directory.release({ room: "r", identity: "ann", number }), {
        code: "directory_down",
      }),
      assert.rejects(directory.find("r"), { code: "directory_down" }),
    ]);
    await assertAway(directory);
    server.signal("SIGCONT");
    await eventually("the connection", isUp(directory));
    await eventually("an empty room", async () => (await directory.claims("r")).length === 0);
    await directory.end();
  },
});

Deno.test({
  name: "RedisDirectory: scripts that Redis has forgotten are sent again",
  ignore,
  fn: async () => {
    await using server = await RedisServer.start();
    const directory = await connectedDirectory(redisOptions(server.address));
    await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    assert.equal(await server.ask("SCRIPT", "FLUSH"), "+OK");
    assert.equal((await entered(directory.enter(joining("r", B, "bob", "PA_2")))).created, false);
    assert.equal((await directory.find("r"))!.claims, 2);
    assert.equal(directory.status, "up");
    await directory.end();
  },
});

Deno.test({
  name: "RedisDirectory: a Redis that refuses is not taken for one that is away",
  ignore,
  fn: async () => {
    await using server = await RedisServer.start(["--maxmemory", "1"]);
    const directory = await connectedDirectory(redisOptions(server.address));
    const refusal = directory.enter(joining("r", A, "ann", "PA_1"));
    await assert.rejects(refusal, { code: "directory_down", message: /refused/ });
    assert.equal(directory.status, "up");
    assert.equal(await directory.claim("r", "ann"), undefined);
    await directory.end();
  },
});

Deno.test({
  name: "RedisDirectory: users, passwords and databases are used",
  ignore,
  fn: async () => {
    await using server = await RedisServer.start([], {
      lines: ["requirepass everybody", "user node on >its-own ~test* +@all"],
    });
    const wrong = openDirectory(redisOptions(server.address, { password: "other" }));
    await assert.rejects(wrong.find("r"), { code: "directory_down" });
    await wrong.end();
    const more = { username: "node", password: "its-own", database: 3 };
    const directory = await connectedDirectory(redisOptions(server.address, more));
    await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    await directory.end();
    const other = await connectedDirectory(redisOptions(server.address, { password: "everybody" }));
    assert.deepEqual(await other.list(), []);
    await other.end();
  },
});

/** A certificate authority, and what it signed for a server and a client; PEM files of a folder. */
async function certificates(folder: string): Promise<void> {
  const run = async (...args: string[]) => {
    const command = new Deno.Command("openssl", {
      args,
      cwd: folder,
      stdout: "null",
      stderr: "null",
    });
    assert.ok((await command.output()).success, args.join(" "));
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const authority = ["-CA", "ca.pem", "-CAkey", "ca.key"];
  await run("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test ca");
  for (const name of ["server", "client"]) {
    await run(
      ...["req", "-x509", ...key, ...authority, "-keyout", `${name}.key`, "-out", `${name}.pem`],
      ...["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1,DNS:redis.test"],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
    );
  }
}

Deno.test({
  name: "RedisDirectory: over TLS, with certificates on both sides",
  ignore: ignore || mustIgnore(["openssl"]),
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "redis-tls-" });
    await certificates(folder);
    const pem = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
    const files = ["--tls-cert-file", `${folder}/server.pem`, "--tls-key-file"];
    const args = [...files, `${folder}/server.key`, "--tls-ca-cert-file", `${folder}/ca.pem`];
    await using server = await RedisServer.start(args, { portOption: "--tls-port" });
    const tls: RedisTls = {
      insecure: false,
      serverName: "",
      ca: pem("ca.pem"),
      clientCert: pem("client.pem"),
      clientKey: pem("client.key"),
    };
    const run = DIRECTORY_TESTS["the newest claim of an identity replaces the one before"]!;
    for (
      const more of [tls, { ...tls, serverName: "redis.test" }, { ...tls, ca: "", insecure: true }]
    ) {
      const directory = await connectedDirectory(redisOptions(server.address, { tls: more }));
      await run(directory);
      await directory.end();
    }
    const refused = [
      { ...tls, ca: "" },
      { ...tls, serverName: "other.test" },
      undefined,
    ];
    for (const more of refused) {
      const directory = openDirectory(redisOptions(server.address, { tls: more }));
      await assert.rejects(directory.find("r"), { code: "directory_down" });
      assert.equal(directory.status, "down");
      await directory.end();
    }
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test({
  name: "RedisDirectory: when the master dies, the one that sentinels name next is used",
  ignore,
  fn: async () => {
    const master = await RedisServer.start();
    await using replica = await RedisServer.start(["--replicaof", "127.0.0.1", `${master.port}`]);
    const monitor = `sentinel monitor room-wire 127.0.0.1 ${master.port} 1`;
    await using sentinel = await RedisServer.start(["--sentinel"], {
      lines: [
        monitor,
        // Long enough for a busy machine to see that the directory is away before there is a master.
        "sentinel down-after-milliseconds room-wire 2000",
        "sentinel failover-timeout room-wire 3000",
      ],
    });
    const info = (part: string) =>
      sentinel.ask("INFO", "sentinel").then((all) => all.includes(part));
    await eventually("a replica that the sentinel knows", () => info("slaves=1"));
    // One is gone, one hangs, and one takes a server for the master that is not there.
    await using stale = await RedisServer.start(["--sentinel"], {
      lines: [`sentinel monitor room-wire 127.0.0.1 ${await freeTcpPort("127.0.0.1")} 1`],
    });
    await using hanging = await RedisServer.start(["--sentinel"], { lines: [monitor] });
    hanging.signal("SIGSTOP");
    const mode = {
      kind: "sentinel",
      master: "room-wire",
      addresses: [
        `127.0.0.1:${await freeTcpPort("127.0.0.1")}`,
        hanging.address,
        stale.address,
        sentinel.address,
      ],
      username: "",
      password: "",
    } as const;
    const directory = await connectedDirectory(redisOptions(mode));
    const { record } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    await eventually("the room on the replica", async () => await replica.ask("DBSIZE") !== ":0");
    await master.kill();
    await assertAway(directory);
    await eventually("the connection", isUp(directory));
    const next = await eventually(
      "an answer of the new master",
      () => directory.enter(joining("r", B, "bob", "PA_2")),
    );
    assert.ok(next.ok && next.created === false);
    assert.deepEqual(next.record, record);
    assert.match(await replica.ask("ROLE"), /master/);
    // A name that sentinels do not know is nothing to wait for.
    const unknown = openDirectory(redisOptions({ ...mode, master: "other" }));
    await assert.rejects(unknown.find("r"), { code: "directory_down" });
    await unknown.end();
    await directory.end();
  },
});

const SLOTS = 16_384;

/** Three masters that share the slots. */
async function startCluster(): Promise<RedisServer[]> {
  const args = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
  const servers = await Promise.all([1, 2, 3].map(() => RedisServer.start(args)));
  const share = Math.ceil(SLOTS / servers.length);
  for (const [index, server] of servers.entries()) {
    const [first, last] = [share * index, Math.min(SLOTS, share * (index + 1)) - 1];
    assert.equal(await server.ask("CLUSTER", "ADDSLOTSRANGE", `${first}`, `${last}`), "+OK");
    await server.ask("CLUSTER", "MEET", "127.0.0.1", `${servers[0]!.port}`);
  }
  for (const server of servers) {
    await eventually("a whole cluster", async () => {
      const info = await server.ask("CLUSTER", "INFO");
      return info.includes("cluster_state:ok") && info.includes("cluster_known_nodes:3");
    });
  }
  return servers;
}

Deno.test({
  name: "RedisDirectory: in a Redis Cluster, whose slots move, and which loses a master",
  ignore,
  fn: async (t) => {
    const servers = await startCluster();
    const addresses = [`127.0.0.1:${await freeTcpPort("127.0.0.1")}`, servers[1]!.address];
    const mode = { kind: "cluster", addresses, maxRedirects: 2 } as const;
    for (const [name, run] of Object.entries(DIRECTORY_TESTS)) {
      await t.step(name, async () => {
        const directory = await connectedDirectory(redisOptions(mode));
        await run(directory);
        await directory.end();
      });
    }
    await t.step("a slot that has moved is found", async () => {
      const directory = await connectedDirectory(redisOptions(mode), "moved:");
      await directory.list();
      const id = async (server: RedisServer) =>
        (await server.ask("CLUSTER", "MYID")).split("\r\n")[1]!;
      const [from, to] = [servers[0]!, servers[2]!];
      const [fromId, toId] = [await id(from), await id(to)];
      // The first shard's that is on the first server.
      const slot = await firstSlotOf(from);
      await to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
      await from.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
      const command = ["CLUSTER", "SETSLOT", slot, "NODE", toId];
      assert.deepEqual([await to.ask(...command), await from.ask(...command)], ["+OK", "+OK"]);
      for (let index = 0; index < 100; index++) {
        await entered(directory.enter(joining(`room ${index}`, A, "ann", "PA_1")));
      }
      assert.equal((await directory.list()).length, 100);
      await directory.end();
    });
    await t.step("without one of its masters it is away", async () => {
      const directory = await connectedDirectory(redisOptions(mode));
      await servers[0]!.kill();
      await eventually("that it is away", async () => {
        await directory.list().catch(() => {});
        return directory.status === "down";
      });
      await assertAway(directory);
      await directory.end();
    });
    for (const server of servers) await server.kill();
  },
});

/** A slot of the first server that a shard of `moved:` has, and that holds nothing. */
async function firstSlotOf(server: RedisServer): Promise<string> {
  for (let shard = 0;; shard++) {
    const slot = (await server.ask("CLUSTER", "KEYSLOT", `moved:{${shard}}:`)).slice(1);
    const isEmpty = await server.ask("CLUSTER", "COUNTKEYSINSLOT", slot) === ":0";
    if (Number(slot) < SLOTS / 3 && isEmpty) return slot;
  }
}
