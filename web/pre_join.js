/**
 * The view before a call: who comes in, where, and with what. Camera and microphone stay off until
 * somebody turns them on here or joins with them.
 *
 * @module
 */
import { element, hueOf, setIcon } from "./elements.js";
import { deviceWords, NO_PUBLISHING } from "./failure_words.js";
import { DEVICES, LocalDevices } from "./local_devices.js";
import { tellProblem } from "./notices.js";
import { initials } from "./place.js";
import { prefer } from "./preferences.js";

/**
 * @typedef {object} Entrance what somebody joins with
 * @property {string} room
 * @property {string} name
 * @property {string} token empty if the server is to give one
 * @property {import("livekit-client").LocalTrack[]} tracks
 */

const FIELDS = ["room", "token", "name"];

/** The view and what was entered in it. */
export class PreJoin {
  #devices = new LocalDevices(() => this.#render());
  #levels = new Level();
  #isBusy = false;
  /** @type {{ room: string, token: string, claims?: import("./place.js").Claims }} */
  #place = { room: "", token: "" };
  #onJoin;

  /** @param {(entrance: Entrance) => Promise<boolean>} onJoin gives whether somebody is inside */
  constructor(onJoin) {
    this.#onJoin = onJoin;
    element("join-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#join(this.#devices.isAnyOn || !this.#mayPublish ? [] : DEVICES);
    });
    element("join-silently").addEventListener("click", () => this.#join([]));
    for (const device of DEVICES) {
      element(`preview-${device}`).addEventListener("click", () => this.#toggle(device));
    }
    element("name-field").addEventListener("input", () => this.#render());
    for (const field of FIELDS) {
      element(`${field}-field`).addEventListener("input", () => this.#mark(field, false));
    }
  }

  /** For the settings. */
  get devices() {
    return this.#devices;
  }

  get #mayPublish() {
    return this.#place.claims?.mayPublish ?? true;
  }

  /**
   * Shows the view.
   *
   * @param {object} place
   * @param {string} place.room empty to ask for it
   * @param {string} place.token empty if there is none
   * @param {boolean} place.needsToken ask for one
   * @param {string} place.name
   * @param {import("./place.js").Claims} [place.claims] of the token
   * @param {string} [place.title] instead of the usual one
   * @param {string} [place.hint]
   */
  show({ room, token, needsToken, name, claims, title, hint }) {
    this.#place = { room, token, claims };
    document.body.dataset.view = "join";
    document.title = room === "" ? "Roomwire" : `${room} – Roomwire`;
    element("place").textContent = room;
    element("join-title").textContent = title ?? (room === "" ? "Join a room" : `Join ${room}`);
    element("join-hint").textContent = hint ?? hintFor(needsToken, claims);
    element("room-row").hidden = room !== "" || needsToken;
    element("token-row").hidden = !needsToken;
    element("name-row").hidden = needsToken || Boolean(claims?.name);
    if (name !== "") element("name-field").value = name;
    this.#render();
  }

  async #toggle(device) {
    if (this.#devices.track(device)) return this.#devices.turnOff(device);
    if (!this.#mayPublish) return tellProblem(NO_PUBLISHING);
    tellProblem(undefined);
    await this.#turnOn([device]);
  }

  async #turnOn(devices) {
    const failures = await this.#devices.turnOn(devices);
    if (failures.length > 0) tellProblem(deviceWords(failures, globalThis.isSecureContext));
  }

  async #join(devices) {
    if (this.#isBusy || !this.#isComplete()) return;
    this.#setBusy(true);
    tellProblem(undefined);
    await this.#turnOn(devices);
    const name = element("name-field").value.trim();
    if (!element("name-row").hidden) prefer("name", name);
    const { room, token } = this.#place;
    const isInside = await this.#onJoin({
      room: room || element("room-field").value.trim(),
      name,
      token: element("token-row").hidden ? token : element("token-field").value.trim(),
      tracks: DEVICES.map((device) => this.#devices.track(device)).filter(Boolean),
    });
    if (isInside) this.#devices.take();
    this.#setBusy(false);
  }

  /** Marks what is missing and goes to the first of it. */
  #isComplete() {
    const missing = FIELDS.filter((field) =>
      !element(`${field}-row`).hidden && element(`${field}-field`).value.trim() === ""
    );
    for (const field of FIELDS) this.#mark(field, missing.includes(field));
    if (missing.length > 0) element(`${missing[0]}-field`).focus();
    return missing.length === 0;
  }

  #mark(field, isMissing) {
    element(`${field}-problem`).hidden = !isMissing;
    element(`${field}-field`).setAttribute("aria-invalid", String(isMissing));
  }

  #setBusy(isBusy) {
    this.#isBusy = isBusy;
    element("join-button").disabled = isBusy;
    element("join-silently").disabled = isBusy;
    this.#render();
  }

  #render() {
    for (const device of DEVICES) {
      const isOn = this.#devices.track(device) !== undefined;
      const control = element(`preview-${device}`);
      control.setAttribute("aria-pressed", String(isOn));
      control.dataset.off = String(!isOn);
      setIcon(control, isOn ? device : `${device}-off`);
    }
    const isPlain = this.#devices.isAnyOn || !this.#mayPublish;
    element("join-silently").hidden = isPlain;
    element("join-button").textContent = this.#isBusy
      ? "Joining…"
      : isPlain
      ? "Join"
      : "Join with camera and microphone";
    const name = this.#place.claims?.name || element("name-field").value;
    element("preview-initials").textContent = initials(name) || "?";
    element("preview-picture").style.setProperty("--hue", hueOf(name));
    element("preview-words").textContent = this.#devices.track("microphone")
      ? "Your camera is off."
      : "Your camera and microphone are off.";
    showPreview(this.#devices.track("camera"));
    this.#levels.listen(this.#devices.track("microphone"));
  }
}

/** @param {boolean} needsToken @param {import("./place.js").Claims | undefined} claims */
function hintFor(needsToken, claims) {
  if (needsToken) return "Open the link you were given, or paste your access token here.";
  if (claims !== undefined && !claims.mayPublish) return NO_PUBLISHING;
  if (claims?.name) return `You come in as ${claims.name}.`;
  return "Nothing is sent before you join.";
}

/** @type {import("livekit-client").LocalTrack | undefined} */
let shown;

/** @param {import("livekit-client").LocalTrack | undefined} track */
function showPreview(track) {
  const picture = element("preview-picture");
  picture.dataset.picture = String(track !== undefined);
  if (track === shown) return;
  const old = picture.querySelector("video");
  if (old !== null) {
    shown?.detach(old);
    old.remove();
  }
  shown = track;
  if (track === undefined) return;
  const player = track.attach();
  player.muted = true;
  player.setAttribute("aria-label", "Your camera");
  picture.prepend(player);
}

/** How loud the microphone is, as a bar. */
class Level {
  /** @type {import("livekit-client").LocalTrack | undefined} */
  #track;
  /** @type {AudioContext | undefined} */
  #context;

  /** @param {import("livekit-client").LocalTrack | undefined} track */
  listen(track) {
    if (track === this.#track) return;
    this.#track = track;
    this.#context?.close();
    this.#context = undefined;
    element("preview-level").dataset.on = String(track !== undefined);
    if (track === undefined) return;
    this.#context = new AudioContext();
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    const stream = new MediaStream([track.mediaStreamTrack]);
    this.#context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const draw = () => {
      if (this.#track !== track) return;
      analyser.getFloatTimeDomainData(samples);
      const loudest = samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
      element("preview-level").firstElementChild.style.transform = `scaleX(${
        Math.min(1, loudest * 1.5)
      })`;
      requestAnimationFrame(draw);
    };
    draw();
  }
}
