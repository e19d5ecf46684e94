import assert from "node:assert/strict";
import { createLog } from "../../../lib/server/logging.ts";
import { parseConfig } from "../../../lib/server/config_parsing.ts";
import { serve } from "../../../lib/server/serve.ts";
import { FakeEngine } from "../../support/fake_engine.ts";
import { freeTcpPort } from "../../support/roomwire_process.ts";

const ADDRESS = "127.0.0.1";

Deno.test("serve() does not listen for HTTP until media does, so nobody healthy is refused", async () => {
  const port = await freeTcpPort(ADDRESS);
  const config = parseConfig({
    port,
    bind_addresses: [ADDRESS],
    keys: { devkey: "s".repeat(32) },
    rtc: { node_ip: ADDRESS },
  });
  const log = createLog({ level: "error", format: "json", write: () => {} });
  let refused = false;
  // Looks at the HTTP port while media opens, and then fails, which ends the server.
  class FailingEngine extends FakeEngine {
    override async start(): Promise<never> {
      try {
        (await Deno.connect({ hostname: ADDRESS, port })).close();
      } catch (error) {
        refused = error instanceof Deno.errors.ConnectionRefused;
      }
      throw new Error("no sockets today");
    }
  }
  const serving = serve(config, log, { onListening: () => assert.fail("It is not listening") }, {
    createEngine: () => new FailingEngine(),
  });
  await assert.rejects(serving, /no sockets today/);
  assert.ok(refused);
});
