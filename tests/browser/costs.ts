// Writes docs/console/costs.md: the processor time that the server spends on each page, on data as a large organization has it.
//
// Forms are not sent; what is measured is what every GET of a page costs, everything that the process does meanwhile included.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PLACES, filled, furnish } from './pages.ts';
import { Stage, root } from './stage.ts';

/** What a page may cost. */
const MOST_MILLIS = 5;
const REQUESTS = 200;
const WARM_UP = 20;
const KEYS = 60;
const OWN_KEYS = 20;
const MEMBERS = 60;
const SUB_ORGANIZATIONS = 10;
const DAYS = 30;

const stage = new Stage();
const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Milliseconds of processor time of the server so far (proc(5), utime and stime). */
async function millis(): Promise<number> {
  const stat = await readFile(`/proc/${stage.server.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond * 1000;
}

/** Many keys, members and sub-organizations, and a month of use of every key. */
async function enlarge(): Promise<void> {
  const { users, rootOrganization: { id } } = stage.server.credentials;
  const owner = await stage.server.api(users.owner);
  const grants = [{ organizationId: id, roles: ['view-organization'] }];
  for (let at = 0; at < KEYS; at += 1) await owner.done('POST', `/organizations/${id}/api-keys`, { name: `service ${at}`, grants });
  for (let at = 0; at < OWN_KEYS; at += 1) await owner.done('POST', `/organizations/${id}/personal-access-keys`, { name: `machine ${at}` });
  for (let at = 0; at < SUB_ORGANIZATIONS; at += 1) await owner.done('POST', `/organizations/${id}/sub-organizations`, { name: `team ${at}` });
  for (let at = 0; at < MEMBERS; at += 1) {
    const made = JSON.parse(await stage.server.admin('user', 'create', '--email', `member-${at}@example.com`, '--name', `Member ${at}`));
    await stage.server.admin('member', 'set', '--organization', id, '--user', made.id, '--role', 'view-organization');
  }
  stage.server.useAllKeysFor(DAYS);
}

interface Cost { path: string; who: string; millis: number; bytes: number }

async function cost(path: string, who: string, cookie: string): Promise<Cost> {
  const ask = async (): Promise<number> => {
    const answer = await fetch(new URL(path, stage.base), { headers: { cookie }, redirect: 'manual' });
    assert.ok(answer.status < 500, `${path}: ${answer.status}`);
    return (await answer.arrayBuffer()).byteLength;
  };
  for (let at = 0; at < WARM_UP; at += 1) await ask();
  const before = await millis();
  let bytes = 0;
  for (let at = 0; at < REQUESTS; at += 1) bytes = await ask();
  return { path, who, millis: (await millis() - before) / REQUESTS, bytes };
}

function document(costs: Cost[]): string {
  const rows = costs.map(({ path, who, millis, bytes }) => `| \`${path}\` | ${who} | ${millis.toFixed(2)} | ${(bytes / 1024).toFixed(1)} |`);
  const about = `${KEYS} API Keys and ${OWN_KEYS} Personal Access Keys with ${DAYS} days of use each, ${MEMBERS} members, ${SUB_ORGANIZATIONS} sub-organizations`;
  return [
    '# What a page costs', '',
    'Milliseconds of processor time of the server for one page, by `cargo xtask page-costs`, which fails if one costs',
    `${MOST_MILLIS} or more; the average of ${REQUESTS}, on a release build, with ${about}. KiB are those of the page alone.`, '',
    '| page | who | ms | KiB |', '|---|---|---|---|', ...rows, '',
  ].join('\n');
}

try {
  await stage.open();
  const { names, enter } = await furnish(stage);
  await enlarge();
  const costs: Cost[] = [];
  for (const who of ['nobody', 'owner', 'viewer', 'operator'] as const) {
    const { context } = await stage.context();
    const page = await context.newPage();
    await enter(page, who);
    const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    const paths = new Set(PLACES.filter((place) => (place.who ?? 'owner') === who && !place.then && !place.status).map(({ path }) => path));
    for (const path of paths) costs.push(await cost(filled(path, names), who, cookie).then((cost) => ({ ...cost, path })));
    await context.close();
  }
  costs.sort((one, other) => other.millis - one.millis);
  await writeFile(join(root, 'docs/console/costs.md'), document(costs));
  console.log(document(costs));
  const dear = costs.filter(({ millis }) => millis >= MOST_MILLIS);
  assert.deepEqual(dear, [], `pages that cost ${MOST_MILLIS} ms or more`);
} finally {
  await stage.close();
}
