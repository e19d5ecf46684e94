/**
 * STUN binding requests as an ICE client sends them, and its answers (RFC 8489, RFC 8445 §7),
 * written with `node:crypto` alone: an independent writer beside the code under test.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { crc32 } from "node:zlib";
import type { IceCredentials } from "../../../lib/base/media_vocabulary.ts";

const MAGIC_COOKIE = 0x2112a442;
const HEADER_BYTES = 20;
const TRANSACTION_BYTES = 12;
const REQUEST_TYPE = 0x0001;
const SUCCESS_TYPE = 0x0101;
const TIE_BREAKER = Buffer.from("0123456789abcdef", "hex");

/** What goes into a request. */
export interface BindingRequest {
  /** The one who is asked. */
  readonly server: IceCredentials;
  /** The asker's ufrag. */
  readonly clientUfrag: string;
  /** 12 bytes. */
  readonly transaction: Uint8Array;
  readonly useCandidate?: boolean;
  /** Says that the server decides, as one does who answers an offer of a full agent. */
  readonly isControlled?: boolean;
  /** Default: that of a host candidate (RFC 8445 §5.1.2). */
  readonly priority?: number;
}

/** The request's bytes, with `MESSAGE-INTEGRITY` under the server's password and `FINGERPRINT`. */
export function bindingRequest(request: BindingRequest): Uint8Array {
  const { server, clientUfrag, transaction } = request;
  const priority = Buffer.alloc(4);
  priority.writeUInt32BE(request.priority ?? 0x6e7f_00ff);
  const parts = [
    attribute(0x0006, Buffer.from(`${server.ufrag}:${clientUfrag}`)),
    // ICE-CONTROLLED or ICE-CONTROLLING.
    attribute(request.isControlled === true ? 0x8029 : 0x802a, TIE_BREAKER),
    attribute(0x0024, priority),
    ...(request.useCandidate === true ? [attribute(0x0025, Buffer.alloc(0))] : []),
  ];
  return signed(REQUEST_TYPE, transaction, Buffer.concat(parts), server.pwd);
}

/**
 * A client's success response, if `bytes` are a request with a valid `MESSAGE-INTEGRITY` under its
 * own password; the address in it is made up.
 */
export function answerTo(bytes: Uint8Array, client: IceCredentials): Uint8Array | undefined {
  const message = Buffer.from(bytes);
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== REQUEST_TYPE) return undefined;
  if (!hasIntegrity(message, client.pwd)) return undefined;
  const mapped = attribute(0x0020, Buffer.from("0001112233445566", "hex"));
  return signed(SUCCESS_TYPE, message.subarray(8, HEADER_BYTES), mapped, client.pwd);
}

/** The message of these attributes with `MESSAGE-INTEGRITY` and `FINGERPRINT`. */
function signed(
  type: number,
  transaction: Uint8Array,
  body: Uint8Array,
  pwd: string,
): Uint8Array {
  const withIntegrity = Buffer.concat([header(type, transaction, body.length + 24), body]);
  const mac = createHmac("sha1", pwd).update(withIntegrity).digest();
  const whole = Buffer.concat([
    header(type, transaction, body.length + 32),
    body,
    attribute(0x0008, mac),
  ]);
  const fingerprint = Buffer.alloc(4);
  fingerprint.writeUInt32BE((crc32(whole) ^ 0x5354554e) >>> 0);
  return new Uint8Array(Buffer.concat([whole, attribute(0x8028, fingerprint)]));
}

/** Whether `bytes` is a success response to `transaction` with a valid `MESSAGE-INTEGRITY`. */
export function isSuccessFor(bytes: Uint8Array, transaction: Uint8Array, pwd: string): boolean {
  const message = Buffer.from(bytes);
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== SUCCESS_TYPE) return false;
  return message.subarray(8, HEADER_BYTES).equals(transaction) && hasIntegrity(message, pwd);
}

function hasIntegrity(message: Buffer, pwd: string): boolean {
  for (let at = HEADER_BYTES; at + 4 <= message.length;) {
    const size = message.readUInt16BE(at + 2);
    if (message.readUInt16BE(at) === 0x0008) {
      const signed = Buffer.from(message.subarray(0, at));
      signed.writeUInt16BE(at + 24 - HEADER_BYTES, 2);
      const mac = createHmac("sha1", pwd).update(signed).digest();
      return mac.equals(message.subarray(at + 4, at + 4 + size));
    }
    at += 4 + ((size + 3) & ~3);
  }
  return false;
}

function header(type: number, transaction: Uint8Array, length: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES - TRANSACTION_BYTES);
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(length, 2);
  bytes.writeUInt32BE(MAGIC_COOKIE, 4);
  return Buffer.concat([bytes, transaction]);
}

function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4 + ((value.length + 3) & ~3));
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  bytes.set(value, 4);
  return bytes;
}
