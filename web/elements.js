/**
 * Finding and making elements of the page. Nothing here takes markup: what people write is text.
 *
 * @module
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} id of an element of `index.html`
 * @returns {HTMLElement}
 */
export function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no "${id}"`);
  return found;
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {...(Node | string)} content
 * @returns {HTMLElement}
 */
export function make(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.append(...content);
  return made;
}

/**
 * @param {string} name of a symbol of `index.html`, without `icon-`
 * @returns {SVGElement} hidden from those who hear the page
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * @param {Element} holder of an icon
 * @param {string} name
 */
export function setIcon(holder, name) {
  holder.querySelector("use").setAttribute("href", `#icon-${name}`);
}

/**
 * @param {string} className
 * @param {string} words
 * @param {() => void} onClick
 * @param {string} [iconName]
 * @returns {HTMLButtonElement}
 */
export function button(className, words, onClick, iconName) {
  const made = make("button", className);
  made.type = "button";
  if (iconName !== undefined) made.append(icon(iconName));
  made.append(make("span", "", words));
  made.addEventListener("click", onClick);
  return made;
}

/**
 * A stable colour for a name.
 *
 * @param {string} name
 * @returns {string} degrees
 */
export function hueOf(name) {
  let sum = 0;
  for (const sign of name) sum = (sum * 31 + sign.codePointAt(0)) % 360;
  return String(sum);
}
