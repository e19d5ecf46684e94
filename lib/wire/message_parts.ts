/**
 * A protobuf message that is put together from parts encoded before: one buffer, into which each
 * part is copied once. Pure. Source: Protocol Buffers, "Encoding".
 *
 * @module
 */
import { varintBytes, WIRE, writeVarint } from "./protobuf_fields.ts";

/** Stands for bytes that are fields already. */
const PLAIN = 0;

/** The message so far. Parts are not to be written to before it is finished. */
export class MessageParts {
  readonly #tags: number[] = [];
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** Adds fields as they are. */
  fields(bytes: Uint8Array): void {
    this.#tags.push(PLAIN);
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  /** Adds a nested message, a text or bytes as field `number`. */
  field(number: number, bytes: Uint8Array): void {
    const tag = tagOf(number);
    this.#tags.push(tag);
    this.#parts.push(bytes);
    this.#length += varintBytes(tag) + varintBytes(bytes.length) + bytes.length;
  }

  finish(): Uint8Array {
    const out = new Uint8Array(this.#length);
    this.#write(out, 0);
    return out;
  }

  /** The message as the only field, `number`, of another one. */
  finishWithin(number: number): Uint8Array {
    const tag = tagOf(number);
    const head = varintBytes(tag) + varintBytes(this.#length);
    const out = new Uint8Array(head + this.#length);
    this.#write(out, writeVarint(out, writeVarint(out, 0, tag), this.#length));
    return out;
  }

  #write(out: Uint8Array, from: number): void {
    let at = from;
    for (let i = 0; i < this.#parts.length; i++) {
      const part = this.#parts[i]!;
      const tag = this.#tags[i]!;
      if (tag !== PLAIN) at = writeVarint(out, writeVarint(out, at, tag), part.length);
      out.set(part, at);
      at += part.length;
    }
  }
}

function tagOf(number: number): number {
  return (number << 3 | WIRE.delimited) >>> 0;
}
