/**
 * The buttons below a call, and the panels that two of them open.
 *
 * @module
 */
import { element, setIcon } from "./elements.js";
import { placeMenu } from "./tile_menu.js";

const SENDABLE = ["microphone", "camera", "screen"];
const NAMES = { microphone: "Microphone", camera: "Camera", screen: "Share screen" };

/** Buttons and panels. */
export class Controls {
  /** @type {() => import("./call.js").Call | undefined} */
  #call;
  #panels;

  /**
   * @param {() => import("./call.js").Call | undefined} call the call there is, if any
   * @param {Record<"chat" | "people", { opened: () => void }>} panels
   */
  constructor(call, panels) {
    this.#call = call;
    this.#panels = panels;
    for (const what of SENDABLE) {
      element(`${what}-button`).addEventListener("click", () => this.toggle(what));
    }
    element("screen-button").hidden = navigator.mediaDevices?.getDisplayMedia === undefined;
    element("leave-button").addEventListener("click", () => this.#call()?.leave());
    for (const name of Object.keys(panels)) {
      element(`${name}-button`).addEventListener("click", () => this.togglePanel(name));
      element(name).addEventListener("keydown", ({ key }) => {
        if (key === "Escape") this.closePanel(name);
      });
    }
    for (const closer of document.querySelectorAll("[data-closes]")) {
      closer.addEventListener("click", () => this.closePanel(closer.dataset.closes));
    }
    element("more-menu").addEventListener("toggle", ({ newState }) => {
      if (newState !== "open") return;
      placeMenu(element("more-menu"), element("more-button"));
      element("more-view").focus();
    });
    for (const item of element("more-menu").querySelectorAll("button")) {
      item.addEventListener("click", () => element("more-menu").hidePopover());
    }
  }

  /** @param {import("./call.js").Sendable} what */
  toggle(what) {
    this.#call()?.toggle(what);
  }

  /** @param {"chat" | "people"} name */
  togglePanel(name) {
    if (element(name).hidden) this.#openPanel(name);
    else this.closePanel(name);
  }

  #openPanel(name) {
    for (const other of Object.keys(this.#panels)) setOpen(other, other === name);
    this.#panels[name].opened();
  }

  /** Also gives the focus back to the button. @param {"chat" | "people"} name */
  closePanel(name) {
    setOpen(name, false);
    element(`${name}-button`).focus();
  }

  /** Before somebody else comes in. */
  closeAll() {
    for (const name of Object.keys(this.#panels)) setOpen(name, false);
  }

  render() {
    const call = this.#call();
    if (call === undefined) return;
    for (const what of SENDABLE) {
      const control = element(`${what}-button`);
      const isOn = call.isSent(what);
      const may = call.may(what);
      control.ariaPressed = String(isOn);
      control.ariaBusy = String(call.isBusy(what));
      // It can still be pressed, and then says why it does nothing.
      control.ariaDisabled = String(!may);
      control.ariaLabel = may ? NAMES[what] : `${NAMES[what]}, not permitted`;
      if (what === "screen") continue;
      control.dataset.off = String(!isOn);
      setIcon(control, isOn ? what : `${what}-off`);
    }
  }
}

function setOpen(name, isOpen) {
  element(name).hidden = !isOpen;
  element(`${name}-button`).ariaExpanded = String(isOpen);
}
