// An OAuth client and a resource server of somebody else's: Node with `oauth4webapi`, which finds everything by the issuer's metadata
// (RFC 8414) and insists on each standard's letter.
// Usage: node oauth_with_oauth4webapi.ts CREDENTIALS_FILE

import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { limit, readCredentials, Session } from './installation.ts';

const READ = 'distribution.profile.view';
const PERSONAL_ACCESS_KEY = 'urn:keywright:params:oauth:token-type:personal-access-key';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

const credentials = await readCredentials(process.argv[2]);
const issuer = new URL(credentials.authUrl);
const options = () => ({ [oauth.allowInsecureRequests]: true, signal: limit() });

for (const algorithm of ['oauth2', 'oidc'] as const) {
  await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...options() }));
}
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options() }));
const resource = await oauth.processResourceDiscoveryResponse(issuer, await oauth.resourceDiscoveryRequest(issuer, options()));
assert.deepEqual(resource.authorization_servers, [credentials.authUrl]);

const owner = await Session.open(credentials.authUrl, credentials.users.owner);
// A name that does not travel without its encoding.
const key = await owner.makeKey('ä: 100% of +1 &', credentials.rootOrganization.id, 'operate-distribution-profile');
const client: oauth.Client = { client_id: key.name };

async function granted(auth: oauth.ClientAuth, parameters: Record<string, string>): Promise<oauth.TokenEndpointResponse> {
  const answer = await oauth.clientCredentialsGrantRequest(server, client, auth, parameters, options());
  return oauth.processClientCredentialsResponse(server, client, answer);
}

async function exchanged(parameters: Record<string, string>): Promise<oauth.TokenEndpointResponse> {
  const answer = await oauth.genericTokenEndpointRequest(server, client, oauth.None(), TOKEN_EXCHANGE, parameters, options());
  return oauth.processGenericTokenEndpointResponse(server, client, answer);
}

/** What a resource server does with a request (RFC 9068, section 4). */
async function accepted(token: string): Promise<oauth.JWTAccessTokenClaims> {
  const request = new Request(`${credentials.authUrl}/somewhere`, { headers: { authorization: `Bearer ${token}` } });
  return oauth.validateJwtAccessToken(server, request, credentials.authUrl, options());
}

let token = '';
for (const auth of [oauth.ClientSecretBasic(key.secret), oauth.ClientSecretPost(key.secret)]) {
  const plain = await granted(auth, {});
  assert.equal(plain.token_type, 'bearer');
  assert.ok(plain.scope?.includes(READ));
  const claims = await accepted(plain.access_token);
  assert.equal(claims.client_id, key.id);
  const narrow = await granted(auth, { scope: READ, resource: credentials.authUrl, expires_in: '60' });
  assert.deepEqual([narrow.scope, narrow.expires_in], [READ, 60]);
  assert.equal((await accepted(narrow.access_token)).scope, READ);
  token = plain.access_token;
}

const basic = oauth.ClientSecretBasic(key.secret);
const refusal = (error: string) => (raised: unknown) => raised instanceof oauth.ResponseBodyError && raised.error === error;
await assert.rejects(granted(basic, { scope: 'no.such.permission' }), refusal('invalid_scope'));
await assert.rejects(granted(basic, { resource: 'https://other.example' }), refusal('invalid_target'));
await assert.rejects(granted(basic, { organization_id: credentials.otherOrganization.id }), refusal('invalid_target'));
await assert.rejects(granted(oauth.ClientSecretBasic('no key'), {}), (raised: unknown) =>
  raised instanceof oauth.WWWAuthenticateChallengeError && raised.status === 401);

const person = await exchanged({ subject_token: credentials.personalAccessKeys.owner, subject_token_type: PERSONAL_ACCESS_KEY });
const there = { subject_token: person.access_token, subject_token_type: ACCESS_TOKEN, organization_id: credentials.subOrganization.id, scope: READ };
const sub = await exchanged(there);
const [above, below] = [await accepted(person.access_token), await accepted(sub.access_token)];
assert.deepEqual([below.scope, below.currentOrganizationId, below.sub], [READ, credentials.subOrganization.id, above.sub]);
assert.ok(below.exp <= above.exp);
await assert.rejects(exchanged({ ...there, organization_id: credentials.otherOrganization.id }), refusal('invalid_target'));
await assert.rejects(exchanged({ ...there, subject_token: 'a.b.c' }), refusal('invalid_request'));

async function introspected(token: string): Promise<oauth.IntrospectionResponse> {
  return oauth.processIntrospectionResponse(server, client, await oauth.introspectionRequest(server, client, basic, token, options()));
}

assert.deepEqual(await introspected('a.b.c'), { active: false });
const known = await introspected(sub.access_token);
assert.deepEqual([known.active, known.scope, known.sub], [true, READ, below.sub]);
assert.equal((await introspected(credentials.personalAccessKeys.owner)).active, true, 'a raw key is asked about too');

const holder = await oauth.userInfoRequest(server, client, person.access_token, options());
assert.equal((await oauth.processUserInfoResponse(server, client, String(above.sub), holder)).email, credentials.users.owner.email);

await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, oauth.None(), person.access_token, options()));
for (const dead of [person.access_token, sub.access_token]) {
  assert.deepEqual(await introspected(dead), { active: false });
}
await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, basic, token, options()));
assert.deepEqual(await introspected(token), { active: false });
await owner.revokeKey(key);
await assert.rejects(granted(basic, {}), (raised: unknown) => raised instanceof oauth.WWWAuthenticateChallengeError);
console.log('oauth4webapi: metadata, client credentials, token exchange, RFC 9068, introspection, revocation and userinfo as the standards say');
