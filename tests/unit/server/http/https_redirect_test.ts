import assert from "node:assert/strict";
import { httpsRedirect } from "../../../../lib/server/http/https_redirect.ts";

/** Of example.org, *.example.org, 192.0.2.1 and 2001:db8::1, for a hundred years. */
const CERT = `
-----BEGIN CERTIFICATE-----
MIIBxDCCAWqgAwIBAgIUZG9EGzRSy0jUuM8xoQ0l0QUIp7kwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLZXhhbXBsZS5vcmcwIBcNMjYxMTI5MTEwNzMyWhgPMjEyNjEx
MDUxMTA3MzJaMBYxFDASBgNVBAMMC2V4YW1wbGUub3JnMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEJHUmyfzF/Mwn8I+/2GlD1vhVnG0R55VlJQy/NITUF6Snx7Ib
nkzyBl02SP6DYeAqXUUU0OH01g2YQFQSNIwgkKOBkzCBkDAdBgNVHQ4EFgQUMIYf
wJiB7X7ccyV91jByh5RqIukwHwYDVR0jBBgwFoAUMIYfwJiB7X7ccyV91jByh5Rq
IukwDwYDVR0TAQH/BAUwAwEB/zA9BgNVHREENjA0ggtleGFtcGxlLm9yZ4INKi5l
eGFtcGxlLm9yZ4cEwAACAYcQIAENuAAAAAAAAAAAAAAAATAKBggqhkjOPQQDAgNI
ADBFAiEA6Yrs9BqsyElSY+Uqwlk9yAuI/tmBYQPD7fUji/5K5RwCIB7FIwI+MmZf
grYKKuel1793dFeFkjZuK65N2plgOgPr
-----END CERTIFICATE-----
`.trim();

const certificate = { current: { cert: CERT, key: "" }, watch: () => () => {} };

Deno.test("httpsRedirect() leads to the certificate's names, at the port of TLS", async () => {
  const to = async (port: number, url: string) => {
    const response = await httpsRedirect(certificate, port)(new Request(url));
    return [response.status, response.headers.get("Location")];
  };
  const rows = [
    [443, "http://example.org/demo?a=b%20c", "https://example.org/demo?a=b%20c"],
    [443, "http://EXAMPLE.org:80/", "https://example.org/"],
    [443, "http://example.org:8080//evil.test/", "https://example.org//evil.test/"],
    [7880, "http://media.example.org/rtc", "https://media.example.org:7880/rtc"],
    [443, "http://192.0.2.1/", "https://192.0.2.1/"],
    [8443, "http://[2001:db8::1]/", "https://[2001:db8::1]:8443/"],
  ] as const;
  for (const [port, url, location] of rows) assert.deepEqual(await to(port, url), [308, location]);
});

Deno.test("httpsRedirect() leads nowhere else, whatever host is asked for", async () => {
  const handler = httpsRedirect(certificate, 443);
  const hosts = ["evil.test", "a.b.example.org", "example.org.evil.test", "192.0.2.2", "[::1]"];
  for (const host of [...hosts, "localhost"]) {
    const response = await handler(new Request(`http://${host}/`));
    assert.deepEqual([response.status, response.headers.get("Location")], [421, null], host);
  }
});
