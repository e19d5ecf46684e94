/**
 * What a server makes of a ClientHello, and its messages, values to bytes (RFC 5246 §7.4, RFC 8422
 * §5).
 *
 * @module
 */
import { joinBytes } from "../../base/joined_bytes.ts";
import { readUint16 } from "../../wire/big_endian.ts";
import { CURVE, type Curve } from "../crypto/handshake_crypto.ts";
import { type ClientHello, readList, readOfferedProfiles } from "./dtls_client_hello.ts";
import { SIGNATURE_SCHEME } from "./dtls_signatures.ts";
import { EXTENSION, extension, vector16, vector8, VERSION_1_2, words } from "./tls_vectors.ts";
import type { SrtpProfile } from "../srtp/srtp_keys.ts";

/** ECDHE with AES-128-GCM, signed by ECDSA as our certificate is (RFC 5289 §3.2). */
const CIPHER_SUITE = 0xc02b;
/** No suite: the client knows of secure renegotiation (RFC 5746 §3.3). */
const RENEGOTIATION_INFO_SCSV = 0x00ff;
/** Every version of DTLS has this first byte. */
const MAJOR_VERSION = 0xfe00;
const UNCOMPRESSED = 0;
const NO_COMPRESSION = 0;
const NAMED_CURVE = 3;
/** Certificates of ECDSA and RSA keys (RFC 8422 §5.5, RFC 5246 §7.4.4). */
const CERTIFICATE_TYPES = [64, 1];

/** What both sides can do. */
export interface CommonParameters {
  readonly curve: Curve;
  /** Absent if the client offers none. */
  readonly profile: SrtpProfile | undefined;
  readonly isExtended: boolean;
}

/**
 * What we have in common with a client, by our preference; `undefined` if a part of it is nothing.
 */
export function commonParameters(
  hello: ClientHello,
  profiles: readonly SrtpProfile[],
): CommonParameters | undefined {
  const { version, extensions } = hello;
  // Version numbers of DTLS count down.
  if (version < MAJOR_VERSION || version > VERSION_1_2) return undefined;
  if (!hasWord(hello.cipherSuites, CIPHER_SUITE)) return undefined;
  if (!hello.compressions.includes(NO_COMPRESSION)) return undefined;
  const schemes = extensions.get(EXTENSION.signatureAlgorithms);
  if (schemes !== undefined && !hasWord(readList(schemes), SIGNATURE_SCHEME.ecdsaSha256)) {
    return undefined;
  }
  const groups = extensions.get(EXTENSION.supportedGroups);
  // Who names none takes any (RFC 8422 §4), and everybody has this one.
  const curve = groups === undefined
    ? CURVE.secp256r1
    : [CURVE.x25519, CURVE.secp256r1].find((known) => hasWord(readList(groups), known));
  if (curve === undefined) return undefined;
  const isExtended = extensions.has(EXTENSION.extendedMasterSecret);
  const useSrtp = extensions.get(EXTENSION.useSrtp);
  if (useSrtp === undefined) return { curve, profile: undefined, isExtended };
  const offered = readOfferedProfiles(useSrtp);
  const profile = profiles.find((ours) => hasWord(offered, ours));
  return profile === undefined ? undefined : { curve, profile, isExtended };
}

/** Names extensions only that the client named, as clients may insist on (RFC 5246 §7.4.1.4). */
export function writeServerHello(
  random: Uint8Array,
  { cipherSuites, extensions: offered }: ClientHello,
  { profile, isExtended }: CommonParameters,
): Uint8Array {
  const knowsRenegotiation = offered.has(EXTENSION.renegotiationInfo) ||
    hasWord(cipherSuites, RENEGOTIATION_INFO_SCSV);
  const knowsFormats = offered.has(EXTENSION.pointFormats);
  return joinBytes([
    HELLO_HEAD,
    random,
    helloTail({ knowsRenegotiation, knowsFormats, isExtended, profile }),
  ]);
}

const HELLO_HEAD = Uint8Array.from(words([VERSION_1_2]));
/** What clients are answered behind the random value: there are not many kinds of them. */
const helloTails = new Map<string, Uint8Array>();

function helloTail({ knowsRenegotiation, knowsFormats, isExtended, profile }: {
  readonly knowsRenegotiation: boolean;
  readonly knowsFormats: boolean;
  readonly isExtended: boolean;
  readonly profile: SrtpProfile | undefined;
}): Uint8Array {
  const kind = `${knowsRenegotiation} ${knowsFormats} ${isExtended} ${profile}`;
  const known = helloTails.get(kind);
  if (known !== undefined) return known;
  const extensions = [
    ...(knowsRenegotiation ? extension(EXTENSION.renegotiationInfo, vector8([])) : []),
    ...(knowsFormats ? extension(EXTENSION.pointFormats, vector8([UNCOMPRESSED])) : []),
    ...(isExtended ? extension(EXTENSION.extendedMasterSecret, []) : []),
    ...(profile === undefined
      ? []
      : extension(EXTENSION.useSrtp, [...vector16(words([profile])), ...vector8([])])),
  ];
  const tail = Uint8Array.from([
    ...vector8([]), // no session to resume
    ...words([CIPHER_SUITE]),
    NO_COMPRESSION,
    ...vector16(extensions),
  ]);
  helloTails.set(kind, tail);
  return tail;
}

/** Our share of ECDHE, as it is signed together with both random values. */
export function writeKeyParameters(curve: Curve, publicKey: Uint8Array): Uint8Array {
  const head = [NAMED_CURVE, ...words([curve]), publicKey.length];
  return joinBytes([Uint8Array.from(head), publicKey]);
}

export function writeServerKeyExchange(parameters: Uint8Array, signature: Uint8Array): Uint8Array {
  const between = words([SIGNATURE_SCHEME.ecdsaSha256, signature.length]);
  return joinBytes([parameters, Uint8Array.from(between), signature]);
}

/** A client has to show its certificate. The same for all: not to be written to. */
export const CERTIFICATE_REQUEST: Uint8Array = Uint8Array.from([
  ...vector8(CERTIFICATE_TYPES),
  ...vector16(words(Object.values(SIGNATURE_SCHEME))),
  ...vector16([]), // authorities: nobody's
]);

/** The server's question whether the client is where it says (RFC 6347 §4.2.1). */
export function writeHelloVerifyRequest(cookie: Uint8Array): Uint8Array {
  return joinBytes([Uint8Array.from([...words([VERSION_1_2]), cookie.length]), cookie]);
}

/** Whether one of the 16-bit numbers in `list` is `wanted`. */
function hasWord(list: Uint8Array | undefined, wanted: number): boolean {
  if (list === undefined) return false;
  for (let at = 0; at + 1 < list.length; at += 2) {
    if (readUint16(list, at) === wanted) return true;
  }
  return false;
}
