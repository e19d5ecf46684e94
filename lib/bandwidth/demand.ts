/**
 * What whoever shares an estimate out would like to have, told so coarsely that it does not change
 * with every picture: each change would cause a probe.
 *
 * @module
 */

/** Demand that changes by less is the same. */
const STEP = 0.1;

/** Of one connection, bits per second. */
export class Demand {
  /** If everybody had only the lowest layer. */
  baseBps = 0;
  /** If everybody had all that is wanted. */
  idealBps = 0;
  /** What has to fit for the next step up, 0 if there is none. */
  nextBps = 0;

  /**
   * What whoever has begun sends at least; `Infinity` where nothing more is wanted: it does no
   * harm that the estimate grows above what probes have shown, and so the path may be found calm.
   */
  get begunBps(): number {
    return this.nextBps > 0 ? this.baseBps / 2 : Infinity;
  }

  set(baseBps: number, idealBps: number, nextBps: number): void {
    this.baseBps = quantised(this.baseBps, baseBps);
    this.idealBps = quantised(this.idealBps, idealBps);
    this.nextBps = quantised(this.nextBps, nextBps);
  }
}

/** The old value, if the new one is nearly the same. */
function quantised(old: number, next: number): number {
  if (!(next >= 0)) return old;
  const isClose = next > 0 && Math.abs(next - old) <= old * STEP;
  return isClose ? old : next;
}
