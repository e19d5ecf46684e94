/**
 * A WAV file of 16-bit samples that is whole after every second of sound, so that a bot that is
 * killed leaves a file that plays.
 *
 * Source: Multimedia Programming Interface and Data Specifications 1.0 (RIFF, WAVE, PCM).
 *
 * @module
 */

const HEADER_BYTES = 44;
const PCM = 1;
const BYTES_A_SAMPLE = 2;

/** One file, mono. */
export class WavFile {
  readonly #file: Deno.FsFile;
  readonly #rate: number;
  #samples = 0;
  #told = 0;

  constructor(path: string, rate: number) {
    this.#file = Deno.openSync(path, { write: true, createNew: true });
    this.#rate = rate;
    this.#writeHeader();
  }

  /** Length so far, seconds. */
  get seconds(): number {
    return this.#samples / this.#rate;
  }

  write(samples: Int16Array): void {
    writeAll(this.#file, new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
    this.#samples += samples.length;
    if (this.#samples - this.#told >= this.#rate) this.#writeHeader();
  }

  close(): void {
    this.#writeHeader();
    this.#file.close();
  }

  /** Says how much there is by now, and goes back to the end. */
  #writeHeader(): void {
    this.#told = this.#samples;
    const data = this.#samples * BYTES_A_SAMPLE;
    const header = new DataView(new ArrayBuffer(HEADER_BYTES));
    const text = (at: number, word: string) => {
      for (let i = 0; i < word.length; i++) header.setUint8(at + i, word.charCodeAt(i));
    };
    text(0, "RIFF");
    header.setUint32(4, HEADER_BYTES - 8 + data, true);
    text(8, "WAVEfmt ");
    header.setUint32(16, 16, true); // length of what follows
    header.setUint16(20, PCM, true);
    header.setUint16(22, 1, true); // channels
    header.setUint32(24, this.#rate, true);
    header.setUint32(28, this.#rate * BYTES_A_SAMPLE, true);
    header.setUint16(32, BYTES_A_SAMPLE, true);
    header.setUint16(34, 8 * BYTES_A_SAMPLE, true);
    text(36, "data");
    header.setUint32(40, data, true);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    writeAll(this.#file, new Uint8Array(header.buffer));
    this.#file.seekSync(0, Deno.SeekMode.End);
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(file.writeSync(rest));
}
