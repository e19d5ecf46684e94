/**
 * A publisher far away whose path loses packets: Chromium with its field trials for flexfec-03 sends
 * repair packets, and of those the server makes what was lost. How much of that it asks for as well
 * is Chromium's choice and the machine's: repair packets of several frames come with the last one,
 * and those of a busy browser late. `fec_reception_test.ts` says when it is not asked for.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DEFAULT_ENABLED_MIMES } from "../../lib/negotiation/codec_catalog.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { LossyProxy } from "../support/process/lossy_proxy.ts";
import { PrometheusText } from "../support/process/prometheus_text.ts";
import { freeTcpPort } from "../support/process/roomwire_process.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { watchInbound } from "../support/sdk/stream_totals.ts";

const enabled = [...DEFAULT_ENABLED_MIMES, "video/flexfec-03"];
const metricsPort = await freeTcpPort("127.0.0.1");
const fixture = CallFixture.forThisFile({
  config: {
    room: { enabled_codecs: enabled.map((mime) => ({ mime })) },
    prometheus: { port: metricsPort },
  },
  chromiumFlags: [
    "--force-fieldtrials=WebRTC-FlexFEC-03/Enabled/WebRTC-FlexFEC-03-Advertised/Enabled/",
  ],
});
const SEED = 5;
const LOSS = 0.05;
const ONE_WAY_MS = 120;
const LOOK_MS = 8_000;
/** Of what is missing; about 60 %, on a busy machine, too. */
const LEAST_REPAIRED = 0.25;
/** Figures may be as old as this, ms. */
const STALE_MS = 1_100;
/** Of 15, on a machine that is busy with encoding. */
const LEAST_FPS = 4;

/** Counts RTP packets of two payload types on their way to the server, whatever is in them. */
class PacketCount {
  repair = 0;
  media = 0;
  #first = -1;
  #highest = -1;

  constructor(proxy: LossyProxy, repairType: number, mediaType: number) {
    proxy.onRelayed = ([first, second, high, low]) => {
      const type = second! & 0x7f;
      if (first! >> 6 !== 2) return;
      if (type === repairType) this.repair++;
      if (type !== mediaType) return;
      this.media++;
      const number = high! * 256 + low!;
      if (this.#first < 0) this.#first = this.#highest = number;
      this.#highest += (number - this.#highest) << 16 >> 16;
    };
  }

  /** Media that were sent and not relayed; what is sent again is of another type. */
  get missing(): number {
    return this.#highest - this.#first + 1 - this.media;
  }
}

function payloadType(sdp: string, codec: string): number {
  const found = new RegExp(`a=rtpmap:(\\d+) ${codec}/90000`, "i").exec(sdp);
  assert.ok(found, `${codec} is not in ${sdp}`);
  return Number(found[1]);
}

/** What the server has counted, a look apart: packets that it made, and that it asked for. */
async function counts(): Promise<{ readonly made: number; readonly asked: number }> {
  await new Promise((resolve) => setTimeout(resolve, STALE_MS));
  const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  const text = new PrometheusText(await response.text());
  return {
    made: text.value("roomwire_packets_repaired_total")!,
    asked: text.value("livekit_nack_total", { direction: "incoming" })!,
  };
}

endToEndTest("what a publisher with flexfec-03 loses is made of its repair packets", [
  "chromium",
], () =>
  fixture.call("publisher-repair", async (call) => {
    await using proxy = new LossyProxy(SEED);
    proxy.down.delayMs = proxy.up.delayMs = ONE_WAY_MS;
    const ann = await call.joinBehind(proxy, "chromium", "ann");
    const bob = await call.join("chromium", "bob");
    const sid = await ann.publishVideo({ noise: true, maxBitrate: 600_000, simulcast: false });
    await eventually("the first picture", async () => {
      return ((await bob.inbound(sid))["framesDecoded"] ?? 0) > 0;
    });
    const [own, theirs] = await ann.publisherDescriptions();
    assert.match(own, /a=ssrc-group:FEC-FR /);
    proxy.up.loss = LOSS;
    const types = [payloadType(theirs, "flexfec-03"), payloadType(theirs, "VP8")] as const;
    const begun = new PacketCount(proxy, ...types);
    await eventually("repair packets", () => Promise.resolve(begun.repair > 0));
    const before = await counts();
    const counted = new PacketCount(proxy, ...types);
    const { grown } = await watchInbound(bob, sid, LOOK_MS);
    const after = await counts();
    const { media, repair, missing } = counted;
    const [made, asked] = [after.made - before.made, after.asked - before.asked];
    const [frames, freezes] = [grown("framesDecoded"), grown("freezeCount")];
    const seen = JSON.stringify({ media, repair, missing, made, asked, frames, freezes });
    assert.ok(repair > media * 0.05, seen);
    assert.ok(made > missing * LEAST_REPAIRED, seen);
    assert.ok(frames > LEAST_FPS * LOOK_MS / 1_000, seen);
    assert.deepEqual([await ann.errors(), await bob.errors()], [[], []]);
  }));
