/**
 * Known records, which ciphers for DTLS have to seal and open before they are used.
 *
 * @module
 */
import {
  RECORD_CONTENT_AT,
  RECORD_TAG_BYTES,
  type RecordCipher,
  type RecordCipherFactory,
} from "./record_cipher.ts";

const KEY = "000102030405060708090a0b0c0d0e0f";
const SALT = "a0a1a2a3";

/** Records whose numbers count on, by WebCrypto; the first also by Python's cryptography. */
const KNOWN_RECORDS = [
  {
    header: "17fefd0001000000000007001d0001000000000007",
    content: "68656c6c6f",
    sealed: "703cc91246b51d0674d6dc7571e78e7d6613569716",
  },
  {
    header: "17fefd0001000000000008001f0001000000000008",
    content: "676f6f64627965",
    sealed: "bc077ff455fcfd2de9aaa498b4581db6cdf93f7e502e61",
  },
] as const;

/** Whether ciphers of the factory compute known records, and open nothing that was changed. */
export function passesRecordSelfTest(factory: RecordCipherFactory): boolean {
  const made: RecordCipher[] = [];
  try {
    const key = { key: Uint8Array.fromHex(KEY), salt: Uint8Array.fromHex(SALT) };
    const [sealer, opener] = [factory(key), factory(key)];
    made.push(sealer, opener);
    return KNOWN_RECORDS.every((known) => passes(sealer, opener, known));
  } catch {
    return false;
  } finally {
    for (const cipher of made) cipher.close();
  }
}

function passes(
  sealer: RecordCipher,
  opener: RecordCipher,
  known: (typeof KNOWN_RECORDS)[number],
): boolean {
  const content = Uint8Array.fromHex(known.content);
  const { length } = content;
  const record = new Uint8Array(RECORD_CONTENT_AT + length + RECORD_TAG_BYTES);
  record.set(Uint8Array.fromHex(known.header));
  if (!sealer.seal(record, 0, content, 0, length)) return false;
  if (record.toHex() !== known.header + known.sealed) return false;
  const changed = record.slice();
  changed[changed.length - 1]! ^= 1;
  if (opener.open(changed, 0, length) || !opener.open(record, 0, length)) return false;
  const end = RECORD_CONTENT_AT + length;
  return record.subarray(RECORD_CONTENT_AT, end).toHex() === known.content;
}
