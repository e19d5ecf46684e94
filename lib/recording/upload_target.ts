/**
 * Where recordings are uploaded to: a bucket of something that speaks the S3 API, and by whose
 * right.
 *
 * @module
 */

/** A bucket. What is secret of it never leaves the part that signs requests. */
export interface UploadTarget {
  /** Scheme, host and port; empty for Amazon's of the region. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** The bucket is part of the path, and not of the host's name. */
  readonly pathStyle: boolean;
  readonly accessKey: string;
  readonly secret: string;
  /** Empty unless the key is for a while. */
  readonly sessionToken: string;
}

/** Regions and buckets become names of hosts. */
const REGION = /^[a-z0-9-]{1,64}$/;
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;
const HOST = /^[A-Za-z0-9.-]+$/;
const MOST_SECRET = 4_096;

/** The service a target's bucket is in, with its scheme: `https://s3.eu-west-1.amazonaws.com`. */
function serviceOf({ endpoint, region }: UploadTarget): string {
  return endpoint === "" ? `https://s3.${region}.amazonaws.com` : new URL(endpoint).origin;
}

/** Why nothing can be uploaded there, in words without secrets; `undefined` if it can be tried. */
export function whyNoTarget(target: UploadTarget): string | undefined {
  const { endpoint, region, bucket, accessKey, secret, sessionToken } = target;
  if (bucket === "") return "a bucket is needed";
  if (!BUCKET.test(bucket) || bucket.includes("..")) return "that is no name of a bucket";
  if (!REGION.test(region)) return "that is no name of a region";
  if (accessKey === "" || secret === "") return "an access key and its secret are needed";
  // They become headers.
  for (const text of [accessKey, secret, sessionToken]) {
    if (text.length > MOST_SECRET || !/^[\x21-\x7e]*$/.test(text)) return "that is no access key";
  }
  if (endpoint === "") return undefined;
  const url = URL.parse(endpoint);
  const isService = url !== null && /^https?:$/.test(url.protocol) && url.username === "" &&
    url.password === "" && url.pathname === "/" && url.search === "" && url.hash === "";
  return isService ? undefined : "the endpoint has to be like https://storage.example.com";
}

/**
 * Whether a request may name that service: one of `hosts`, which are names of hosts
 * (`storage.example.com`, `*.amazonaws.com`), with a port if it is not the usual one; over TLS,
 * unless `http://` is said. Nobody's addresses are looked up: who is asked for by a name of the
 * operator's choice needs none, and one that is looked up now may be another in a moment.
 */
export function mayUploadTo(target: UploadTarget, hosts: readonly string[]): boolean {
  const { protocol, host } = new URL(serviceOf(target));
  return hosts.some((entry) => {
    const [, scheme = "https", name = ""] = /^(?:(https?):\/\/)?([^/]+)\/?$/.exec(entry) ?? [];
    if (`${scheme}:` !== protocol) return false;
    const wanted = name.toLowerCase();
    return wanted.startsWith("*.") ? host.endsWith(wanted.slice(1)) : host === wanted;
  });
}

/** The URL of a bucket, without a slash at its end. */
export function bucketUrl(target: UploadTarget): string {
  const service = new URL(serviceOf(target));
  const { bucket, pathStyle } = target;
  // A certificate for *.example.com is none for two names below it; addresses have none below.
  const isName = HOST.test(service.hostname) && !/^[\d.]+$/.test(service.hostname);
  if (pathStyle || bucket.includes(".") || !isName) return `${service.origin}/${bucket}`;
  return `${service.protocol}//${bucket}.${service.host}`;
}

/** The URL of an object. */
export function objectUrl(target: UploadTarget, key: string): string {
  return `${bucketUrl(target)}/${key.toWellFormed().split("/").map(encoded).join("/")}`;
}

function encoded(name: string): string {
  return encodeURIComponent(name).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
