/**
 * The settings: devices, colours, shortcuts.
 *
 * @module
 */
import { element, make } from "./elements.js";
import { deviceWords } from "./failure_words.js";
import { DEVICE_KINDS } from "./local_devices.js";
import { tellProblem } from "./notices.js";
import { prefer, preference } from "./preferences.js";
import { SHORTCUTS } from "./shortcuts.js";
import { applyTheme } from "./theme.js";

const WORDS = { camera: "Camera", microphone: "Microphone", speaker: "Loudspeaker" };

/**
 * Makes the dialog work.
 *
 * @param {(kind: "camera" | "microphone" | "speaker", deviceId: string) => Promise<void>} choose
 */
export function prepareSettings(choose) {
  for (const kind of Object.keys(DEVICE_KINDS)) {
    element(`${kind}-choice`).addEventListener("change", async ({ target }) => {
      prefer(kind, target.value);
      try {
        await choose(kind, target.value);
      } catch (error) {
        console.warn(`another ${kind} failed`, error);
        tellProblem(deviceWords([{ device: kind, error }], globalThis.isSecureContext));
      }
    });
  }
  element("theme-choice").value = preference("theme") || "system";
  element("theme-choice").addEventListener("change", ({ target }) => {
    prefer("theme", target.value);
    applyTheme();
  });
  element("shortcuts-choice").checked = preference("shortcuts") !== "off";
  element("shortcuts-choice").addEventListener("change", ({ target }) => {
    prefer("shortcuts", target.checked ? "on" : "off");
  });
  for (const { key, words } of SHORTCUTS) {
    element("shortcuts-list").append(make("dt", "", make("kbd", "", key)), make("dd", "", words));
  }
  navigator.mediaDevices?.addEventListener("devicechange", () => {
    if (element("settings").open) listDevices();
  });
}

/** Opens the dialog. */
export async function openSettings() {
  element("settings").showModal();
  await listDevices();
}

/** Asks for names and never for the devices themselves. */
async function listDevices() {
  const devices = await navigator.mediaDevices?.enumerateDevices() ?? [];
  element("devices-hint").hidden = devices.some(({ label }) => label !== "");
  element("speaker-row").hidden = !("setSinkId" in HTMLMediaElement.prototype);
  for (const [name, kind] of Object.entries(DEVICE_KINDS)) {
    const choice = element(`${name}-choice`);
    const known = devices.filter((device) => device.kind === kind && device.deviceId !== "");
    const options = known.map(({ deviceId, label }, index) =>
      new Option(label || `${WORDS[name]} ${index + 1}`, deviceId)
    );
    const usual = new Option(known.length === 0 ? "Usual device" : "Choose…", "");
    choice.replaceChildren(...(known.length === 0 ? [usual] : options));
    choice.disabled = known.length === 0;
    const chosen = preference(name);
    if (known.some(({ deviceId }) => deviceId === chosen)) choice.value = chosen;
  }
}
