import assert from "node:assert/strict";
import { IngressInfo } from "@livekit/protocol";
import { IngressStore } from "../../../lib/ingress/ingress_store.ts";
import { IngressFile } from "../../../lib/server/ingress_file.ts";

async function opened(path: string): Promise<IngressStore> {
  const file = new IngressFile(path);
  await file.open();
  return new IngressStore(file.shelf);
}

Deno.test("IngressFile keeps what was answered, for its owner alone", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/ingress.json`;
  try {
    const store = await opened(path);
    const infos = Array.from(
      { length: 20 },
      (_, at) => new IngressInfo({ ingressId: `IN_${at}`, streamKey: `key${at}`, name: `n${at}` }),
    );
    await Promise.all(infos.map((info) => store.put(info)));
    await store.remove(infos[3]!);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    const again = await opened(path);
    const names = (await again.all()).map(({ name }) => name).sort();
    assert.deepEqual(names, infos.filter((_, at) => at !== 3).map(({ name }) => name).sort());
    assert.equal((await again.byKey("key7"))?.ingressId, "IN_7");
    assert.equal(await again.byKey("key3"), undefined);
    await Deno.writeTextFile(path, "{");
    await assert.rejects(opened(path), /ingress\.file: cannot be used/);
    await assert.rejects(opened(`${folder}/missing/x`), /ingress\.file: cannot be used/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("IngressFile answers once a change is in the file, also while another is written", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/ingress.json`;
  try {
    const store = await opened(path);
    const put = async (at: number) => {
      const ingressId = `IN_${at}`;
      await store.put(new IngressInfo({ ingressId, streamKey: `key${at}` }));
      assert.ok(Deno.readTextFileSync(path).includes(ingressId), `${ingressId} is not in the file`);
    };
    await Promise.all(Array.from({ length: 10 }, (_, at) => put(at)));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
