/**
 * The names one user's sessions go by: a publish-only session `ann#cam` is ann's, and what is done
 * to ann is done to it. Pure.
 *
 * @module
 */

/**
 * `identity` and whatever it is a publish-only session of, down to `user`, the identity that was
 * granted: `ann#cam#x` of `ann` is also `ann#cam` and `ann`.
 */
export function sessionNames(identity: string, user: string): string[] {
  const names = [identity];
  let end = identity.length;
  while (identity !== user && (end = identity.lastIndexOf("#", end - 1)) >= user.length) {
    names.push(identity.slice(0, end));
    if (end === user.length) break;
  }
  return names.includes(user) ? names : [...names, user];
}

/** Whether `name` is one of a session's names. */
export function isSessionOf(
  { identity, userIdentity = identity }: {
    readonly identity: string;
    readonly userIdentity?: string;
  },
  name: string,
): boolean {
  return identity === name || sessionNames(identity, userIdentity).includes(name);
}
