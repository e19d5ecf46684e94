/**
 * Images by whichever builder is here, each as an archive that `docker load`, `podman load` and
 * `skopeo` take.
 *
 * @module
 */

/** How a builder makes an archive of an image. */
interface Builder {
  readonly program: string;
  commands(image: ImageRequest): readonly (readonly string[])[];
}

/** Which image. */
export interface ImageRequest {
  readonly architecture: "amd64" | "arm64";
  readonly tag: string;
  readonly commit: string;
  /** Where the archive goes. */
  readonly output: string;
}

const ROOT = new URL("../../", import.meta.url);

const common = ({ architecture, tag, commit }: ImageRequest) => [
  "build",
  `--platform=linux/${architecture}`,
  `--build-arg=ROOMWIRE_COMMIT=${commit}`,
  `--tag=${tag}`,
];

const BUILDERS: readonly Builder[] = [
  {
    program: "buildah",
    commands: (image) => [
      [...common(image), "."],
      ["push", image.tag, `oci-archive:${image.output}:${image.tag}`],
    ],
  },
  {
    program: "podman",
    commands: (image) => [
      [...common(image), "."],
      ["save", "--format=oci-archive", `--output=${image.output}`, image.tag],
    ],
  },
  {
    program: "docker",
    commands: (image) => [
      ["buildx", ...common(image), `--output=type=oci,dest=${image.output}`, "."],
    ],
  },
];

/** Makes one. @returns Why it could not be made, or `undefined`. */
export async function buildImage(image: ImageRequest): Promise<string | undefined> {
  for (const { program, commands } of BUILDERS) {
    if (!await isThere(program)) continue;
    for (const args of commands(image)) {
      const { success, stdout, stderr } = await new Deno.Command(program, {
        args: [...args],
        cwd: ROOT,
        stdin: "null",
      }).output();
      if (success) continue;
      const text = new TextDecoder();
      const said = `${text.decode(stdout)}\n${text.decode(stderr)}`.trim().split("\n");
      return `${program}: ${said.at(-1)}`;
    }
    return undefined;
  }
  return `none of ${BUILDERS.map(({ program }) => program).join(", ")} is here`;
}

async function isThere(program: string): Promise<boolean> {
  try {
    const command = new Deno.Command(program, { args: ["--version"], stdin: "null" });
    return (await command.output()).success;
  } catch {
    return false;
  }
}
