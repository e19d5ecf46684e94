/**
 * What is wrong with a configuration.
 *
 * @module
 */
import { SfuError } from "../../base/errors.ts";

/** Every problem of a configuration at once; `message` has one line each. */
export class ConfigError extends SfuError {
  constructor(readonly problems: readonly string[]) {
    super("invalid_config", problems.join("\n"));
  }
}
