/**
 * Whether operators have a page, and how they get in.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import type { AdminEntry } from "../../routes/admin_session.ts";
import type { Config } from "./config/config_parsing.ts";
import { publicEntry, tlsPlan } from "./tls_settings.ts";

/** Shorter passwords can be guessed in spite of the pause between attempts. */
const MIN_PASSWORD_LENGTH = 12;

/**
 * How operators get in; `undefined` where there is no page for them. It is there in development,
 * where there is a password, and wherever `admin.enabled` says so.
 *
 * @throws {SfuError} `invalid_config` for a password that can be guessed.
 */
export function adminEntry({ admin, development }: Config): AdminEntry | undefined {
  const { enabled, password } = admin;
  if (!(enabled ?? (development || password !== ""))) return undefined;
  if (password === "") return development ? "open" : "token";
  if (password.length >= MIN_PASSWORD_LENGTH) return "password";
  throw new SfuError(
    "invalid_config",
    `admin.password: expected ${MIN_PASSWORD_LENGTH} characters or more`,
  );
}

/** Whether a password is sent to this process in the clear, as far as it is told. */
export function isPasswordInClear(config: Config): boolean {
  const { forwarded_for, protocol_http } = config.proxies;
  const isBehindProxy = forwarded_for.length > 0 || protocol_http.length > 0;
  return adminEntry(config) === "password" && !isBehindProxy && tlsPlan(config) === undefined;
}

/** The page in a browser on this machine; a token is in the fragment, which reaches no server. */
export function adminLink(config: Config, token?: string): string {
  const { scheme, port } = publicEntry(config);
  return `${scheme}://localhost:${port}/admin${token === undefined ? "" : `#token=${token}`}`;
}
