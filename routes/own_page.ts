/**
 * Whether a request comes from a page of this server, or from a program: a website that somebody
 * looks at is to do nothing here in their name.
 *
 * @module
 */
import type { HttpExchange } from "./http_exchange.ts";

/**
 * Fetch metadata (W3C) where the browser sends it, else the origin; programs send neither. A page
 * without TLS gets no fetch metadata, and its name may be anybody's who lets it lead here for a
 * while (DNS rebinding): only names that no stranger can give are taken then.
 */
export function isOfOwnPage({ request, url }: Pick<HttpExchange, "request" | "url">): boolean {
  const site = request.headers.get("Sec-Fetch-Site");
  if (site !== null) return site === "same-origin";
  const origin = request.headers.get("Origin");
  if (origin === null) return true;
  const page = URL.canParse(origin) ? new URL(origin) : undefined;
  return page?.host === url.host && (page.protocol === "https:" || isLocalName(page.hostname));
}

/**
 * The same for what needs no token: a page without TLS says nothing of itself when it asks for what
 * is its own, so what such a request is addressed to has to be a name that no stranger can give.
 */
export function isOfOwnLocalPage(exchange: Pick<HttpExchange, "request" | "url">): boolean {
  const { request: { headers }, url } = exchange;
  return isOfOwnPage(exchange) &&
    (headers.has("Sec-Fetch-Site") || url.protocol === "https:" || isLocalName(url.hostname));
}

/**
 * A literal address, a name without a domain, or one of this machine or network (RFC 6761,
 * RFC 6762).
 */
function isLocalName(hostname: string): boolean {
  return /^\[|^[\d.]+$|^[^.]+$|\.(?:localhost|local)$/.test(hostname);
}
