import assert from "node:assert/strict";
import { clientProfile, type ProfileName } from "../../../bench/real_loads/client_profiles.ts";
import { ClientReports, type ReceivedMedia } from "../../../bench/real_loads/client_reports.ts";
import { type RtcpHandler, RtcpReader } from "../../../lib/wire/rtcp.ts";
import { parseTransportFeedback, TransportFeedback } from "../../../lib/wire/transport_cc.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const EVERYTHING = { transportCcId: 3, hasNack: true, hasRemb: true };
const REMB = { transportCcId: 0, hasNack: true, hasRemb: true };
const NOTHING = { transportCcId: 0, hasNack: false, hasRemb: false };

/** What one connection has said, by kind. */
class Said {
  compounds = 0;
  senderReports = 0;
  readonly reports = new Map<number, number>();
  readonly nacks: number[] = [];
  pictureLosses = 0;
  rembs: number[] = [];
  readonly feedback: number[] = [];
  readonly #reader = new RtcpReader();

  read(bytes: Uint8Array, length: number): void {
    this.compounds++;
    const ignored = () => {};
    const handler: RtcpHandler = {
      senderReport: () => void this.senderReports++,
      reportBlock: (_, { ssrc }) => void this.reports.set(ssrc, (this.reports.get(ssrc) ?? 0) + 1),
      nack: (_, numbers, count) => void this.nacks.push(...numbers.subarray(0, count)),
      pictureLoss: () => void this.pictureLosses++,
      remb: (bitrate) => void this.rembs.push(bitrate),
      transportCc: (whole, offset, size) => {
        const into = new TransportFeedback();
        assert.ok(parseTransportFeedback(whole, offset + 12, size - 12, into));
        this.feedback.push(into.statusCount);
      },
      goodbye: ignored,
      fullIntra: ignored,
      receiverReferenceTime: ignored,
      delaySinceReceiverReference: ignored,
    };
    assert.ok(this.#reader.read(bytes, length, handler));
  }
}

/** A video and an audio stream for so many seconds, 100 packets/s each. */
function run(name: ProfileName, section: typeof EVERYTHING, seconds: number, seed = 1) {
  const random = new SeededRandom(seed);
  const said = new Said();
  const draw = () => random.uint32() / 2 ** 32;
  const reports = new ClientReports(99, clientProfile(name), draw, ({ bytes, length }) => {
    said.read(bytes, length);
  });
  const media = [
    reports.receive("video", 1, section, 0),
    reports.receive("audio", 2, section, 0),
  ] satisfies ReceivedMedia[];
  let number = 0;
  for (let now = 0; now < seconds * 1_000; now++) {
    if (now % 10 === 0) {
      for (const one of media) {
        one.reception.arrive((now / 10) & 0xffff, now * 90, now * 1_000);
        const transport = section.transportCcId > 0 ? number++ & 0xffff : -1;
        reports.arrive(one, (now / 10) & 0xffff, transport, now * 1_000, now);
      }
    }
    reports.poll(now);
  }
  return { said, numbers: number, media };
}

Deno.test("ClientReports of pion reports on each stream once a second", () => {
  const { said } = run("pion", NOTHING, 60);
  for (const ssrc of [1, 2]) assert.ok(Math.abs(said.reports.get(ssrc)! - 60) <= 1, `${ssrc}`);
  assert.deepEqual([said.feedback.length, said.rembs.length, said.nacks.length], [0, 0, 0]);
});

Deno.test("ClientReports of libwebrtc reports on video each second and on audio in five", () => {
  const { said } = run("libwebrtc", NOTHING, 300);
  assert.ok(Math.abs(said.reports.get(1)! / 300 - 1) < 0.1, `${said.reports.get(1)}`);
  assert.ok(Math.abs(said.reports.get(2)! / 60 - 1) < 0.2, `${said.reports.get(2)}`);
});

Deno.test("ClientReports sends feedback on every transport-wide number, as often as it should", () => {
  for (const [name, intervalMs] of [["pion", 100], ["libwebrtc", 50]] as const) {
    const { said, numbers } = run(name, EVERYTHING, 20);
    assert.ok(Math.abs(said.feedback.length * intervalMs / 20_000 - 1) < 0.05, name);
    const reported = said.feedback.reduce((sum, count) => sum + count, 0);
    // All but those of the interval that is not over.
    assert.ok(reported > numbers - 2 * intervalMs / 10 - 2 && reported <= numbers, name);
    assert.equal(said.rembs.length, 0, name);
  }
});

Deno.test("ClientReports sends an estimate where that is negotiated, and only as libwebrtc", () => {
  const { said } = run("libwebrtc", REMB, 30);
  assert.ok(said.rembs.length >= 29 && said.rembs.length <= 31);
  assert.ok(said.rembs.every((bitrate) => bitrate > 50e6 && bitrate < 200e6));
  assert.equal(run("pion", REMB, 30).said.rembs.length, 0);
});

Deno.test("ClientReports asks for some packets and key frames again, the same with one seed", () => {
  const { said } = run("pion", REMB, 600);
  // A thousandth of 60,000 packets; 600 s with a key frame asked for in 30 s on average.
  assert.ok(said.nacks.length > 30 && said.nacks.length < 90, `${said.nacks.length}`);
  assert.ok(said.pictureLosses > 8 && said.pictureLosses < 40, `${said.pictureLosses}`);
  const { said: again } = run("pion", REMB, 600);
  assert.deepEqual(again.nacks, said.nacks);
  assert.notDeepEqual(run("pion", REMB, 600, 2).said.nacks, said.nacks);
});

Deno.test("ClientReports reports on what is published once it has been sent", () => {
  const said = new Said();
  const reports = new ClientReports(99, clientProfile("pion"), () => 0.5, ({ bytes, length }) => {
    said.read(bytes, length);
  });
  let packets = 0;
  const media = { ssrc: 5, clockRate: 90_000, timestamp: () => 1, packets: () => packets };
  reports.publish({ kind: "video", ...media }, 0);
  for (let now = 0; now < 5_000; now += 10) reports.poll(now);
  assert.equal(said.senderReports, 0);
  packets = 10;
  for (let now = 5_000; now < 10_000; now += 10) reports.poll(now);
  assert.equal(said.senderReports, 5);
});
