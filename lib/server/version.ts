/**
 * The program's name and version, as in `deno.json`.
 *
 * @module
 */
export const PROGRAM = "roomwire";
/** A test compares it with the manifest, which not every form of the program has beside it. */
export const VERSION = "0.1.0";

/**
 * The version told to clients: that of the LiveKit server whose behaviour this one has. SDKs switch
 * features on by it (RPC from 1.8.0, for example), so our own number would switch them off.
 */
export const PROTOCOL_VERSION = "1.13.5";
