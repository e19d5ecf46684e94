/**
 * Colours of a page.
 *
 * @module
 */
import { preference } from "./preferences.js";

/** Light, dark, or as the system has it. */
export function applyTheme() {
  const theme = preference("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}
