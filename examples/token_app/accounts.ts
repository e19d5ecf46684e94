/**
 * Who may sign in, and whose session a request belongs to. Replace this by your own users.
 *
 * @module
 */

/** Somebody who may sign in. */
export interface Account {
  readonly name: string;
  /** May open rooms, mute and remove others. */
  readonly isHost: boolean;
}

/** Life of a session, ms. */
const SESSION_MS = 12 * 3_600_000;
/** After so many wrong passwords in a row an account rests. */
const MAX_MISTAKES = 5;
const REST_MS = 60_000;

const bytes = (text: string) => new TextEncoder().encode(text);

/** Reads `ann:her-password:host,bob:his-password`. */
export class Accounts {
  readonly #secrets = new Map<string, { readonly password: string; readonly isHost: boolean }>();
  readonly #mistakes = new Map<string, { count: number; at: number }>();
  readonly #sessions = new Map<string, { readonly account: Account; readonly until: number }>();

  constructor(list: string) {
    for (const entry of list.split(",").filter((text) => text.trim() !== "")) {
      const [name = "", password = "", role] = entry.trim().split(":");
      if (name === "" || password.length < 8) {
        throw new Error(`APP_USERS: "${name}" needs a password of at least 8 characters`);
      }
      this.#secrets.set(name, { password, isHost: role === "host" });
    }
  }

  /** @returns A new session's key, or `undefined` if the password is wrong, or the account rests. */
  async signIn(name: string, password: string, now: number): Promise<string | undefined> {
    const mistakes = this.#mistakes.get(name);
    if (mistakes !== undefined && mistakes.count >= MAX_MISTAKES && now - mistakes.at < REST_MS) {
      return undefined;
    }
    const known = this.#secrets.get(name);
    // Strangers take as long as people who mistype.
    const isRight = await sameText(password, known?.password ?? "");
    if (known === undefined || !isRight) {
      if (known !== undefined) {
        this.#mistakes.set(name, { count: (mistakes?.count ?? 0) + 1, at: now });
      }
      return undefined;
    }
    this.#mistakes.delete(name);
    for (const [key, { until }] of this.#sessions) if (until < now) this.#sessions.delete(key);
    const key = crypto.randomUUID();
    this.#sessions.set(key, {
      account: { name, isHost: known.isHost },
      until: now + SESSION_MS,
    });
    return key;
  }

  /** Whose session it is. */
  session(key: string | undefined, now: number): Account | undefined {
    const session = key === undefined ? undefined : this.#sessions.get(key);
    return session !== undefined && session.until >= now ? session.account : undefined;
  }

  signOut(key: string | undefined): void {
    if (key !== undefined) this.#sessions.delete(key);
  }
}

/** Compares digests, so that how long it takes says nothing about the text. */
async function sameText(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all(
    [a, b].map(async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes(text)))),
  );
  let difference = 0;
  for (let i = 0; i < left!.length; i++) difference |= left![i]! ^ right![i]!;
  return difference === 0;
}
