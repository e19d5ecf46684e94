/**
 * Chromium, Firefox, rtc-node and pion in one home, whose networks are as bad as they get: every way
 * out of it is tried with all of them, each joins within what its SDK waits, and everybody sees and
 * hears everybody through the server, which is on the other side.
 *
 * What cannot be, and why:
 * - rtc-node by TURN over TLS at a server whose certificate is of an authority of one's own:
 *   libwebrtc believes those that are compiled into it and no others, so the handshake ends with
 *   "unknown CA" whatever the system trusts. (With a public certificate there is nothing like it.)
 * - rtc-node whose own address changes sees and hears on, but its SDK waits for the end of its
 *   WebSocket, which no packet reaches any more, and opens no other one: it can only be ended, and
 *   is not told of who joins, or joins anew.
 * - pion by ICE over TCP: with its own defaults it has candidates of UDP alone, so where nothing gets
 *   out but TCP it goes by the relay, too.
 * - pion whose own address changes: its agent has sockets of the old address alone and begins
 *   nothing by itself; that is for its application, which here has none of it.
 * - Firefox (153) without any IPv4: it gathers no candidate, nor says that there are no more, whatever
 *   its preferences are about default addresses and about hiding them; it sends nothing.
 * - Firefox and Chromium are told by nothing that their address has changed but by the silence of
 *   their WebSocket, which livekit-client bears for 15 s.
 * - Firefox (153) whose address goes away while its data channels' heartbeat is due, once in 30 s,
 *   loses DTLS for good and has to join anew. It is told so when it says that its connection failed;
 *   if its WebSocket fails at the same moment, that is all it says, and livekit-client waits for
 *   DTLS for 15 s more.
 *
 * Servers with several addresses and paths of 1,280 bytes: `addresses_test.ts`.
 *
 * @module
 */
import { turnCredentials } from "../../lib/transport/turn/turn_credentials.ts";
import { TestAuthority } from "../support/process/certificates.ts";
import { endToEndTest, type Requirement } from "../support/process/e2e_requirements.ts";
import {
  placeHere,
  type RoomwireProcess,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import {
  assertFlows,
  meet,
  type Meeting,
  type MemberKind,
  standstills,
} from "../support/sdk/call_matrix.ts";
import { Household } from "../support/sdk/household.ts";
import { ClientNat } from "../support/wire/client_nat.ts";
import { createServerNamespace } from "../support/wire/server_namespace.ts";

const NEEDS: readonly Requirement[] = [
  "chromium",
  "firefox",
  "go",
  "network-namespaces",
  "nftables",
  "openssl",
];
const KINDS: readonly MemberKind[] = ["chromium", "firefox", "rtc-node", "pion"];
/** Of media over TCP; no other test has it, as media is on all of this machine's addresses. */
const TCP_PORT = 7971;
const DOMAIN = "turn.example.org";
/** How long pictures are watched for standing still, ms. */
const WATCH_MS = 5_000;
/** Everybody goes on after its own address has changed within this, ms: see Firefox above. */
const MOVED_DEADLINE_MS = 60_000;

/**
 * A home behind two routers, and a server that has port 443 for HTTP and, at another address, for
 * TURN.
 */
class Home implements AsyncDisposable {
  static #opened: Promise<Home> | undefined;

  private constructor(
    readonly nat: ClientNat,
    readonly server: RoomwireProcess,
    readonly clients: Household,
    readonly things: AsyncDisposableStack,
  ) {}

  /** The same one for all tests. */
  static opened(): Promise<Home> {
    return Home.#opened ??= Home.#open();
  }

  static async end(): Promise<void> {
    await (await Home.#opened?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  static async #open(): Promise<Home> {
    await using things = new AsyncDisposableStack();
    const authority = things.use(await TestAuthority.make());
    const { certFile, keyFile } = await authority.issue("turn", [`DNS:${DOMAIN}`]);
    const nat = things.use(await ClientNat.create({ isDouble: true }));
    const { hostAddress, otherHostAddress } = nat;
    await nat.setName(DOMAIN, otherHostAddress);
    const server = things.use(
      await startRoomwire({
        address: hostAddress,
        place: placeHere({ http: 443, tcp: TCP_PORT, udp: 7972 }),
        config: {
          rtc: { enable_loopback_candidate: false },
          turn: {
            enabled: true,
            tls_port: 443,
            domain: DOMAIN,
            bind_addresses: [otherHostAddress],
            cert_file: certFile,
            key_file: keyFile,
          },
        },
      }),
    );
    const trusting = `SSL_CERT_FILE=${authority.certFile}`;
    const clients = things.use(
      await Household.open((program, ...args) =>
        nat.command("/usr/bin/env", trusting, program, ...args)
      ),
    );
    return new Home(nat, server, clients, things.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.things.disposeAsync();
  }
}

Deno.test.afterAll(() => Home.end());

/** What pion is told of the relay, whose list it does not read by itself. */
function relayForPion() {
  const expiresAt = Math.floor(Date.now() / 1000) + 300;
  const account = { apiKey: TEST_KEY, sid: "PA_pion", expiresAt };
  const urls = [`turns:${DOMAIN}:443?transport=tcp`];
  return { urls, ...turnCredentials(account, TEST_SECRET) };
}

for (
  const { what, ports, kinds } of [
    { what: "TCP", ports: [443, TCP_PORT], kinds: KINDS },
    { what: "TCP to port 443", ports: [443], kinds: KINDS.filter((kind) => kind !== "rtc-node") },
  ]
) {
  endToEndTest(`${kinds.join(", ")} meet where nothing gets out but ${what}`, NEEDS, async () => {
    const { nat, server: { url }, clients } = await Home.opened();
    await nat.letOutOnly(ports);
    try {
      await meet(await clients.join({ url, room: what, kinds, pionRelay: relayForPion() }));
    } finally {
      await nat.letOutAll();
    }
  });
}

endToEndTest(
  `${
    KINDS.join(", ")
  } meet behind two routers with a port for each destination, and go on when these forget them, get another address, or give them one`,
  NEEDS,
  async () => {
    const { nat, server, clients } = await Home.opened();
    const members = await clients.join({ url: server.url, room: "routers", kinds: KINDS });
    const meeting = await meet(members);
    for (const change of ["forget", "moveOutside"] as const) {
      const watched = standstills(meeting, WATCH_MS);
      await nat[change]();
      console.log(`${change}: still for ${JSON.stringify(await watched)} ms`);
      await assertFlows(meeting);
    }
    await nat.moveInside();
    const startedAt = performance.now();
    await assertFlows(without(meeting, "pion"), {
      deadlineMs: MOVED_DEADLINE_MS,
      untold: ["rtc-node"],
    });
    console.log(`moveInside: all go on after ${Math.round(performance.now() - startedAt)} ms`);
  },
);

const WITH_IPV6 = KINDS.filter((kind) => kind !== "firefox");

endToEndTest(`${WITH_IPV6.join(", ")} meet from a home that has IPv6 alone`, NEEDS, async () => {
  await using home = await createServerNamespace(["IPv6"]);
  const [address] = home.hostAddresses;
  await using server = await startRoomwire({
    address: `[${address}]`,
    place: placeHere({ http: 7980, tcp: 7981, udp: 7982 }),
    config: {
      bind_addresses: ["::"],
      rtc: { node_ip: address, enable_loopback_candidate: false },
    },
  });
  await using clients = await Household.open(home.place.command);
  await meet(await clients.join({ url: server.url, room: "six", kinds: WITH_IPV6 }));
});

function without({ members, published }: Meeting, kind: MemberKind): Meeting {
  const isKept = (_: unknown, at: number) => members[at]!.kind !== kind;
  return { members: members.filter(isKept), published: published.filter(isKept) };
}
