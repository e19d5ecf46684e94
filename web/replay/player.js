/**
 * Plays the files of a recording together: one clock, and a media element for each file that is due
 * now or soon.
 *
 * @module
 */
import { correction, ReplayClock } from "./sync.js";

/** How often players are looked at, ms. */
const LOOK_MS = 100;
/** A file is opened so long before it is due, ms. */
const AHEAD_MS = 4_000;
/** And kept so long after. */
const BEHIND_MS = 4_000;
/** A file that does not come is waited for so long, and then left behind, ms. */
const PATIENCE_MS = 10_000;

/**
 * @typedef {import("./journal.js").MediaFile} MediaFile
 * @typedef {object} Player
 * @property {MediaFile} file
 * @property {HTMLMediaElement} element
 * @property {number} waitingSince ms; `Infinity` while it does not wait
 * @property {boolean} hasFailed
 */

/** All files of one recording. */
export class ReplayPlayer {
  #clock = new ReplayClock();
  /** @type {Map<MediaFile, Player>} */
  #players = new Map();
  /** @type {readonly MediaFile[]} */
  #files;
  #addressOf;
  #changed;
  #length;
  #wantsToPlay = false;
  #isMuted = false;
  #isWaiting = false;
  /** How long files turned out to be, ms. @type {Map<MediaFile, number>} */
  #lengths = new Map();

  /**
   * @param {readonly MediaFile[]} files
   * @param {number} length of the recording as far as it is known, ms
   * @param {(file: MediaFile) => string} addressOf
   * @param {() => void} changed something is to be shown anew
   */
  constructor(files, length, addressOf, changed) {
    this.#files = files;
    this.#length = length;
    this.#addressOf = addressOf;
    this.#changed = changed;
    setInterval(() => this.look(), LOOK_MS);
  }

  get position() {
    return Math.min(this.length, this.#clock.at(performance.now()));
  }

  get length() {
    return this.#length;
  }

  get isPlaying() {
    return this.#wantsToPlay;
  }

  /** It would play, and waits for files. */
  get isWaiting() {
    return this.#isWaiting;
  }

  get rate() {
    return this.#clock.rate;
  }

  get isMuted() {
    return this.#isMuted;
  }

  /** Files that this browser cannot play. */
  get failed() {
    return [...this.#players.values()].filter(({ hasFailed }) => hasFailed).length;
  }

  /** How far each player that is due is from where it should be, ms. */
  get distances() {
    return this.#due().map(({ file, element }) =>
      element.currentTime * 1000 + file.offset - this.position
    );
  }

  /** @param {MediaFile} file @returns {HTMLMediaElement | undefined} while it is open */
  elementOf(file) {
    return this.#players.get(file)?.element;
  }

  /** Whether a file has something to show at this time. */
  isDue(file, at = this.position) {
    return file.offset <= at && at < file.offset + (this.#lengths.get(file) ?? Infinity);
  }

  toggle() {
    if (this.#wantsToPlay) return this.pause();
    if (this.position >= this.length) this.seek(0);
    this.#wantsToPlay = true;
    this.look();
  }

  pause() {
    this.#wantsToPlay = false;
    this.look();
  }

  /** @param {number} position ms */
  seek(position) {
    const now = performance.now();
    this.#clock.goTo(Math.max(0, Math.min(this.#length, position)), now);
    for (const player of this.#players.values()) player.waitingSince = Infinity;
    this.look();
  }

  /** @param {number} rate */
  setRate(rate) {
    this.#clock.setRate(rate, performance.now());
    this.look();
  }

  /** @param {boolean} isMuted */
  setMuted(isMuted) {
    this.#isMuted = isMuted;
    for (const { element } of this.#players.values()) element.muted = isMuted;
    this.#changed();
  }

  /** Opens what is due, closes what is not, and keeps all of it together. */
  look() {
    const now = performance.now();
    const at = this.#clock.at(now);
    this.#openAndClose(at);
    if (at >= this.#length && this.#wantsToPlay) {
      this.#clock.goTo(this.#length, now);
      this.#wantsToPlay = false;
    }
    const due = this.#due();
    this.#isWaiting = this.#wantsToPlay && due.some((player) => this.#holdsUp(player, at, now));
    const runs = this.#wantsToPlay && !this.#isWaiting;
    if (runs !== this.#clock.runs) this.#clock.run(runs, now);
    for (const player of this.#players.values()) this.#steer(player, due.includes(player), runs);
    this.#changed();
  }

  #due() {
    const at = this.#clock.at(performance.now());
    return [...this.#players.values()].filter(({ file, hasFailed }) =>
      !hasFailed && this.isDue(file, at)
    );
  }

  #openAndClose(at) {
    for (const file of this.#files) {
      const end = file.offset + (this.#lengths.get(file) ?? Infinity);
      const isNear = file.offset - AHEAD_MS * this.#clock.rate <= at && at < end + BEHIND_MS;
      if (isNear && !this.#players.has(file)) this.#open(file);
      if (!isNear && this.#players.has(file)) this.#close(file);
    }
  }

  #open(file) {
    const element = document.createElement(file.kind);
    element.preload = "auto";
    element.muted = this.#isMuted;
    element.preservesPitch = true;
    if (file.kind === "video") element.playsInline = true;
    element.src = this.#addressOf(file);
    const player = { file, element, waitingSince: Infinity, hasFailed: false };
    element.addEventListener("error", () => {
      player.hasFailed = true;
      this.#changed();
    });
    element.addEventListener("durationchange", () => {
      const { duration } = element;
      if (!Number.isFinite(duration) || duration === 0) return;
      this.#lengths.set(file, duration * 1000);
      this.#length = Math.max(this.#length, file.offset + duration * 1000);
    });
    this.#players.set(file, player);
  }

  #close(file) {
    const { element } = this.#players.get(file);
    this.#players.delete(file);
    element.pause();
    element.removeAttribute("src");
    element.load();
    element.remove();
  }

  /** Whether all wait for this one. */
  #holdsUp(player, at, now) {
    const { element, file } = player;
    const isAtEnd = element.ended || at > file.offset + (this.#lengths.get(file) ?? Infinity) - 400;
    const isReady = element.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA && !element.seeking;
    if (isReady || isAtEnd) {
      player.waitingSince = Infinity;
      return false;
    }
    player.waitingSince = Math.min(player.waitingSince, now);
    return now - player.waitingSince < PATIENCE_MS;
  }

  #steer({ element, file, hasFailed }, isDue, runs) {
    if (hasFailed) return;
    const wanted = (this.#clock.at(performance.now()) - file.offset) / 1000;
    if (!isDue) {
      if (!element.paused) element.pause();
      if (wanted < 0 && element.currentTime > 0.5 && !element.seeking) element.currentTime = 0;
      return;
    }
    if (element.readyState < HTMLMediaElement.HAVE_METADATA || element.seeking) return;
    const { leap, rate } = correction(
      element.currentTime,
      wanted,
      this.#clock.rate,
      file.kind,
    );
    if (leap && !element.ended) element.currentTime = wanted;
    if (element.playbackRate !== rate) element.playbackRate = rate;
    if (runs && element.paused && !element.ended) element.play().catch(() => {});
    if (!runs && !element.paused) element.pause();
  }
}
