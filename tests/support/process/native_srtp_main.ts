/**
 * The program with native SRTP ciphers and one profile, whose number is the first argument: what an
 * embedder can do, and no operator. Refuses to start where native ciphers cannot be used.
 *
 * @module
 */
import { createLocalEngine } from "../../../lib/engine/local/local_engine.ts";
import { runProgram } from "../../../lib/server/program.ts";
import { chooseMediaCrypto } from "../../../lib/transport/media_crypto.ts";
import { SRTP_PROFILE, type SrtpProfile } from "../../../lib/transport/srtp/srtp_keys.ts";
import { clonedEngine } from "../virtual/cloned_engine.ts";

const [number, ...args] = Deno.args;
const profile = Object.values(SRTP_PROFILE).find((each: SrtpProfile) => String(each) === number);
if (profile === undefined) throw new Error(`Cannot start: "${number}" is no SRTP profile`);
const crypto = { ...chooseMediaCrypto("require"), srtpProfiles: [profile] };

Deno.exit(
  await runProgram(args, {
    createEngine: (options) => clonedEngine(createLocalEngine({ ...options, crypto })),
  }),
);
