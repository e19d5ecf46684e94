/**
 * The form of the calculator on the page on sizing. What it computes is `assets/sizing_model.js`.
 *
 * @module
 */

const FIELDS: readonly (readonly [name: string, label: string, value: number])[] = [
  ["rooms", "Rooms at once", 20],
  ["people", "People in each", 8],
  ["cameras", "Cameras on in each", 8],
  ["voices", "Microphones open at once in each", 2],
  ["large", "Videos each sees large", 1],
  ["small", "Videos each sees small besides", 6],
];

/** As HTML. */
export function calculatorMarkup(): string {
  const fields = FIELDS.map(([name, label, value]) =>
    `<label>${label} <input name="${name}" type="number" inputmode="numeric" min="0" max="100000" ` +
    `step="1" value="${value}" required></label>\n`
  ).join("");
  return `<form class="calculator" data-calculator>
<fieldset>
<legend class="skip">Calls to be carried</legend>
${fields}</fieldset>
<p id="sizing-result" role="status">This calculator needs JavaScript.</p>
</form>`;
}
