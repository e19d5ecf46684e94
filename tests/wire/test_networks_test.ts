import assert from "node:assert/strict";
import { ipPath, mustIgnore } from "../support/process/e2e_requirements.ts";
import { ClientNat } from "../support/wire/client_nat.ts";
import { createNamespace } from "../support/wire/network_namespace.ts";
import { holdNetwork } from "../support/wire/test_networks.ts";

const NETWORKS = new URL("../support/wire/test_networks.ts", import.meta.url).href;
const NAMESPACES = new URL("../support/wire/network_namespace.ts", import.meta.url).href;

/** Another process of tests runs this code; what it prints. */
async function elsewhere(code: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

async function namespaces(): Promise<string[]> {
  const { stdout } = await new Deno.Command(ipPath()!, { args: ["netns", "list"] }).output();
  return new TextDecoder().decode(stdout).split("\n").map((line) => line.split(" ")[0]!);
}

const ignore = mustIgnore(["network-namespaces"]);

Deno.test({
  name: "A network that a test holds is taken by no other, here or in another process",
  ignore,
  fn: async () => {
    const addressOf = (number: number) => [`10.216.${number}.1`] as const;
    const held = Array.from({ length: 3 }, () => holdNetwork(4, addressOf));
    try {
      const left = await elsewhere(`
        import { holdNetwork } from ${JSON.stringify(NETWORKS)};
        const addressOf = (number) => ["10.216." + number + ".1"];
        console.log(holdNetwork(4, addressOf).number);
        try { holdNetwork(4, addressOf); } catch (error) { console.log(error.message); }
      `);
      const [number, refusal] = left.split("\n");
      const all = [...held.map(({ number }) => number), Number(number)];
      assert.deepEqual(all.sort(), [0, 1, 2, 3]);
      assert.match(refusal!, /is taken/);
      assert.equal(new Set(held.map(({ id }) => id)).size, 3);
      // What a process held that has ended is free.
      held.push(holdNetwork(4, addressOf));
    } finally {
      for (const { release } of held) release();
    }
    holdNetwork(1, addressOf).release();
  },
});

Deno.test({
  name: "What a test run that was killed has left is removed when the next one makes a network",
  ignore,
  fn: async () => {
    const [name, ...left] = (await elsewhere(`
      import { createNamespace } from ${JSON.stringify(NAMESPACES)};
      console.log((await createNamespace()).name);
      // It is looked for here: once this process is gone, other tests remove it as well.
      const { stdout } = await new Deno.Command(${JSON.stringify(ipPath())}, {
        args: ["netns", "list"],
      }).output();
      console.log(new TextDecoder().decode(stdout));
      Deno.exit();
    `)).split("\n") as [string, ...string[]];
    assert.match(name, /^roomwire-client-/);
    assert.ok(left.some((line) => line.split(" ")[0] === name), "it is there");
    await using own = await createNamespace();
    const there = await namespaces();
    assert.ok(there.includes(own.name));
    assert.ok(!there.includes(name), "it is removed");
  },
});

Deno.test({
  name: "Places behind routers that are made at the same time do not get into each other's way",
  ignore: ignore || mustIgnore(["nftables"]),
  fn: async () => {
    const places = await Promise.all([1, 2, 3].map(() => ClientNat.create()));
    try {
      assert.equal(new Set(places.map(({ hostAddress }) => hostAddress)).size, places.length);
    } finally {
      for (const place of places) await place[Symbol.asyncDispose]();
    }
  },
});
