/**
 * A file in which a node that is alone keeps its ingresses, with their stream keys: readable by its
 * owner alone.
 *
 * Contract: a change is told as made once it is in the file; the file is whole at any time.
 *
 * @module
 */
import { IngressInfo } from "@livekit/protocol";
import { MemoryShelf, type TextShelf } from "../ingress/text_shelf.ts";
import { unusablePath } from "./config/unusable_path.ts";

/** Format of the file. */
const VERSION = 1;

/** The shelf of a node that is alone, kept in a file if one is named. */
export class IngressFile {
  readonly shelf: TextShelf;
  readonly #memory: MemoryShelf;
  readonly #path: string;
  #last: Promise<unknown> = Promise.resolve();
  /** One that has not begun, and so has all that changes until then. */
  #next: Promise<void> | undefined;

  /** @param path Empty: nothing outlives the process. */
  constructor(path: string) {
    this.#path = path;
    this.#memory = new MemoryShelf((shelf) =>
      path !== "" && shelf === "ingress" ? this.#write() : Promise.resolve()
    );
    this.shelf = this.#memory;
  }

  /**
   * Reads what is there.
   *
   * @throws {SfuError} `invalid_config` if the file cannot be read, or be written.
   */
  async open(): Promise<void> {
    if (this.#path === "") return;
    try {
      await this.#read();
      await this.#write();
    } catch (error) {
      throw unusablePath("ingress.file", [this.#path, `${this.#path}.new`], error);
    }
  }

  async #read(): Promise<void> {
    let text: string;
    try {
      text = await Deno.readTextFile(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    const { version, ingresses } = JSON.parse(text) as { version: unknown; ingresses: unknown };
    if (version !== VERSION || !Array.isArray(ingresses)) throw new Error("not a file of ours");
    for (const json of ingresses) {
      const info = IngressInfo.fromJson(json, { ignoreUnknownFields: true });
      this.#memory.fill("ingress", info.ingressId, info.toJsonString());
      this.#memory.fill("ingress-key", info.streamKey, info.ingressId);
    }
  }

  /** Once at a time; what changes meanwhile is written after it, which is waited for. */
  #write(): Promise<void> {
    if (this.#next === undefined) {
      this.#next = this.#last.then(() => {
        this.#next = undefined;
        return this.#writeNow();
      });
      this.#last = this.#next.catch(() => {});
    }
    return this.#next;
  }

  async #writeNow(): Promise<void> {
    const texts = await this.#memory.all("ingress");
    const ingresses = [...texts.values()].map((text) => JSON.parse(text) as unknown);
    const fresh = `${this.#path}.new`;
    await Deno.writeTextFile(fresh, `${JSON.stringify({ version: VERSION, ingresses })}\n`, {
      mode: 0o600,
    });
    await Deno.rename(fresh, this.#path);
  }
}
