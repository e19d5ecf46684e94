/**
 * An authority and certificates of it, made by `openssl` into a folder that is gone with them.
 *
 * @module
 */

/** Files and contents of one certificate. */
export interface TestCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** Makes certificates; needs `openssl`. */
export class TestAuthority implements AsyncDisposable {
  private constructor(readonly folder: string, readonly cert: string) {}

  static async make(): Promise<TestAuthority> {
    const folder = await Deno.makeTempDir({ prefix: "roomwire-certificates-" });
    const files = ["-keyout", `${folder}/ca.key`, "-out", `${folder}/ca.crt`];
    const own = ["-subj", "/CN=Test authority", "-days", "30", ...files];
    await openssl("req", "-x509", ...KEY, ...own);
    return new TestAuthority(folder, await Deno.readTextFile(`${folder}/ca.crt`));
  }

  /** Where the authority's own certificate is. */
  get certFile(): string {
    return `${this.folder}/ca.crt`;
  }

  /**
   * Writes a certificate into `<name>.crt` and `<name>.key`.
   *
   * @param names As in a certificate: `DNS:localhost`, `IP:127.0.0.1`.
   */
  async issue(
    name: string,
    names: readonly string[] = ["DNS:localhost", "IP:127.0.0.1"],
  ): Promise<TestCertificate> {
    const [certFile, keyFile] = [`${this.folder}/${name}.crt`, `${this.folder}/${name}.key`];
    const request = `${this.folder}/${name}.csr`;
    const extensions = `${this.folder}/${name}.ext`;
    await openssl("req", ...KEY, "-subj", `/CN=${name}`, "-keyout", keyFile, "-out", request);
    await Deno.writeTextFile(extensions, `subjectAltName=${names.join(",")}\n`);
    const ca = ["-CA", this.certFile, "-CAkey", `${this.folder}/ca.key`, "-CAcreateserial"];
    const into = ["-in", request, "-extfile", extensions, "-out", certFile, "-days", "30"];
    await openssl("x509", "-req", ...ca, ...into);
    const [cert, key] = await Promise.all([certFile, keyFile].map((p) => Deno.readTextFile(p)));
    return { certFile, keyFile, cert: cert!, key: key! };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

async function openssl(...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [...args],
    stdout: "null",
  }).output();
  if (!success) throw new Error(`openssl failed: ${new TextDecoder().decode(stderr)}`);
}
