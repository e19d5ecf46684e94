/**
 * A certificate in two files, read again when they have changed.
 *
 * Contract: what is not a chain with its own key is never used; at the start it is an error, and
 * later the one before goes on.
 *
 * @module
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { SfuError } from "../base/errors.ts";
import type { Cancel, Platform } from "../base/platform.ts";
import type { Certificate, CertificateSource } from "../transport/tcp/certificate.ts";

/** How often the files are looked at, ms. */
const LOOK_INTERVAL_MS = 10_000;

/** Files that the configuration names: certificates, and secrets. */
export interface NamedFiles {
  read(path: string): string;
  /** Who may do what with it; `null` where files have no such thing. */
  modeOf?(path: string): number | null;
}

/** Files of this machine. */
export const MACHINE_FILES: NamedFiles = {
  read: (path) => Deno.readTextFileSync(path),
  modeOf: (path) => Deno.statSync(path).mode,
};

/** Where it is. */
export interface CertificateFiles {
  readonly cert_file: string;
  readonly key_file: string;
}

/** Reads its files now, and again when they have changed. */
export class WatchedCertificate implements CertificateSource {
  current: Certificate;
  readonly #section: string;
  readonly #paths: CertificateFiles;
  readonly #platform: Platform;
  readonly #files: NamedFiles;
  /** What was wrong when it was last looked at; said once. */
  #trouble = "";

  /**
   * @param section Of the configuration, whose keys name the files.
   * @throws {SfuError} `invalid_config` if the files hold no certificate with its key.
   */
  constructor(
    section: string,
    { cert_file, key_file }: CertificateFiles,
    platform: Platform,
    files: NamedFiles = MACHINE_FILES,
  ) {
    this.#section = section;
    this.#paths = { cert_file, key_file };
    this.#platform = platform;
    this.#files = files;
    try {
      this.current = checkedPair(this.#read());
    } catch (error) {
      const where = `${section}.cert_file, ${section}.key_file`;
      throw new SfuError("invalid_config", `${where}: ${messageOf(error)}`);
    }
    this.#sayIfExpired();
  }

  watch(renewed: (certificate: Certificate) => void): Cancel {
    // Somebody else who watches may have seen it first.
    let used = this.current;
    const later = () =>
      this.#platform.timers.after(LOOK_INTERVAL_MS, () => {
        this.#look();
        if (used !== this.current) renewed(used = this.current);
        cancel = later();
      });
    let cancel = later();
    return () => cancel();
  }

  #read(): Certificate {
    const { cert_file, key_file } = this.#paths;
    return { cert: this.#files.read(cert_file), key: this.#files.read(key_file) };
  }

  #look(): void {
    const { log } = this.#platform;
    try {
      const found = this.#read();
      const isSame = found.cert === this.current.cert && found.key === this.current.key;
      if (!isSame) this.current = checkedPair(found);
      this.#trouble = "";
      if (isSame) return;
      log.info("certificate renewed", { of: this.#section });
      this.#sayIfExpired();
    } catch (error) {
      const trouble = messageOf(error);
      if (trouble === this.#trouble) return;
      this.#trouble = trouble;
      log.error("certificate cannot be used, the old one stays", { of: this.#section, trouble });
    }
  }

  #sayIfExpired(): void {
    const { validTo } = new X509Certificate(this.current.cert);
    if (Date.parse(validTo) >= this.#platform.clock.wallMs()) return;
    this.#platform.log.warn("certificate has expired", { of: this.#section, validTo });
  }
}

/** @throws {Error} for what is no certificate, no key, or another one's. */
function checkedPair(pair: Certificate): Certificate {
  const isOwn = new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key));
  if (isOwn) return pair;
  throw new Error("the key is not the certificate's");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
