/**
 * A client that answers an offer as browsers do: it takes every section it has a codec for,
 * receives what is sent, and refuses the rest with port 0. Works on the text, so that it shares no
 * code with what it tests.
 *
 * @module
 */

export interface AnsweringOptions {
  /** Codecs as `video/AV1`; RTX goes with its codec. `video/rtx` is RTX alone. */
  readonly unsupported?: readonly string[];
  /**
   * Makes it a client that fixes its codecs at the first section of a kind, as pion does: by kind
   * the payload types it knows from then on. Kept by the caller, empty at first.
   */
  readonly memory?: Map<string, ReadonlySet<string>>;
}

/** The answer to `offer`. */
export function answerAsClient(offer: string, options: AnsweringOptions): string {
  const [session, ...sections] = offer.split(/\r\n(?=m=)/);
  const answered = sections.map((section) => answerSection(section.trimEnd(), options));
  const mids = answered.filter(({ taken }) => taken).map(({ mid }) => mid);
  const head = session!.replace(/a=group:BUNDLE.*/, `a=group:BUNDLE ${mids.join(" ")}`)
    .replace("a=ice-lite\r\n", "");
  return `${[head, ...answered.map(({ text }) => text)].join("\r\n")}\r\n`;
}

function answerSection(section: string, { unsupported = [], memory }: AnsweringOptions) {
  const mid = /a=mid:(\S+)/.exec(section)![1]!;
  const [, kind, port, protocol, formats] = /^m=(\S+) (\d+) (\S+) (.*)/.exec(section)!;
  if (kind === "application") {
    return { mid, taken: true, text: section.replace("actpass", "active") };
  }
  const refusedTypes = new Set<string>();
  for (const [, payloadType, name] of section.matchAll(/a=rtpmap:(\d+) ([^/\r\n]+)/g)) {
    if (unsupported.includes(`${kind}/${name}`)) refusedTypes.add(payloadType!);
  }
  for (const [, payloadType, apt] of section.matchAll(/a=fmtp:(\d+) apt=(\d+)/g)) {
    if (refusedTypes.has(apt!)) refusedTypes.add(payloadType!);
  }
  const known = memory?.get(kind!);
  for (const format of formats!.split(" ")) {
    if (known?.has(format) === false) refusedTypes.add(format);
  }
  const kept = formats!.split(" ").filter((format) => !refusedTypes.has(format));
  if (kept.length > 0 && known === undefined) memory?.set(kind!, new Set(kept));
  if (port === "0" || kept.length === 0) {
    const text = `m=${kind} 0 ${protocol} 0\r\nc=IN IP4 0.0.0.0\r\na=mid:${mid}\r\na=inactive`;
    return { mid, taken: false, text };
  }
  const lines = section.split("\r\n").slice(1).filter((line) =>
    !/^a=(ssrc|msid|candidate|end-of)/.test(line) &&
    !refusedTypes.has(/^a=(?:rtpmap|fmtp|rtcp-fb):(\d+)/.exec(line)?.[1] ?? "")
  );
  const text = [`m=${kind} 9 ${protocol} ${kept.join(" ")}`, ...lines].join("\r\n")
    .replace("actpass", "active")
    .replace(
      /^a=(sendonly|recvonly)$/m,
      (_, ours) => `a=${ours === "sendonly" ? "recvonly" : "inactive"}`,
    );
  return { mid, taken: true, text };
}
