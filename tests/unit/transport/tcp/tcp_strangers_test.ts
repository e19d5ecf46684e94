import assert from "node:assert/strict";
import { DEFAULT_TCP_LIMITS } from "../../../../lib/transport/tcp/tcp_connection.ts";
import { type Stranger, TcpStrangers } from "../../../../lib/transport/tcp/tcp_strangers.ts";

class Somebody implements Stranger {
  readonly remote: { readonly hostname: string };
  constructor(hostname: string, readonly name: string, readonly hasSpoken = false) {
    this.remote = { hostname };
  }
}

/** Lets somebody in as a mux does. @returns Who had to go. */
function admit(strangers: TcpStrangers<Somebody>, somebody: Somebody): string | undefined {
  const other = strangers.inTheWayOf(somebody.remote.hostname);
  if (other !== undefined) strangers.delete(other.stranger);
  strangers.add(somebody);
  return other?.stranger.name;
}

Deno.test("TcpStrangers counts an IPv6 /64 as one address, and a mapped IPv4 address as itself", () => {
  const strangers = new TcpStrangers<Somebody>({ unnamed: 100, unnamedPerAddress: 2 });
  assert.equal(admit(strangers, new Somebody("2001:db8:0:1::1", "a")), undefined);
  assert.equal(admit(strangers, new Somebody("2001:db8:0:1:ffff::2", "b")), undefined);
  assert.equal(admit(strangers, new Somebody("2001:db8:0:2::1", "elsewhere")), undefined);
  assert.equal(admit(strangers, new Somebody("2001:db8:0:1::3", "c")), "a");
  assert.equal(admit(strangers, new Somebody("192.0.2.1", "d")), undefined);
  assert.equal(admit(strangers, new Somebody("::ffff:192.0.2.1", "e")), undefined);
  assert.equal(admit(strangers, new Somebody("192.0.2.1", "f")), "d");
});

Deno.test("TcpStrangers lets those go first that have said nothing", () => {
  const strangers = new TcpStrangers<Somebody>({ unnamed: 3, unnamedPerAddress: 3 });
  admit(strangers, new Somebody("192.0.2.1", "spoke first", true));
  admit(strangers, new Somebody("192.0.2.1", "silent"));
  admit(strangers, new Somebody("192.0.2.1", "spoke last", true));
  assert.equal(admit(strangers, new Somebody("192.0.2.1", "new", true)), "silent");
  assert.equal(admit(strangers, new Somebody("192.0.2.1", "newer", true)), "spoke first");
});

Deno.test("TcpStrangers lets a client in beside sixteen addresses that hold every place", () => {
  const strangers = new TcpStrangers<Somebody>(DEFAULT_TCP_LIMITS);
  const { unnamed, unnamedPerAddress } = DEFAULT_TCP_LIMITS;
  for (let i = 0; i < unnamed; i++) {
    const hostname = `198.51.100.${Math.floor(i / unnamedPerAddress)}`;
    assert.equal(admit(strangers, new Somebody(hostname, "attacker", true)), undefined);
  }
  assert.equal(strangers.size, unnamed);
  assert.equal(admit(strangers, new Somebody("203.0.113.1", "client")), "attacker");
  // Nor can they push it out again: they have more than it does.
  for (let i = 0; i < 10 * unnamed; i++) {
    const hostname = `198.51.100.${i % 16}`;
    assert.equal(admit(strangers, new Somebody(hostname, "attacker")), "attacker");
  }
  assert.equal(strangers.size, unnamed);
});
