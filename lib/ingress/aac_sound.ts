/**
 * An encoder's AAC as packets of Opus, by somebody who can decode it.
 *
 * Contract: packets are in order, 20 ms each, and stay beside the pictures: where the encoder
 * leaves something out, or its clock jumps, the times of what follows jump with it.
 *
 * @module
 */
import { AAC_FRAME_SAMPLES, type AacConfig, adtsFrame, readAacConfig } from "../wire/aac_config.ts";

/** Turns frames of ADTS into packets of Opus, two channels, 20 ms each. */
export interface SoundTranscoder {
  push(frame: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/**
 * Begins to transcode; absent if there are too many already, or it cannot be done here.
 *
 * @param ended Called once if it ends by itself.
 */
export type CreateTranscoder = (
  packet: (bytes: Uint8Array<ArrayBuffer>) => void,
  ended: () => void,
) => SoundTranscoder | undefined;

const PACKET_MS = 20;
/** Encoders round their times; beyond this the sound has jumped, ms. */
const JUMP_MS = 100;

/** One encoder's sound. */
export class AacSound {
  #config: AacConfig;
  readonly #transcoder: SoundTranscoder;
  /** When the first packet is, of those since the last jump, by the encoder's clock. */
  #packetsFrom: number | undefined;
  #packets = 0;
  /** When the next frame is due. */
  #dueMs = -Infinity;

  private constructor(config: AacConfig, transcoder: SoundTranscoder) {
    this.#config = config;
    this.#transcoder = transcoder;
  }

  /** Begins; absent if this sound cannot be had. */
  static begin(
    configuration: Uint8Array,
    create: CreateTranscoder,
    put: (packet: Uint8Array<ArrayBuffer>, timeMs: number) => void,
    ended: () => void,
  ): AacSound | undefined {
    const config = readAacConfig(configuration);
    if (config === undefined) return undefined;
    let sound: AacSound | undefined;
    const transcoder = create((packet) => {
      const timeMs = sound?.nextTime();
      if (timeMs !== undefined) put(packet, timeMs);
    }, ended);
    if (transcoder === undefined) return undefined;
    return sound = new AacSound(config, transcoder);
  }

  /** The encoder says again what its frames are. */
  configure(configuration: Uint8Array): void {
    this.#config = readAacConfig(configuration) ?? this.#config;
  }

  /** One frame, at `timeMs` by the encoder's clock. */
  push(frame: Uint8Array, timeMs: number): void {
    const adts = adtsFrame(this.#config, frame);
    if (adts === undefined) return;
    const jumpMs = timeMs - this.#dueMs;
    const hasJumped = Math.abs(jumpMs) > JUMP_MS;
    if (this.#packetsFrom === undefined) this.#packetsFrom = timeMs;
    else if (hasJumped) this.#packetsFrom += jumpMs;
    const frameMs = AAC_FRAME_SAMPLES * 1000 / this.#config.sampleRate;
    this.#dueMs = (hasJumped ? timeMs : this.#dueMs) + frameMs;
    this.#transcoder.push(adts);
  }

  /** When the packet is that has just come. */
  nextTime(): number | undefined {
    return this.#packetsFrom === undefined
      ? undefined
      : this.#packetsFrom + this.#packets++ * PACKET_MS;
  }

  close(): void {
    this.#transcoder.close();
  }
}
