/**
 * Which packages of Debian's are in an image, read out of its archive (OCI image layout 1.0), so
 * that it does not matter who built it.
 *
 * @module
 */
import { installedPackages, type SystemPart } from "./bill_of_materials.ts";
import { type ArchivedFile, unpackArchive } from "./tar_archive.ts";

/** Where dpkg keeps its list. */
const STATUS = "var/lib/dpkg/status";

interface Descriptor {
  readonly digest: string;
}

/** A manifest of an image, or an index of several. */
interface Manifest {
  readonly layers?: readonly Descriptor[];
  readonly manifests?: readonly Descriptor[];
}

/** Reads them. @throws {Error} if the archive is none, or holds no list. */
export async function systemPackagesIn(archive: Uint8Array<ArrayBuffer>): Promise<SystemPart[]> {
  const files = new Map((await unpackArchive(archive)).map((file) => [plain(file), file.bytes]));
  const blob = (name: string): Uint8Array<ArrayBuffer> => {
    const bytes = files.get(name);
    if (bytes === undefined) throw new Error(`The image's archive has no ${name}`);
    return bytes;
  };
  const read = (name: string) => JSON.parse(new TextDecoder().decode(blob(name))) as Manifest;
  const place = ({ digest }: Descriptor) => `blobs/${digest.replace(":", "/")}`;
  const layersOf = ({ layers = [], manifests = [] }: Manifest): Descriptor[] => [
    ...layers,
    ...manifests.flatMap((other) => layersOf(read(place(other)))),
  ];
  let status: string | undefined;
  for (const layer of layersOf(read("index.json"))) {
    // What a later layer has is what the image shows.
    const list = (await unpackArchive(blob(place(layer)))).find((file) => plain(file) === STATUS);
    if (list !== undefined) status = new TextDecoder().decode(list.bytes);
  }
  if (status === undefined) throw new Error("The image has no list of Debian's packages");
  return installedPackages(status);
}

function plain({ path }: ArchivedFile): string {
  return path.replace(/^\.?\//, "");
}
