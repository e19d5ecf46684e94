/**
 * `application/trickle-ice-sdpfrag` (RFC 8840 §9): the part of a description that speaks of ICE, as
 * WHIP clients send candidates and restarts in it (RFC 9725 §4.3).
 *
 * Pure and total: whatever comes gives a fragment or `undefined`.
 *
 * @module
 */
import type { IceCredentials } from "../base/media_vocabulary.ts";
import { credentialsFault } from "./session_description.ts";

/** What a client's fragment says. There is one media section in it: everything is bundled. */
export interface SdpFragment {
  readonly ice: IceCredentials;
  /** Empty if the section has none. */
  readonly mid: string;
  /** `candidate:…` values, without `a=`; not looked at any closer. */
  readonly candidates: readonly string[];
}

/** Longest fragment read: hundreds of candidates. */
const MAX_CHARS = 64 * 1024;
/** Longest line read. */
const MAX_LINE_CHARS = 4096;

/**
 * Reads one fragment.
 *
 * @returns `undefined` unless it has exactly one media section, the same valid credentials wherever
 *   it names some, and, if it names a bundle group, the section that stands for the group.
 */
export function parseSdpFragment(text: string): SdpFragment | undefined {
  if (text.length > MAX_CHARS) return undefined;
  const ufrags = new Set<string>();
  const pwds = new Set<string>();
  const candidates: string[] = [];
  let group: string | undefined;
  let mid = "";
  let sections = 0;
  for (const raw of text.split(/\r\n|\r|\n/)) {
    const line = raw.trimEnd();
    if (line.length > MAX_LINE_CHARS) return undefined;
    if (line.startsWith("m=")) sections++;
    if (!line.startsWith("a=")) continue;
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const value = line.slice(colon + 1);
    switch (line.slice(2, colon)) {
      case "group":
        if (/^BUNDLE /i.test(value)) group = value.split(/ +/)[1];
        break;
      case "ice-ufrag":
        ufrags.add(value);
        break;
      case "ice-pwd":
        pwds.add(value);
        break;
      case "mid":
        if (sections > 0) mid = value;
        break;
      case "candidate":
        if (sections > 0) candidates.push(line.slice(2));
    }
  }
  const [ufrag, ...otherUfrags] = ufrags;
  const [pwd, ...otherPwds] = pwds;
  if (sections !== 1 || otherUfrags.length + otherPwds.length > 0) return undefined;
  if (ufrag === undefined || pwd === undefined) return undefined;
  if (group !== undefined && group !== mid) return undefined;
  const ice = { ufrag, pwd };
  return credentialsFault(ice) === undefined ? { ice, mid, candidates } : undefined;
}
