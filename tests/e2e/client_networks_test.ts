/**
 * Clients behind routers that translate addresses: two of them, ones that let a single TCP port
 * out, and ones that forget whom they know, or get another address, in the middle of a call.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { TestAuthority } from "../support/process/certificates.ts";
import {
  chromiumPath,
  endToEndTest,
  type Requirement,
} from "../support/process/e2e_requirements.ts";
import {
  placeHere,
  type RoomwireOptions,
  type RoomwireProcess,
  startRoomwire,
} from "../support/process/roomwire_process.ts";
import {
  assertReceives,
  publishCameraAndMicrophone,
  type Published,
} from "../support/sdk/call_assertions.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import { eventually } from "../support/process/eventually.ts";
import { PionPeer } from "../support/peers/pion_peer.ts";
import { ChromiumBrowser } from "../support/sdk/chromium.ts";
import { serveClientPage } from "../support/sdk/client_page_server.ts";
import { ClientNat, type ClientNatOptions } from "../support/wire/client_nat.ts";

const NEEDS: readonly Requirement[] = ["chromium", "network-namespaces", "nftables"];
const DOMAIN = "turn.example.org";
/** How long a picture is watched for standing still, ms. */
const WATCH_MS = 6_000;
/** Between two looks at it, ms. */
const LOOK_MS = 20;

interface Scene {
  readonly nat: ClientNat;
  readonly server: RoomwireProcess;
  /** Behind the router, and not. */
  readonly ann: BrowserClient;
  readonly bob: BrowserClient;
  readonly fromAnn: readonly Published[];
  readonly fromBob: readonly Published[];
}

interface SceneOptions {
  readonly nat?: ClientNatOptions;
  /** The one port that lets anything out, beside that of the page. */
  readonly onlyTcp?: number;
  readonly server?: (nat: ClientNat) => RoomwireOptions;
  /** Of Chromium. */
  readonly flags?: (nat: ClientNat) => readonly string[];
}

/** Ann and bob in a call, one of them behind routers. */
async function call(options: SceneOptions, scene: (scene: Scene) => Promise<void>): Promise<void> {
  await using nat = await ClientNat.create(options.nat);
  const { hostAddress } = nat;
  await using server = await startRoomwire({ address: hostAddress, ...options.server?.(nat) });
  await using pages = serveClientPage(hostAddress);
  if (options.onlyTcp !== undefined) {
    await nat.letOutOnly([options.onlyTcp, Number(new URL(pages.url).port)]);
  }
  const extraFlags = [
    `--unsafely-treat-insecure-origin-as-secure=${pages.url.slice(0, -1)}`,
    ...options.flags?.(nat) ?? [],
  ];
  const executablePath = await nat.wrapperFor(chromiumPath() ?? "chromium");
  await using inside = await ChromiumBrowser.launch({ executablePath, extraFlags });
  await using outside = await ChromiumBrowser.launch({ extraFlags });
  const join = async (browser: ChromiumBrowser, identity: string) => {
    const client = await browser.openClient(identity, pages.url);
    await client.connect(server.url, await mintToken({ identity, room: "moving" }));
    return client;
  };
  await using ann = await join(inside, "ann");
  const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
  await using bob = await join(outside, "bob");
  const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
  await assertReceives(bob, ann, fromAnn);
  await assertReceives(ann, bob, fromBob);
  await scene({ nat, server, ann, bob, fromAnn, fromBob });
}

/** The longest time without a new frame of a track while it is watched, ms. */
async function longestStill(viewer: BrowserClient, [video]: readonly Published[]): Promise<number> {
  const endsAt = performance.now() + WATCH_MS;
  let [frames, since, longest] = [-1, performance.now(), 0];
  while (performance.now() < endsAt) {
    const { framesDecoded } = await viewer.media(video!.sid);
    const now = performance.now();
    if (framesDecoded !== frames) since = now;
    frames = framesDecoded;
    longest = Math.max(longest, now - since);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return longest;
}

endToEndTest(
  "pictures stand still for a moment when a client's router forgets its clients, or gets another address",
  NEEDS,
  () =>
    call({}, async ({ nat, ann, bob, fromAnn, fromBob }) => {
      const before = await Promise.all([ann.snapshot(), bob.snapshot()]);
      for (const change of ["forget", "moveOutside"] as const) {
        const watched = [longestStill(bob, fromAnn), longestStill(ann, fromBob)];
        await nat[change]();
        const [atBob, atAnn] = (await Promise.all(watched)).map(Math.round);
        const told = `${change}: still for ${atBob} ms outside, ${atAnn} ms behind the router`;
        console.log(told);
        // Longer than a check of Chromium's own takes to come would be its doing, not ours.
        assert.ok(Math.max(atBob!, atAnn!) < 2_500, told);
        await assertReceives(bob, ann, fromAnn);
        await assertReceives(ann, bob, fromBob);
        const after = await Promise.all([ann.snapshot(), bob.snapshot()]);
        for (const [index, { local, departed, state }] of after.entries()) {
          assert.equal(local.sid, before[index]!.local.sid, "the session is the same");
          assert.deepEqual([departed, state], [[], "connected"]);
        }
      }
    }),
);

endToEndTest(
  "Chromium behind two routers with a port for each destination is in a call",
  NEEDS,
  () =>
    call({ nat: { isDouble: true } }, async ({ ann }) => {
      assert.equal((await ann.transport("publisher"))?.protocol, "udp");
    }),
);

endToEndTest(
  "Chromium that gets nothing out but TCP to port 443 relays over TLS there by itself",
  [...NEEDS, "openssl"],
  async () => {
    await using authority = await TestAuthority.make();
    const { certFile, keyFile } = await authority.issue("turn", [`DNS:${DOMAIN}`]);
    await call({
      onlyTcp: 443,
      server: ({ otherHostAddress }) => ({
        place: placeHere({ http: 443, tcp: 7881, udp: 7882 }),
        config: {
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
      flags: ({ otherHostAddress }) => [
        `--host-resolver-rules=MAP ${DOMAIN} ${otherHostAddress}`,
        "--ignore-certificate-errors",
      ],
    }, async ({ ann }) => {
      const transport = await ann.transport("publisher");
      assert.deepEqual([transport?.candidateType, transport?.relayProtocol], ["relay", "tls"]);
    });
  },
);

/** Two on pion, the first of them behind the routers. */
async function pionPair(nat: ClientNat, url: string, single: boolean) {
  const room = single ? "pion" : "pion-dual";
  const token = (identity: string) => mintToken({ identity, room });
  await using started = new AsyncDisposableStack();
  const ann = started.use(await PionPeer.start("ann", (program) => nat.command(program)));
  const bob = started.use(await PionPeer.start("bob"));
  await ann.connect(url, await token("ann"), { single });
  await bob.connect(url, await token("bob"), { single });
  const fromAnn = await ann.publish({ kind: "video" });
  const fromBob = await bob.publish({ kind: "video" });
  const counts = () => [bob.counts(fromAnn)?.frames ?? 0, ann.counts(fromBob)?.frames ?? 0];
  const things = started.move();
  return {
    async flows(when: string) {
      const before = counts();
      await eventually(`pictures both ways in ${room} ${when}`, () => {
        return counts().every((count, way) => count > before[way]! + 20);
      }, { seen: () => [ann.story(), bob.story()] });
    },
    errors: () => bob.errors(),
    [Symbol.asyncDispose]: () => things.disposeAsync(),
  };
}

endToEndTest(
  "pion behind two routers sends and receives, also after they forget it, over one connection and over two",
  ["go", "network-namespaces", "nftables"],
  async () => {
    await using nat = await ClientNat.create({ isDouble: true });
    await using server = await startRoomwire({ address: nat.hostAddress });
    await using one = await pionPair(nat, server.url, true);
    await using two = await pionPair(nat, server.url, false);
    const flow = (when: string) => Promise.all([one.flows(when), two.flows(when)]);
    await flow("at first");
    await nat.forget();
    await flow("after that");
    assert.deepEqual([one.errors(), two.errors()], [[], []]);
  },
);
