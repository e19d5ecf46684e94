import assert from "node:assert/strict";
import { type MovableClient, MovedClients } from "../../../../lib/transport/ice/moved_clients.ts";
import type { RemoteAddress } from "../../../../lib/transport/datagrams/datagrams.ts";
import { udp } from "./ice_world.ts";

type Origin = { readonly remote: RemoteAddress };

/** A client that opens packets whose first byte is its own. */
class Client implements MovableClient<Origin> {
  knownHost: string | undefined;
  tries = 0;
  moves: RemoteAddress[] = [];

  constructor(readonly key: number, host: string | undefined, public heardAt: number) {
    this.knownHost = host;
  }

  takeFrom({ remote }: Origin, _kind: "rtp" | "rtcp", bytes: Uint8Array): boolean {
    this.tries++;
    if (bytes[0] !== this.key) return false;
    this.moves.push(remote);
    return true;
  }
}

const FROM = udp("198.51.100.7", 50_002);

function knock(moved: MovedClients<Origin>, key: number, now: number, remote = FROM): boolean {
  return moved.take({ remote }, "rtcp", Uint8Array.of(key), 1, now, now * 1000);
}

Deno.test("MovedClients tries who has just fallen silent, those of the same host first", () => {
  const moved = new MovedClients<Origin>();
  const [other, same, talking, gone, unable] = [
    new Client(1, "203.0.113.5", 9_000),
    new Client(2, FROM.hostname, 9_000),
    new Client(3, FROM.hostname, 9_950),
    new Client(4, FROM.hostname, -11_000),
    new Client(5, undefined, 9_000),
  ];
  for (const client of [other, same, talking, gone, unable]) moved.add(client!);
  assert.equal(knock(moved, 2, 10_000), true);
  assert.deepEqual(same!.moves, [FROM]);
  assert.equal(other!.tries, 0);
  assert.equal(knock(moved, 1, 10_000), true, "at another address, too");
  for (const key of [3, 4, 5, 9]) assert.equal(knock(moved, key, 10_000), false);
  assert.deepEqual([talking!.tries, gone!.tries, unable!.tries], [0, 0, 0]);
  assert.equal(knock(moved, 3, 10_100), true, "once it is silent");
  moved.remove(same!);
  assert.equal(knock(moved, 2, 10_100), false);
});

Deno.test("MovedClients does so much work in a second, whatever strangers send, and leaves nobody out", () => {
  const moved = new MovedClients<Origin>();
  const clients = Array.from({ length: 1_000 }, (_, i) => new Client(300 + i, "203.0.113.5", 0));
  for (const client of clients) moved.add(client);
  const tries = () => clients.reduce((sum, client) => sum + client.tries, 0);
  /** Knocks from so many addresses. */
  const flood = (now: number, addresses: number) => {
    for (let i = 0; i < 5_000; i++) {
      knock(moved, 1, now, udp(`198.51.${i % addresses >> 8}.${i % addresses & 0xff}`, 50_000));
    }
  };
  flood(1_000, 500);
  assert.equal(tries(), 64 * 128);
  assert.ok(clients.every((client) => client.tries > 0));
  flood(2_000, 500);
  assert.equal(tries(), 2 * 64 * 128);
  flood(3_000, 1);
  assert.equal(tries(), (2 * 64 + 32) * 128, "one stranger has half of the tries");
});

Deno.test("MovedClients finds who has moved beside strangers that send without end", () => {
  const moved = new MovedClients<Origin>();
  const [near, far] = [new Client(2, FROM.hostname, 9_000), new Client(3, "203.0.113.5", 9_000)];
  for (const client of [near, far]) moved.add(client);
  for (let i = 0; i < 5_000; i++) knock(moved, 1, 10_000, udp("192.0.2.66", 40_000));
  assert.equal(knock(moved, 3, 10_000, udp("203.0.113.99", 50_000)), true, "one stranger");
  for (let i = 0; i < 5_000; i++) {
    knock(moved, 1, 10_000, udp(`198.18.${i >> 8}.${i & 0xff}`, 40_000));
  }
  assert.equal(knock(moved, 2, 10_000), true, "thousands, elsewhere");
});
