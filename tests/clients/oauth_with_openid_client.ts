// A client of somebody else's: Node with `openid-client`, from the issuer's URL alone; its tokens are checked with `jose`.
// Usage: node oauth_with_openid_client.ts CREDENTIALS_FILE

import assert from 'node:assert/strict';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { readCredentials, Session } from './installation.ts';

const READ = 'distribution.profile.view';
const credentials = await readCredentials(process.argv[2]);
const issuer = new URL(credentials.authUrl);
const owner = await Session.open(credentials.authUrl, credentials.users.owner);
const key = await owner.makeKey('openid-client', credentials.rootOrganization.id, 'operate-distribution-profile');
const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', issuer));

for (const algorithm of ['oidc', 'oauth2'] as const) {
  for (const auth of [client.ClientSecretBasic(key.secret), client.ClientSecretPost(key.secret)]) {
    const config = await client.discovery(issuer, key.id, undefined, auth, { algorithm, execute: [client.allowInsecureRequests], timeout: 20 });
    const tokens = await client.clientCredentialsGrant(config, { scope: READ, resource: credentials.authUrl });
    assert.equal(tokens.scope, READ);
    const { payload } = await jwtVerify(tokens.access_token, keys, { issuer: credentials.authUrl, audience: credentials.authUrl, typ: 'at+jwt' });
    assert.equal(payload.client_id, key.id);
    const known = await client.tokenIntrospection(config, tokens.access_token);
    assert.deepEqual([known.active, known.scope], [true, READ]);
    const holder = await client.fetchUserInfo(config, tokens.access_token, String(payload.sub));
    assert.equal(holder.email, key.email);
    const exchanged = await client.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      expires_in: '30',
    });
    assert.equal(exchanged.expires_in, 30);
    await client.tokenRevocation(config, tokens.access_token);
    for (const dead of [tokens.access_token, exchanged.access_token]) {
      assert.deepEqual(await client.tokenIntrospection(config, dead), { active: false });
    }
    await assert.rejects(client.clientCredentialsGrant(config, { scope: 'no.such.permission' }), { error: 'invalid_scope' });
  }
}
await owner.revokeKey(key);
console.log('openid-client: four clients by discovery, with tokens that jose accepts');
