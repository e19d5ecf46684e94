/**
 * What any participants in a room can do with data, each scenario over all of them at once. Each
 * fails with a line for every pair of stacks that did not do it.
 *
 * @module
 */
import { DataPacket, UserPacket } from "@livekit/protocol";
import { eventually } from "../process/eventually.ts";
import {
  type Arrival,
  type Burst,
  type DataPeer,
  isIntact,
  LOSSY,
  type OwnChannels,
  packetHead,
  payloadOf,
  RELIABLE,
  type StackName,
} from "./data_peer.ts";

/** The largest message that the server says it takes, bytes. */
const LARGEST = 65_535;
/** Payload of 262,144 bytes, less what the server's packet has around it. */
const LARGEST_OF_SERVER = 262_144 - 64;
/** How long what was sent may take to arrive, ms: a busy machine. */
const ARRIVAL_DEADLINE_MS = 30_000;

/** A participant with channels of its own. */
export type RawPeer = DataPeer & { readonly own: OwnChannels };

export function hasOwnChannels(peer: DataPeer): peer is RawPeer {
  return peer.own !== undefined;
}

/** Runs `body` for each at once. Throws with a line for each that failed. */
export async function all<T>(
  parts: readonly T[],
  nameOf: (part: T) => string,
  body: (part: T, index: number) => Promise<void>,
): Promise<void> {
  const outcomes = await Promise.allSettled(parts.map(body));
  const failures = outcomes.flatMap((outcome, index) =>
    outcome.status === "fulfilled"
      ? []
      : [`${nameOf(parts[index]!)}: ${outcome.reason?.message ?? outcome.reason}`]
  );
  if (failures.length > 0) throw new Error(failures.join("\n"));
}

/** One message that is to come: its number if it has room for one, and its size. */
export interface Expected {
  readonly number: number;
  readonly size: number;
}

/** What is to come of a burst. */
export function expectedOf({ count, size, first = 0 }: Burst): Expected[] {
  return Array.from(
    { length: count },
    (_, place) => ({ number: size < 4 ? -1 : first + place, size }),
  );
}

/** Whom a message is from. */
type Sender = Pick<DataPeer, "identity" | "stack">;

/** What came at each of some receivers since it was made. */
export class Inboxes {
  private constructor(
    readonly receivers: readonly DataPeer[],
    readonly marks: ReadonlyMap<DataPeer, number>,
  ) {}

  static async of(receivers: readonly DataPeer[]): Promise<Inboxes> {
    const marks = new Map<DataPeer, number>();
    for (const peer of receivers) marks.set(peer, (await peer.arrivals()).length);
    return new Inboxes(receivers, marks);
  }

  async from(sender: Sender, receiver: DataPeer): Promise<Arrival[]> {
    const arrivals = await receiver.arrivals();
    return arrivals.slice(this.marks.get(receiver)!).filter(({ from }) => from === sender.identity);
  }

  /** Waits for as many messages as are expected, and compares all of them, whole and in order. */
  async expect(
    sender: Sender,
    receiver: DataPeer,
    expected: readonly Expected[],
    text = false,
  ): Promise<void> {
    let got: Arrival[] = [];
    await eventually("messages", async () => {
      got = await this.from(sender, receiver);
      return got.length >= expected.length;
    }, { deadlineMs: ARRIVAL_DEADLINE_MS }).catch(() => {});
    const at = expected.findIndex(({ number, size }, index) => {
      const one = got[index];
      return one === undefined || one.number !== number || one.size !== size ||
        !isIntact(one, text);
    });
    if (at < 0 && got.length === expected.length) return;
    const show = (one: Expected | undefined) => one && `number ${one.number} of ${one.size} bytes`;
    const wrong = at < 0 ? expected.length : at;
    throw new Error(
      `${got.length} of ${expected.length} messages; ` +
        `place ${wrong} has ${show(got[wrong])} instead of ${show(expected[wrong])}`,
    );
  }
}

const pairName = ([sender, receiver]: readonly [DataPeer, DataPeer]) =>
  `${sender.stack} → ${receiver.stack}`;

/** Each with every other, both ways. */
function pairsOf(
  senders: readonly DataPeer[],
  receivers: readonly DataPeer[],
): (readonly [DataPeer, DataPeer])[] {
  return senders.flatMap((sender) =>
    receivers.filter((receiver) => receiver !== sender)
      .map((receiver) => [sender, receiver] as const)
  );
}

/** What LiveKit's native SDK lets out, less what it adds. */
const LARGEST_OF_RTC_NODE = 63_500;

/** A payload so long that the packet is just as large as may be once the server has stamped it. */
function largestPayload(sender: DataPeer): number {
  if (sender.stack === "rtc-node") return LARGEST_OF_RTC_NODE;
  const sid = `PA_${"x".repeat(12)}`;
  const { identity } = sender;
  const size = LARGEST - 200;
  const user = new UserPacket({
    payload: new Uint8Array(size),
    participantIdentity: identity,
    participantSid: sid,
  });
  const packet = new DataPacket({
    participantIdentity: identity,
    participantSid: sid,
    value: { case: "user", value: user },
  });
  return size + LARGEST - packet.toBinary().length;
}

/** Those that say they take 262,144 bytes and more; the others say 65,536 or nothing. */
const TAKE_MORE: readonly StackName[] = ["libdatachannel", "chromium", "firefox", "rtc-node"];

/**
 * The largest message that a client may send, which is larger when it goes on, and what the server
 * says of its own, as large as libwebrtc takes: to those who take them.
 *
 * @param sendAll Sends a message of the server's to everybody.
 */
export async function largestThereAre(
  peers: readonly DataPeer[],
  sendAll: (payload: Uint8Array) => Promise<void>,
): Promise<void> {
  const takers = peers.filter(({ stack }) => TAKE_MORE.includes(stack));
  const inboxes = await Inboxes.of(takers);
  const largest = LARGEST - packetHead(LARGEST).length;
  const burst = { label: RELIABLE, count: 1, size: largest };
  const senders = peers.filter(({ stack }) => stack !== "rtc-node");
  await all(senders, ({ stack }) => `${stack} sends`, (sender) => sender.send(burst));
  await all(pairsOf(senders, takers), pairName, async ([sender, receiver]) => {
    await inboxes.expect(sender, receiver, expectedOf(burst));
  });
  await sendAll(payloadOf(0, LARGEST_OF_SERVER));
  await all(takers, ({ stack }) => `server → ${stack}`, async (receiver) => {
    const server = { identity: "", stack: receiver.stack };
    await inboxes.expect(server, receiver, [{ number: 0, size: LARGEST_OF_SERVER }]);
  });
}

/**
 * Resolves when all have met and a first message of each has come at every other. Until then the
 * server keeps no more than 100 kB for who has just joined, as LiveKit's does: an SDK says that it
 * is connected before its channels are.
 */
export async function meeting(peers: readonly DataPeer[]): Promise<void> {
  for (const peer of peers) await peer.meet(peers.map(({ identity }) => identity));
  const inboxes = await Inboxes.of(peers);
  const greeting = { label: RELIABLE, count: 1, size: 4 };
  await all(peers, ({ stack }) => `${stack} greets`, (peer) => peer.send(greeting));
  await all(pairsOf(peers, peers), pairName, async ([sender, receiver]) => {
    await inboxes.expect(sender, receiver, expectedOf(greeting));
  });
}

const SIZES = [0, 1, 1_199, 1_200, 16 * 1024, 60_000] as const;

/** Messages of every size on the reliable channel, and what came of them compared. */
export async function everySize(peers: readonly DataPeer[]): Promise<void> {
  const inboxes = await Inboxes.of(peers);
  const burstsOf = (sender: DataPeer): Burst[] =>
    [...SIZES, largestPayload(sender)].map((size, first) => (
      { label: RELIABLE, count: 1, size, first: size < 4 ? 0 : first }
    ));
  await all(peers, ({ stack }) => `${stack} sends`, async (sender) => {
    for (const burst of burstsOf(sender)) await sender.send(burst);
  });
  await all(pairsOf(peers, peers), pairName, async ([sender, receiver]) => {
    await inboxes.expect(sender, receiver, burstsOf(sender).flatMap(expectedOf));
  });
}

/** The same on a channel of one's own, up to the largest message there is, as bytes or as text. */
export async function everySizeOnOwnChannels(
  peers: readonly DataPeer[],
  options: { readonly text: boolean },
): Promise<void> {
  const { text } = options;
  const inboxes = await Inboxes.of(peers);
  const senders = peers.filter(hasOwnChannels);
  const label = text ? "own-text" : "own-bytes";
  const burstsOf = (sender: DataPeer): Burst[] =>
    [...SIZES, largestPayload(sender)].map((size, first) => (
      { label, count: 1, size, first: size < 4 ? 0 : first, text }
    ));
  await all(senders, ({ stack }) => `${stack} sends`, async (sender) => {
    await sender.own.open({ label });
    for (const burst of burstsOf(sender)) await sender.send(burst);
  });
  await all(pairsOf(senders, peers), pairName, async ([sender, receiver]) => {
    await inboxes.expect(sender, receiver, burstsOf(sender).flatMap(expectedOf), text);
  });
  await all(senders, ({ stack }) => `${stack} closes`, (sender) => sender.own.close(label));
}

/** Each sends to the next two, who get everything once and in order. */
export async function manyInOrder(
  peers: readonly DataPeer[],
  count: number,
): Promise<void> {
  const inboxes = await Inboxes.of(peers);
  const receiversOf = (index: number) =>
    [1, 2].map((step) => peers[(index + step) % peers.length]!);
  const burst = { label: RELIABLE, count, size: 100 };
  await all(peers, ({ stack }) => `${stack} sends`, async (sender, index) => {
    await sender.send({ ...burst, to: receiversOf(index).map(({ identity }) => identity) });
  });
  const pairs = peers.flatMap((sender, index) =>
    receiversOf(index).map((receiver) => [sender, receiver] as const)
  );
  await all(pairs, pairName, async ([sender, receiver]) => {
    await inboxes.expect(sender, receiver, expectedOf(burst));
  });
}

/** Two and two send each other large messages at once. */
export async function bothWaysAtOnce(
  peers: readonly DataPeer[],
  options: { readonly count: number; readonly size: number },
): Promise<void> {
  const inboxes = await Inboxes.of(peers);
  const burst = { label: RELIABLE, ...options };
  // With an odd number the last one goes with the first.
  const partnerOf = (index: number) => peers[index ^ 1] ?? peers[0]!;
  const pairs = peers.map((sender, index) => [sender, partnerOf(index)] as const);
  await all(pairs, pairName, async ([sender, receiver]) => {
    await sender.send({ ...burst, to: [receiver.identity] });
  });
  await all(pairs, pairName, async ([sender, receiver]) => {
    await inboxes.expect(sender, receiver, expectedOf(burst));
  });
}

/** What became of stream ids: how often one came again on another channel. */
export interface Reuse {
  readonly stack: string;
  readonly ids: number;
  readonly again: number;
}

/**
 * Each opens and closes channels of its own, one after the other, with a message on each; what is
 * closed is there to be used again.
 */
export async function opensAndCloses(
  peers: readonly DataPeer[],
  count: number,
): Promise<Reuse[]> {
  const inboxes = await Inboxes.of(peers);
  const senders = peers.filter(hasOwnChannels);
  const reuse: Reuse[] = [];
  await all(senders, ({ stack }) => `${stack} opens and closes`, async (sender) => {
    const ids = new Set<number | undefined>();
    for (let number = 0; number < count; number++) {
      const label = `own-${number}`;
      await sender.own.open({ label });
      ids.add(await sender.own.idOf(label));
      await sender.send({ label, count: 1, size: 500, first: number });
      await sender.own.close(label);
    }
    reuse.push({ stack: sender.stack, ids: ids.size, again: count - ids.size });
  });
  await all(pairsOf(senders, peers), pairName, async ([sender, receiver]) => {
    // Each on a stream of its own, so that one may overtake another.
    const expected = expectedOf({ label: "", count, size: 500 });
    await eventually("messages", async () => {
      return (await inboxes.from(sender, receiver)).length >= count;
    }, { deadlineMs: ARRIVAL_DEADLINE_MS }).catch(() => {});
    const got = await inboxes.from(sender, receiver);
    const missing = expected.filter(({ number }) => !got.some((one) => one.number === number));
    if (missing.length === 0 && got.length === count && got.every((one) => isIntact(one))) return;
    throw new Error(`${got.length} of ${count}, without ${missing.map(({ number }) => number)}`);
  });
  return reuse;
}

/** A channel whose messages its sender gives up by their age. */
const SOON = "soon";
/** Channels with both kinds of partial reliability (RFC 3758), unordered and ordered. */
const PARTIAL = [
  { label: "once", ordered: true, maxRetransmits: 0 },
  { label: SOON, ordered: false, maxPacketLifeTime: 600 },
] as const;

/** What came of messages that might be lost. */
export interface Delivery {
  readonly pair: string;
  readonly label: string;
  readonly arrived: number;
  readonly of: number;
}

/**
 * Sends on channels of all kinds while datagrams are lost. What is reliable is whole; of the rest
 * most arrives ({@linkcode checkSoon}), nothing twice, nothing damaged, what is ordered in order;
 * and when nothing is lost any more, everything arrives.
 *
 * @param loss Says how much is to be lost.
 */
export async function underLoss(
  peers: readonly RawPeer[],
  loss: (part: number) => void,
  part: number,
): Promise<Delivery[]> {
  const count = 150;
  const burst = { count, size: 1_000, perSecond: 75 };
  const next = (index: number) => peers[(index + 1) % peers.length]!;
  await all(peers, ({ stack }) => `${stack} opens`, async ({ own }) => {
    for (const channel of PARTIAL) await own.open(channel);
  });
  const inboxes = await Inboxes.of(peers);
  const labels = [RELIABLE, LOSSY, ...PARTIAL.map(({ label }) => label)];
  // What is sent on a channel of one's own comes on the reliable one, and is told by its number.
  const firstOf = (label: string) => labels.indexOf(label) * 10_000;
  const send = async (sender: RawPeer, index: number, more: Partial<Burst> = {}) => {
    const to = [next(index).identity];
    await Promise.all(labels.map((label) => {
      const isOwn = label !== RELIABLE && label !== LOSSY;
      const first = firstOf(label) + (more.first ?? 0);
      return sender.send({ ...burst, ...more, label, first, ...(isOwn ? {} : { to }) });
    }));
  };
  loss(part);
  // A stack that doubles its timeouts each time would go on for long if it never ended.
  const lossEnds = new Promise<void>((resolve) =>
    setTimeout(() => resolve(loss(0)), 1_000 * count / burst.perSecond)
  );
  const sending = all(
    peers,
    ({ stack }) => `${stack} sends`,
    (sender, index) => send(sender, index),
  );
  await Promise.all([sending, lossEnds]);
  const after = 5;
  const late = { count: after, first: count, perSecond: 20 };
  await all(
    peers,
    ({ stack }) => `${stack} sends again`,
    (sender, index) => send(sender, index, late),
  );
  const deliveries: Delivery[] = [];
  await all(
    peers.map((sender, index) => [sender, next(index)] as const),
    pairName,
    async (pair) => {
      const got = async (label: string) =>
        (await inboxes.from(...pair)).filter(({ number }) =>
          Math.floor(number / 10_000) === labels.indexOf(label)
        );
      for (const label of labels) {
        const numbers = async () => (await got(label)).map(({ number }) => number % 10_000);
        const isLast = (number: number) => number >= count;
        await eventually("the last ones", async () => {
          const all = await numbers();
          return all.filter(isLast).length >= after &&
            (label !== RELIABLE || all.length >= count + after);
        }, { deadlineMs: ARRIVAL_DEADLINE_MS, seen: async () => [label, await numbers()] });
        const came = await numbers();
        checkPartial(label, came, (await got(label)).every((one) => isIntact(one)), count + after);
        deliveries.push({ pair: pairName(pair), label, arrived: came.length, of: count + after });
      }
    },
  );
  checkSoon(deliveries.filter(({ label }) => label === SOON));
  return deliveries;
}

/**
 * Most arrives of what had a lifetime, over all pairs: whose retransmissions by timeout are lost,
 * too, waits twice as long each time (RFC 9260 §6.3.3), and gives up by itself what it is told to
 * send meanwhile. Of one sender that may be nearly all.
 */
function checkSoon(deliveries: readonly Delivery[]): void {
  const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
  const came = sum(deliveries.map(({ arrived }) => arrived));
  const sent = sum(deliveries.map(({ of }) => of));
  if (came >= sent / 2) return;
  const each = deliveries.map(({ pair, arrived }) => `${pair}: ${arrived}`).join(", ");
  throw new Error(`${SOON}: most of them are missing; ${came} of ${sent} came (${each})`);
}

function checkPartial(label: string, came: readonly number[], whole: boolean, sent: number): void {
  const ordered = label === RELIABLE || label === "once";
  const inOrder = came.every((number, at) => at === 0 || number > came[at - 1]!);
  const faults = [
    !whole && "a message is damaged",
    new Set(came).size !== came.length && "a message came twice",
    ordered && !inOrder && "they are not in order",
    label === RELIABLE && came.length !== sent && "some are missing",
    label !== SOON && came.length < sent / 2 && "most of them are missing",
  ].filter((fault) => fault !== false);
  if (faults.length > 0) {
    throw new Error(`${label}: ${faults.join(", ")}; ${came.length} of ${sent} came: ${came}`);
  }
}
