/**
 * Names the browser and the operating system behind a `User-Agent` header, well enough for the
 * compatibility rules and statistics that use them. Total on any text; unknown parts are empty.
 *
 * @module
 */

/** What a `User-Agent` header says; empty where it says nothing known. */
export interface UserAgent {
  readonly browser: string;
  readonly browserVersion: string;
  readonly os: string;
  readonly osVersion: string;
}

/** A header longer than this says nothing more; it bounds the work done on it. */
const MAX_LENGTH = 512;

/**
 * Most specific first: Edge and Opera also call themselves Chrome, and Chrome calls itself Safari.
 */
const BROWSERS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["OBS Studio", /OBS-Studio\/([\d.]+)/],
  ["Edge", /(?:Edg|EdgA|EdgiOS|Edge)\/([\d.]+)/],
  ["Opera", /(?:OPR|Opera)\/([\d.]+)/],
  ["Samsung Internet", /SamsungBrowser\/([\d.]+)/],
  ["Firefox iOS", /FxiOS\/([\d.]+)/],
  ["Firefox", /Firefox\/([\d.]+)/],
  ["Chrome Mobile iOS", /CriOS\/([\d.]+)/],
  ["Chrome", /(?:Chrome|HeadlessChrome|Chromium)\/([\d.]+)/],
  ["Safari", /Version\/([\d.]+).* Safari\//],
];

const SYSTEMS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["iOS", /(?:iPhone|iPad|iPod).*? OS ([\d_]+)/],
  ["Android", /Android ([\d.]+)/],
  ["Windows", /Windows NT ([\d.]+)/],
  ["Mac OS X", /Mac OS X ([\d_.]+)/],
  ["Chrome OS", /CrOS \S+ ([\d.]+)/],
  ["Linux", /Linux()/],
];

/** Reads the header; never throws. */
export function parseUserAgent(header: string): UserAgent {
  const text = header.slice(0, MAX_LENGTH);
  const [browser, browserVersion] = firstMatch(BROWSERS, text);
  const [os, osVersion] = firstMatch(SYSTEMS, text);
  return { browser, browserVersion, os, osVersion: osVersion.replaceAll("_", ".") };
}

function firstMatch(
  rules: readonly (readonly [string, RegExp])[],
  text: string,
): readonly [name: string, version: string] {
  for (const [name, pattern] of rules) {
    const match = pattern.exec(text);
    if (match !== null) return [name, match[1] ?? ""];
  }
  return ["", ""];
}
