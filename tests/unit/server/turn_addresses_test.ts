import assert from "node:assert/strict";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";
import { mediaListeners } from "../../../lib/server/media_listeners.ts";
import { turnOffer, turnSetup } from "../../../lib/server/turn_settings.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

const LAN = { family: "IPv4", address: "10.0.0.5" } as const;

Deno.test("TURN relays as, and to, the addresses that clients are shown now", () => {
  const config = parseConfig({
    keys: { key: "secret" },
    turn: { enabled: true, udp_port: 3478, deny_peer_cidrs: ["198.51.100.0/24"] },
  });
  const platform = new VirtualPlatform(1);
  const listeners = mediaListeners(config, [LAN], 1);
  let hosts = listeners.advertised;
  const setup = turnSetup(config, listeners, () => hosts, platform)!;
  const offer = turnOffer(config, () => hosts, platform)!;
  const ownUrls = () => offer.serversFor("PA_ann")[0]!.urls;
  assert.deepEqual(setup.relayed(), ["10.0.0.5"]);
  assert.ok(setup.isOwn("10.0.0.5", 7882));
  assert.deepEqual(ownUrls(), ["turn:10.0.0.5:3478?transport=udp"]);
  // Outside it is seen as another one.
  hosts = ["203.0.113.7", "198.51.100.7"];
  assert.deepEqual(setup.relayed(), hosts);
  assert.ok(setup.isOwn("203.0.113.7", 7882));
  assert.ok(!setup.isOwn("203.0.113.7", 7883), "a port that is not media's");
  assert.ok(setup.isOwn("10.0.0.5", 7882), "who was shown it goes on");
  assert.ok(!setup.isOwn("198.51.100.7", 7882), "denied, whatever is found out");
  assert.deepEqual(ownUrls(), [
    "turn:203.0.113.7:3478?transport=udp",
    "turn:198.51.100.7:3478?transport=udp",
  ]);
});
