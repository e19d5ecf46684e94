/**
 * Whether the secrets of API keys are long enough. Pure.
 *
 * @module
 */
import { DEV_KEY, MIN_SECRET_LENGTH } from "../config/config_loading.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";

const TOPIC = "keys";
const FIX = "make a pair with the command generate-keys, and give it to whoever signs tokens";

/** @param isDevelopment Whether only this machine is meant to get in. */
export function keyFindings(
  keys: Readonly<Record<string, string>>,
  isDevelopment: boolean,
): readonly Finding[] {
  const found = Object.entries(keys).flatMap(([apiKey, secret]) => {
    if (apiKey === DEV_KEY.apiKey && secret === DEV_KEY.secret) {
      const what = `the key is "${apiKey}", whose secret everybody knows`;
      return [isDevelopment ? warning(TOPIC, what, FIX) : problem(TOPIC, what, FIX)];
    }
    if (secret.length >= MIN_SECRET_LENGTH) return [];
    const what = `the secret of "${apiKey}" has ${secret.length} characters and can be guessed; ` +
      `${MIN_SECRET_LENGTH} are enough`;
    return [problem(TOPIC, what, FIX)];
  });
  const count = Object.keys(keys).length;
  return found.length > 0
    ? found
    : [ok(TOPIC, `${count === 1 ? "the secret is" : `all ${count} secrets are`} long enough`)];
}
