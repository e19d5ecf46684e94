/**
 * Whether a certificate is the right one: for its name and its key, whole, and for how long. Pure.
 *
 * @module
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { type Finding, ok, problem, warning } from "./finding.ts";

const TOPIC = "certificates";
const DAY_MS = 86_400_000;
/** Whoever renews by itself has done so by then. */
const SOON_MS = 14 * DAY_MS;
const ONE_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** One pair of files. */
export interface CertificateToCheck {
  /** The configuration's section, whose keys name the files: `turn`. */
  readonly section: string;
  /** PEM: the certificate first, then those between it and a root. */
  readonly cert: string;
  readonly key: string;
  /** What clients call the server; absent: that is not known. */
  readonly name?: string;
}

/** Everything that is wrong with it; that it is in order, if nothing is. */
export function certificateFindings(
  { section, cert, key, name }: CertificateToCheck,
  nowMs: number,
): readonly Finding[] {
  const files = `${section}.cert_file`;
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch {
    return [problem(TOPIC, `${files} holds no certificate`, "write it there as PEM, whole")];
  }
  const found = [
    ...dateFindings(files, leaf, nowMs),
    ...keyFindings(section, leaf, key),
    ...nameFindings(section, leaf, name),
    ...chainFindings(files, leaf, cert),
  ];
  if (found.length > 0) return found;
  const names = namesOf(leaf).join(", ");
  return [ok(TOPIC, `${files} is for ${names} until ${dateOf(Date.parse(leaf.validTo))}`)];
}

function dateFindings(files: string, leaf: X509Certificate, nowMs: number): Finding[] {
  const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  const renew = "renew it; a changed file is used within a minute, without a restart";
  if (to < nowMs) return [problem(TOPIC, `${files} expired on ${dateOf(to)}`, renew)];
  if (from > nowMs) {
    return [problem(
      TOPIC,
      `${files} is valid from ${dateOf(from)} on, and it is ${dateOf(nowMs)} here`,
      "set this machine's clock, or wait",
    )];
  }
  if (to - nowMs >= SOON_MS) return [];
  const days = Math.floor((to - nowMs) / DAY_MS);
  return [warning(TOPIC, `${files} expires in ${days} days, on ${dateOf(to)}`, renew)];
}

function keyFindings(section: string, leaf: X509Certificate, key: string): Finding[] {
  const files = `${section}.key_file`;
  try {
    if (leaf.checkPrivateKey(createPrivateKey(key))) return [];
    return [problem(
      TOPIC,
      `${files} is not the key of ${section}.cert_file`,
      "name the two files that were made together",
    )];
  } catch {
    return [problem(TOPIC, `${files} holds no private key`, "write it there as PEM, unencrypted")];
  }
}

function nameFindings(section: string, leaf: X509Certificate, name?: string): Finding[] {
  const names = namesOf(leaf);
  if (name === undefined || names.some((one) => covers(one, name))) return [];
  const has = names.length === 0 ? "no name" : names.join(", ");
  return [problem(
    TOPIC,
    `${section}.cert_file is for ${has}, and clients ask for ${name}`,
    `get one for ${name}, or set the name that it is for`,
  )];
}

function chainFindings(files: string, leaf: X509Certificate, cert: string): Finding[] {
  if ((cert.match(ONE_CERTIFICATE)?.length ?? 0) > 1) return [];
  if (leaf.issuer === leaf.subject) {
    return [warning(
      TOPIC,
      `${files} is signed by itself, and browsers refuse it`,
      "get one of a certificate authority, such as Let's Encrypt",
    )];
  }
  return [warning(
    TOPIC,
    `${files} has no intermediate certificate, and many clients will refuse it`,
    "name the file with the whole chain (fullchain.pem)",
  )];
}

/** DNS names and addresses that it is for. */
function namesOf(leaf: X509Certificate): string[] {
  const texts = (leaf.subjectAltName ?? "").split(/,\s*/);
  return texts.map((text) => /^(?:DNS|IP Address):(.+)$/.exec(text)?.[1])
    .filter((name) => name !== undefined);
}

/** RFC 6125 §6.4.3: a star stands for one label, the first. */
function covers(pattern: string, name: string): boolean {
  const [own, wanted] = [pattern.toLowerCase(), name.toLowerCase().replace(/\.$/, "")];
  if (own === wanted) return true;
  return own.startsWith("*.") && wanted.includes(".") &&
    own.slice(1) === wanted.slice(wanted.indexOf("."));
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}
