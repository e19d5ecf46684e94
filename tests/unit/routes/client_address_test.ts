import assert from "node:assert/strict";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { parseIpNetwork } from "../../../lib/wire/ip_network.ts";
import { clientAddress, type ForwardedRule } from "../../../routes/client_address.ts";

const rule = (header: ForwardedRule["header"] = "X-Forwarded-For"): ForwardedRule => ({
  proxies: [parseIpNetwork("10.0.0.0/8")!, parseIpNetwork("fd00::/8")!],
  header,
});

Deno.test("clientAddress() takes the word of configured proxies alone, and counts that of others", () => {
  const counters = new DropCounters();
  const ignored = () => counters.get("forwarded_header_ignored");
  const says = new Headers({ "X-Forwarded-For": "198.51.100.1, 203.0.113.7" });
  assert.equal(clientAddress(says, "10.0.0.1", rule(), counters), "203.0.113.7");
  assert.equal(clientAddress(says, "::ffff:10.0.0.1", rule(), counters), "203.0.113.7");
  assert.equal(clientAddress(says, "fd00::1", rule(), counters), "203.0.113.7");
  assert.equal(ignored(), 0);
  assert.equal(clientAddress(says, "192.0.2.1", rule(), counters), "192.0.2.1");
  assert.equal(clientAddress(says, "10.0.0.1", undefined, counters), "10.0.0.1");
  assert.equal(clientAddress(says, "", rule(), counters), "");
  assert.equal(ignored(), 3);
  assert.equal(clientAddress(new Headers(), "192.0.2.1", rule(), counters), "192.0.2.1");
  assert.equal(clientAddress(new Headers(), "10.0.0.1", rule(), counters), "10.0.0.1");
  assert.equal(ignored(), 3);
});

Deno.test("clientAddress() reads the header that the proxies write, and not the client's own", () => {
  const counters = new DropCounters();
  const both = new Headers({ "Forwarded": "for=198.51.100.1", "X-Forwarded-For": "203.0.113.7" });
  assert.equal(clientAddress(both, "10.0.0.1", rule(), counters), "203.0.113.7");
  assert.equal(clientAddress(both, "10.0.0.1", rule("Forwarded"), counters), "198.51.100.1");
  // Two lines are one list, of which the proxy has written the last.
  both.append("X-Forwarded-For", "203.0.113.8");
  assert.equal(clientAddress(both, "10.0.0.1", rule(), counters), "203.0.113.8");
});
