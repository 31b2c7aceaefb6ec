// A resource server of somebody else's: Node with the library `jose`, which knows nothing of Keywright but its issuer's URL.
// Usage: node verify_with_jose.mjs CREDENTIALS_FILE

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const credentials = JSON.parse(await readFile(process.argv[2], 'utf8'));
const { authUrl, apiUrl } = credentials;
const limit = () => AbortSignal.timeout(20_000);

async function exchange(path, form) {
  const answer = await fetch(authUrl + path, { method: 'POST', body: new URLSearchParams(form), signal: limit() });
  assert.equal(answer.status, 200, `POST ${path}: ${answer.status}`);
  const body = await answer.json();
  assert.equal(body.token_type, 'Bearer');
  assert.ok(body.expires_in > 30 * 60, 'clients exchange again below half an hour');
  return body.access_token;
}

const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', authUrl));
const expected = { issuer: authUrl, audience: authUrl, typ: 'at+jwt', algorithms: ['ES256', 'EdDSA', 'RS256'] };

function withClaim(token, name, value) {
  const [header, payload, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return [header, Buffer.from(JSON.stringify({ ...claims, [name]: value })).toString('base64url'), signature].join('.');
}

function withOtherSignature(token) {
  const [header, payload, signature] = token.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  bytes[10] ^= 1;
  return [header, payload, bytes.toString('base64url')].join('.');
}

const owner = credentials.personalAccessKeys.owner;
const apiKey = credentials.apiKeys['acme-ci'];
const tokens = {
  'a Personal Access Key': await exchange('/auth/v3/token', { personalAccessKey: owner }),
  'an API Key': await exchange('/auth/v1/api-key/token', { name: apiKey.name, secret: apiKey.secret }),
};

for (const [of, token] of Object.entries(tokens)) {
  const { payload } = await jwtVerify(token, keys, expected);
  for (const claim of ['sub', 'jti', 'client_id', 'email', 'currentOrganizationId', 'organizationId', 'keyId', 'keyKind']) {
    assert.equal(typeof payload[claim], 'string', `the token of ${of} has no ${claim}`);
  }
  assert.ok(Array.isArray(payload.roles));
  const failed = 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED';
  await assert.rejects(jwtVerify(withClaim(token, 'email', 'mallory@example.com'), keys, expected), { code: failed });
  await assert.rejects(jwtVerify(withOtherSignature(token), keys, expected), { code: failed });
  await assert.rejects(jwtVerify(token, keys, { ...expected, audience: 'https://other.example' }), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED' });
  await assert.rejects(jwtVerify(token, keys, { ...expected, issuer: 'https://other.example' }), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED' });
}

const refused = await fetch(authUrl + '/auth/v3/token', {
  method: 'POST',
  body: new URLSearchParams({ personalAccessKey: owner.slice(0, -1) }),
  signal: limit(),
});
assert.equal(refused.status, 401);

const answer = await fetch(apiUrl + '/distribution/v2/profiles', {
  headers: { authorization: `Bearer ${tokens['a Personal Access Key']}` },
  signal: limit(),
});
assert.equal(answer.status, 200);
assert.equal((await answer.json()).length, 3);
console.log(`jose: tokens of ${Object.keys(tokens).join(' and ')} verified, altered ones refused`);
