/** LiveKit's tests of the TURN server, and of the credentials that clients get for it. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { InvariantError, SfuError } from "../../lib/base/errors.ts";
import { turnOffer, turnSetup } from "../../lib/server/turn_settings.ts";
import { MACHINE_FILES, type NamedFiles } from "../../lib/server/watched_certificate.ts";
import { mediaListeners } from "../../lib/server/media_listeners.ts";
import { readTurnUser, turnCredentials } from "../../lib/transport/turn/turn_credentials.ts";
import type { IceServerInfo } from "../../lib/room/context/ice_preference.ts";
import { parseConfig, parseConfigText } from "../../lib/server/config/config_parsing.ts";
import {
  ATTR,
  credentialsOf,
  errorOf,
  TURN_KEY,
  TURN_SECRET,
  TurnWorld,
  word,
  xored,
} from "../support/virtual/turn_world.ts";
import { VirtualPlatform } from "../support/virtual/virtual_platform.ts";
import { unitScenario } from "./support.ts";

const ALLOCATE = 0x0003;
const REFRESH = 0x0004;
const CREATE_PERMISSION = 0x0008;
const LIFETIME = 0x000d;
const nowOf = (world: TurnWorld) => Math.floor(world.platform.clock.wallMs() / 1000);

/** What a first allocation with these credentials is answered. */
function allocateWith(
  world: TurnWorld,
  fields: readonly string[],
  { secret = TURN_SECRET, signed = fields }: { secret?: string; signed?: readonly string[] } = {},
): number {
  return errorOf(world.client().allocate(credentialsOf(fields, secret, signed)));
}

unitScenario("TestTurnAuthFailure", () => {
  const world = new TurnWorld();
  const good = [TURN_KEY, "PA_ann", String(nowOf(world) + 300)];
  const [key, sid, expiry] = good as [string, string, string];
  const unparseable = { username: "not a name", password: "x" };
  assert.equal(errorOf(world.client().allocate(unparseable)), 400);
  assert.equal(allocateWith(world, good, { secret: "another secret" }), 400);
  assert.equal(allocateWith(world, [key, sid, String(nowOf(world) - 1)]), 400);
  assert.equal(allocateWith(world, ["nobody", sid, expiry]), 400);
  const other = [key, sid, String(Number(expiry) + 60)];
  assert.equal(allocateWith(world, good, { signed: other }), 400);
  assert.equal(allocateWith(world, [key, sid, "0"]), 400);
  assert.equal(allocateWith(world, [key, sid]), 400);
  assert.equal(world.server.size, 0);
  assert.equal(allocateWith(world, good), 0);
});

unitScenario("TestTURNAuthHandler_HandleAuth_ValidCredentials", () => {
  const world = new TurnWorld();
  const user = { apiKey: TURN_KEY, sid: "PA_ann", expiresAt: nowOf(world) + 10 };
  const { username, credential } = turnCredentials(user, TURN_SECRET);
  assert.equal(errorOf(world.client().allocate({ username, password: credential })), 0);
  assert.deepEqual(readTurnUser(username), user);
});

unitScenario("TestTURNAuthHandler_HandleAuth_ExpiredAllocateRejected", () => {
  const world = new TurnWorld();
  assert.equal(allocateWith(world, [TURN_KEY, "PA_ann", String(nowOf(world))]), 400);
});

unitScenario("TestTURNAuthHandler_HandleAuth_ExpiredNonAllocateAllowed", () => {
  const world = new TurnWorld();
  const client = world.client();
  const credentials = world.credentials();
  client.allocate(credentials);
  world.platform.advance(400_000);
  const refresh = client.request(REFRESH, [[LIFETIME, word(700)]], credentials);
  assert.equal(errorOf(client.ask(refresh)!), 0);
});

unitScenario("TestTURNAuthHandler_HandleAuth_WrongUsernameRejected", () => {
  const world = new TurnWorld();
  const expiry = String(nowOf(world) + 300);
  const signed = [TURN_KEY, "PA_ann", expiry];
  assert.equal(allocateWith(world, [TURN_KEY, "PA_bob", expiry], { signed }), 400);
});

unitScenario("TestTURNAuthHandler_HandleAuth_TwoPartUsernameRejected", () => {
  assert.equal(allocateWith(new TurnWorld(), [TURN_KEY, "PA_ann"]), 400);
});

unitScenario("TestTURNAuthHandler_HandleAuth_ZeroExpiryRejected", () => {
  assert.equal(allocateWith(new TurnWorld(), [TURN_KEY, "PA_ann", "0"]), 400);
});

unitScenario("TestTURNAuthHandler_ParseUsername_TwoPartRejected", () => {
  assert.equal(readTurnUser(credentialsOf([TURN_KEY, "PA_ann"], "").username), undefined);
});

unitScenario("TestTURNAuthHandler_ParseUsername_ZeroExpiryRejected", () => {
  assert.equal(readTurnUser(credentialsOf([TURN_KEY, "PA_ann", "0"], "").username), undefined);
});

unitScenario("TestTURNAuthHandler_CreatePassword_ZeroExpiryRejected", () => {
  const user = { apiKey: TURN_KEY, sid: "PA_ann", expiresAt: 0 };
  assert.throws(() => turnCredentials(user, TURN_SECRET), InvariantError);
  assert.ok(turnCredentials({ ...user, expiresAt: 1 }, TURN_SECRET).credential);
});

const ADVERTISED = ["192.0.2.1", "2001:db8::1"];

/** What participants are offered under this `turn` section, at a known second. */
function offered(turn: Readonly<Record<string, unknown>>) {
  const platform = new VirtualPlatform(1);
  const config = parseConfig({
    keys: { [TURN_KEY]: TURN_SECRET },
    turn: { enabled: true, udp_port: 3478, ...turn },
  });
  const offer = turnOffer(config, () => ADVERTISED, platform);
  const [server] = offer!.serversFor("PA_ann");
  const user = readTurnUser(server!.username);
  return { server: server!, ttl: user!.expiresAt - Math.floor(platform.clock.wallMs() / 1000) };
}

unitScenario("TestTURNAuthHandler_CreateUsername_TTLClamped", () => {
  assert.equal(offered({}).ttl, 300);
  assert.equal(offered({ ttl_seconds: -5 }).ttl, 300);
  assert.equal(offered({ ttl_seconds: 60 }).ttl, 60);
  assert.equal(offered({ ttl_seconds: 1_000_000 }).ttl, 86_400);
  assert.deepEqual(offered({}).server.urls, [
    "turn:192.0.2.1:3478?transport=udp",
    "turn:[2001:db8::1]:3478?transport=udp",
  ]);
  assert.deepEqual(
    offered({ udp_port: 0, tls_port: 5349, external_tls: true, domain: "turn.example.org" })
      .server.urls,
    ["turns:turn.example.org:443?transport=tcp"],
  );
});

/** The server that this `turn` section makes. */
function setUp(turn: Readonly<Record<string, unknown>>) {
  const config = parseConfig({
    keys: { [TURN_KEY]: TURN_SECRET },
    rtc: { node_ip: "10.1.2.3" },
    turn: { enabled: true, udp_port: 3478, ...turn },
  });
  const listeners = mediaListeners(config, [], 1);
  return turnSetup(
    config,
    listeners,
    () => listeners.advertised,
    new VirtualPlatform(1),
    MACHINE_FILES,
  );
}

/** What a client of a node with this `turn` section is told when it asks to talk to a peer. */
function permit(turn: Readonly<Record<string, unknown>>, peer: string): number {
  const world = new TurnWorld({ isOwn: setUp(turn)!.isOwn });
  const client = world.client();
  assert.equal(errorOf(client.allocate()), 0);
  return errorOf(client.ask(client.request(CREATE_PERMISSION, [[ATTR.peer, xored(peer, 0)]]))!);
}

// LiveKit refuses private peers that are not allowed, its own address included. Here nobody but the
// node itself is reached, whatever is allowed; so only what is denied has an effect.
unitScenario("TestTurnRelay", () => {
  const [own, other] = ["10.1.2.3", "10.1.2.4"];
  const allow = { allow_restricted_peer_cidrs: ["10.0.0.0/8"] };
  assert.deepEqual([permit(allow, own), permit(allow, other)], [0, 403], "allowed");
  assert.deepEqual([permit({}, own), permit({}, other)], [0, 403], "not allowed");
  const deny = { ...allow, deny_peer_cidrs: ["10.1.0.0/16"] };
  assert.deepEqual([permit(deny, own), permit(deny, other)], [403, 403], "denied, though allowed");
});

unitScenario("TestParsePeerCIDRs", () => {
  const plain = setUp({});
  assert.ok(plain?.isOwn("10.1.2.3", 0), "private, and this node itself");
  assert.ok(!plain?.isOwn("10.1.2.4", 0));
  const both = { allow_restricted_peer_cidrs: ["10.0.0.0/8"], deny_peer_cidrs: ["10.1.0.0/16"] };
  assert.ok(!setUp(both)?.isOwn("10.1.2.3", 0), "denied wins");
  assert.ok(setUp({ deny_peer_cidrs: ["10.2.0.0/16"] })?.isOwn("10.1.2.3", 0));
});

unitScenario("TestNewTurnServer_InvalidPeerCIDRFailsStartup", () => {
  for (const key of ["allow_restricted_peer_cidrs", "deny_peer_cidrs"]) {
    assert.throws(() => setUp({ [key]: ["10.0.0.0/99"] }), (error) => {
      return error instanceof SfuError && error.code === "invalid_config" &&
        error.message.includes("10.0.0.0/99");
    });
  }
});

unitScenario("TestIsValidDomain", () => {
  const withDomain = (domain: string) => setUp({ tls_port: 5349, external_tls: true, domain });
  for (const domain of ["turn.example.org", "a.io", "t-1.example.co.uk"]) {
    assert.ok(withDomain(domain), domain);
  }
  for (const domain of ["", "localhost", "-a.org", "a_b.org", "192.0.2.1", "https://a.org"]) {
    assert.throws(() => withDomain(domain), SfuError, domain);
  }
});

const HOUR = 3_600;

/** What participants are offered of a server of others', read from YAML. */
function othersOffered(server: string, files?: NamedFiles) {
  const platform = new VirtualPlatform(1);
  const text = `rtc: {turn_servers: [{host: turn.example.org, port: 3478, ${server}}]}`;
  const offer = turnOffer(parseConfigText(text, "test"), () => ADVERTISED, platform, files);
  const [{ username, credential }] = offer!.serversFor("PA_ann") as [IceServerInfo];
  const ttl = Number(username.split(":")[0]) - Math.floor(platform.clock.wallMs() / 1000);
  return { username, credential, ttl };
}

unitScenario("TestClampTURNTTLSeconds", () => {
  const clamped = (ttl_seconds: number) => offered({ ttl_seconds }).ttl;
  assert.deepEqual([-1, -(2 ** 40), 0].map(clamped), [300, 300, 300], "the default");
  assert.deepEqual([1, 600, 86_400].map(clamped), [1, 600, 86_400], "as it was asked for");
  assert.deepEqual([86_401, 2 ** 50].map(clamped), [86_400, 86_400], "a day at most");
});

unitScenario("TestNormalizeTURNTTLs", () => {
  const ttlOf = (ttl: number) => othersOffered(`secret: s, ttl: ${ttl}`).ttl;
  assert.equal(ttlOf(0), 4 * HOUR, "unset");
  assert.equal(ttlOf(-1), 300);
  assert.equal(ttlOf(600), 600);
  assert.equal(ttlOf(24 * HOUR + 1), 24 * HOUR);
});

unitScenario("TestNewConfigNormalizesTURNTTL", () => {
  assert.equal(othersOffered("secret: s").ttl, 4 * HOUR);
  assert.equal(offered({}).ttl, 300);
  const server = othersOffered("username: u, credential: c, ttl: 5");
  assert.deepEqual([server.username, server.credential], ["u", "c"], "what is fixed has no life");
});

unitScenario("TestLoadTURNSecrets", () => {
  const files = (text: string, mode: number | null = 0o100640): NamedFiles => ({
    read: (path) => {
      assert.equal(path, "/turn.secret");
      return text;
    },
    modeOf: () => mode,
  });
  const fromFile = "secret_file: /turn.secret";
  /** The secret in use, as a coturn would find it out. */
  const isSignedBy = (secret: string, server: string, from?: NamedFiles) => {
    const { username, credential } = othersOffered(server, from);
    return createHmac("sha1", secret).update(username).digest("base64") === credential;
  };
  assert.ok(isSignedBy("of file", fromFile, files("  of file\n")), "without what is around it");
  assert.ok(isSignedBy("inline", `secret: inline, ${fromFile}`, files("of file")), "inline wins");
  assert.ok(
    isSignedBy("of file", `secret: "  ", ${fromFile}`, files("of file")),
    "a blank does not",
  );
  assert.ok(isSignedBy("of file", fromFile, files("of file", null)), "where files have no modes");
  const gone: NamedFiles = {
    read: () => {
      throw new Deno.errors.NotFound("gone");
    },
  };
  for (
    const [from, words] of [
      [files(" \n"), /empty/],
      [files("of file", 0o100644), /others permissions/],
      [gone, /gone/],
    ] as const
  ) {
    assert.throws(() => othersOffered(fromFile, from), (error) => {
      return error instanceof SfuError && error.code === "invalid_config" &&
        words.test(error.message);
    });
  }
  assert.throws(() => othersOffered("username: u"), { code: "invalid_config" });
});

/** Allocates from so many ports of one address, one after the other. */
const allocateFrom = (world: TurnWorld, ports: readonly number[], sid = "PA_ann") =>
  ports.map((port) => errorOf(world.client("198.51.100.7", port).allocate(world.credentials(sid))));
const ports = (count: number, first = 1_000) => Array.from({ length: count }, (_, i) => first + i);

unitScenario("TestTURNAllocationQuota_LimitsPerUser", () => {
  const world = new TurnWorld({ allocationsPerParticipant: 2 });
  assert.deepEqual(allocateFrom(world, ports(3)), [0, 0, 486]);
  const unlimited = new TurnWorld({ allocationsPerParticipant: 0 });
  assert.ok(allocateFrom(unlimited, ports(30)).every((code) => code === 0));
});

unitScenario("TestTURNAllocationQuota_IsolatedPerUser", () => {
  const world = new TurnWorld({ allocationsPerParticipant: 1 });
  assert.deepEqual(allocateFrom(world, [1]), [0]);
  assert.deepEqual(allocateFrom(world, [2], "PA_bob"), [0]);
  assert.deepEqual(allocateFrom(world, [3], "PA_bob"), [486]);
});

unitScenario("TestTURNAllocationQuota_ReleaseFreesSlot", () => {
  const world = new TurnWorld({ allocationsPerParticipant: 1 });
  const client = world.client();
  const credentials = world.credentials();
  client.allocate(credentials);
  client.ask(client.request(REFRESH, [[LIFETIME, word(0)]], credentials));
  assert.deepEqual(allocateFrom(world, [9]), [0]);
});

unitScenario("TestTURNAllocationQuota_RetransmitIsIdempotent", () => {
  const world = new TurnWorld({ allocationsPerParticipant: 1 });
  const client = world.client();
  const request = client.request(0x0003, [[0x0019, word(17 << 24)]]);
  assert.deepEqual(client.ask(request), client.ask(request));
  assert.equal(world.server.size, 1);
});

unitScenario("TestTURNAllocationQuota_ForgetsUserWhenEmpty", () => {
  const world = new TurnWorld({ allocationsPerParticipant: 1 });
  for (let round = 0; round < 50; round++) {
    const client = world.client();
    const credentials = world.credentials(`PA_${round}`);
    assert.equal(errorOf(client.allocate(credentials)), 0);
    client.ask(client.request(REFRESH, [[LIFETIME, word(0)]], credentials));
  }
  assert.equal(world.server.size, 0);
});

// LiveKit reserves a place before it knows what comes of a request, and frees it 30 s later.
unitScenario("TestTURNAllocationQuota_UnconfirmedReservationReclaimed", () => {
  const world = new TurnWorld({ allocationsPerParticipant: 1 });
  const client = world.client();
  const tcp = client.request(ALLOCATE, [[ATTR.transport, word(6 << 24)]]);
  assert.equal(errorOf(client.ask(tcp)!), 442);
  assert.equal(world.server.size, 0);
  assert.deepEqual(allocateFrom(world, [9]), [0], "what came to nothing takes no place");
});

unitScenario("TestTURNAllocationQuota_ConfirmedReservationSurvivesTTL", () => {
  const world = new TurnWorld({ allocationsPerParticipant: 1 });
  assert.deepEqual(allocateFrom(world, [1]), [0]);
  for (let waited = 0; waited < 120_000; waited += 10_000) {
    world.platform.advance(10_000);
    assert.deepEqual(allocateFrom(world, [2]), [486], "its place is its own while it lives");
  }
});

unitScenario("TestTURNAllocationQuota_StaleReclaimDoesNotEvictReplacement", () => {
  const world = new TurnWorld({ allocationsPerParticipant: 1 });
  const client = world.client();
  const credentials = world.credentials();
  assert.equal(errorOf(client.allocate(credentials)), 0);
  world.platform.advance(400_000);
  client.ask(client.request(REFRESH, [[LIFETIME, word(0)]], credentials));
  assert.equal(errorOf(client.allocate()), 0, "the same address again");
  world.platform.advance(300_000); // the first one's ten minutes are over
  assert.deepEqual(allocateFrom(world, [2]), [486], "what took its place still counts");
  assert.equal(world.server.size, 1);
});

unitScenario("TestTURNAllocationQuota_ConcurrentAllocatesRespectLimit", () => {
  const world = new TurnWorld({ allocationsPerParticipant: 5 });
  const codes = allocateFrom(world, ports(40));
  assert.equal(codes.filter((code) => code === 0).length, 5);
});

unitScenario("TestTURNAllocationQuota_SrcAddrKeyDistinguishesNetwork", () => {
  const world = new TurnWorld({ allocationsPerParticipant: 2 });
  const [a, b] = [world.client("198.51.100.7", 5), world.client("198.51.100.8", 5)];
  assert.deepEqual([errorOf(a.allocate()), errorOf(b.allocate())], [0, 0]);
  assert.equal(world.server.size, 2);
});
