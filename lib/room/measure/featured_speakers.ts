/**
 * Whose video comes first where bandwidth does not suffice: who has been speaking for a while, and
 * some time after it has stopped.
 *
 * Contract: the set changes at most once in five seconds, whoever interrupts whom,
 * so that pictures do not change their size with every word.
 *
 * Pure; to be told whenever somebody begins or stops to speak.
 *
 * @module
 */

/** Who has spoken for so long is a speaker, ms, pauses between words included: a cough is none. */
const SPEAKING_MS = 1_000;
const PAUSE_MS = 2_000;
/** …and for so long after it was last heard, ms. */
const SILENCE_MS = 5_000;
/** Between two changes, ms. */
const CHANGE_INTERVAL_MS = 5_000;

/** What is known of somebody who speaks or did so lately. */
interface Voice {
  since: number;
  /** Absent while it speaks. */
  silentSince: number | undefined;
  isFeatured: boolean;
}

/** One room's speakers as pictures follow them. */
export class FeaturedSpeakers {
  readonly #voices = new Map<string, Voice>();
  #changedAt = -Infinity;

  /** Whether it is one now. */
  has(sid: string): boolean {
    return this.#voices.get(sid)?.isFeatured === true;
  }

  /** A participant speaks, or no longer; saying the same again changes nothing. */
  speaks(sid: string, speaks: boolean, now: number): void {
    const voice = this.#voices.get(sid);
    if (!speaks) {
      if (voice !== undefined) voice.silentSince ??= now;
    } else if (voice === undefined || isForgotten(voice, now)) {
      this.#voices.set(sid, { since: now, silentSince: undefined, isFeatured: false });
    } else voice.silentSince = undefined;
  }

  /** Who has become one, and who is none any more. */
  collect(now: number): { readonly sid: string; readonly isFeatured: boolean }[] {
    if (now < this.#changedAt + CHANGE_INTERVAL_MS) return [];
    const changes: { sid: string; isFeatured: boolean }[] = [];
    for (const [sid, voice] of this.#voices) {
      if (isForgotten(voice, now)) this.#voices.delete(sid);
      if (now < dueAt(voice)) continue;
      voice.isFeatured = !voice.isFeatured;
      if (!voice.isFeatured) this.#voices.delete(sid);
      changes.push({ sid, isFeatured: voice.isFeatured });
    }
    if (changes.length > 0) this.#changedAt = now;
    return changes;
  }

  /** When {@linkcode FeaturedSpeakers.collect} may have something to tell; absent if never. */
  nextWakeAt(): number | undefined {
    let earliest = Infinity;
    for (const voice of this.#voices.values()) earliest = Math.min(earliest, dueAt(voice));
    if (earliest === Infinity) return undefined;
    return Math.max(earliest, this.#changedAt + CHANGE_INTERVAL_MS);
  }
}

/** When it becomes a speaker, or is none any more; `Infinity` while neither is foreseen. */
function dueAt({ since, silentSince, isFeatured }: Voice): number {
  if (silentSince === undefined) return isFeatured ? Infinity : since + SPEAKING_MS;
  return isFeatured ? silentSince + SILENCE_MS : Infinity;
}

/** What it said was a cough. */
function isForgotten({ silentSince, isFeatured }: Voice, now: number): boolean {
  return !isFeatured && silentSince !== undefined && now - silentSince > PAUSE_MS;
}
