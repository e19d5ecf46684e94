/**
 * All clients of one measurement. They speak real STUN and DTLS; then the publishers send SRTP
 * paced as a browser paces it, and the subscribers read every datagram and tell packets apart by
 * their headers, without opening them.
 *
 * @module
 */
import { answerCalls } from "../bench_child.ts";
import type { LoadCalls } from "../forwarding/forwarding_calls.ts";
import { measureBaseline } from "./baseline.ts";
import { openNativeSockets } from "./native_sockets.ts";
import { openPortableSockets } from "./portable_sockets.ts";
import { LoadClients } from "./load_clients.ts";
import { LoadRun } from "./load_run.ts";

const sockets = openNativeSockets() ?? openPortableSockets();
const clients = LoadClients.create(sockets);
const run = new LoadRun(sockets, clients);
run.start();

await answerCalls<LoadCalls>({
  hello: async () => ({ ...clients.parameters, sockets: sockets.kind }),
  baseline: () => measureBaseline(sockets),
  connect: async ({ clients: opened, endpoints }) => ({
    failed: await clients.connect(opened, endpoints),
  }),
  drop: async ({ clients: numbers }) => {
    clients.drop(numbers);
    return {};
  },
  publish: async ({ tracks }) => {
    run.publish(tracks);
    return {};
  },
  expect: async ({ streams }) => {
    run.expect(streams);
    return {};
  },
  probe: async () => ({ silent: await run.probe() }),
  run: async ({ scale }) => {
    run.begin(scale);
    return {};
  },
  runData: async ({ perSecond, bytes }) => {
    run.beginData(perSecond, bytes);
    return {};
  },
  mark: async () => run.mark(),
  stop: () => run.stop(),
  listen: async ({ count }) => ({ ports: await run.listen(count) }),
});
