/**
 * All clients of a load, in a process of their own: real signalling, ICE, DTLS, SRTP and SCTP. They
 * read everything that comes, and tell packets apart by their headers, without opening them.
 *
 * @module
 */
import { answerCalls } from "../bench_child.ts";
import { measureBaseline } from "../load/baseline.ts";
import { openNativeSockets } from "../load/native_sockets.ts";
import { openPortableSockets } from "../load/portable_sockets.ts";
import type { LoadsCalls } from "./loads_calls.ts";
import { LoadsRun } from "./loads_run.ts";

const sockets = openNativeSockets() ?? openPortableSockets();
const run = new LoadsRun(sockets);
run.start();

await answerCalls<LoadsCalls>({
  hello: async () => ({ sockets: sockets.kind, baseline: await measureBaseline(sockets) }),
  gather: async (options) => {
    const startedAt = performance.now();
    const gathered = await run.gather(options);
    return { ...gathered, ms: performance.now() - startedAt };
  },
  mark: async () => run.mark(),
  leave: async () => {
    await run.leave();
    return {};
  },
});
