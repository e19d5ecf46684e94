/**
 * What a release is made of, as a CycloneDX 1.6 document (ECMA-424) in JSON. Pure; the same parts give
 * the same document, so two builds can be compared.
 *
 * @module
 */

/** A package of npm's that is inside. */
export interface NpmPart {
  readonly name: string;
  readonly version: string;
  /** As its `package.json` says. */
  readonly licence: string | undefined;
  /** As the lock file says (Subresource Integrity, one `sha512-…`). */
  readonly integrity: string | undefined;
  /** `name@version` of what it needs. */
  readonly needs: readonly string[];
}

/** A package of the system below, in an image. */
export interface SystemPart {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

/** What the document is about. */
export interface Bill {
  readonly version: string;
  readonly commit: string | undefined;
  /** RFC 3339; the commit's, so that it does not depend on who builds when. */
  readonly timestamp: string | undefined;
  readonly runtime: string;
  /** `name@version` of what the program itself imports. */
  readonly imports: readonly string[];
  readonly packages: readonly NpmPart[];
  /** Absent where there is no image. */
  readonly system?: readonly SystemPart[];
}

const ROOT = "roomwire";

/** Writes it. */
export async function billOfMaterials(bill: Bill): Promise<string> {
  const { version, commit, timestamp, runtime, imports, packages, system = [] } = bill;
  const npm = packages.toSorted((a, b) => idOf(a) < idOf(b) ? -1 : 1);
  const debian = system.toSorted((a, b) => a.name < b.name ? -1 : 1);
  const known = new Map(npm.map((part) => [idOf(part), npmAddress(part)]));
  const addresses = (ids: readonly string[]) =>
    ids.map((id) => known.get(id)).filter((address) => address !== undefined).sort();
  const engine = `pkg:generic/deno@${runtime}`;
  const document = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      ...(timestamp === undefined ? {} : { timestamp }),
      component: {
        "type": "application",
        "bom-ref": ROOT,
        name: ROOT,
        version,
        licenses: [{ license: { id: "Apache-2.0" } }],
        ...(commit === undefined
          ? {}
          : { properties: [{ name: "roomwire:commit", value: commit }] }),
      },
    },
    components: [
      {
        "type": "platform",
        "bom-ref": engine,
        name: "deno",
        version: runtime,
        licenses: [{ license: { id: "MIT" } }],
      },
      ...npm.map(npmComponent),
      ...debian.map(debianComponent),
    ],
    dependencies: [
      { ref: ROOT, dependsOn: [engine, ...addresses(imports), ...debian.map(debianAddress)] },
      ...npm.map((part) => ({ ref: npmAddress(part), dependsOn: addresses(part.needs) })),
    ],
  };
  const serialNumber = `urn:uuid:${await identifierOf(JSON.stringify(document))}`;
  const { bomFormat, specVersion, ...rest } = document;
  return `${JSON.stringify({ bomFormat, specVersion, serialNumber, ...rest }, null, 2)}\n`;
}

const idOf = ({ name, version }: { readonly name: string; readonly version: string }) =>
  `${name}@${version}`;

/** Package URL; a scope's `@` is written `%40`. */
function npmAddress({ name, version }: NpmPart): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function debianAddress({ name, version, architecture }: SystemPart): string {
  const address = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}`;
  return `${address}?arch=${architecture}`;
}

function npmComponent(part: NpmPart) {
  const { name, version, licence, integrity } = part;
  const [group, bare] = name.startsWith("@") ? name.split("/") : [undefined, name];
  const content = integrity === undefined ? undefined : hexOf(integrity);
  return {
    "type": "library",
    "bom-ref": npmAddress(part),
    ...(group === undefined ? {} : { group }),
    name: bare,
    version,
    ...(content === undefined ? {} : { hashes: [{ alg: "SHA-512", content }] }),
    ...(licence === undefined ? {} : { licenses: [licenceOf(licence)] }),
    purl: npmAddress(part),
  };
}

function debianComponent(part: SystemPart) {
  const address = debianAddress(part);
  return {
    "type": "library",
    "bom-ref": address,
    name: part.name,
    version: part.version,
    purl: address,
  };
}

/** One licence by its SPDX id, or an expression of several. */
function licenceOf(text: string) {
  if (/[ ()]/.test(text)) return { expression: text.replace(/^\((.*)\)$/, "$1") };
  return { license: { id: text } };
}

/** @returns Nothing for another hash than SHA-512. */
function hexOf(integrity: string): string | undefined {
  const [, base64] = /^sha512-([A-Za-z0-9+/]+={0,2})$/.exec(integrity) ?? [];
  return base64 === undefined ? undefined : Uint8Array.fromBase64(base64).toHex();
}

/** A UUID of what it names (RFC 9562, version 8). */
async function identifierOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const bytes = new Uint8Array(digest).subarray(0, 16);
  bytes[6] = 0x80 | bytes[6]! & 0x0f;
  bytes[8] = 0x80 | bytes[8]! & 0x3f;
  const hex = bytes.toHex();
  return [0, 8, 12, 16, 20].map((from, index, all) => hex.slice(from, all[index + 1])).join("-");
}

/** Reads dpkg's `status` file (deb-control(5)): packages that are installed. */
export function installedPackages(status: string): SystemPart[] {
  return status.split(/\n\n+/).flatMap((paragraph) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1]?.trim();
    const [name, version] = [field("Package"), field("Version")];
    const isThere = field("Status") === "install ok installed";
    if (name === undefined || version === undefined || !isThere) return [];
    return [{ name, version, architecture: field("Architecture") ?? "all" }];
  });
}

/** Lines as `sha256sum` writes and checks them, by name. */
export async function checksums(
  files: readonly { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }[],
): Promise<string> {
  const sorted = files.toSorted((a, b) => a.name < b.name ? -1 : 1);
  const lines = await Promise.all(sorted.map(async ({ name, bytes }) => {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return `${digest.toHex()}  ${name}\n`;
  }));
  return lines.join("");
}
