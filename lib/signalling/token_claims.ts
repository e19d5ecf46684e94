/**
 * The types of an access token's claims. Every join has a token, so they are looked at by hand: a
 * schema of a library takes as long as the signature, and a server that reads its configuration in
 * another thread has no other use for one.
 *
 * Contract: total over whatever JSON can say. A claim that is `null` counts as absent; one of a
 * wrong type spoils the whole; what is not named here is passed over.
 *
 * Source: livekit/protocol 1.50, `auth/grants.go`, and RFC 7519 §4.1.
 *
 * @module
 */

/** Absent, or as good as. */
type Nothing = null | undefined;

/** Those that every JSON Web Token may have; times in Unix seconds. */
export interface RegisteredClaims {
  readonly iss?: string | Nothing;
  readonly sub?: string | Nothing;
  readonly jti?: string | Nothing;
  readonly exp?: number | Nothing;
  readonly nbf?: number | Nothing;
  readonly iat?: number | Nothing;
}

/** What may be done in a room. */
export interface VideoClaim {
  readonly roomCreate?: boolean | Nothing;
  readonly roomList?: boolean | Nothing;
  readonly roomRecord?: boolean | Nothing;
  readonly roomAdmin?: boolean | Nothing;
  readonly roomJoin?: boolean | Nothing;
  readonly room?: string | Nothing;
  readonly canPublish?: boolean | Nothing;
  readonly canPublishSources?: readonly string[] | Nothing;
  readonly canSubscribe?: boolean | Nothing;
  readonly canPublishData?: boolean | Nothing;
  readonly canUpdateOwnMetadata?: boolean | Nothing;
  readonly canSubscribeMetrics?: boolean | Nothing;
  readonly canManageAgentSession?: boolean | Nothing;
  readonly ingressAdmin?: boolean | Nothing;
  readonly hidden?: boolean | Nothing;
  readonly recorder?: boolean | Nothing;
  readonly agent?: boolean | Nothing;
  readonly destinationRoom?: string | Nothing;
}

/** What may be done with telephones. */
export interface SipClaim {
  readonly admin?: boolean | Nothing;
  readonly call?: boolean | Nothing;
}

/** LiveKit's own. */
export interface OwnClaims {
  readonly name?: string | Nothing;
  readonly kind?: string | Nothing;
  readonly kindDetails?: readonly string[] | Nothing;
  readonly video?: VideoClaim | Nothing;
  readonly sip?: SipClaim | Nothing;
  readonly roomConfig?: Readonly<Record<string, unknown>> | Nothing;
  readonly roomPreset?: string | Nothing;
  readonly sha256?: string | Nothing;
  readonly metadata?: string | Nothing;
  readonly attributes?: Readonly<Record<string, string>> | Nothing;
  readonly publishOf?: string | Nothing;
}

/** What a value, which is neither `null` nor absent, has to be. */
type Check = (value: unknown) => boolean;

/** A check for every claim there is. */
type Checks<Claims> = { readonly [Name in keyof Required<Claims>]: Check };

const isText: Check = (value) => typeof value === "string";
const isFlag: Check = (value) => typeof value === "boolean";
/** JSON's numbers may be larger than all that there are. */
const isTime: Check = (value) => Number.isFinite(value);
const areTexts: Check = (value) => Array.isArray(value) && value.every(isText);

const REGISTERED: Checks<RegisteredClaims> = {
  iss: isText,
  sub: isText,
  jti: isText,
  exp: isTime,
  nbf: isTime,
  iat: isTime,
};

const VIDEO: Checks<VideoClaim> = {
  roomCreate: isFlag,
  roomList: isFlag,
  roomRecord: isFlag,
  roomAdmin: isFlag,
  roomJoin: isFlag,
  room: isText,
  canPublish: isFlag,
  canPublishSources: areTexts,
  canSubscribe: isFlag,
  canPublishData: isFlag,
  canUpdateOwnMetadata: isFlag,
  canSubscribeMetrics: isFlag,
  canManageAgentSession: isFlag,
  ingressAdmin: isFlag,
  hidden: isFlag,
  recorder: isFlag,
  agent: isFlag,
  destinationRoom: isText,
};

const SIP: Checks<SipClaim> = { admin: isFlag, call: isFlag };

const OWN: Checks<OwnClaims> = {
  name: isText,
  kind: isText,
  kindDetails: areTexts,
  video: (value) => fits(VIDEO, value),
  sip: (value) => fits(SIP, value),
  roomConfig: isObject,
  roomPreset: isText,
  sha256: isText,
  metadata: isText,
  attributes: (value) => isObject(value) && Object.values(value).every(isText),
  publishOf: isText,
};

/** The claims of RFC 7519; `undefined` if one has a wrong type. */
export function registeredClaims(payload: unknown): RegisteredClaims | undefined {
  return fits(REGISTERED, payload) ? payload as RegisteredClaims : undefined;
}

/** LiveKit's claims; `undefined` if one has a wrong type. */
export function ownClaims(payload: unknown): OwnClaims | undefined {
  return fits(OWN, payload) ? payload as OwnClaims : undefined;
}

/** Whether `value` is an object of which each member is as `checks` say. */
function fits(checks: Readonly<Record<string, Check>>, value: unknown): boolean {
  if (!isObject(value)) return false;
  for (const name in checks) {
    const member = value[name];
    if (member !== null && member !== undefined && !checks[name]!(member)) return false;
  }
  return true;
}

/** Whether a value of JSON is an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
