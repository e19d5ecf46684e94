/**
 * The order of rows.
 *
 * @module
 */

const COLLATOR = new Intl.Collator("en", { numeric: true });

/**
 * @template T
 * @param {readonly T[]} items
 * @param {(item: T) => number | string | undefined} valueOf what is compared; unknown comes last
 * @param {boolean} isDescending
 * @param {(item: T) => string} keyOf decides between equal ones, so that rows stand still
 * @returns {T[]}
 */
export function ordered(items, valueOf, isDescending, keyOf) {
  return items.toSorted((a, b) => {
    const [first, second] = [valueOf(a), valueOf(b)];
    if (first === undefined || second === undefined) {
      if (first !== second) return first === undefined ? 1 : -1;
    } else {
      const order = typeof first === "number" && typeof second === "number"
        ? first - second
        : COLLATOR.compare(String(first), String(second));
      if (order !== 0) return isDescending ? -order : order;
    }
    return keyOf(a) < keyOf(b) ? -1 : 1;
  });
}
