/**
 * The records of a datagram that was sent, for a look at them.
 *
 * @module
 */
import { RECORD_CONTENT_AT } from "../../../../lib/transport/crypto/record_cipher.ts";
import type { DtlsRecordSeal } from "../../../../lib/transport/dtls/dtls_record_seal.ts";
import {
  RECORD_HEADER_BYTES,
  recordEnd,
  recordEpoch,
  recordSequence,
  writeRecord,
} from "../../../../lib/transport/dtls/dtls_records.ts";

/** One record; `body` is a view on the datagram. */
export interface SentRecord {
  readonly type: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** The whole records of a datagram, in order. */
export function readRecords(datagram: Uint8Array): SentRecord[] {
  const records: SentRecord[] = [];
  let at = 0;
  for (;;) {
    const end = recordEnd(datagram, at, datagram.length);
    if (end < 0) return records;
    records.push({
      type: datagram[at]!,
      epoch: recordEpoch(datagram, at),
      sequence: recordSequence(datagram, at),
      body: datagram.subarray(at + RECORD_HEADER_BYTES, end),
    });
    at = end;
  }
}

/** What is in a record that `seal` opens; `undefined` if it does not. */
export function openedBy(seal: DtlsRecordSeal, record: SentRecord): Uint8Array | undefined {
  const { type, epoch, sequence, body } = record;
  const bytes = writeRecord(type, epoch, sequence, body);
  const length = seal.open(bytes, 0, bytes.length);
  return length < 0 ? undefined : bytes.slice(RECORD_CONTENT_AT, RECORD_CONTENT_AT + length);
}
