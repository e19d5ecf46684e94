/**
 * The program's name and version, as in `deno.json`.
 *
 * @module
 */
import manifest from "../../deno.json" with { type: "json" };

export const PROGRAM = "roomwire";
export const VERSION: string = manifest.version;
