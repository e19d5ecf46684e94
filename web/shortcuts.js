/**
 * Single keys for what is done often. They can be turned off (WCAG 2.2, 2.1.4), and do nothing where
 * somebody writes.
 *
 * @module
 */
import { preference } from "./preferences.js";

/** Key, what the settings say of it, and the name of the act. */
export const SHORTCUTS = [
  { key: "M", words: "microphone", act: "microphone" },
  { key: "V", words: "camera", act: "camera" },
  { key: "S", words: "share the screen", act: "screen" },
  { key: "C", words: "chat", act: "chat" },
  { key: "P", words: "people", act: "people" },
  { key: "G", words: "grid or speaker view", act: "view" },
  { key: "F", words: "full screen", act: "full" },
];

/**
 * @param {Record<string, () => void>} acts by name
 */
export function listenForShortcuts(acts) {
  document.addEventListener("keydown", (event) => {
    if (preference("shortcuts") === "off" || document.body.dataset.view !== "call") return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (isWriting(event.target) || document.querySelector("dialog[open]") !== null) return;
    const shortcut = SHORTCUTS.find(({ key }) => key === event.key.toUpperCase());
    if (shortcut === undefined) return;
    event.preventDefault();
    acts[shortcut.act]();
  });
}

function isWriting(target) {
  return target instanceof Element && target.closest("input, textarea, select") !== null;
}
