/**
 * The program's name and version, as in `deno.json`.
 *
 * @module
 */
import manifest from "../../deno.json" with { type: "json" };

export const PROGRAM = "roomwire";
export const VERSION: string = manifest.version;

/**
 * The version told to clients: that of the LiveKit server whose behaviour this one has. SDKs switch
 * features on by it (RPC from 1.8.0, for example), so our own number would switch them off.
 */
export const PROTOCOL_VERSION = "1.13.5";
