/**
 * Blobs a participant leaves for others to fetch, by key, as long as it is in the room. Pure.
 *
 * @module
 */
import {
  type DataBlob,
  type DataBlobKey,
  RequestResponse_Reason as Reason,
  type StoreDataBlobRequest,
} from "@livekit/protocol";
import { isGoodSchema, utf8Length } from "./data_encodings.ts";
import type { DataOptions } from "../context/data_options.ts";

/** Why a blob was not stored. */
export interface BlobRefusal {
  readonly reason: Reason;
  readonly message: string;
}

/**
 * One participant's blobs by key, within the configured sizes. A refusal is a value and changes
 * nothing.
 */
export class DataBlobs {
  readonly #blobs = new Map<string, DataBlob>();

  constructor(readonly options: DataOptions) {}

  /** Stores a blob in place of the one with its key; `undefined` if that went well. */
  store({ blob }: StoreDataBlobRequest): BlobRefusal | undefined {
    const { dataBlobs, maxBlobKeyLength, maxCustomEncodingLength } = this.options;
    if (!dataBlobs) return { reason: Reason.NOT_ALLOWED, message: "data blob not enabled" };
    const key = keyText(blob?.key);
    if (blob === undefined || key === "" || exceeds(utf8Length(key), maxBlobKeyLength)) {
      return { reason: Reason.INVALID_REQUEST, message: "data blob is invalid" };
    }
    const schema = blob.key?.key.case === "schemaId" ? blob.key.key.value : undefined;
    if (!isGoodSchema(schema, maxCustomEncodingLength)) {
      const message = "encoding identifier is empty or exceeds the maximum length";
      return { reason: Reason.INVALID_REQUEST, message };
    }
    if (blob.contents.length === 0) {
      return { reason: Reason.INVALID_REQUEST, message: "data blob is empty" };
    }
    if (!this.#hasRoomFor(key, blob)) {
      return { reason: Reason.LIMIT_EXCEEDED, message: "data blobs exceed the size limit" };
    }
    this.#blobs.set(key, blob);
    return undefined;
  }

  get(key: DataBlobKey): DataBlob | undefined {
    return this.#blobs.get(keyText(key));
  }

  delete(key: DataBlobKey): void {
    this.#blobs.delete(keyText(key));
  }

  all(): DataBlob[] {
    return [...this.#blobs.values()];
  }

  /** What a blob replaces is not counted beside it. */
  #hasRoomFor(key: string, blob: DataBlob): boolean {
    let total = utf8Length(key) + blob.contents.length;
    for (const [known, { contents }] of this.#blobs) {
      if (known !== key) total += utf8Length(known) + contents.length;
    }
    return !exceeds(total, this.options.maxBlobsSize);
  }
}

/** Different for different keys, empty for none. */
function keyText(key: DataBlobKey | undefined): string {
  if (key?.key.case === "generic") return key.key.value;
  if (key?.key.case !== "schemaId") return "";
  const { name, encoding } = key.key.value;
  const { value } = encoding ?? {};
  // No generic key begins so: clients choose those, but not the encoding's kind.
  return `\0${value?.case ?? ""}\0${value?.value ?? ""}\0${name}`;
}

function exceeds(size: number, limit: number): boolean {
  return limit !== 0 && size > limit;
}
