/**
 * `deno task docs`: writes `docs/configuration.md` out of the schema.
 *
 * @module
 */
import { configReference } from "../lib/server/config/config_reference.ts";
import { keysInEffect } from "../lib/server/keys_in_effect.ts";

await Deno.writeTextFile(
  new URL("configuration.md", import.meta.url),
  configReference(keysInEffect()),
);
