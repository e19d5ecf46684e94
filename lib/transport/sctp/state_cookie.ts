/**
 * State cookies (RFC 9260 §5.1.3): what an INIT agreed on, signed, so that nothing needs to be kept
 * until the peer sends it back.
 *
 * @module
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { AssociationParameters } from "./association_parameters.ts";

/** How long a cookie holds, ms (§16, Valid.Cookie.Life). */
const LIFE_MS = 60_000;
const SIGNATURE_BYTES = 16;
const BODY_BYTES = 40;
const COOKIE_BYTES = BODY_BYTES + SIGNATURE_BYTES;

const FLAG = { canForward: 1, zeroChecksum: 2 } as const;

/** What stands in a cookie. */
export interface CookieContent {
  readonly peer: AssociationParameters;
  readonly localTag: number;
  readonly localTsn: number;
  /** The tags of the association that stood when it was made; 0 if none did (§5.2.2). */
  readonly tieLocal: number;
  readonly tiePeer: number;
}

/** Makes a cookie at `now`, monotonic ms. */
export function writeCookie(content: CookieContent, secret: Uint8Array, now: number): Uint8Array {
  const { peer, localTag, localTsn, tieLocal, tiePeer } = content;
  const cookie = new Uint8Array(COOKIE_BYTES);
  const view = new DataView(cookie.buffer);
  view.setFloat64(0, now);
  view.setInt32(8, peer.tag);
  view.setInt32(12, peer.initialTsn);
  view.setUint32(16, peer.window);
  view.setInt32(20, localTag);
  view.setInt32(24, localTsn);
  view.setInt32(28, tieLocal);
  view.setInt32(32, tiePeer);
  view.setUint32(
    36,
    (peer.canForward ? FLAG.canForward : 0) | (peer.zeroChecksum ? FLAG.zeroChecksum : 0),
  );
  cookie.set(signature(cookie, secret), BODY_BYTES);
  return cookie;
}

/** Reads a cookie of ours; `undefined` if it is not, `"stale"` if it is too old. */
export function readCookieContent(
  cookie: Uint8Array,
  secret: Uint8Array,
  now: number,
): CookieContent | "stale" | undefined {
  if (cookie.length !== COOKIE_BYTES) return undefined;
  const signed = cookie.subarray(BODY_BYTES);
  if (!timingSafeEqual(signed, signature(cookie, secret))) return undefined;
  const view = new DataView(cookie.buffer, cookie.byteOffset, cookie.length);
  if (now - view.getFloat64(0) > LIFE_MS) return "stale";
  const flags = view.getUint32(36);
  return {
    peer: {
      tag: view.getInt32(8),
      initialTsn: view.getInt32(12),
      window: view.getUint32(16),
      canForward: (flags & FLAG.canForward) !== 0,
      zeroChecksum: (flags & FLAG.zeroChecksum) !== 0,
    },
    localTag: view.getInt32(20),
    localTsn: view.getInt32(24),
    tieLocal: view.getInt32(28),
    tiePeer: view.getInt32(32),
  };
}

function signature(cookie: Uint8Array, secret: Uint8Array): Uint8Array {
  const hmac = createHmac("sha256", secret).update(cookie.subarray(0, BODY_BYTES));
  return hmac.digest().subarray(0, SIGNATURE_BYTES);
}
