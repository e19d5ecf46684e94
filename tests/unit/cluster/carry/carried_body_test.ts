import assert from "node:assert/strict";
import {
  type ReceivedBody,
  SILENCE_MS,
  WINDOW_BYTES,
} from "../../../../lib/cluster/carry/carried_body.ts";
import { CARRY_PURPOSE } from "../../../../lib/cluster/carry/carried_channel.ts";
import {
  type CarriedMessage,
  writeCarried,
} from "../../../../lib/cluster/carry/carried_message.ts";
import { CarriedRequests } from "../../../../lib/cluster/carry/carried_requests.ts";
import { ANSWER_MS } from "../../../../lib/cluster/carry/request_carrier.ts";
import {
  AcceptingSide,
  LinkIdentity,
  readToken,
} from "../../../../lib/cluster/link/link_handshake.ts";
import type { LinkSocket } from "../../../../lib/cluster/link/link_socket.ts";
import { A, B, CarryingNodes, SECRET } from "../../../support/virtual/carrying_nodes.ts";
import type { LinkWeather } from "../../../support/virtual/link_network.ts";

const HEAD = { status: 200, headers: [["content-type", "application/x-pcapng"]] as const };
const PIECE_BYTES = 1_000;
/** What gathers at the sending end, and the piece that the window ends in. */
const SLACK_BYTES = PIECE_BYTES;

/** What is sent: pieces, each as soon as it is wanted, or when somebody says so. */
class Source {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes that were read of it. */
  read = 0;
  isCancelled = false;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  /** @param endless Whether there is always one piece more. */
  constructor(endless: boolean) {
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => {
        if (endless) this.say(PIECE_BYTES);
      },
      cancel: () => void (this.isCancelled = true),
    }, { highWaterMark: 0 });
  }

  /** A piece, each byte of which says how many there were before it. */
  say(length: number): void {
    this.#controller.enqueue(Uint8Array.from({ length }, (_, at) => (this.read + at) % 251));
    this.read += length;
  }

  end(): void {
    this.#controller.close();
  }

  fail(): void {
    this.#controller.error(new Error("of the source"));
  }
}

/** A node that asks and one that answers with a body. */
class Pair extends CarryingNodes {
  constructor(readonly source: Source, weather: Partial<LinkWeather> = {}) {
    super({ weather });
  }

  protected override answer() {
    return Promise.resolve({ ...HEAD, body: this.source.stream });
  }

  /** What `promise` came to within `ms`; "nothing yet" if to nothing. */
  async within<T>(ms: number, promise: Promise<T>): Promise<T | "nothing yet"> {
    let came: T | "nothing yet" = "nothing yet";
    void promise.then((value) => came = value);
    await this.pass(ms);
    return came;
  }

  async ask(): Promise<ReceivedBody> {
    const request = {
      method: "POST",
      target: "/operations/capture?room=a&identity=b",
      headers: [],
      body: new Uint8Array(),
      socketAddress: "192.0.2.1",
    };
    const outcome = await this.within(
      400,
      this.carrier.carry({ nodeId: B, link: "ws://b/cluster" }, request),
    );
    assert.ok(outcome !== "nothing yet" && outcome?.kind === "streamed");
    assert.deepEqual(outcome.head, HEAD);
    return outcome.body;
  }

  /** Everything up to the end, and which that is. */
  async rest(body: ReceivedBody, withinMs: number): Promise<{ length: number; end: string }> {
    let length = 0;
    const read = async () => {
      for (;;) {
        const bytes = await body.read();
        if (typeof bytes === "string") return bytes;
        for (const byte of bytes) assert.equal(byte, length++ % 251);
      }
    };
    return { end: await this.within(withinMs, read()), length };
  }
}

Deno.test("a body comes as it is sent, whole and in order, and leaves nothing behind", async () => {
  const source = new Source(false);
  const pair = new Pair(source);
  const body = await pair.ask();
  source.say(300);
  source.say(200);
  const first = await pair.within(50, body.read());
  assert.equal((first as Uint8Array).length, 500, "pieces that come together are sealed once");
  assert.equal(await pair.within(1_000, body.read()), "nothing yet");
  const all = new Source(false);
  const whole = new Pair(all);
  const read = await whole.ask();
  for (let i = 0; i < 700; i++) all.say(PIECE_BYTES);
  all.end();
  assert.deepEqual(await whole.rest(read, 1_000), { length: 700 * PIECE_BYTES, end: "end" });
  assert.equal(whole.network.connections, 0);
  assert.equal(whole.platform.pendingTimers, 0);
  assert.equal(all.isCancelled, false);
});

Deno.test("a body is read at its source no further than the window ahead of whoever reads it", async () => {
  const source = new Source(true);
  const pair = new Pair(source);
  const body = await pair.ask();
  let taken = 0;
  for (let i = 0; i < 40; i++) {
    await pair.pass(60);
    const ahead = source.read - taken;
    assert.ok(ahead >= WINDOW_BYTES / 2, `${ahead} bytes`);
    assert.ok(ahead <= WINDOW_BYTES + SLACK_BYTES, `${ahead} bytes`);
    taken += ((await body.read()) as Uint8Array).length;
  }
  assert.equal(pair.counters.get("carried_message_unreadable"), 0);
});

Deno.test("a body takes of a narrow path what that has, and waits at its source", async () => {
  const source = new Source(true);
  const pair = new Pair(source, { bytesPerMs: 10, delayMs: 50 });
  const body = await pair.ask();
  const { length, end } = await pair.rest(body, 60_000);
  assert.equal(end, "nothing yet");
  assert.ok(length > 590_000 * 0.95 && length <= 600_000, `${length} of 600,000 bytes`);
  assert.ok(source.read - length <= WINDOW_BYTES + SLACK_BYTES);
});

Deno.test("a body that nobody reads any more ends at its source, whatever waits", async () => {
  for (const endless of [true, false]) {
    const source = new Source(endless);
    const pair = new Pair(source);
    const body = await pair.ask();
    await pair.pass(500);
    body.cancel();
    await pair.pass(50);
    assert.ok(source.isCancelled);
    assert.equal(await pair.within(10, body.read()), "end");
    assert.equal(pair.network.connections, 0);
    assert.equal(pair.platform.pendingTimers, 0);
  }
});

/** Half a second of a body, and then what `happens`. */
async function brokenOff(happens: (pair: Pair) => void, ms: number) {
  const source = new Source(false);
  const pair = new Pair(source);
  const body = await pair.ask();
  source.say(PIECE_BYTES);
  await pair.pass(100);
  happens(pair);
  const rest = await pair.rest(body, ms);
  return { ...rest, source, pair };
}

Deno.test("a body is lost with either node or what connects them, after all that had come", async () => {
  const ends: Readonly<Record<string, (pair: Pair) => void>> = {
    "the node that sends is dead": ({ carrier }) => carrier.forget(B),
    "it was killed": ({ network }) => network.kill(B, true),
    "it ends": ({ taking }) => taking.close(),
    "the node that was asked ends": ({ carrier }) => carrier.close(),
    "the connection is cut": ({ network }) => network.cut(A, B),
    "its source breaks off": ({ source }) => source.fail(),
  };
  for (const [what, happens] of Object.entries(ends)) {
    const { length, end, source, pair } = await brokenOff(happens, 100);
    assert.deepEqual([length, end], [PIECE_BYTES, "lost"], what);
    assert.equal(source.isCancelled, !what.includes("source") && !what.includes("killed"), what);
    if (!what.includes("killed")) assert.equal(pair.platform.pendingTimers, 0, what);
  }
  const { source } = await brokenOff(({ network }) => network.kill(A, true), 100);
  assert.ok(source.isCancelled, "and ends at its source with the node that asked");
});

Deno.test("a body of which nothing is heard is given up, and one that rests is not", async () => {
  const source = new Source(false);
  const pair = new Pair(source);
  const body = await pair.ask();
  assert.equal(await pair.within(10 * SILENCE_MS, body.read()), "nothing yet");
  assert.equal(pair.counters.get("carried_body_silent"), 0);
  const { end, pair: silent } = await brokenOff(
    ({ network }) => network.partition(A, B),
    SILENCE_MS + 100,
  );
  assert.equal(end, "lost");
  assert.equal(silent.counters.get("carried_body_silent"), 1);
});

Deno.test("an answer that comes when nobody waits for it any more ends at its source", async () => {
  const source = new Source(true);
  const pair = new Pair(source);
  const answer = Promise.withResolvers<void>();
  const late = new CarriedRequests({
    platform: pair.platform,
    counters: pair.counters,
    secret: SECRET,
    node: B,
    answer: () => answer.promise.then(() => ({ ...HEAD, body: source.stream })),
  });
  pair.network.listen("ws://b/cluster/carry", B, (token) => {
    const accepted = late.accept(token);
    return accepted.ok ? accepted.open : undefined;
  });
  await assert.rejects(pair.ask());
  await pair.pass(ANSWER_MS);
  answer.resolve();
  await pair.pass(50);
  assert.ok(source.isCancelled);
  assert.equal(pair.platform.pendingTimers, 0);
});

Deno.test("a node that sends more than it was asked for is not listened to", async () => {
  const pair = new Pair(new Source(false));
  const identity = new LinkIdentity(SECRET, pair.platform.random, CARRY_PURPOSE);
  const self = {
    node: B,
    address: "",
    protocol: { min: 1, max: 1 },
    processNonce: identity.nonce(),
    incarnation: 0,
  };
  const pieces: CarriedMessage[] = [
    { kind: "streamed", head: HEAD },
    { kind: "frame", data: "of no body" },
    { kind: "frame", data: new Uint8Array(WINDOW_BYTES - 1) },
    { kind: "frame", data: new Uint8Array(10) },
    { kind: "frame", data: Uint8Array.of(1) },
    { kind: "frame", data: Uint8Array.of(2) },
  ];
  pair.network.listen("ws://b/cluster/carry", B, (token) => {
    const shown = readToken(identity, B, token)!;
    const side = new AcceptingSide(identity, self, shown, 1);
    return (socket: LinkSocket) => {
      socket.onMessage = (proof) => {
        socket.onMessage = () => {};
        const { outgoing } = side.prove(proof as Uint8Array)!.link;
        for (const piece of pieces) socket.send(outgoing.seal(...writeCarried(piece)));
      };
      socket.send(side.welcome);
    };
  });
  const body = await pair.ask();
  await pair.pass(100);
  assert.equal(pair.counters.get("carried_message_unreadable"), 1);
  const lengths: number[] = [];
  for (let bytes = await body.read(); typeof bytes !== "string"; bytes = await body.read()) {
    lengths.push(bytes.length);
  }
  assert.deepEqual(lengths, [WINDOW_BYTES - 1, 10]);
  assert.equal(await body.read(), "lost");
});
