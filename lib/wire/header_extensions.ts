/**
 * Reading single RTP header extensions and writing an extension block (RFC 8285 §4).
 *
 * Reading works on an {@linkcode RtpView} and allocates nothing, except for the text forms, which
 * are used only on a stream's first packets.
 *
 * @module
 */
import type { RtpView } from "./rtp_view.ts";

/** Longest value of the one-byte form. */
const ONE_BYTE_MAX_LENGTH = 16;
/** Highest id of the one-byte form; 15 is reserved. */
const ONE_BYTE_MAX_ID = 14;
/** Longest mid or rid we read; both are 1–16 letters in practice (RFC 8852 §3.1). */
const MAX_TEXT_LENGTH = 32;

/** Monotonic milliseconds as abs-send-time (24 bits, 6.18 fixed-point seconds); wraps in 64 s. */
export function absSendTime(now: number): number {
  return Math.floor(((now % 64_000) * 262_144) / 1000) & 0xffffff;
}

/** The transport-wide sequence number (16 bits), or -1 if absent. */
export function readTransportSequence(view: RtpView, id: number): number {
  if (view.extensionLength(id) < 2) return -1;
  const at = view.extensionOffset(id);
  return (view.bytes[at]! << 8) | view.bytes[at + 1]!;
}

/** Audio level in -dBov, 0 (loudest) to 127 (silence), RFC 6464 §3; -1 if absent. */
export function readAudioLevel(view: RtpView, id: number): number {
  return view.extensionLength(id) < 1 ? -1 : view.bytes[view.extensionOffset(id)]! & 0x7f;
}

/** A text extension (mid, rid); `undefined` if absent, empty, too long or not printable ASCII. */
export function readTextExtension(view: RtpView, id: number): string | undefined {
  const length = view.extensionLength(id);
  if (length === 0 || length > MAX_TEXT_LENGTH) return undefined;
  const at = view.extensionOffset(id);
  let text = "";
  for (let i = at; i < at + length; i++) {
    const code = view.bytes[i]!;
    if (code < 0x21 || code > 0x7e) return undefined;
    text += String.fromCharCode(code);
  }
  return text;
}

/**
 * Writes one extension block element by element; one writer is reused for all packets.
 *
 * Call `begin`, then `reserve` for each element, then `end`. Whether the two-byte form is needed
 * must be known at `begin`, see {@linkcode needsTwoByteForm}.
 */
export class ExtensionWriter {
  #out: Uint8Array = new Uint8Array(0);
  #start = 0;
  #at = 0;
  #twoByte = false;

  /** Starts a block at `out[at…]`; its four-byte head is written by `end`. */
  begin(out: Uint8Array, at: number, twoByte: boolean): void {
    this.#out = out;
    this.#start = at;
    this.#at = at + 4;
    this.#twoByte = twoByte;
  }

  /** Writes the head of one element; the caller fills `length` bytes at the returned offset. */
  reserve(id: number, length: number): number {
    const out = this.#out;
    if (this.#twoByte) {
      out[this.#at++] = id;
      out[this.#at++] = length;
    } else {
      out[this.#at++] = (id << 4) | (length - 1);
    }
    const value = this.#at;
    this.#at += length;
    return value;
  }

  /** Pads to 32 bits and writes the head; returns the block's bytes, 0 if nothing was reserved. */
  end(): number {
    const out = this.#out;
    const start = this.#start;
    if (this.#at === start + 4) return 0;
    while (((this.#at - start) & 3) !== 0) out[this.#at++] = 0;
    const words = (this.#at - start - 4) >> 2;
    out[start] = this.#twoByte ? 0x10 : 0xbe;
    out[start + 1] = this.#twoByte ? 0x00 : 0xde;
    out[start + 2] = words >> 8;
    out[start + 3] = words & 0xff;
    return this.#at - start;
  }
}

/** Whether an element cannot be written in the one-byte form. */
export function needsTwoByteForm(id: number, length: number): boolean {
  return id > ONE_BYTE_MAX_ID || length > ONE_BYTE_MAX_LENGTH || length === 0;
}
