import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { silentLog } from "../../../../lib/base/platform.ts";
import { SfuError } from "../../../../lib/base/errors.ts";
import { denoPlatform } from "../../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import {
  httpConnectionLimits,
  HttpConnections,
} from "../../../../lib/server/http/http_connections.ts";
import type { HttpListener } from "../../../../lib/server/http/http_front.ts";
import { listenHttp } from "../../../../lib/server/http/http_listeners.ts";
import { freeTcpPort } from "../../../support/process/roomwire_process.ts";

const EVERYWHERE: readonly (readonly string[])[] = [[], [""], ["", "127.0.0.1"]];
const noIpv6 = () => new Deno.errors.AddrNotAvailable("Cannot assign requested address");
const noFamily = () => new Error("Address family not supported by protocol (os error 97)");

/** A system that only keeps account; `fails` says what binding an address throws. */
function pretend(dualStack: boolean, fails: Readonly<Record<string, () => Error>> = {}) {
  const bound: string[] = [];
  const closed: string[] = [];
  const bind = (hostname: string): Promise<HttpListener> => {
    const error = fails[hostname]?.();
    if (error !== undefined) return Promise.reject(error);
    bound.push(hostname);
    const shutdown = () => Promise.resolve(void closed.push(hostname));
    return Promise.resolve({ port: 1, shutdown });
  };
  return { bound, closed, binding: { dualStack: () => dualStack, bind } };
}

function listening(addresses: readonly string[], optional: readonly string[] = [], port = 1) {
  return {
    addresses,
    optional,
    port,
    platform: denoPlatform(silentLog),
    counters: new DropCounters(),
    connections: new HttpConnections<Socket>(httpConnectionLimits(4096)),
    handler: () => Promise.resolve(new Response("here")),
  };
}

Deno.test("listenHttp() serves IPv4 and IPv6 unless it is told where", {
  ignore: !Deno.networkInterfaces().some(({ address }) => address === "::1"),
}, async () => {
  for (const addresses of [...EVERYWHERE, ["0.0.0.0", "::"], ["::", "0.0.0.0", "127.0.0.1"]]) {
    // Free for both families, as a socket for both needs it.
    const port = await freeTcpPort("::");
    const listeners = await listenHttp(listening(addresses, [], port));
    for (const host of ["127.0.0.1", "[::1]"]) {
      const response = await fetch(`http://${host}:${port}/`);
      assert.equal(await response.text(), "here", `${addresses} ${host}`);
    }
    await Promise.all(listeners.map((listener) => listener.shutdown()));
  }
});

Deno.test("listenHttp() does not bind what another address covers", async () => {
  const rows: [dual: boolean, readonly string[], readonly string[]][] = [
    ...EVERYWHERE.map((
      addresses,
    ): [boolean, readonly string[], readonly string[]] => [true, addresses, ["::"]]),
    ...EVERYWHERE.map((
      addresses,
    ): [boolean, readonly string[], readonly string[]] => [false, addresses, ["::", "0.0.0.0"]]),
    [true, ["0.0.0.0", "::"], ["::"]],
    [false, ["0.0.0.0", "::"], ["::", "0.0.0.0"]],
    [true, ["127.0.0.1", "::1", "::"], ["::"]],
    [false, ["127.0.0.1", "::1", "::"], ["::", "127.0.0.1"]],
    [true, ["127.0.0.1", "0.0.0.0", "::1"], ["0.0.0.0", "::1"]],
    [true, ["127.0.0.1", "127.0.0.1"], ["127.0.0.1"]],
  ];
  for (const [dual, addresses, expected] of rows) {
    const { bound, binding } = pretend(dual);
    assert.equal((await listenHttp(listening(addresses), binding)).length, expected.length);
    assert.deepEqual(bound, expected, `${dual} ${addresses}`);
  }
});

Deno.test("listenHttp() does without a family that the machine lacks, if nobody named it", async () => {
  for (const missing of [noIpv6, noFamily]) {
    for (const dual of [true, false]) {
      const { bound, binding } = pretend(dual, { "::": missing });
      await listenHttp(listening([]), binding);
      assert.deepEqual(bound, ["0.0.0.0"]);
    }
    const dev = pretend(true, { "::1": missing });
    await listenHttp(listening(["127.0.0.1", "::1"], ["::1"]), dev.binding);
    assert.deepEqual(dev.bound, ["127.0.0.1"]);
  }
  const named = pretend(true, { "::1": noIpv6 });
  await assert.rejects(
    () => listenHttp(listening(["127.0.0.1", "::1"]), named.binding),
    /\[::1\]:1: no interface of this machine has this address/,
  );
  assert.deepEqual(named.closed, ["127.0.0.1"], "what was opened before is closed again");
  const neither = pretend(true, { "::": noFamily, "0.0.0.0": noIpv6 });
  await assert.rejects(() => listenHttp(listening([""]), neither.binding), SfuError);
});

Deno.test("listenHttp() tells of a port that somebody has, also of what it could do without", async () => {
  const taken = () => new Deno.errors.AddrInUse("Address already in use");
  for (const [addresses, name] of [[[], "::"], [[""], "0.0.0.0"], [["::1"], "::1"]] as const) {
    const { binding } = pretend(false, { [name]: taken });
    await assert.rejects(
      () => listenHttp(listening(addresses, ["::1"]), binding),
      (error) => error instanceof SfuError && error.code === "address_in_use",
    );
  }
});

Deno.test("listenHttp() refuses a port of every interface that one interface has taken", async () => {
  const other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    await assert.rejects(() => listenHttp(listening([], [], other.addr.port)), /another program/);
  } finally {
    other.close();
  }
});
