/**
 * What a room of 300 open microphones costs an engine and its listeners, if everything is forwarded
 * and if only the loudest tracks are: packets and bits to each listener, and CPU time of choosing,
 * rewriting and sealing. Sockets are left out, so that all of it fits into one process; some of the
 * listeners are there, the others cost the same.
 *
 * A program of its own: `deno run --allow-all bench/forwarding/loudest_room.ts`.
 *
 * @module
 */
import process from "node:process";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { EXTENSION_URI } from "../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { FanOutBatch } from "../../lib/media/packet/fan_out_batch.ts";
import { LoudestRooms } from "../../lib/media/up/loudest_audio.ts";
import { UpTrack } from "../../lib/media/up/up_track.ts";
import { chooseMediaCrypto } from "../../lib/transport/media_crypto.ts";
import { RtpOutlet } from "../../lib/transport/rtp_outlet.ts";
import { SrtpSession } from "../../lib/transport/srtp/srtp_session.ts";
import { RtpView } from "../../lib/wire/rtp_view.ts";
import { codec, layerListener } from "../../tests/support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../tests/support/media/rtp_packets.ts";
import { randomParameters } from "../../tests/support/media/srtp_twins.ts";
import { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";
import { slotPath } from "../../tests/support/wire/slot_path.ts";

const MICROPHONES = 300;
/** Of 300 who listen. */
const LISTENERS = 20;
const LIMITS = [0, 8];
const ROOM = "RM_loud";
const OPUS = codec("audio/opus", 111);
const LEVEL_ID = 1;
/** 32 kbit/s of Opus in 50 packets a second. */
const PAYLOAD_BYTES = 80;
const FRAME_MS = 20;
/** IP and UDP. */
const OVERHEAD_BYTES = 28;
/** So many speak at a time, one of them changes after so many frames. */
const SPEAKERS = 3;
const TURN_FRAMES = 100;
const WARM_UP_MS = 4_000;
const MEASURED_MS = 8_000;

const crypto = chooseMediaCrypto("auto");

/** One microphone: quiet but for when it is its owner's turn. */
class OpenMicrophone {
  readonly view = new RtpView();
  readonly up: UpTrack;
  readonly #bytes: Uint8Array;
  #sequence = 1_000;

  constructor(readonly index: number, loudest: LoudestRooms, batch: FanOutBatch) {
    this.up = new UpTrack({
      kind: "audio",
      extensions: [{ id: LEVEL_ID, uri: EXTENSION_URI.audioLevel }],
      listener: { onNack() {}, onKeyFrameNeeded() {} },
      batch,
      loudest,
    });
    this.up.bindLayer(0, index + 1, OPUS, 0);
    this.#bytes = rtpPacket({
      ssrc: index + 1,
      payloadType: OPUS.payloadType,
      extensions: { [LEVEL_ID]: Uint8Array.of(127) },
      payload: new Uint8Array(PAYLOAD_BYTES),
    });
  }

  send(dbov: number, now: number): void {
    const bytes = this.#bytes;
    const sequence = this.#sequence++;
    new DataView(bytes.buffer, bytes.byteOffset).setUint16(2, sequence & 0xffff);
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, (sequence * 960) >>> 0);
    bytes[17] = dbov;
    this.view.wrap(bytes);
    this.up.receive(0, this.view, now);
  }
}

interface Figures {
  readonly packets: number;
  readonly kbps: number;
  readonly cpuMs: number;
}

/** One room at one limit. */
function measure(limit: number, listeners: number): Figures {
  const random = new SeededRandom(1);
  const loudest = new LoudestRooms();
  loudest.limit(ROOM, limit, 0);
  const batch = new FanOutBatch();
  const microphones = Array.from(
    { length: MICROPHONES },
    (_, i) => new OpenMicrophone(i, loudest, batch),
  );
  const sent = { packets: 0, bytes: 0 };
  for (let i = 0; i < listeners; i++) listen(microphones, sent, random, i);
  const speakers = Array.from({ length: SPEAKERS }, () => random.below(MICROPHONES));
  let now = 1_000;
  const run = (ms: number) => {
    for (const end = now + ms; now < end;) {
      now += FRAME_MS;
      if (now % (TURN_FRAMES * FRAME_MS) === 0) {
        speakers[random.below(SPEAKERS)] = random.below(MICROPHONES);
      }
      for (const microphone of microphones) {
        const speaks = speakers.includes(microphone.index);
        microphone.send(speaks ? 20 + random.below(15) : 60 + random.below(30), now);
      }
      batch.end(now);
    }
  };
  run(WARM_UP_MS);
  const before = { ...sent };
  const cpu = process.cpuUsage();
  run(MEASURED_MS);
  const { user, system } = process.cpuUsage(cpu);
  const seconds = MEASURED_MS / 1_000;
  const share = Math.max(1, listeners);
  return {
    packets: (sent.packets - before.packets) / seconds / share,
    kbps: (sent.bytes - before.bytes) * 8 / 1_000 / seconds / share,
    cpuMs: (user + system) / 1_000 / seconds,
  };
}

function listen(
  microphones: readonly OpenMicrophone[],
  sent: { packets: number; bytes: number },
  random: SeededRandom,
  listener: number,
): void {
  const mediaPath = slotPath(new Uint8Array(1_536), (length) => {
    sent.packets++;
    sent.bytes += length + OVERHEAD_BYTES;
  });
  const sink = new RtpOutlet({ mediaPath }, undefined);
  const session = new SrtpSession({
    parameters: randomParameters(crypto.srtpProfiles[0]!, random),
    drops: new DropCounters(),
    cipherFactory: crypto.srtpCipherFactory,
  });
  sink.keys = () => session;
  for (const { up, index } of microphones) {
    const ssrc = 1_000_000 + listener * MICROPHONES + index;
    const section = { mid: "0", kind: "audio", ssrc, codecs: [OPUS], extensions: [] } as const;
    const target = { enabled: true, maxSpatial: 0, maxTemporal: 3, loudestOf: ROOM } as const;
    const publisherExtensions = up.extensions;
    const down = new DownTrack({
      section,
      publisherExtensions,
      sink,
      place: listener,
      listener: layerListener(),
      target,
    });
    up.addDownTrack(down, 0);
  }
}

const alone = measure(0, 0);
console.log(`${MICROPHONES} open microphones, ${SPEAKERS} speak at a time`);
console.log(`received and heard, nobody listens: ${alone.cpuMs.toFixed(1)} ms of CPU a second`);
console.log("forwarded   packets/s each   kbit/s each   CPU ms/s, each listener");
for (const limit of LIMITS) {
  const { packets, kbps, cpuMs } = measure(limit, LISTENERS);
  const each = (cpuMs - alone.cpuMs) / LISTENERS;
  console.log(
    (limit === 0 ? "all" : String(limit)).padStart(9) + packets.toFixed(0).padStart(17) +
      kbps.toFixed(0).padStart(14) + each.toFixed(2).padStart(26),
  );
}
