/**
 * The data tracks one participant publishes. Pure.
 *
 * Contract: handles and names are unique among them; a refused request changes nothing.
 *
 * @module
 */
import {
  DataTrackInfo,
  type PublishDataTrackRequest,
  RequestResponse_Reason as Reason,
} from "@livekit/protocol";
import { isGoodFrameEncoding, isGoodSchema, utf8Length } from "./data_encodings.ts";

const MAX_HANDLE = 65_535;
const MAX_NAME_BYTES = 256;
/** Each is told to everybody with every change, so there is an end to them. */
const MAX_DATA_TRACKS = 256;

/** What came of a request to publish. */
export type DataTrackPublication =
  | { readonly ok: true; readonly info: DataTrackInfo }
  | { readonly ok: false; readonly reason: Reason; readonly message: string };

/**
 * One participant's data tracks, unique by handle and by name. A refused request changes nothing.
 */
export class PublishedDataTracks {
  readonly #byHandle = new Map<number, DataTrackInfo>();

  /** @param newSid Makes a `DTR_…` that was never used. */
  constructor(readonly maxCustomEncodingLength: number, readonly newSid: () => string) {}

  /** In the order they were published. */
  infos(): DataTrackInfo[] {
    return [...this.#byHandle.values()];
  }

  /** The track with a publisher's handle. */
  sidOf(pubHandle: number): string | undefined {
    return this.#byHandle.get(pubHandle)?.sid;
  }

  has(sid: string): boolean {
    return this.infos().some((info) => info.sid === sid);
  }

  publish(request: PublishDataTrackRequest): DataTrackPublication {
    const { pubHandle, name, encryption, frameEncoding, schema } = request;
    if (pubHandle === 0 || pubHandle > MAX_HANDLE) {
      return refuse(Reason.INVALID_HANDLE, "handle should be > 0 AND < 65536");
    }
    if (name === "" || utf8Length(name) > MAX_NAME_BYTES) {
      const message = "name should not be empty and should not exceed 256 characters";
      return refuse(Reason.INVALID_NAME, message);
    }
    const limit = this.maxCustomEncodingLength;
    if (!isGoodFrameEncoding(frameEncoding, limit) || !isGoodSchema(schema, limit)) {
      const message = "encoding identifier is empty or exceeds the maximum length";
      return refuse(Reason.INVALID_REQUEST, message);
    }
    if (this.#byHandle.has(pubHandle)) {
      const message = "a data track with same handle already exists";
      return refuse(Reason.DUPLICATE_HANDLE, message);
    }
    if (this.infos().some((info) => info.name === name)) {
      return refuse(Reason.DUPLICATE_NAME, "a data track with same name already exists");
    }
    if (this.#byHandle.size >= MAX_DATA_TRACKS) {
      return refuse(Reason.LIMIT_EXCEEDED, "too many data tracks");
    }
    const sid = this.newSid();
    const info = new DataTrackInfo({ pubHandle, sid, name, encryption });
    if (frameEncoding !== undefined) info.frameEncoding = frameEncoding;
    if (schema !== undefined) info.schema = schema;
    this.#byHandle.set(pubHandle, info);
    return { ok: true, info };
  }

  /** The track that ended; `undefined` if there is none with this handle. */
  unpublish(pubHandle: number): DataTrackInfo | undefined {
    const info = this.#byHandle.get(pubHandle);
    this.#byHandle.delete(pubHandle);
    return info;
  }

  /** Has the same tracks as another participant, `infos`, from now on. */
  mirror(infos: readonly DataTrackInfo[]): {
    readonly added: readonly DataTrackInfo[];
    readonly ended: readonly DataTrackInfo[];
  } {
    const before = this.infos();
    // Those of another node are read anew, and never change.
    const isAmong = (list: readonly DataTrackInfo[]) => {
      const sids = new Set(list.map(({ sid }) => sid));
      return ({ sid }: DataTrackInfo) => sids.has(sid);
    };
    const ended = before.filter((info) => !isAmong(infos)(info));
    const added = infos.filter((info) => !isAmong(before)(info));
    for (const { pubHandle } of ended) this.#byHandle.delete(pubHandle);
    for (const info of added) this.#byHandle.set(info.pubHandle, info);
    return { added, ended };
  }

  /** Ends all; returns what they were. */
  clear(): DataTrackInfo[] {
    const infos = this.infos();
    this.#byHandle.clear();
    return infos;
  }
}

function refuse(reason: Reason, message: string): DataTrackPublication {
  return { ok: false, reason, message };
}
