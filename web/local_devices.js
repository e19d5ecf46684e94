/**
 * Camera and microphone before a call: opened only when somebody asks, and handed over to the call
 * as they are.
 *
 * @module
 */
import { preference } from "./preferences.js";
import { createLocalTracks } from "./sdk.js";

/**
 * @typedef {import("./failure_words.js").Device} Device
 * @typedef {import("./failure_words.js").DeviceFailure} DeviceFailure
 */

/** @type {readonly Device[]} */
export const DEVICES = ["microphone", "camera"];

/** `MediaDeviceInfo.kind` of everything that somebody can choose. */
export const DEVICE_KINDS = {
  camera: "videoinput",
  microphone: "audioinput",
  speaker: "audiooutput",
};

/**
 * What the browser is asked for.
 *
 * @param {Device} device
 * @returns {{ deviceId: string } | true} the device that was chosen before, if any
 */
function wish(device) {
  const deviceId = preference(device);
  return deviceId === "" ? true : { deviceId };
}

/** Camera and microphone of somebody who is in no room. */
export class LocalDevices {
  /** @type {Map<Device, import("livekit-client").LocalTrack>} */
  #open = new Map();
  #changed;

  /** @param {() => void} changed called after each change */
  constructor(changed) {
    this.#changed = changed;
  }

  /** @param {Device} device @returns {import("livekit-client").LocalTrack | undefined} */
  track(device) {
    return this.#open.get(device);
  }

  /** Whether any is on. */
  get isAnyOn() {
    return this.#open.size > 0;
  }

  /**
   * Opens devices, several with one question.
   *
   * @param {readonly Device[]} devices
   * @returns {Promise<DeviceFailure[]>} those that did not open, each with its own reason
   */
  async turnOn(devices) {
    const wanted = devices.filter((device) => !this.#open.has(device));
    if (wanted.length === 0) return [];
    const failures = await this.#openAll(wanted);
    this.#changed();
    return failures;
  }

  /** @param {readonly Device[]} wanted @returns {Promise<DeviceFailure[]>} */
  async #openAll(wanted) {
    try {
      const tracks = await createLocalTracks({
        audio: wanted.includes("microphone") && wish("microphone"),
        video: wanted.includes("camera") && wish("camera"),
      });
      for (const track of tracks) {
        this.#open.set(track.kind === "audio" ? "microphone" : "camera", track);
      }
      return [];
    } catch (error) {
      const [device] = wanted;
      if (wanted.length === 1) return [{ device, error }];
      // The browser does not say which of them it was.
      const failures = [];
      for (const one of wanted) failures.push(...await this.#openAll([one]));
      return failures;
    }
  }

  /** @param {Device} device */
  turnOff(device) {
    this.#open.get(device)?.stop();
    this.#open.delete(device);
    this.#changed();
  }

  /**
   * Changes to another device, if this kind is on.
   *
   * @param {Device} device
   * @param {string} deviceId
   */
  async choose(device, deviceId) {
    await this.#open.get(device)?.setDeviceId(deviceId);
    this.#changed();
  }

  /**
   * Gives the tracks away: whoever takes them stops them.
   *
   * @returns {import("livekit-client").LocalTrack[]}
   */
  take() {
    const tracks = [...this.#open.values()];
    this.#open.clear();
    this.#changed();
    return tracks;
  }
}
