/**
 * How many parts are on their way at once: each is in memory as long. A bucket that is slow keeps
 * none of the others from theirs.
 *
 * @module
 */

/** Of uploads at once, to all buckets. */
const MOST = 8;
/** And to one. */
const MOST_OF_ONE = 3;

/** First come, first served among those that may go. */
export class UploadSlots {
  readonly #running = new Map<string, number>();
  readonly #waiting: { readonly bucket: string; readonly go: () => void }[] = [];
  #count = 0;

  /**
   * @param most At once, of all buckets.
   * @param mostOfOne And of one.
   */
  constructor(readonly most: number = MOST, readonly mostOfOne: number = MOST_OF_ONE) {}

  /** @param bucket What counts as one. */
  async run<T>(bucket: string, work: () => Promise<T>): Promise<T> {
    if (!this.#take(bucket)) {
      await new Promise<void>((go) => this.#waiting.push({ bucket, go }));
    }
    try {
      return await work();
    } finally {
      this.#give(bucket);
    }
  }

  #take(bucket: string): boolean {
    const running = this.#running.get(bucket) ?? 0;
    if (this.#count >= this.most || running >= this.mostOfOne) return false;
    this.#count++;
    this.#running.set(bucket, running + 1);
    return true;
  }

  #give(bucket: string): void {
    this.#count--;
    const running = this.#running.get(bucket)! - 1;
    if (running === 0) this.#running.delete(bucket);
    else this.#running.set(bucket, running);
    const at = this.#waiting.findIndex((waiting) => this.#take(waiting.bucket));
    if (at >= 0) this.#waiting.splice(at, 1)[0]!.go();
  }
}
