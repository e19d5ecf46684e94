/**
 * What the port in the clear answers: where to go with TLS.
 *
 * Contract: it leads to names of our certificate alone, so that nobody is led elsewhere by a
 * request that somebody else has made up.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import type { CertificateSource } from "../../transport/tcp/certificate.ts";
import { formatIpAddress, parseIpAddress } from "../../wire/ip_address.ts";
import type { HttpHandler } from "../../../routes/http_handler.ts";

const HTTPS_PORT = 443;

/** @param port Where TLS is spoken. */
export function httpsRedirect(certificate: CertificateSource, port: number): HttpHandler {
  let read: { readonly cert: string; readonly names: ReadonlySet<string> } | undefined;
  const isOurs = (host: string) => {
    const { cert } = certificate.current;
    if (read?.cert !== cert) read = { cert, names: namesOf(cert) };
    return read.names.has(host) || read.names.has(host.replace(/^[^.]+/, "*"));
  };
  return (request) => {
    const { hostname, pathname, search } = new URL(request.url);
    if (!isOurs(hostname)) {
      return Promise.resolve(new Response("no such host here\n", { status: 421 }));
    }
    const authority = port === HTTPS_PORT ? hostname : `${hostname}:${port}`;
    const headers = { "Location": `https://${authority}${pathname}${search}` };
    return Promise.resolve(new Response(null, { status: 308, headers }));
  };
}

/** As hosts of an address show them; a name of many begins with `*` (RFC 6125 §6.4.3). */
function namesOf(cert: string): ReadonlySet<string> {
  const { subjectAltName = "" } = new X509Certificate(cert);
  return new Set(
    subjectAltName.split(", ").flatMap((entry) => {
      const [, kind, value = ""] = /^(DNS|IP Address):(.+)$/.exec(entry) ?? [];
      if (kind === "DNS") return value.toLowerCase();
      const address = kind === undefined ? undefined : parseIpAddress(value);
      if (address === undefined) return [];
      const text = formatIpAddress(address);
      return text.includes(":") ? `[${text}]` : text;
    }),
  );
}
