/**
 * The last line of defence before a log line: whatever looks like a token or an IP address is taken
 * out of every value, however deep. Code must not log such things in the first place; this makes a
 * slip harmless.
 *
 * @module
 */

/**
 * Three base64url parts, the first of which starts a JSON object: RFC 7519 §3. What has but one is
 * none, and is matched whole all the same: else it is gone through again from each `eyJ` within.
 */
const JSON_WEB_TOKEN = /\beyJ[\w-]*((?:\.[\w-]*){0,2})/g;
const TOKEN_PARAMETER = /(access_token|token)=[^&\s"']+/g;
const BEARER = /\bBearer\s+\S+/gi;
const IPV4 = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d)/g;
/**
 * Runs of hexadecimal groups; {@linkcode looksLikeIpv6} tells addresses from times and the like.
 */
const HEX_GROUPS = /(?<![\w:.])[\da-f]*:[\da-f:.]*[\da-f:](?:%\w+)?(?![\w:])/gi;

/** Values nested deeper than this are not printed. */
const MAX_DEPTH = 6;

/** An address that may be seen: the server's own, or one that its operator has configured. */
class OwnAddress {
  constructor(readonly text: string) {}
}

/** `address` as a value of a log line that {@linkcode redactValue} leaves as it is. */
export function ownAddress(address: string): unknown {
  return new OwnAddress(address);
}

/** Whatever is replaced below has one of these in it, and most texts have none. */
const SUSPICIOUS = /[.:=]|bearer/i;

/** `text` with every token and address replaced by a word in angle brackets. */
export function redactText(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  return text
    .replace(JSON_WEB_TOKEN, (run, further: string) => further === "" ? run : "<token>")
    .replace(TOKEN_PARAMETER, "$1=<token>")
    .replace(BEARER, "Bearer <token>")
    .replace(HEX_GROUPS, (run) => looksLikeIpv6(run) ? "<address>" : run)
    .replace(IPV4, "<address>");
}

/** RFC 4291 §2.2: eight groups, or six and an IPv4 address, or `::` for those left out. */
function looksLikeIpv6(run: string): boolean {
  const colons = run.split(":").length - 1;
  return run.includes("::") || colons === 7 || (colons === 6 && run.includes("."));
}

/**
 * A plain copy of `value` for a log line: text redacted, errors as name, message and stack, bytes
 * as their count, cycles and very deep values cut off.
 */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint" || typeof value === "symbol") return String(value);
  if (typeof value === "function") return "<function>";
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return "<deep>";
  if (value instanceof OwnAddress) return value.text;
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`;
  if (value instanceof Error) {
    return redactValue({
      name: value.name,
      message: value.message,
      stack: value.stack,
      ...(value.cause === undefined ? {} : { cause: value.cause }),
    }, depth + 1);
  }
  if (Array.isArray(value)) return value.map((member) => redactValue(member, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      redactText(name),
      redactValue(member, depth + 1),
    ]),
  );
}
