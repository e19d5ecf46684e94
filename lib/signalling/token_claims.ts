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

/** Whether a value, which is neither `null` nor absent, is what it has to be. */
type Check<Value> = (value: unknown) => value is Value;

/** The claims that are as `Checks` say. */
type Claims<Checks> = {
  readonly [Name in keyof Checks]?: Checks[Name] extends Check<infer Value> ? Value | null
    : never;
};

const isText: Check<string> = (value) => typeof value === "string";
const isFlag: Check<boolean> = (value) => typeof value === "boolean";
/** JSON's numbers may be larger than all that there are. */
const isTime: Check<number> = (value): value is number => Number.isFinite(value);
const areTexts: Check<readonly string[]> = (value): value is readonly string[] =>
  Array.isArray(value) && value.every(isText);
const areAttributes: Check<Readonly<Record<string, string>>> = (
  value,
): value is Readonly<Record<string, string>> =>
  isObject(value) && Object.values(value).every(isText);

const REGISTERED = {
  iss: isText,
  sub: isText,
  jti: isText,
  exp: isTime,
  nbf: isTime,
  iat: isTime,
};

const VIDEO = {
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

const SIP = { admin: isFlag, call: isFlag };

const OWN = {
  name: isText,
  kind: isText,
  kindDetails: areTexts,
  video: (value: unknown): value is VideoClaim => fits(VIDEO, value),
  sip: (value: unknown): value is SipClaim => fits(SIP, value),
  roomConfig: isObject,
  roomPreset: isText,
  sha256: isText,
  metadata: isText,
  attributes: areAttributes,
  publishOf: isText,
};

/** Those that every JSON Web Token may have; times in Unix seconds. */
export type RegisteredClaims = Claims<typeof REGISTERED>;

/** What may be done in a room. */
export type VideoClaim = Claims<typeof VIDEO>;

/** What may be done with telephones. */
export type SipClaim = Claims<typeof SIP>;

/** LiveKit's own. */
export type OwnClaims = Claims<typeof OWN>;

/** The claims of RFC 7519; `undefined` if one has a wrong type. */
export function registeredClaims(payload: unknown): RegisteredClaims | undefined {
  return fits(REGISTERED, payload) ? payload : undefined;
}

/** LiveKit's claims; `undefined` if one has a wrong type. */
export function ownClaims(payload: unknown): OwnClaims | undefined {
  return fits(OWN, payload) ? payload : undefined;
}

/** Whether `value` is an object of which each member is as `checks` say. */
function fits<Checks extends Readonly<Record<string, Check<unknown>>>>(
  checks: Checks,
  value: unknown,
): value is Claims<Checks> {
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
