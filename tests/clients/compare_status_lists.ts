// The library `@sd-jwt/jwt-status-list` and `keywright verifier` about the same tokens: two hundred, of two organizations and a
// sub-organization, of which every second one was taken back. And about every entry of the list, against a plain inflate.
// Usage: node compare_status_lists.ts CREDENTIALS_FILE VERIFIER_URL

import assert from 'node:assert/strict';
import { inflateSync } from 'node:zlib';
import { getListFromStatusListJWT, getStatusListFromJWT } from '@sd-jwt/jwt-status-list';
import { Session, exchange, limit, readCredentials, until } from './installation.ts';

const TOKENS = 200;
const ENTRIES = 1 << 20;
const AT_ONCE = 8;

const [file, verifier] = process.argv.slice(2);
const { authUrl, rootOrganization, subOrganization, otherOrganization, users } = await readCredentials(file);

async function fetchList(uri: string): Promise<string> {
  const answer = await fetch(uri, { signal: limit() });
  assert.equal(answer.status, 200, uri);
  return answer.text();
}

/** The bytes of a list, read as the draft says, without that library. */
function inflated(jwt: string): Uint8Array {
  const { bits, lst } = JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url').toString()).status_list;
  assert.equal(bits, 1);
  return inflateSync(Buffer.from(lst, 'base64url'), { maxOutputLength: ENTRIES });
}

/** Whether the verifier says that the token was taken back. */
async function isTakenBack(token: string): Promise<boolean> {
  const answer = await fetch(`${verifier}/verify`, { method: 'POST', body: JSON.stringify({ token }), signal: limit() });
  const body = await answer.text();
  assert.ok(answer.status === 200 || (answer.status === 401 && /taken back/.test(body)), `${answer.status} ${body}`);
  return answer.status === 401;
}

/** Does it for each of them, a few at a time. */
async function forEach<T, R>(all: T[], work: (one: T, position: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const waiting = [...all.entries()];
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results[next[0]] = await work(next[1], next[0]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

const [acme, globex] = await Promise.all([Session.open(authUrl, users.owner), Session.open(authUrl, users.globexowner)]);
const places: { session: Session; organization: string; form: Record<string, string> }[] = [
  { session: acme, organization: rootOrganization.id, form: {} },
  { session: acme, organization: subOrganization.id, form: { organizationId: subOrganization.id } },
  { session: globex, organization: otherOrganization.id, form: {} },
];
const held = await forEach(Array.from({ length: TOKENS }, (_, number) => number), async (number) => {
  const { session, organization, form } = places[number % places.length];
  const key = await session.makeKey(`status ${number}`, organization, 'view-build');
  const token = await exchange(authUrl, key, form);
  return { session, form, key, token, entry: getStatusListFromJWT(token), isRevoked: number % 2 === 1 };
});
const uris = new Set(held.map(({ entry }) => entry.uri));
assert.deepEqual([...uris], [`${authUrl}/status/v1/lists/0`]);
assert.equal(new Set(held.map(({ entry }) => entry.idx)).size, TOKENS, 'two keys share an entry');
const [uri] = uris;

const before = inflated(await fetchList(uri));
for (const { token } of held) assert.equal(await isTakenBack(token), false);
const revoked = held.filter(({ isRevoked }) => isRevoked);
await forEach(revoked, ({ session, key }) => session.revokeKey(key));
await until('the verifier knows of all of them', async () => (await forEach(revoked, ({ token }) => isTakenBack(token))).every(Boolean));

const jwt = await fetchList(uri);
const after = inflated(jwt);
const list = getListFromStatusListJWT(jwt);
assert.equal(after.length * 8, ENTRIES);
assert.equal(list.statusList.length, ENTRIES);
const changed = new Set<number>();
for (let index = 0; index < ENTRIES; index += 1) {
  const bit = (after[index >> 3] >> (index & 7)) & 1;
  assert.equal(list.getStatus(index), bit, `entry ${index}`);
  if (bit !== ((before[index >> 3] >> (index & 7)) & 1)) changed.add(index);
}
// A key of Acme that is for its sub-organization has two entries, one for each of the two.
const entriesOfRevoked = revoked.length + revoked.filter(({ form }) => 'organizationId' in form).length;
assert.equal(changed.size, entriesOfRevoked, 'other entries changed than those of the revoked keys');
for (const { entry, isRevoked } of held) assert.equal(changed.has(entry.idx), isRevoked, `entry ${entry.idx}`);
await forEach(held, async ({ token, entry, isRevoked }) => {
  assert.equal(list.getStatus(entry.idx), isRevoked ? 1 : 0, `the library about entry ${entry.idx}`);
  assert.equal(await isTakenBack(token), isRevoked, `the verifier about entry ${entry.idx}`);
});
console.log(`@sd-jwt/jwt-status-list: agrees about ${ENTRIES} entries, and with the verifier about ${TOKENS} tokens, ${revoked.length} taken back`);
