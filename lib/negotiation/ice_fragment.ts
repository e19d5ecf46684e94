/**
 * Our half of a WHIP client's ICE restart, as `application/trickle-ice-sdpfrag` (RFC 9725 §4.3.3).
 *
 * Pure.
 *
 * @module
 */
import type { RemoteDescription, RemoteSection } from "../wire/session_description.ts";
import { hostCandidateTexts, joinLines, type LocalParameters } from "./local_description.ts";

/** The section that describes the transport of `offer`: the first of its group, else in use. */
export function transportSection(
  { sections, bundledMids }: Pick<RemoteDescription, "sections" | "bundledMids">,
): RemoteSection | undefined {
  const usable = sections.filter((section) => !section.rejected);
  return usable.find(({ mid }) => mid === bundledMids[0]) ?? usable[0];
}

/** Writes the fragment: credentials and every candidate, as nothing follows it. */
export function writeIceFragment(
  local: Pick<LocalParameters, "ice" | "addresses">,
  { kind, protocol, formats, mid }: Pick<RemoteSection, "kind" | "protocol" | "formats" | "mid">,
): string {
  return joinLines([
    "a=ice-lite",
    `m=${kind} 9 ${protocol} ${formats[0] ?? "0"}`,
    `a=mid:${mid}`,
    `a=ice-ufrag:${local.ice.ufrag}`,
    `a=ice-pwd:${local.ice.pwd}`,
    ...hostCandidateTexts(local.addresses).map((text) => `a=${text}`),
    "a=end-of-candidates",
  ]);
}
