import assert from "node:assert/strict";
import { clusterRoute, NODE_TOKEN_HEADER } from "../../../routes/cluster.ts";

const SOCKET = {
  bufferedAmount: 0,
  onMessage: () => {},
  onClose: () => {},
  send() {},
  close() {},
};
const UPGRADE = { "Connection": "keep-alive, Upgrade", "Upgrade": "websocket" };

/** Asks the route; `opened` is how often a socket was given to the links. */
async function ask(headers: Record<string, string>) {
  const asked: string[] = [];
  let opened = 0;
  let upgraded = 0;
  const route = clusterRoute({
    links: {
      accept: (token) => {
        asked.push(token);
        if (token === "good") return { ok: true, open: () => void opened++ };
        return { ok: false, refusal: { status: 503, body: "too many links" } };
      },
    },
    upgrade: () => {
      upgraded++;
      return { response: new Response("upgraded"), socket: SOCKET };
    },
  });
  const url = new URL("http://node/cluster");
  const request = new Request(url, { headers });
  const rest = { token: undefined, receivedAt: 0, socketAddress: "" };
  const response = await route({ request, url, path: url.pathname, ...rest });
  return { status: response.status, body: await response.text(), asked, opened, upgraded };
}

Deno.test("/cluster upgrades nobody but whom the links take", async () => {
  const plain = await ask({ [NODE_TOKEN_HEADER]: "good" });
  assert.deepEqual([plain.status, plain.asked, plain.upgraded], [404, [], 0]);
  const bare = await ask(UPGRADE);
  assert.deepEqual([bare.status, bare.asked, bare.upgraded], [401, [], 0]);
  const refused = await ask({ ...UPGRADE, [NODE_TOKEN_HEADER]: "bad" });
  assert.deepEqual([refused.status, refused.body], [503, "too many links"]);
  assert.deepEqual([refused.asked, refused.upgraded, refused.opened], [["bad"], 0, 0]);
  const taken = await ask({ ...UPGRADE, [NODE_TOKEN_HEADER]: "good" });
  assert.deepEqual([taken.body, taken.upgraded, taken.opened], ["upgraded", 1, 1]);
});
