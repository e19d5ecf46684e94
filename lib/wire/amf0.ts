/**
 * AMF0, in which RTMP's commands are written (Adobe's "Action Message Format, AMF 0", 2007).
 *
 * Total and bounded: what is malformed, too deep or has too many parts gives `undefined`. Kinds
 * that no encoder sends (references, XML, typed objects) are malformed here.
 *
 * @module
 */

/** A value; objects and arrays with names are maps. */
export type Amf0Value =
  | number
  | boolean
  | string
  | null
  | readonly Amf0Value[]
  | ReadonlyMap<string, Amf0Value>;

const KIND = {
  number: 0,
  boolean: 1,
  string: 2,
  object: 3,
  null: 5,
  undefined: 6,
  ecmaArray: 8,
  objectEnd: 9,
  strictArray: 10,
  date: 11,
  longString: 12,
} as const;
const MAX_DEPTH = 8;
const MAX_PARTS = 512;

/** Reads all values of a message. */
export function decodeAmf0(bytes: Uint8Array): readonly Amf0Value[] | undefined {
  const reader = new Amf0Reader(bytes);
  const values: Amf0Value[] = [];
  while (!reader.atEnd) {
    const value = reader.read(0);
    if (value === undefined) return undefined;
    values.push(value);
  }
  return values;
}

class Amf0Reader {
  #at = 0;
  #parts = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  #has(count: number): boolean {
    return this.#bytes.length - this.#at >= count;
  }

  read(depth: number): Amf0Value | undefined {
    if (++this.#parts > MAX_PARTS || depth > MAX_DEPTH || !this.#has(1)) return undefined;
    switch (this.#bytes[this.#at++]) {
      case KIND.number:
        return this.#number();
      case KIND.date: {
        const value = this.#number();
        if (value === undefined || !this.#has(2)) return undefined;
        this.#at += 2;
        return value;
      }
      case KIND.boolean:
        return this.#has(1) ? this.#bytes[this.#at++] !== 0 : undefined;
      case KIND.string:
        return this.#string(2);
      case KIND.longString:
        return this.#string(4);
      case KIND.null:
      case KIND.undefined:
        return null;
      case KIND.ecmaArray:
        // Its count says nothing: an end is written all the same.
        if (!this.#has(4)) return undefined;
        this.#at += 4;
        return this.#object(depth);
      case KIND.object:
        return this.#object(depth);
      case KIND.strictArray:
        return this.#array(depth);
      default:
        return undefined;
    }
  }

  #number(): number | undefined {
    if (!this.#has(8)) return undefined;
    const value = this.#view.getFloat64(this.#at);
    this.#at += 8;
    return value;
  }

  #string(lengthBytes: 2 | 4): string | undefined {
    if (!this.#has(lengthBytes)) return undefined;
    const length = lengthBytes === 2
      ? this.#view.getUint16(this.#at)
      : this.#view.getUint32(this.#at);
    this.#at += lengthBytes;
    if (!this.#has(length)) return undefined;
    const text = new TextDecoder().decode(this.#bytes.subarray(this.#at, this.#at + length));
    this.#at += length;
    return text;
  }

  #object(depth: number): ReadonlyMap<string, Amf0Value> | undefined {
    const found = new Map<string, Amf0Value>();
    for (;;) {
      const name = this.#string(2);
      if (name === undefined || !this.#has(1)) return undefined;
      if (name === "" && this.#bytes[this.#at] === KIND.objectEnd) {
        this.#at++;
        return found;
      }
      const value = this.read(depth + 1);
      if (value === undefined) return undefined;
      found.set(name, value);
    }
  }

  #array(depth: number): readonly Amf0Value[] | undefined {
    if (!this.#has(4)) return undefined;
    const count = this.#view.getUint32(this.#at);
    this.#at += 4;
    if (count > MAX_PARTS) return undefined;
    const found: Amf0Value[] = [];
    for (let i = 0; i < count; i++) {
      const value = this.read(depth + 1);
      if (value === undefined) return undefined;
      found.push(value);
    }
    return found;
  }
}

/** Writes values, whose texts have at most 65,535 bytes. */
export function encodeAmf0(values: readonly Amf0Value[]): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  for (const value of values) write(value, out);
  return Uint8Array.from(out);
}

function write(value: Amf0Value, out: number[]): void {
  if (value === null) {
    out.push(KIND.null);
  } else if (typeof value === "number") {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    out.push(KIND.number, ...new Uint8Array(view.buffer));
  } else if (typeof value === "boolean") {
    out.push(KIND.boolean, value ? 1 : 0);
  } else if (typeof value === "string") {
    out.push(KIND.string);
    writeText(value, out);
  } else if (value instanceof Map) {
    out.push(KIND.object);
    for (const [name, member] of value as ReadonlyMap<string, Amf0Value>) {
      writeText(name, out);
      write(member, out);
    }
    out.push(0, 0, KIND.objectEnd);
  } else {
    const list = value as readonly Amf0Value[];
    out.push(KIND.strictArray, 0, 0, list.length >> 8, list.length & 0xff);
    for (const member of list) write(member, out);
  }
}

function writeText(text: string, out: number[]): void {
  const bytes = new TextEncoder().encode(text).subarray(0, 0xffff);
  out.push(bytes.length >> 8, bytes.length & 0xff, ...bytes);
}
