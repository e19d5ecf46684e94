/** Descriptions of browsers and parameters of ours, for tests of negotiation. @module */
import assert from "node:assert/strict";
import type { LocalParameters } from "../../../lib/negotiation/local_description.ts";
import { CATALOG } from "../../../lib/negotiation/codec_catalog.ts";
import type { CodecParameters } from "../../../lib/base/media_vocabulary.ts";
import { parseDescription, type RemoteDescription } from "../../../lib/wire/session_description.ts";

/** The text of `tests/support/virtual/sdp/<name>.sdp`. */
export function sdpFixture(name: string): string {
  return Deno.readTextFileSync(new URL(`./sdp/${name}.sdp`, import.meta.url));
}

/** Parses a description that must be readable. */
export function mustParse(sdp: string): RemoteDescription {
  const parsed = parseDescription(sdp);
  assert.ok(parsed.ok, parsed.ok ? "" : parsed.message);
  return parsed.value;
}

/** One UDP and one TCP address, and plausible credentials. */
export function localParameters(version = 1): LocalParameters {
  return {
    ice: { ufrag: "serverUfrag", pwd: "serverPasswordOf24Chars00" },
    fingerprint: { algorithm: "sha-256", value: Array(32).fill("AB").join(":") },
    addresses: [
      { protocol: "udp", hostname: "192.0.2.1", port: 7882 },
      { protocol: "tcp", hostname: "192.0.2.1", port: 7881 },
    ],
    sessionId: "4711",
    version,
  };
}

/**
 * A codec as some publisher negotiated it: the first of that name, under a foreign payload type.
 */
export function publishedCodec(mime: string, fmtp?: string): CodecParameters {
  const known = CATALOG.find((codec) =>
    codec.mime === mime && (fmtp === undefined || codec.fmtp.includes(fmtp))
  );
  assert.ok(known, `no codec ${mime} ${fmtp}`);
  const { clockRate, channels } = known;
  return {
    mime,
    payloadType: 77,
    clockRate,
    ...(channels === undefined ? {} : { channels }),
    fmtp: known.fmtp,
    feedback: [],
  };
}

/** The lines of one section of a description we wrote, found by mid. */
export function sectionText(sdp: string, mid: string): readonly string[] {
  const sections = sdp.split(/\r\n(?=m=)/).slice(1).map((text) => text.trimEnd().split("\r\n"));
  const found = sections.find((lines) => lines.includes(`a=mid:${mid}`));
  assert.ok(found, `no section with mid ${mid}`);
  return found;
}
