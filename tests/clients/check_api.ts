// Calls an API that lets in whoever may do `distribution.profile.view`, as its callers do: with good tokens, bad ones, and one that was
// taken back. The API speaks HTTP, or gRPC (`grpc://ADDRESS`, its health service).
// Usage: node check_api.ts CREDENTIALS_FILE URL [--without-verifier]

import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { Session, exchange, limit, readCredentials, until } from './installation.ts';

type Answer = { status: number; challenge: string; body: string };

/** gRPC's statuses, as HTTP says the same. */
const STATUSES: Record<string, number> = { 0: 200, 7: 403, 14: 503, 16: 401 };

async function callHttp(url: string, authorization?: string): Promise<Answer> {
  const answer = await fetch(url, { headers: authorization === undefined ? {} : { authorization }, signal: limit() });
  return { status: answer.status, challenge: answer.headers.get('www-authenticate') ?? '', body: await answer.text() };
}

/** One call of `grpc.health.v1.Health/Check` for the service "", which is an empty message. */
function callGrpc(url: string, authorization?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const client = connect(url.replace('grpc:', 'http:'));
    const headers = { ':method': 'POST', ':path': '/grpc.health.v1.Health/Check', 'content-type': 'application/grpc', te: 'trailers' };
    const call = client.request(authorization === undefined ? headers : { ...headers, authorization }, { signal: limit() });
    const body: Buffer[] = [];
    let told: Record<string, unknown> = {};
    const note = (headers: Record<string, unknown>) => { told = { ...told, ...headers }; };
    client.on('error', reject);
    call.on('error', reject).on('response', note).on('trailers', note).on('data', (part) => body.push(part));
    call.on('close', () => {
      client.close();
      const message = decodeURIComponent(String(told['grpc-message'] ?? ''));
      resolve({ status: STATUSES[String(told['grpc-status'])] ?? 500, challenge: '', body: message || Buffer.concat(body).toString('hex') });
    });
    call.end(Buffer.alloc(5));
  });
}

const [file, url, withoutVerifier] = process.argv.slice(2);
const isGrpc = url.startsWith('grpc:');
const call = (authorization?: string) => (isGrpc ? callGrpc : callHttp)(url, authorization);

async function mustRefuse(what: string, status: number, error: string, challenge: string, authorization?: string) {
  const answer = await call(authorization);
  assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer)}`);
  if (isGrpc) return assert.ok(answer.body.length > 10, `${what}: the message says nothing: ${JSON.stringify(answer)}`);
  assert.equal(JSON.parse(answer.body).error, error, what);
  assert.ok(answer.challenge.startsWith('Bearer ') && answer.challenge.includes(challenge), `${what}: ${answer.challenge}`);
}

async function check() {
  const credentials = await readCredentials(file);
  const { authUrl, rootOrganization, users, personalAccessKeys } = credentials;
  const session = await Session.open(authUrl, users.owner);
  const [key, other, weak] = await Promise.all([
    session.makeKey('good', rootOrganization.id, 'view-distribution-profile'),
    session.makeKey('other', rootOrganization.id, 'view-distribution-profile'),
    session.makeKey('weak', rootOrganization.id, 'view-build'),
  ]);
  const [token, otherToken, weakToken] = await Promise.all([key, other, weak].map((of) => exchange(authUrl, of)));

  for (const form of [token, `Bearer ${token}`, `bearer ${token}`]) {
    const answer = await call(form);
    assert.equal(answer.status, 200, JSON.stringify(answer));
    assert.ok(answer.body.includes(isGrpc ? '0000000002' + '0801' : key.email), answer.body);
  }
  const [header, claims, signature] = token.split('.');
  await mustRefuse('no token', 401, 'unauthorized', 'realm="keywright"');
  await mustRefuse('a key', 401, 'key_not_exchanged', 'error="invalid_token"', `Bearer ${personalAccessKeys.owner}`);
  await mustRefuse('quotes', 401, 'invalid_request', 'error="invalid_request"', 'Bearer "a\\b" c');
  await mustRefuse('a forged token', 401, 'invalid_token', 'error="invalid_token"', [header, claims, signature.split('').reverse().join('')].join('.'));
  await mustRefuse('no permission', 403, 'insufficient_permission', 'error="insufficient_scope"', `Bearer ${weakToken}`);

  await session.revokeKey(key);
  const waited = await until('the revoked token is refused', async () => (await call(token)).status !== 200);
  await mustRefuse('a revoked token', 401, 'invalid_token', 'error="invalid_token"', token);
  assert.equal((await call(otherToken)).status, 200, 'another key of the same organization was not revoked');
  return `lets in, refuses, and heard of a revocation after ${waited} ms`;
}

async function checkWithoutVerifier() {
  for (const authorization of [undefined, 'Bearer something']) {
    const answer = await call(authorization);
    assert.equal(answer.status, 503, JSON.stringify(answer));
  }
  return 'lets nobody in when nobody judges tokens';
}

console.log(`${url} ${withoutVerifier ? await checkWithoutVerifier() : await check()}`);
