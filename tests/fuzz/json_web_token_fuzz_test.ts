import assert from "node:assert/strict";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { readToken, signatureFault, signToken } from "../../lib/signalling/json_web_token.ts";
import { ownClaims, registeredClaims } from "../../lib/signalling/token_claims.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const ROUNDS = 20_000;
const SECRET = "secret-of-these-tests";
const TOKEN = signToken({
  sub: "ann",
  exp: 1_800_000_000,
  attributes: { "ä": "ö" },
  video: { roomJoin: true, room: "r", canPublishSources: ["camera"] },
}, SECRET);
/** What a token is made of, what it is not, and what JSON is made of. */
const CHARACTERS = 'abcXYZ019-_.=+/ \n{}[]":,é';

/** What the `jose` package reads. */
function readByJose(jwt: string): { header: unknown; payload: unknown } | undefined {
  try {
    const header = decodeProtectedHeader(jwt);
    return typeof header.alg === "string" ? { header, payload: decodeJwt(jwt) } : undefined;
  } catch {
    return undefined;
  }
}

/** A token with a few characters changed, left out or put in, or a part that says something else. */
function mutate(random: SeededRandom): string {
  const draw = (below: number) => random.uint32() % below;
  if (draw(4) === 0) {
    const values = [
      "{}",
      "[]",
      "null",
      '{"alg":"HS256"}',
      '{"alg":4}',
      '"x"',
      '{"exp":1e999}',
      "{",
    ];
    const part = () => btoa(values[draw(values.length)]!).replaceAll("=", draw(2) ? "" : "=");
    return Array.from({ length: 2 + draw(3) }, part).join(".");
  }
  let jwt = TOKEN;
  for (let i = draw(4); i >= 0; i--) {
    const at = draw(jwt.length);
    const put = draw(3) === 0 ? "" : CHARACTERS[draw(CHARACTERS.length)]!;
    jwt = jwt.slice(0, at) + put + jwt.slice(at + draw(2));
  }
  return jwt;
}

Deno.test("readToken() is total, and reads what jose reads", () => {
  const random = new SeededRandom(9);
  let readable = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const jwt = mutate(random);
    const read = readToken(jwt);
    assert.deepEqual(read, readByJose(jwt), jwt);
    if (read === undefined) continue;
    readable++;
    registeredClaims(read.payload);
    ownClaims(read.payload);
    // Padding and spaces say nothing in a signature, and of the last character two bits do not.
    const said = (text: string) => text.replaceAll(/[=\s]/g, "").slice(0, -1);
    if (said(jwt) !== said(TOKEN)) assert.ok(signatureFault(jwt, read, SECRET), jwt);
  }
  assert.ok(readable > ROUNDS / 100, "some of them can be read");
  assert.equal(signatureFault(TOKEN, readToken(TOKEN)!, SECRET), undefined);
});
