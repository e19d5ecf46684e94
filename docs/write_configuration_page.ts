/**
 * `deno task docs`: writes `docs/configuration.md` out of the schema.
 *
 * @module
 */
import { configReference } from "../lib/server/config_reference.ts";

await Deno.writeTextFile(new URL("configuration.md", import.meta.url), configReference());
