/**
 * The ciphers for DTLS records that run here, as `srtp_twins.ts` has those for SRTP.
 *
 * @module
 */
import { nativeRecordCipherFactory } from "../../../lib/transport/crypto/native_record_cipher.ts";
import { portableRecordCipher } from "../../../lib/transport/crypto/portable_record_cipher.ts";
import {
  RECORD_KEY_BYTES,
  RECORD_SALT_BYTES,
  type RecordCipherFactory,
  type RecordKey,
} from "../../../lib/transport/crypto/record_cipher.ts";
import type { SeededRandom } from "../virtual/seeded_random.ts";
import { LIBCRYPTO } from "./srtp_twins.ts";

export interface RecordTwin {
  readonly name: "portable" | "native";
  readonly factory: RecordCipherFactory;
}

export const RECORD_TWINS: readonly RecordTwin[] = [
  { name: "portable", factory: portableRecordCipher },
  ...(LIBCRYPTO === undefined
    ? []
    : [{ name: "native", factory: nativeRecordCipherFactory(LIBCRYPTO) } as const]),
];

export function randomRecordKey(random: SeededRandom): RecordKey {
  return { key: random.bytes(RECORD_KEY_BYTES), salt: random.bytes(RECORD_SALT_BYTES) };
}
