/**
 * Differences between two states as JSON merge patches (RFC 7396): members that are others now,
 * `null` for those that are gone. States have no `null` and no arrays inside, so a patch says
 * everything.
 *
 * @module
 */

/** A JSON object. */
export type JsonObject = { readonly [name: string]: unknown };

/** What makes `after` of `before`; `undefined` if they are equal. */
export function mergePatch(before: JsonObject, after: JsonObject): JsonObject | undefined {
  const patch: [string, unknown][] = [];
  // An absent member and one without a value are the same JSON.
  for (const name of Object.keys(before)) {
    if (memberOf(before, name) !== undefined && memberOf(after, name) === undefined) {
      patch.push([name, null]);
    }
  }
  for (const [name, value] of Object.entries(after)) {
    const was = memberOf(before, name);
    if (value === was || value === undefined) continue;
    if (!isObject(value) || !isObject(was)) patch.push([name, value]);
    else {
      const inner = mergePatch(was, value);
      if (inner !== undefined) patch.push([name, inner]);
    }
  }
  return patch.length === 0 ? undefined : Object.fromEntries(patch);
}

/**
 * What a patch makes of `target`, which is not changed.
 *
 * @param depth How many levels deeper a patch may go; what is deeper is left out.
 */
export function applyMergePatch(target: unknown, patch: unknown, depth = 16): unknown {
  if (!isObject(patch)) return patch;
  const made = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) made.delete(name);
    else if (depth > 0) made.set(name, applyMergePatch(made.get(name), value, depth - 1));
  }
  return Object.fromEntries(made);
}

function memberOf(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
