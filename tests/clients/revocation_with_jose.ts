// A resource server of somebody else's that does all of it itself: it reads token, key set and status list with the library `jose`, and
// knows nothing of Keywright but its issuer's URL.
// Usage: node revocation_with_jose.ts CREDENTIALS_FILE

import assert from 'node:assert/strict';
import { inflateSync } from 'node:zlib';
import { createRemoteJWKSet, jwtVerify, type JWTPayload } from 'jose';
import { Session, exchange, limit, readCredentials, until } from './installation.ts';

const { authUrl, rootOrganization, users } = await readCredentials(process.argv[2]);
const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', authUrl));
const algorithms = ['ES256', 'EdDSA', 'RS256'];
const LARGEST = 16 * 1024 * 1024;

/** The claims of a good token that was not taken back. */
async function accept(token: string): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, keys, { issuer: authUrl, audience: authUrl, typ: 'at+jwt', algorithms });
  const { idx, uri } = (payload.status as { status_list: { idx: number; uri: string } }).status_list;
  if ((await readList(uri, idx)) !== 0) throw new Error('this token was taken back');
  return payload;
}

/** One entry of a status list. The list is read anew each time; an API keeps it for `ttl` seconds. */
async function readList(uri: string, index: number): Promise<number> {
  const answer = await fetch(uri, { headers: { accept: 'application/statuslist+jwt' }, signal: limit() });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/statuslist+jwt');
  const expected = { issuer: authUrl, subject: uri, typ: 'statuslist+jwt', algorithms, requiredClaims: ['iat', 'exp', 'ttl'] };
  const { payload } = await jwtVerify(await answer.text(), keys, expected);
  const { bits, lst } = payload.status_list as { bits: number; lst: string };
  assert.equal(bits, 1);
  const entries = inflateSync(Buffer.from(lst, 'base64url'), { maxOutputLength: LARGEST });
  assert.ok(index < entries.length * 8, 'the list has no such entry');
  return (entries[index >> 3] >> (index & 7)) & 1;
}

const session = await Session.open(authUrl, users.owner);
const [key, other] = await Promise.all(['jose', 'jose'].map((name) => session.makeKey(name, rootOrganization.id, 'view-build')));
const [token, otherToken] = await Promise.all([key, other].map((of) => exchange(authUrl, of)));
assert.equal((await accept(token)).sub, key.id);
await session.revokeKey(key);
const taken = () => accept(token).then(() => false, (error: Error) => error.message === 'this token was taken back' || Promise.reject(error));
const waited = await until('the status list has the bit', taken);
assert.equal((await accept(otherToken)).sub, other.id);
console.log(`jose: accepts a token by key set and status list, and refuses it ${waited} ms after its key was revoked`);
